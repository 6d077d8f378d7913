"""What the beam does is in the frames and the counts, where the settings let detectors see it; at its instant."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from wingbeat.sim_iocs.picture import read_trigger
from wingbeat.sim_iocs.settings import BeamlineSettings

from .stage import Stage, prepare, staged

PERIOD, FRAMES = 0.01, 100


def lit(**more: Any) -> BeamlineSettings:
    """A beamline whose detectors see the ring through the shutter, but for what is given."""
    settings = {"beam": {"ring": "SR", "shutters": ["SHTR"]}, "mcas": {}}
    return BeamlineSettings.model_validate(settings | {"cameras": {"CAM": {"stamps": "Camera clock"}}} | more)


async def taken(stage: Stage, directory: Path) -> tuple[np.ndarray, np.ndarray]:
    """Take a second of frames; gives each one's brightness, and its begin in seconds since the call."""
    begun_ns = stage.clock.now_ns()
    await prepare(stage, directory)
    await stage.set(CAM__cam1__TriggerMode=0, CAM__cam1__ImageMode=1, CAM__cam1__NumImages=FRAMES)
    await stage.set(CAM__cam1__AcquireTime=PERIOD / 2, CAM__cam1__AcquirePeriod=PERIOD)
    capturing = stage.start("SIM:CAM:HDF1:Capture", 1)
    await stage.clock.run(0.01)
    await stage.put("SIM:CAM:cam1:Acquire", 1)
    await stage.put("SIM:CAM:HDF1:Capture", 0)
    await capturing
    with h5py.File(directory / "frames.h5") as file:
        images = file["/entry/data/data"][:]
        assert [read_trigger(image) for image in images] == list(range(1, FRAMES + 1))
        attributes = file["/entry/instrument/NDAttributes"]
        seconds = attributes["NDArrayEpicsTSSec"][:].astype(np.int64) + 631_152_000
        stamps = seconds * 1_000_000_000 + attributes["NDArrayEpicsTSnSec"][:]
        return images[:, 1:].mean(axis=(1, 2)), (stamps - begun_ns) / 1e9


async def test_frames_of_a_beam_dump_are_dark_and_those_before_and_after_are_not(tmp_path: Path) -> None:
    ring = {"SR": {"fill": 0.1}}
    schedule = [{"after": 0.4, "set": {"beam_dump": 1}}, {"after": 0.7, "set": {"beam_dump": 0}}]
    async with staged(lit(rings=ring, faults={"schedule": schedule})) as stage:
        light, times = await taken(stage, tmp_path)
    # To the frame: one that begins before the instant and ends after it has some of the light.
    assert (light[times < 0.4 - PERIOD / 2] > 1000).all()
    assert (light[(times >= 0.4) & (times < 0.7 - PERIOD / 2)] == 0).all()
    filling, after = light[(times >= 0.7) & (times < 0.79)], light[times >= 0.8]
    assert (np.diff(filling) > 0).all()
    assert after == pytest.approx(light[0], rel=0.01)


async def test_a_top_up_brightens_what_a_decaying_beam_has_dimmed(tmp_path: Path) -> None:
    ring = {"SR": {"lifetime": 1.0, "fill": 0.05}}
    async with staged(lit(rings=ring, faults={"schedule": [{"after": 0.6, "set": {"top_up": 1}}]})) as stage:
        light, _ = await taken(stage, tmp_path)
    filled = int(np.argmax(np.diff(light) > 0.05 * light[0]))
    dimming = np.diff(light[: filled - 1])
    assert (dimming <= 1.0).all()
    assert light[filled - 1] == pytest.approx(light[0] * np.exp(-filled * PERIOD), rel=0.05)
    assert light[filled + 8] == pytest.approx(light[0], rel=0.05)


async def test_a_closed_shutter_is_a_dark_frame_and_no_counts_only_where_detectors_see_it(tmp_path: Path) -> None:
    seen = {}
    for name, settings in (("seen", lit()), ("unseen", lit(beam={}))):
        (tmp_path / name).mkdir()
        async with staged(settings) as stage:
            await stage.put("SIM:SHTR:CON", "Close")
            light, _ = await taken(stage, tmp_path / name)
            await stage.put("SIM:SCALER.CNT", 1)
            seen[name] = light.max() > 0, stage.get("SIM:SCALER.S2") > 0, stage.get("SIM:SCALER.S1") > 0
    assert seen == {"seen": (False, False, True), "unseen": (True, True, True)}


async def test_counts_over_a_beam_dump_are_those_of_the_time_with_beam() -> None:
    schedule = [{"after": 0.25, "set": {"beam_dump": 1}}]
    async with staged(lit(faults={"schedule": schedule})) as stage:
        await stage.put("SIM:SCALER.CNT", 1)
        assert stage.get("SIM:SCALER.S2") == pytest.approx(0.25e6, rel=0.02)
        await stage.put("SIM:SCALER.CNT", 1)
        assert stage.get("SIM:SCALER.S2") == 0
