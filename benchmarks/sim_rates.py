"""What the simulated beamline keeps up with: frames written per second over 5 s, and triggers in virtual time.

The beamline is served over both protocols by a process of its own, as always; a client over PV Access asks its cameras
for frames a quarter faster than required, and waits until all are in the file. Time runs from Acquire = 1 until then.
Every unique id is read back, and the trigger number in the pixels of every 20th frame, and its whole picture. A pool is
64 distinct pictures whose chunks are packed once. There is no peer: the required rate stands in for it, with what the
frames must be. In virtual time each trigger is a crossing of the encoder, checked, and taken or missed by a camera.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .bench import SideResult, Which, data_directory, digest_of

NAME = "sim_rates"
PEER = "the required rate"
CASES = ("raw 512² u16", "pool 512² u16 BSLZ4", "raw 64² u16", "virtual triggers")
GOAL = 1.0
UNIT = "µs/frame"
SCALE = 1e6
PACKAGES = ("caproto", "p4p", "h5py", "imagecodecs")

SECONDS = 5.0
MARGIN = 1.25
CHECKED = 20
POOL = 64
VIRTUAL = 2_000_000
VIRTUAL_RATE = 1e6


class Case(NamedTuple):
    """What a camera is asked for."""

    camera: str
    rate: float
    settings: dict[str, Any]
    compression: str = "None"

    @property
    def frames(self) -> int:
        """How many frames are asked for."""
        return round(SECONDS * self.rate)


WRITTEN = dict(
    zip(
        CASES,
        (
            Case("RAW", 1e3, {"width": 512, "height": 512}),
            Case("POOL", 1e3, {"width": 512, "height": 512, "pool": POOL}, "BSLZ4"),
            Case("SMALL", 1e4, {"width": 64, "height": 64}),
        ),
        strict=False,
    )
)


def side(which: Which) -> dict[str, SideResult]:
    """Write and count, or say what is required."""
    if which == "peer":
        required = {name: SideResult(seconds=1 / case.rate, digest=_expected(case)) for name, case in WRITTEN.items()}
        return required | {CASES[-1]: SideResult(seconds=1 / VIRTUAL_RATE, digest=digest_of(float(VIRTUAL)))}
    directory = data_directory() / NAME
    directory.mkdir(parents=True, exist_ok=True)
    with _served(directory) as client:
        written = {name: _written(client, case, directory) for name, case in WRITTEN.items()}
    return written | {CASES[-1]: _virtual()}


def _numbers(case: Case) -> np.ndarray:
    frames = np.arange(0, case.frames, CHECKED)
    return frames % case.settings.get("pool", case.frames) + 1


def _expected(case: Case) -> str:
    return digest_of(np.arange(1, case.frames + 1), _numbers(case), float(len(_numbers(case))))


@contextmanager
def _served(directory: Path) -> Iterator[Any]:
    from p4p.client.thread import Context

    cameras = {case.camera: {**case.settings, "stamps": "Camera clock"} for case in WRITTEN.values()}
    config = directory / "beamline.yaml"
    config.write_text(json.dumps({"cameras": cameras}))
    command = [sys.executable, "-m", "wingbeat.sim_iocs", "--config", str(config)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        try:
            environment = json.loads(server.stdout.readline())["environment"]
            with Context("pva", conf=environment, useenv=False) as client:
                yield client
        finally:
            server.terminate()


def _written(client: Any, case: Case, directory: Path) -> SideResult:
    prefix, path = f"SIM:{case.camera}:", directory / f"{case.camera}.h5"
    rate = case.rate * MARGIN
    hdf = {"FilePath": str(directory), "FileName": case.camera, "FileTemplate": "%s%s.h5", "NumCapture": 0}
    hdf |= {"LazyOpen": 1, "SWMRMode": 1, "EnableCallbacks": 1, "Compression": case.compression}
    cam = {"AcquireTime": 0.5 / rate, "AcquirePeriod": 1 / rate, "NumImages": case.frames, "ImageMode": "Multiple"}
    cam |= {"ReadoutTime": 1e-6}
    for plugin, settings in (("HDF1:", hdf), ("cam1:", cam)):
        for name, value in settings.items():
            client.put(prefix + plugin + name, value, wait=True)
    client.put(prefix + "HDF1:Capture", 1, wait=False)
    _wait_for(client, prefix + "HDF1:Capture_RBV", 1)
    start = time.perf_counter()
    client.put(prefix + "cam1:Acquire", 1, wait=False)
    _wait_for(client, prefix + "HDF1:NumCaptured_RBV", case.frames)
    seconds = time.perf_counter() - start
    client.put(prefix + "HDF1:Capture", 0, wait=False)
    _wait_for(client, prefix + "HDF1:Capture_RBV", 0)
    digest = _checked(path, case)
    path.unlink()
    return SideResult(seconds=seconds / case.frames, digest=digest)


def _wait_for(client: Any, name: str, value: int) -> None:
    deadline = time.monotonic() + 40
    while (seen := int(client.get(name))) != value:
        if time.monotonic() > deadline:
            msg = f"{name} is {seen}, expected {value}"
            raise TimeoutError(msg)
        time.sleep(0.02)


def _checked(path: Path, case: Case) -> str:
    import h5py
    import hdf5plugin
    from wingbeat.sim_iocs.picture import Scene, read_trigger

    assert hdf5plugin.version
    side = case.settings["width"]
    paint = Scene(seed=0, shape=(side, side), dtype="uint16", pool=case.settings.get("pool", 0)).painter()
    numbers, same = [], 0
    with h5py.File(path) as file:
        ids = file["/entry/instrument/NDAttributes/NDArrayUniqueId"][:].astype(int)
        for row in range(0, case.frames, CHECKED):
            image = file["/entry/data/data"][row]
            numbers.append(read_trigger(image))
            same += np.array_equal(image, paint(0.0, 0.0, row + 1, 1.0))
    return digest_of(ids, np.array(numbers), float(same))


def _virtual() -> SideResult:
    from wingbeat.sim_iocs.camera_faults import CameraFaults
    from wingbeat.sim_iocs.campaign import fly_triggers
    from wingbeat.sim_iocs.exposure import Exposures, Programme

    start = time.perf_counter()
    campaign = fly_triggers(VIRTUAL)
    programme = Programme(mode="edge", exposure_ns=900_000, dead_ns=50_000, period_ns=0, frames=0)
    camera, taken = Exposures(programme, armed_ns=0, faults=CameraFaults(), next_id=1), 0
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.integers(950_000, 1_050_000, campaign.triggers))
    for batch in np.array_split(times, 200):
        camera.trigger(batch)
        taken += camera.collect(int(batch[-1])).trigger.size
    taken += camera.collect(int(times[-1]) + 10**9).trigger.size
    seconds = time.perf_counter() - start
    return SideResult(seconds=seconds / VIRTUAL, digest=digest_of(float(taken + camera.missed)))
