"""The whole fly of others: ophyd-async's PMAC, PandA and cameras under bluesky's RunEngine, all unmodified.

The controller is driven over Channel Access alone: ophyd-async's trajectory logic puts an array without dimensions on a
scalar, which p4p's client refuses.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from wingbeat.sim_iocs import running
from wingbeat.sim_iocs.picture import read_trigger

pytestmark = [pytest.mark.conformance, pytest.mark.system, pytest.mark.slow]
CLIENT = Path(__file__).parent / "clients" / "whole_fly.py"
LINES, FRAMES = 4, 25
SETTINGS = {
    "panda": {"PANDA": {"inputs": {"TTLIN1": "PMAC.GPIO1"}}},
    "cameras": {"CAM": {}, "GIGE": {"kind": "genicam", "width": 48, "height": 32, "stamps": "Camera clock"}},
    "mcas": {},
}


async def test_a_snake_flown_by_the_controller_is_triggered_captured_and_taken_frame_by_frame(tmp_path: Path) -> None:
    async with running(SETTINGS) as beamline:
        client = await asyncio.create_subprocess_exec(
            *(sys.executable, str(CLIENT), beamline.prefix, str(tmp_path)),
            env=os.environ | beamline.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, errors = await asyncio.wait_for(client.communicate(), 120)
    assert client.returncode == 0, errors.decode()
    said = json.loads(out.splitlines()[-1])
    assert said["exit"] == "success"
    cameras = {"triggered": LINES * FRAMES, "free": LINES * FRAMES}
    assert said["rows"] == dict.fromkeys(("x", "y", "number", "opened", "closed"), LINES * FRAMES) | cameras

    with h5py.File(tmp_path / "panda.h5") as file:
        rows = {name: file[name][:] for name in file}
        began_ns = int(file.attrs["start_time_ns"])
    numbers = list(range(1, LINES * FRAMES + 1))
    assert rows["number"].tolist() == numbers
    # Where the specification says, forth and back; no frame is a pitch away.
    pitch = 1 / (FRAMES - 1)
    line = np.arange(FRAMES) * pitch
    x = np.concatenate([line[::-1] if n % 2 else line for n in range(LINES)])
    assert np.abs(rows["x"] - x).max() < 0.5 * pitch
    assert rows["y"] == pytest.approx(np.repeat(np.arange(LINES) * 0.1, FRAMES), abs=2e-3)

    with h5py.File(tmp_path / "triggered.h5") as file:
        assert [read_trigger(image) for image in file["/entry/data/data"]] == numbers
        attributes = file["/entry/instrument/NDAttributes"]
        seconds = attributes["NDArrayEpicsTSSec"][:].astype(np.int64) + 631_152_000
        stamps = seconds * 1_000_000_000 + attributes["NDArrayEpicsTSnSec"][:]
    opened = began_ns + np.rint(rows["opened"] * 1e9).astype(np.int64)
    # The camera's exposures begin with the trigger box' gates, to the tick.
    assert np.abs(stamps - opened).max() <= 16
    with h5py.File(tmp_path / "free.h5") as file:
        assert len(file["/entry/data/data"]) == LINES * FRAMES
