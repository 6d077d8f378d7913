"""A point of a step scan: move 1 motor, trigger and read 1, 10 or 50 detectors, the same soft devices in both."""

from .bench import SideResult, Which

NAME = "step_point"
PEER = "bluesky, each document a line in one open file"
GOAL = 5.0
UNIT = "µs/point"
SCALE = 1e6
PACKAGES = ("bluesky", "ophyd-async")
CASES = ("1 detector", "10 detectors", "50 detectors")


def side(which: Which) -> dict[str, SideResult]:
    """Time the points of one scan per case; the digest is what its documents say."""
    from .stepping import devices, engines

    return engines.by_us(devices.of_ophyd_async) if which == "ours" else engines.by_bluesky(devices.of_ophyd_async)
