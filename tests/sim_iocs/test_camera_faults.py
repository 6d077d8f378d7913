"""What goes wrong with a camera when it is asked to, as a client sees it; one test each."""

from pathlib import Path

import pytest
from wingbeat.sim_iocs.errors import RefusedPutError

from .camera_stage import MS, Written, camera_stage

TEN = [n * MS for n in range(10)]


async def test_a_lost_trigger_leaves_no_gap_and_a_dropped_frame_does(tmp_path: Path) -> None:
    async with camera_stage() as stage:
        await stage.set(FAULTS__LoseTriggers=[3, 7], FAULTS__DropFrames=[5])
        await stage.prepare(tmp_path)
        await stage.capture(TEN)
        assert stage.cam("NumExposed_RBV") == 8
        assert stage.cam("LostTriggers_RBV") == 2
        assert stage.hdf("DroppedArrays_RBV") == 1
        assert stage.hdf("NumCaptured_RBV") == 7
    # Triggers 1 2 4 5 6 8 9 10 were exposed as ids 1 to 8; trigger 5, id 4, was dropped.
    found = Written(tmp_path / "frames.h5")
    assert found.ids == [1, 2, 3, 5, 6, 7, 8]
    assert found.triggers == [1, 2, 4, 6, 8, 9, 10]


async def test_a_doubled_trigger_gives_one_frame_more_without_a_gap(tmp_path: Path) -> None:
    async with camera_stage() as stage:
        await stage.set(FAULTS__DoubleTriggers=[4])
        await stage.prepare(tmp_path)
        await stage.capture([2 * t for t in TEN])
        assert stage.cam("NumExposed_RBV") == 11
    found = Written(tmp_path / "frames.h5")
    assert found.ids == list(range(1, 12))
    assert found.triggers == [1, 2, 3, 4, 4, 5, 6, 7, 8, 9, 10]


async def test_a_stalled_camera_takes_nothing_more_and_still_stops(tmp_path: Path) -> None:
    async with camera_stage() as stage:
        await stage.set(FAULTS__StallCameraAt=6)
        await stage.prepare(tmp_path)
        capturing = stage.start("HDF1:Capture", 1)
        await stage.arm()
        await stage.trigger(TEN)
        assert (stage.cam("NumExposed_RBV"), stage.cam("Acquire_RBV")) == (5, "Acquiring")
        await stage.put("cam1:Acquire", 0)
        await stage.put("HDF1:Capture", 0)
        await capturing
        await stage.set(FAULTS__Clear=1)
        assert stage.get("FAULTS:StallCameraAt") == 0
    assert Written(tmp_path / "frames.h5").ids == [1, 2, 3, 4, 5]


async def test_a_camera_that_disarms_itself_ends_the_acquisition_with_what_it_has(tmp_path: Path) -> None:
    async with camera_stage() as stage:
        await stage.set(FAULTS__DisarmCameraAt=6)
        await stage.prepare(tmp_path)
        capturing = stage.start("HDF1:Capture", 1)
        await stage.arm()
        await stage.trigger(TEN)
        assert (stage.cam("NumExposed_RBV"), stage.cam("Acquire_RBV")) == (5, "Done")
        assert stage.cam("DetectorState_RBV") == "Idle"
        await stage.put("HDF1:Capture", 0)
        await capturing
    assert Written(tmp_path / "frames.h5").triggers == [1, 2, 3, 4, 5]


async def test_a_full_disk_ends_the_capture_and_the_plugin_says_so(tmp_path: Path) -> None:
    async with camera_stage() as stage:
        await stage.set(FAULTS__DiskFullAt=7)
        await stage.prepare(tmp_path)
        capturing = stage.start("HDF1:Capture", 1)
        await stage.expose(TEN)
        await stage.run(0.1)
        await capturing
        assert (stage.hdf("Capture_RBV"), stage.hdf("NumCaptured_RBV")) == ("Done", 6)
        assert stage.hdf("WriteStatus") == "Write error"
        assert "No space left on device" in stage.hdf("WriteMessage")
    assert Written(tmp_path / "frames.h5").ids == [1, 2, 3, 4, 5, 6]


async def test_a_restart_brings_the_camera_back_idle_with_another_shape(tmp_path: Path) -> None:
    async with camera_stage() as stage:
        await stage.prepare(tmp_path)
        capturing = stage.start("HDF1:Capture", 1)
        await stage.arm()
        await stage.trigger(TEN)
        stage.start("FAULTS:RestartWithSize", "48,32")
        await stage.run(0.1)
        await capturing
        assert (stage.cam("Acquire_RBV"), stage.cam("DetectorState_RBV")) == ("Done", "Disconnected")
        await stage.put("cam1:Acquire", 1)
        assert stage.cam("Acquire_RBV") == "Done"
        await stage.run(1.0)
        assert stage.cam("DetectorState_RBV") == "Idle"
        assert [stage.cam(name) for name in ("SizeX_RBV", "MaxSizeY_RBV", "AcquireTime_RBV")] == [48, 32, 1e-3]
        assert stage.get("FAULTS:RestartWithSize") == ""
        await stage.prepare(tmp_path, name="after")
        await stage.capture([0])
    assert Written(tmp_path / "frames.h5").ids == list(range(1, 11))
    assert Written(tmp_path / "after.h5").data.shape == (1, 32, 48)
    assert Written(tmp_path / "after.h5").ids == [1]


async def test_a_size_that_is_none_is_refused() -> None:
    async with camera_stage() as stage:
        with pytest.raises(RefusedPutError, match=r"width,height.*got 'large'"):
            await stage.set(FAULTS__RestartWithSize="large")
