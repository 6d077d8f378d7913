"""A point of a step scan: move 1 motor, trigger and read 1, 10 or 50 detectors, each side with its own soft devices."""

from .bench import SideResult, Which

NAME = "step_point_native"
PEER = "bluesky and ophyd-async, each document a line in one open file"
GOAL = 40.0
UNIT = "µs/point"
SCALE = 1e6
PACKAGES = ("bluesky", "ophyd-async")
CASES = ("1 detector", "10 detectors", "50 detectors")


def side(which: Which) -> dict[str, SideResult]:
    """Time the points of one scan per case; the digest is what its documents say."""
    from .stepping import devices, engines

    return engines.by_us(devices.of_ours) if which == "ours" else engines.by_bluesky(devices.of_ophyd_async)
