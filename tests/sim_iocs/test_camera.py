"""The camera and its HDF5 plugin: orders that clients rely on, and a file that says what happened."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from wingbeat.sim_iocs.picture import read_trigger

from .stage import Stage, staged

CAM, HDF = "SIM:CAM:cam1:", "SIM:CAM:HDF1:"
MS = 1_000_000


async def prepare(stage: Stage, directory: Path, *, name: str = "frames", **hdf) -> None:
    settings = {"FilePath": str(directory), "FileName": name, "FileTemplate": "%s%s.h5", "NumCapture": 0}
    settings |= {"LazyOpen": 1, "SWMRMode": 1, "EnableCallbacks": 1} | hdf
    for suffix, value in settings.items():
        await stage.pvs[HDF + suffix].put(value)


async def expose(stage: Stage, times_ns: list[int]) -> None:
    """Acquire with external triggers at `times_ns` after the arming, until all are read out."""
    await stage.set(CAM__cam1__TriggerMode="External", CAM__cam1__AcquireTime=0.95e-3)
    acquire = stage.start(CAM + "Acquire", 1)
    await stage.clock.run(0)
    armed_ns = stage.clock.now_ns()
    stage.beamline.cameras["CAM"].trigger([armed_ns + t for t in times_ns])
    await stage.clock.run(times_ns[-1] / 1e9 + 0.1)
    await stage.pvs[CAM + "Acquire"].put(0)
    await acquire


async def capture(stage: Stage, times_ns: list[int]) -> None:
    capturing = stage.start(HDF + "Capture", 1)
    await stage.clock.run(0)
    assert stage.get(HDF + "Capture_RBV") == "Capturing"
    await expose(stage, times_ns)
    await stage.pvs[HDF + "Capture"].put(0)
    await capturing


def ids(path: Path) -> list[int]:
    with h5py.File(path) as file:
        return file["/entry/instrument/NDAttributes/NDArrayUniqueId"][:].tolist()


async def test_frames_land_in_the_file_with_ids_exact_stamps_and_trigger_numbers(tmp_path: Path) -> None:
    async with staged() as stage:
        await prepare(stage, tmp_path)
        times = [n * MS + 500 for n in range(300)]
        start_ns = stage.clock.now_ns()
        await capture(stage, times)
    with h5py.File(tmp_path / "frames.h5") as file:
        data, group = file["/entry/data/data"], file["/entry/instrument/NDAttributes"]
        assert data.shape == (300, 64, 64)
        assert data.chunks == (1, 64, 64)
        assert data.dtype == np.uint16
        assert [read_trigger(image) for image in data] == list(range(1, 301))
        assert group["NDArrayUniqueId"][:].tolist() == list(range(1, 301))
        seconds = group["NDArrayEpicsTSSec"][:].astype(np.int64) + 631_152_000
        stamps = seconds * 1_000_000_000 + group["NDArrayEpicsTSnSec"][:]
        assert (stamps - start_ns).tolist() == times
        assert group["NDArrayTimeStamp"][0] == pytest.approx((start_ns + times[0]) / 1e9 - 631_152_000, abs=1e-6)


async def test_a_lost_trigger_leaves_no_gap_and_a_dropped_frame_does(tmp_path: Path) -> None:
    async with staged() as stage:
        await stage.set(FAULTS__LoseTriggers=[3, 7], FAULTS__DropFrames=[5])
        await prepare(stage, tmp_path)
        await capture(stage, [n * MS for n in range(10)])
        assert stage.get(CAM + "NumExposed_RBV") == 8
        assert stage.get(CAM + "LostTriggers_RBV") == 2
        assert stage.get(HDF + "DroppedArrays_RBV") == 1
        assert stage.get(HDF + "NumCaptured_RBV") == 7
    # Triggers 1 2 4 5 6 8 9 10 were exposed as ids 1 to 8; trigger 5, id 4, was dropped.
    assert ids(tmp_path / "frames.h5") == [1, 2, 3, 5, 6, 7, 8]
    with h5py.File(tmp_path / "frames.h5") as file:
        assert [read_trigger(image) for image in file["/entry/data/data"]] == [1, 2, 4, 6, 8, 9, 10]


async def test_a_stalled_camera_takes_nothing_more_and_still_stops(tmp_path: Path) -> None:
    async with staged() as stage:
        await stage.set(FAULTS__StallCameraAt=6)
        await prepare(stage, tmp_path)
        await capture(stage, [n * MS for n in range(10)])
        assert stage.get(CAM + "NumExposed_RBV") == 5
        await stage.set(FAULTS__Clear=1)
        assert stage.get("SIM:FAULTS:StallCameraAt") == 0
    assert len(ids(tmp_path / "frames.h5")) == 5


async def test_ids_run_on_over_acquisitions_until_the_counter_is_written(tmp_path: Path) -> None:
    async with staged() as stage:
        await prepare(stage, tmp_path, name="first")
        await capture(stage, [0, MS])
        await prepare(stage, tmp_path, name="second")
        await capture(stage, [0, MS])
        await stage.pvs[CAM + "ArrayCounter"].put(0)
        await prepare(stage, tmp_path, name="third")
        await capture(stage, [0, MS])
    assert [ids(tmp_path / f"{name}.h5") for name in ("first", "second", "third")] == [[1, 2], [3, 4], [1, 2]]


async def test_flush_makes_rows_and_identities_readable_while_the_file_is_written(tmp_path: Path) -> None:
    async with staged() as stage:
        await prepare(stage, tmp_path)
        stage.start(HDF + "Capture", 1)
        await stage.clock.run(0)
        await expose(stage, [n * MS for n in range(50)])
        await stage.pvs[HDF + "FlushNow"].put(1)
        assert stage.get(HDF + "NumCaptured_RBV") == 50
        with h5py.File(tmp_path / "frames.h5", swmr=True) as file:
            assert file["/entry/data/data"].shape[0] == 50
            assert file["/entry/instrument/NDAttributes/NDArrayUniqueId"][:].tolist() == list(range(1, 51))
        await stage.pvs[HDF + "Capture"].put(0)


async def test_capture_counts_from_zero_and_names_the_lazy_file_with_its_first_frame(tmp_path: Path) -> None:
    async with staged() as stage:
        await prepare(stage, tmp_path)
        await capture(stage, [0, MS])
        assert stage.get(HDF + "NumCaptured_RBV") == 2
        stage.start(HDF + "Capture", 1)
        await stage.clock.run(0)
        seen = [stage.get(HDF + suffix) for suffix in ("NumCaptured_RBV", "FullFileName_RBV", "WriteMessage")]
        assert seen == [0, "", "Lazy Open..."]
        await expose(stage, [0])
        await stage.pvs[HDF + "FlushNow"].put(1)
        assert stage.get(HDF + "FullFileName_RBV") == f"{tmp_path}/frames.h5"
        await stage.pvs[HDF + "Capture"].put(0)


async def test_num_capture_ends_the_capture_by_itself(tmp_path: Path) -> None:
    async with staged() as stage:
        await prepare(stage, tmp_path, NumCapture=4)
        capturing = stage.start(HDF + "Capture", 1)
        await stage.clock.run(0)
        await expose(stage, [n * MS for n in range(10)])
        await capturing
        assert stage.get(HDF + "Capture_RBV") == "Done"
        assert stage.get(HDF + "NumCaptured_RBV") == 4
    assert len(ids(tmp_path / "frames.h5")) == 4


async def test_a_file_that_cannot_be_made_ends_the_capture_and_says_so(tmp_path: Path) -> None:
    async with staged() as stage:
        await prepare(stage, tmp_path / "absent")
        assert stage.get(HDF + "FilePathExists_RBV") == "No"
        capturing = stage.start(HDF + "Capture", 1)
        await stage.clock.run(0)
        await expose(stage, [0])
        await capturing
        assert stage.get(HDF + "Capture_RBV") == "Done"
        assert stage.get(HDF + "WriteStatus") == "Write error"
        assert "absent/frames.h5" in stage.get(HDF + "WriteMessage")


async def test_directories_are_made_as_deep_as_asked(tmp_path: Path) -> None:
    async with staged() as stage:
        path = tmp_path / "a" / "b"
        await stage.pvs[HDF + "CreateDirectory"].put(-1)
        await stage.pvs[HDF + "FilePath"].put(str(path))
        assert stage.get(HDF + "FilePathExists_RBV") == "No"
        await stage.pvs[HDF + "CreateDirectory"].put(-2)
        await stage.pvs[HDF + "FilePath"].put(str(path))
        assert stage.get(HDF + "FilePathExists_RBV") == "Yes"
        assert stage.get(HDF + "FilePath_RBV") == f"{path}/"


async def test_ioc_stamps_are_late_and_uneven_and_camera_stamps_are_neither(tmp_path: Path) -> None:
    async with staged() as stage:
        await stage.set(CAM__cam1__StampSource="IOC")
        await prepare(stage, tmp_path)
        start_ns = stage.clock.now_ns()
        await capture(stage, [n * MS for n in range(100)])
    with h5py.File(tmp_path / "frames.h5") as file:
        stamps = file["/entry/instrument/NDAttributes/NDArrayTimeStamp"][:] + 631_152_000 - start_ns / 1e9
    late = stamps - np.arange(100) * 1e-3
    assert late.min() >= 0.00099
    assert late.max() <= 0.0211
    assert late.std() > 0.003


async def test_a_programmed_number_of_frames_completes_acquire() -> None:
    async with staged() as stage:
        await stage.set(CAM__cam1__ImageMode="Multiple", CAM__cam1__NumImages=20, CAM__cam1__AcquirePeriod=0.01)
        assert await stage.put(CAM + "Acquire", 1) == pytest.approx(0.19 + 0.00105, abs=0.021)
        assert stage.get(CAM + "FrameCount_RBV") == 20
        assert stage.get(CAM + "DetectorState_RBV") == "Idle"


async def test_frames_pass_by_while_callbacks_are_disabled(tmp_path: Path) -> None:
    async with staged() as stage:
        await prepare(stage, tmp_path, EnableCallbacks=0)
        await capture(stage, [0, MS])
        assert stage.get(HDF + "NumCaptured_RBV") == 0
        assert stage.get(HDF + "DroppedArrays_RBV") == 0
    assert not (tmp_path / "frames.h5").exists()
