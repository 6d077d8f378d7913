"""The camera and its HDF5 plugin: orders that clients rely on, and a file that says what happened."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from .camera_stage import MS, Written, camera_stage


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def test_frames_land_in_the_file_with_ids_exact_stamps_and_trigger_numbers(tmp_path: Path) -> None:
    times = [n * MS + 500 for n in range(300)]
    async with camera_stage() as stage:
        await stage.prepare(tmp_path)
        await stage.capture(times)
        assert stage.hdf("NumCaptured_RBV") == 300
    found = Written(tmp_path / "frames.h5")
    assert found.data.shape == (300, 64, 64)
    assert found.chunks == (1, 64, 64)
    assert found.data.dtype == np.uint16
    assert found.triggers == found.ids == list(range(1, 301))
    assert (found.stamps_ns - stage.armed_ns).tolist() == times
    seconds = (stage.armed_ns + times[0]) / 1e9 - 631_152_000
    assert found.attributes["NDArrayTimeStamp"][0] == pytest.approx(seconds, abs=1e-6)


async def test_a_process_of_its_own_writes_the_same_file_as_a_thread(tmp_path: Path) -> None:
    times = [n * MS for n in range(40)]
    for writer in ("thread", "process"):
        async with camera_stage(writer=writer, width=256, height=256) as stage:
            await stage.prepare(tmp_path, name=writer)
            await stage.capture(times)
            assert (stage.hdf("NumCaptured_RBV"), stage.hdf("WriteStatus")) == (40, "Write OK")
    thread, process = (Written(tmp_path / f"{writer}.h5") for writer in ("thread", "process"))
    assert np.array_equal(thread.data, process.data)
    assert thread.ids == process.ids == list(range(1, 41))
    assert process.triggers == list(range(1, 41))


async def test_ids_run_on_over_acquisitions_until_the_counter_is_written(tmp_path: Path) -> None:
    async with camera_stage() as stage:
        for name in ("first", "second"):
            await stage.prepare(tmp_path, name=name)
            await stage.capture([0, MS])
        await stage.put("cam1:ArrayCounter", 0)
        await stage.prepare(tmp_path, name="third")
        await stage.capture([0, MS])
    assert [Written(tmp_path / f"{name}.h5").ids for name in ("first", "second", "third")] == [[1, 2], [3, 4], [1, 2]]


async def test_flush_makes_rows_and_identities_readable_while_the_file_is_written(tmp_path: Path) -> None:
    async with camera_stage() as stage:
        await stage.prepare(tmp_path, NumFramesFlush=20)
        stage.start("HDF1:Capture", 1)
        await stage.arm()
        await stage.trigger([n * MS for n in range(50)])
        assert stage.hdf("NumCaptured_RBV") == 50
        path = tmp_path / "frames.h5"
        with h5py.File(path, swmr=True) as file:
            assert file["/entry/data/data"].shape[0] in (40, 50)
            assert file["/entry/instrument/NDAttributes/NDArrayUniqueId"].shape[0] == 0
        await stage.put("HDF1:FlushNow", 1)
        with h5py.File(path, swmr=True) as file:
            assert file["/entry/data/data"].shape[0] == 50
            assert file["/entry/instrument/NDAttributes/NDArrayUniqueId"][:].tolist() == list(range(1, 51))
        await stage.put("HDF1:Capture", 0)


async def test_rows_of_a_chunk_that_is_not_full_are_not_shown_until_they_are_in_it(tmp_path: Path) -> None:
    async with camera_stage() as stage:
        await stage.prepare(tmp_path, NumFramesChunks=10)
        stage.start("HDF1:Capture", 1)
        await stage.arm()
        for last in (14, 24):
            await stage.trigger([n * MS for n in range(last - 10 if last > 14 else 0, last)])
            with h5py.File(tmp_path / "frames.h5", swmr=True) as file:
                data = file["/entry/data/data"]
                assert data.shape[0] == last // 10 * 10
                assert all(image.any() for image in data)
            await stage.put("HDF1:FlushNow", 1)
            with h5py.File(tmp_path / "frames.h5", swmr=True) as file:
                assert file["/entry/data/data"].shape[0] == last
        await stage.put("HDF1:Capture", 0)
    found = Written(tmp_path / "frames.h5")
    assert found.chunks == (10, 64, 64)
    assert found.triggers == list(range(1, 25))


async def test_capture_counts_from_zero_and_names_the_lazy_file_with_its_first_frame(tmp_path: Path) -> None:
    async with camera_stage() as stage:
        await stage.prepare(tmp_path)
        await stage.capture([0, MS])
        assert stage.hdf("NumCaptured_RBV") == 2
        stage.start("HDF1:Capture", 1)
        await stage.run(0)
        seen = [stage.hdf(suffix) for suffix in ("NumCaptured_RBV", "FullFileName_RBV", "WriteMessage")]
        assert seen == [0, "", "Lazy Open..."]
        await stage.expose([0])
        assert stage.hdf("FullFileName_RBV") == f"{tmp_path}/frames.h5"
        await stage.put("HDF1:Capture", 0)


async def test_num_capture_ends_the_capture_by_itself_and_bounds_the_datasets(tmp_path: Path) -> None:
    async with camera_stage() as stage:
        await stage.prepare(tmp_path, NumCapture=4)
        capturing = stage.start("HDF1:Capture", 1)
        await stage.expose([n * MS for n in range(10)])
        await capturing
        assert (stage.hdf("Capture_RBV"), stage.hdf("NumCaptured_RBV")) == ("Done", 4)
    with h5py.File(tmp_path / "frames.h5") as file:
        assert file["/entry/data/data"].maxshape[0] == 4
        assert file["/entry/instrument/NDAttributes/NDArrayUniqueId"].chunks == (4,)
    assert Written(tmp_path / "frames.h5").ids == [1, 2, 3, 4]


async def test_a_file_that_cannot_be_made_ends_the_capture_and_says_so(tmp_path: Path) -> None:
    async with camera_stage() as stage:
        await stage.prepare(tmp_path / "absent")
        assert stage.hdf("FilePathExists_RBV") == "No"
        capturing = stage.start("HDF1:Capture", 1)
        await stage.expose([0])
        await stage.run(0.1)
        await capturing
        assert stage.hdf("Capture_RBV") == "Done"
        assert stage.hdf("WriteStatus") == "Write error"
        assert "absent/frames.h5" in stage.hdf("WriteMessage")


async def test_directories_are_made_as_deep_as_asked(tmp_path: Path) -> None:
    async with camera_stage() as stage:
        path = tmp_path / "a" / "b"
        await stage.set(HDF1__CreateDirectory=-1, HDF1__FilePath=str(path))
        assert stage.hdf("FilePathExists_RBV") == "No"
        await stage.set(HDF1__CreateDirectory=-2, HDF1__FilePath=str(path))
        assert stage.hdf("FilePathExists_RBV") == "Yes"
        assert stage.hdf("FilePath_RBV") == f"{path}/"


async def test_file_numbers_go_up_where_asked_and_stand_in_the_name(tmp_path: Path) -> None:
    async with camera_stage() as stage:
        await stage.prepare(tmp_path, FileTemplate="%s%s_%3.3d.h5", AutoIncrement=1, FileNumber=7)
        await stage.capture([0])
        await stage.capture([0])
        assert stage.hdf("FileNumber_RBV") == 9
    assert names_in(tmp_path) == ["frames_007.h5", "frames_008.h5"]


async def test_a_temporary_suffix_is_dropped_when_the_file_is_complete(tmp_path: Path) -> None:
    async with camera_stage() as stage:
        await stage.prepare(tmp_path, TempSuffix=".tmp")
        capturing = stage.start("HDF1:Capture", 1)
        await stage.expose([0])
        assert names_in(tmp_path) == ["frames.h5.tmp"]
        await stage.put("HDF1:Capture", 0)
        await capturing
    assert Written(tmp_path / "frames.h5").ids == [1]


async def test_without_stored_attributes_there_are_none(tmp_path: Path) -> None:
    async with camera_stage() as stage:
        await stage.prepare(tmp_path, StoreAttr=0)
        await stage.capture([0, MS])
    assert Written(tmp_path / "frames.h5").attributes == {}


async def test_ioc_stamps_are_late_and_uneven_and_camera_stamps_are_neither(tmp_path: Path) -> None:
    async with camera_stage(stamps="IOC") as stage:
        await stage.prepare(tmp_path)
        await stage.capture([n * MS for n in range(100)])
    late = Written(tmp_path / "frames.h5").stamps_ns - stage.armed_ns - np.arange(100) * MS
    assert late.min() >= MS
    assert late.max() <= 21 * MS
    assert late.std() > 3 * MS


async def test_a_clock_that_is_wrong_runs_away_by_so_many_parts_per_million(tmp_path: Path) -> None:
    async with camera_stage(clock_error_ppm=50.0) as stage:
        began_ns = stage.clock.now_ns()
        await stage.run(1.0)
        await stage.prepare(tmp_path)
        await stage.capture([0, 1000 * MS])
    found = Written(tmp_path / "frames.h5").stamps_ns
    true = np.array([0, 1000 * MS]) + stage.armed_ns
    assert (found - true).tolist() == [(t - began_ns) * 50 // 1_000_000 for t in true.tolist()]


async def test_a_camera_may_send_the_triggers_number_with_the_frame(tmp_path: Path) -> None:
    async with camera_stage(trigger_attribute="TriggerCounter") as stage:
        await stage.set(FAULTS__LoseTriggers=[2])
        await stage.prepare(tmp_path)
        await stage.capture([n * MS for n in range(4)])
    found = Written(tmp_path / "frames.h5")
    assert found.ids == [1, 2, 3]
    assert found.attributes["TriggerCounter"].tolist() == found.triggers == [1, 3, 4]
    assert found.attributes["TriggerCounter"].dtype == np.int32


async def test_ids_may_count_triggers_so_that_a_missed_one_leaves_a_gap(tmp_path: Path) -> None:
    async with camera_stage(unique_ids="Triggers") as stage:
        await stage.prepare(tmp_path)
        await stage.capture([0, MS, MS + 1000, 2 * MS])
        assert stage.cam("MissedTriggers_RBV") == 1
    assert Written(tmp_path / "frames.h5").ids == [1, 2, 4]


async def test_the_picture_follows_the_axes(tmp_path: Path) -> None:
    frames = []
    for x in (0.0, 0.05):
        async with camera_stage(x=x) as stage:
            await stage.prepare(tmp_path, name=f"at{x}")
            await stage.capture([0])
        frames.append(Written(tmp_path / f"at{x}.h5").data[0])
    # A hundred pixels per unit.
    assert np.array_equal(frames[0][1:, 5:], frames[1][1:, :-5])
    assert not np.array_equal(frames[0][1:], frames[1][1:])


async def test_colour_is_written_with_its_components_last(tmp_path: Path) -> None:
    async with camera_stage(color="RGB1", width=48, height=32) as stage:
        assert [stage.cam(f"ArraySize{axis}_RBV") for axis in "XYZ"] == [48, 32, 0]
        await stage.prepare(tmp_path)
        await stage.capture([0, MS])
        assert [stage.hdf(f"ArraySize{k}_RBV") for k in range(3)] == [3, 48, 32]
    assert Written(tmp_path / "frames.h5").data.shape == (2, 32, 48, 3)


async def test_a_programmed_number_of_frames_completes_acquire() -> None:
    async with camera_stage() as stage:
        await stage.set(cam1__ImageMode="Multiple", cam1__NumImages=20, cam1__AcquirePeriod=0.01)
        assert await stage.put("cam1:Acquire", 1) == pytest.approx(0.19 + 0.00105, abs=0.021)
        assert stage.cam("FrameCount_RBV") == 20
        assert stage.cam("DetectorState_RBV") == "Idle"


async def test_a_burst_and_a_gate_are_programmed_by_the_trigger_mode(tmp_path: Path) -> None:
    async with camera_stage() as stage:
        await stage.prepare(tmp_path)
        await stage.capture([0, 10 * MS], TriggerMode="Burst", FramesPerTrigger=3, AcquirePeriod=0.002)
        await stage.arm(TriggerMode="Gate")
        edges = np.array([0, 3 * MS, 5 * MS, 9 * MS]) + stage.armed_ns
        stage.camera.levels(edges, np.array([True, False, True, False]))
        await stage.run(0.1)
        assert stage.cam("NumExposed_RBV") == 2
    assert Written(tmp_path / "frames.h5").triggers == [1, 1, 1, 2, 2, 2]


async def test_a_genicam_camera_is_triggered_by_a_line(tmp_path: Path) -> None:
    async with camera_stage(kind="genicam") as stage:
        await stage.prepare(tmp_path)
        await stage.set(cam1__TriggerSource="Line1")
        await stage.capture([0, 2 * MS], TriggerMode="On")
    assert Written(tmp_path / "frames.h5").triggers == [1, 2]


async def test_frames_pass_by_while_callbacks_are_disabled(tmp_path: Path) -> None:
    async with camera_stage() as stage:
        await stage.prepare(tmp_path, EnableCallbacks=0)
        await stage.capture([0, MS])
        assert stage.hdf("NumCaptured_RBV") == 0
        assert stage.hdf("DroppedArrays_RBV") == 0
    assert not (tmp_path / "frames.h5").exists()


async def test_a_slow_disk_fills_the_queue_and_what_it_drops_leaves_gaps_in_the_ids(tmp_path: Path) -> None:
    async with camera_stage() as stage:
        # 8 kB per frame at 2 MB/s: 4 ms each, and one comes every millisecond.
        await stage.prepare(tmp_path, QueueSize=5, SimRate=2.048)
        capturing = stage.start("HDF1:Capture", 1)
        await stage.arm()
        stage.camera.trigger([stage.armed_ns + n * MS for n in range(100)])
        await stage.run(0.101)
        assert stage.hdf("QueueFree") <= 1
        await stage.run(0.1)
        assert stage.hdf("QueueFree") == 5
        dropped, captured = stage.hdf("DroppedArrays_RBV"), stage.hdf("NumCaptured_RBV")
        await stage.put("HDF1:Capture", 0)
        await capturing
    assert dropped > 50
    assert dropped + captured == 100
    found = Written(tmp_path / "frames.h5")
    assert len(found.ids) == captured
    assert found.ids == found.triggers
    assert found.ids[-1] - found.ids[0] >= captured


async def test_a_plugin_that_blocks_slows_the_camera_down_and_drops_nothing(tmp_path: Path) -> None:
    async with camera_stage() as stage:
        await stage.prepare(tmp_path, QueueSize=1, SimProcessingTime=0.004, BlockingCallbacks="Yes")
        await stage.capture([n * MS for n in range(100)])
        assert stage.hdf("DroppedArrays_RBV") == 0
        assert stage.cam("MissedTriggers_RBV") == 80
    assert Written(tmp_path / "frames.h5").triggers == list(range(1, 100, 5))


async def test_acquire_waits_for_the_plugins_where_asked(tmp_path: Path) -> None:
    async with camera_stage() as stage:
        await stage.prepare(tmp_path, SimProcessingTime=0.1)
        await stage.set(cam1__ImageMode="Multiple", cam1__NumImages=5, cam1__AcquirePeriod=0.01)
        stage.start("HDF1:Capture", 1)
        await stage.run(0)
        assert await stage.put("cam1:Acquire", 1) < 0.1
        assert (stage.cam("Acquire_RBV"), stage.cam("AcquireBusy")) == ("Done", "Acquiring")
        await stage.run(1.0)
        await stage.run(0.05)  # the thread that writes may have been behind the clock; now the camera looks again
        assert stage.cam("AcquireBusy") == "Done"
        await stage.put("cam1:WaitForPlugins", 1)
        assert await stage.put("cam1:Acquire", 1) >= 0.5
        assert stage.hdf("NumCaptured_RBV") == 10
        await stage.put("HDF1:Capture", 0)
