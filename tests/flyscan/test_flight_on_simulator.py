"""One flight through everything, on the simulated beamline: real protocols, real files, faults named exactly."""

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest
from numpy.typing import NDArray
from scanspec.specs import Fly, Linspace
from wingbeat.async_devices import Device, Identity, StaticPathProvider, signal_rw, signal_x
from wingbeat.async_devices.epics import AreaDetector, Motor, Panda, Pmac
from wingbeat.engine import RunEngine
from wingbeat.engine.errors import PlanAbortedError
from wingbeat.flyscan import FlyScan, Rig, compile, fly_scan
from wingbeat.flyscan.flight import State
from wingbeat.stream_resource.frames import FrameRange

from tests.flyscan.fakes import rig_settings

pytestmark = [pytest.mark.system, pytest.mark.slow]

LINES, FRAMES = 5, 20
PLANNED = LINES * FRAMES
SPEC = Fly(2e-3 @ (Linspace("y", 0, 0.4, LINES) * ~Linspace("x", 0, 1, FRAMES)))


class Faults(Device):
    def __init__(self, prefix: str) -> None:
        self.lose = signal_rw(NDArray[np.int32], f"ca://{prefix}FAULTS:LoseTriggers")
        self.drop = signal_rw(NDArray[np.int32], f"ca://{prefix}FAULTS:DropFrames")
        self.stall = signal_rw(int, f"ca://{prefix}FAULTS:StallCameraAt")
        self.clear = signal_x(f"ca://{prefix}FAULTS:Clear", value="Clear")
        super().__init__("faults")


class Beamline:
    def __init__(self, prefix: str, paths: StaticPathProvider) -> None:
        self.x, self.y = Motor(f"{prefix}X"), Motor(f"{prefix}Y")
        self.cam = AreaDetector(f"{prefix}CAM:", path_provider=paths, identity=Identity.HARDWARE_TIME)
        self.panda, self.pmac = Panda(f"{prefix}PANDA:", path_provider=paths), Pmac(f"{prefix}PMAC:")
        self.faults = Faults(prefix)
        self.flown = {name: getattr(self, name) for name in ("x", "y", "cam", "panda", "pmac")}
        for name, device in self.flown.items():
            device.set_name(name)
        self.rig = Rig.load(rig_settings().model_dump(mode="json"), **self.flown)


@pytest.fixture
async def beamline(simulated_beamline, tmp_path) -> AsyncIterator[Beamline]:
    beamline = Beamline(simulated_beamline.prefix, StaticPathProvider(tmp_path / "files"))
    for device in (*beamline.flown.values(), beamline.faults):
        await device.connect()
    await beamline.faults.clear.act()
    yield beamline
    await beamline.faults.clear.act()
    for device in (*beamline.flown.values(), beamline.faults):
        await device.disconnect()


@pytest.fixture
async def engine(tmp_path) -> AsyncIterator[RunEngine]:
    async with RunEngine(tmp_path / "engine") as engine:
        yield engine


async def test_a_raster_is_flown_and_every_frame_is_accounted_for(beamline, engine):
    flight = fly_scan(SPEC, [beamline.cam], rig=beamline.rig)
    assert "can be flown" in str(await flight.preflight())
    run = await engine(flight)
    assert run.exit_status == "success"
    assert run.stop["reason"] == ""
    for entry in run.stop["frames"].values():
        assert [entry[key] for key in ("planned", "triggered", "written", "missing")] == [PLANNED] * 3 + [0]
    arrays = run.index.streams["primary"].arrays
    assert {array.committed for array in arrays.values()} == {PLANNED}
    assert set(arrays) == {*beamline.cam.data_keys, *beamline.panda.capture.data_keys}


async def test_measured_positions_are_the_planned_ones_frame_by_frame(beamline, engine):
    run = await engine(fly_scan(SPEC, [beamline.cam], rig=beamline.rig))
    planned = compile(SPEC).positions(FrameRange(0, PLANNED))
    for axis, key in (("x", "panda-inenc1-val-mean"), ("y", "panda-inenc2-val-mean")):
        measured = np.array(run["primary"][key][0:PLANNED]).ravel()
        # One count of the encoder and the microsecond to which times are kept.
        np.testing.assert_allclose(measured, planned[axis], atol=2.5e-4)


async def test_each_image_carries_the_number_of_its_trigger(beamline, engine):
    run = await engine(fly_scan(SPEC, [beamline.cam], rig=beamline.rig))
    images = np.array(run["primary"]["cam"][0:PLANNED]).reshape(PLANNED, -1)
    stamped = (images[:, :4].astype(np.int64) * 10_000 ** np.arange(4)).sum(axis=1)
    np.testing.assert_array_equal(stamped, np.arange(1, PLANNED + 1))


async def test_lost_triggers_and_a_dropped_frame_are_named_exactly(beamline, engine):
    await beamline.faults.lose.put(np.array([8, 56], dtype=np.int32))
    await beamline.faults.drop.put(np.array([71], dtype=np.int32))
    flight = fly_scan(SPEC, [beamline.cam], rig=beamline.rig)
    run = await engine(flight)
    assert list(flight.ledger.missing("cam").indices()) == [7, 55, 70]
    assert list(flight.ledger.missing("panda").indices()) == []
    assert "3 (frames 7, 55, 70" in run.stop["reason"]
    entry = run.stop["frames"]["cam"]
    assert [entry[key] for key in ("planned", "triggered", "exposed", "written", "missing")] == [100, 100, 98, 97, 3]
    verdicts = flight.ledger.verdicts("cam")
    assert verdicts.of(7).reason.startswith("lost trigger")
    assert verdicts.of(70).reason.startswith("dropped")
    rowmap = run.index.streams["primary"].arrays["cam"].rowmap
    assert rowmap.locate(8) is None
    assert rowmap.locate(9).row == 7
    assert rowmap.rows == 97


async def test_an_abort_in_flight_leaves_safe_hardware_and_an_account(beamline, engine):
    long = Fly(2e-3 @ (Linspace("y", 0, 0.4, 40) * ~Linspace("x", 0, 1, 100)))
    flight = fly_scan(long, [beamline.cam], rig=beamline.rig)
    handle = engine.start(flight)
    flown = asyncio.Event()
    flight.watch(lambda **progress: flown.set() if progress["current"] >= 200 else None)
    async with asyncio.timeout(30):
        await flown.wait()
    await handle.abort("enough")
    with pytest.raises(PlanAbortedError):
        await handle
    assert flight.flyscan.state is State.STOPPED
    verdicts = flight.ledger.verdicts("cam")
    assert verdicts.complete
    assert 200 <= flight.flyscan.summary()["cam"]["written"] < 4000
    assert await beamline.x.done_moving.get_value()
    again = await engine(fly_scan(SPEC, [beamline.cam], rig=beamline.rig))
    assert again.stop["frames"]["cam"]["missing"] == 0


async def test_a_stalled_camera_is_named_while_it_flies(beamline):
    await beamline.faults.stall.put(150)
    long = compile(Fly(2e-3 @ (Linspace("y", 0, 0.4, 40) * ~Linspace("x", 0, 1, 100))))
    flight = FlyScan(long, [beamline.cam], rig=beamline.rig)
    await flight.prepare()
    await flight.kickoff()
    with pytest.raises(TimeoutError, match="cam is stalled at frame 1"):
        await flight.complete()
    assert flight.state is State.STOPPED
