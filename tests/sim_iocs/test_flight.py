"""The whole beamline flies: profile, encoder crossings, sequencer, camera; every frame where it was asked for."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from wingbeat.sim_iocs.picture import read_trigger

from .stage import CAM, HDF, Stage, prepare, staged
from .test_pmac import PMAC, build

LINES, FRAMES, PITCH = 4, 50, 0.01
LIVE, PERIOD = 950e-6, 1e-3
SPEED, RUN_UP = PITCH / PERIOD, 0.5
COLUMNS = ["repeats", "trigger", "position", "time1", *(f"out{c}1" for c in "abcdef"), "time2"]
COLUMNS += [f"out{c}2" for c in "abcdef"]


def table() -> dict[str, Any]:
    """Per line: a blind row until the axis is on the far side of the start, then the live row."""
    rows: list[dict[str, Any]] = []
    for line in range(LINES):
        forward = line % 2 == 0
        start = 0 if forward else round(FRAMES * PITCH / 1e-4)
        margin = -1000 if forward else 1000
        rows.append({"trigger": "POSA<=POSITION" if forward else "POSA>=POSITION", "position": start + margin})
        live = {"repeats": FRAMES, "time1": round(LIVE / 8e-9), "time2": round((PERIOD - LIVE) / 8e-9), "outa1": 1}
        rows.append(live | {"trigger": "POSA>=POSITION" if forward else "POSA<=POSITION", "position": start})
    defaults = {"repeats": 1, "time1": 0, "time2": 1}
    return {name: [row.get(name, defaults.get(name, 0)) for row in rows] for name in COLUMNS}


def profile() -> dict[str, list[float]]:
    """Snake: each line at constant speed from RUN_UP before to RUN_UP behind, then 0.3 s to turn and step in y."""
    durations, x, vx, y, vy = [], [], [], [], []
    for line in range(LINES):
        sign = 1 if line % 2 == 0 else -1
        ends = (-RUN_UP, FRAMES * PITCH + RUN_UP)[::sign]
        for duration, position in ((0.3 if line else 0.2, ends[0]), ((FRAMES * PITCH + 2 * RUN_UP) / SPEED, ends[1])):
            durations.append(duration * 1e6)
            x.append(position)
            vx.append(sign * SPEED)
            y.append(line * 0.1)
            vy.append(0.0)
    durations.append(1e5)
    x.append(x[-1] + vx[-1] * 0.05)
    return {"durations": durations, "x": x, "vx": [*vx, 0.0], "y": [*y, y[-1]], "vy": [*vy, 0.0]}


async def fly(stage: Stage, directory: Path) -> None:
    model = stage.beamline.pandas["PANDA"].model
    model.advance(stage.clock.now_ns())
    model.load_table(1, table())
    model.configure("SEQ1", prescale=1, repeats=1)
    await stage.put("SIM:X", -1.0)
    assert await build(stage, **profile()) == "Success", stage.get(f"{PMAC}ProfileBuildMessage_RBV")
    await prepare(stage, directory)
    capture = stage.start(HDF + "Capture", 1)
    await stage.set(CAM__cam1__TriggerMode="External", CAM__cam1__AcquireTime=LIVE)
    stage.start(CAM + "Acquire", 1)
    await stage.clock.run(0.01)
    model.advance(stage.clock.now_ns())
    model.arm()
    model.route("SEQ1.ENABLE", "ONE")
    stage.beamline.world.awake.set()
    await stage.put(f"{PMAC}ProfileExecute", 1)
    await stage.clock.run(0.1)
    await stage.pvs[CAM + "Acquire"].put(0)
    await stage.pvs[HDF + "Capture"].put(0)
    await capture


def stamps(path: Path) -> np.ndarray:
    with h5py.File(path) as file:
        group = file["/entry/instrument/NDAttributes"]
        seconds = group["NDArrayEpicsTSSec"][:].astype(np.int64) + 631_152_000
        return seconds * 1_000_000_000 + group["NDArrayEpicsTSnSec"][:]


async def test_every_frame_of_a_snake_is_taken_at_its_position(tmp_path: Path) -> None:
    async with staged() as stage:
        await fly(stage, tmp_path)
        assert stage.get(CAM + "NumExposed_RBV") == LINES * FRAMES
        assert stage.get(CAM + "MissedTriggers_RBV") == 0
        axes = stage.beamline.world.axes
        starts = stamps(tmp_path / "frames.h5")
        where = np.array([[axes[name].position(int(t)) for name in "XY"] for t in starts])
    forward = np.arange(FRAMES) * PITCH
    backward = FRAMES * PITCH - forward
    planned = np.concatenate([backward if line % 2 else forward for line in range(LINES)])
    assert where[:, 0] == pytest.approx(planned, abs=1.1e-4)
    assert where[:, 1] == pytest.approx(np.repeat(np.arange(LINES) * 0.1, FRAMES), abs=1e-9)
    within = np.diff(starts.reshape(LINES, FRAMES), axis=1)
    assert np.all(within == 1_000_000)


async def test_a_flight_is_the_same_however_often_the_pump_looks(tmp_path: Path, monkeypatch) -> None:
    seen = []
    for period in (0.01, 0.0037):
        monkeypatch.setattr("wingbeat.sim_iocs.beamline.PUMP_PERIOD", period)
        directory = tmp_path / str(period)
        directory.mkdir()
        async with staged() as stage:
            begin_ns = stage.clock.now_ns()
            await fly(stage, directory)
        seen.append(np.diff(stamps(directory / "frames.h5") - begin_ns))
    assert np.array_equal(seen[0], seen[1])


async def test_lost_and_dropped_frames_are_the_ones_that_were_asked_for(tmp_path: Path) -> None:
    async with staged() as stage:
        await stage.set(FAULTS__LoseTriggers=[10, 120], FAULTS__DropFrames=[77])
        await fly(stage, tmp_path)
    with h5py.File(tmp_path / "frames.h5") as file:
        triggers = [read_trigger(image) for image in file["/entry/data/data"]]
        unique_ids = file["/entry/instrument/NDAttributes/NDArrayUniqueId"][:].tolist()
    assert sorted(set(range(1, LINES * FRAMES + 1)) - set(triggers)) == [10, 77, 120]
    assert sorted(set(range(1, unique_ids[-1] + 1)) - set(unique_ids)) == [76]
