"""Each trap of real IOCs that can be switched on, as a client falls into it; and what happens without."""

import asyncio
import signal
import sys
from pathlib import Path

import h5py
import pytest
from wingbeat.sim_iocs.camera_settings import Trap
from wingbeat.sim_iocs.errors import RefusedPutError

from .camera_stage import MS, Written, camera_stage

SETTINGS = pytest.mark.parametrize("trapped", [True, False], ids=["trapped", "benign"])


def traps(trap: Trap, trapped: bool) -> dict[str, set[Trap]]:
    return {"traps": {trap} if trapped else set()}


def test_every_trap_has_its_test() -> None:
    text = Path(__file__).read_text()
    assert [trap for trap in Trap if f"Trap.{trap.name}" not in text] == []


@SETTINGS
async def test_a_file_opened_early_has_a_row_of_zeros(tmp_path: Path, trapped: bool) -> None:
    async with camera_stage(**traps(Trap.PHANTOM_ROW, trapped)) as stage:
        await stage.prepare(tmp_path, LazyOpen=0)
        capturing = stage.start("HDF1:Capture", 1)
        await stage.run(0.1)
        with h5py.File(tmp_path / "frames.h5", swmr=True) as file:
            assert file["/entry/data/data"].shape[0] == int(trapped)
            assert file["/entry/instrument/NDAttributes/NDArrayUniqueId"].shape[0] == int(trapped)
        await stage.expose([0, MS])
        await stage.put("HDF1:Capture", 0)
        await capturing
    assert Written(tmp_path / "frames.h5").triggers == [1, 2]


@SETTINGS
async def test_a_file_opened_early_has_the_layout_of_the_frame_before(tmp_path: Path, trapped: bool) -> None:
    async with camera_stage(**traps(Trap.STALE_LAYOUT, trapped)) as stage:
        await stage.prepare(tmp_path, LazyOpen=0)
        await stage.put("cam1:DataType", "UInt8")
        if trapped:
            # Without a frame before, nothing happens at all, and nothing says so.
            await stage.put("HDF1:Capture", 1)
            assert (stage.hdf("Capture_RBV"), stage.hdf("WriteStatus")) == ("Done", "Write OK")
        await stage.expose([0])
        await stage.put("cam1:DataType", "UInt16")
        await stage.capture([0, MS])
        assert stage.hdf("NumCaptured_RBV") == (0 if trapped else 2)
        assert stage.hdf("DroppedArrays_RBV") == 0
    assert Written(tmp_path / "frames.h5").data.dtype == ("u1" if trapped else "u2")


@SETTINGS
async def test_rows_of_a_chunk_that_is_not_full_read_as_zeros(tmp_path: Path, trapped: bool) -> None:
    async with camera_stage(**traps(Trap.ZERO_ROWS, trapped)) as stage:
        await stage.prepare(tmp_path, NumFramesChunks=4, NumFramesFlush=1)
        stage.start("HDF1:Capture", 1)
        await stage.expose([n * MS for n in range(10)])
        with h5py.File(tmp_path / "frames.h5", swmr=True) as file:
            rows = file["/entry/data/data"][:]
        assert [bool(image.any()) for image in rows] == [True] * 8 + [False] * (len(rows) - 8)
        assert len(rows) == (10 if trapped else 8)
        await stage.put("HDF1:Capture", 0)
    assert Written(tmp_path / "frames.h5").triggers == list(range(1, 11))


@SETTINGS
async def test_a_file_that_cannot_be_made_leaves_no_error_behind(tmp_path: Path, trapped: bool) -> None:
    async with camera_stage(**traps(Trap.SILENT_OPEN_ERRORS, trapped)) as stage:
        await stage.prepare(tmp_path / "absent")
        capturing = stage.start("HDF1:Capture", 1)
        await stage.expose([0])
        await stage.run(0.1)
        await capturing
        assert (stage.hdf("Capture_RBV"), stage.hdf("NumCaptured_RBV")) == ("Done", 0)
        if trapped:
            assert (stage.hdf("WriteStatus"), stage.hdf("WriteMessage")) == ("Write OK", "")
            assert stage.hdf("FullFileName_RBV") == f"{tmp_path}/absent/frames.h5"
        else:
            assert stage.hdf("WriteStatus") == "Write error"


@SETTINGS
async def test_stopping_a_capture_forgets_what_is_queued(tmp_path: Path, trapped: bool) -> None:
    async with camera_stage(**traps(Trap.STOP_LOSES_QUEUE, trapped)) as stage:
        await stage.prepare(tmp_path, SimProcessingTime=0.1)
        capturing = stage.start("HDF1:Capture", 1)
        await stage.expose([n * MS for n in range(10)])
        await stage.run(0.25)
        stage.start("HDF1:Capture", 0)
        await stage.run(2.0)
        await capturing
        assert stage.hdf("DroppedArrays_RBV") == 0
        written = stage.hdf("NumCaptured_RBV")
    assert (written < 10) is trapped
    assert Written(tmp_path / "frames.h5").ids == list(range(1, written + 1))


@SETTINGS
async def test_a_number_of_frames_lowered_below_what_is_captured_never_ends_it(tmp_path: Path, trapped: bool) -> None:
    async with camera_stage(**traps(Trap.NUM_CAPTURE_EQUALITY, trapped)) as stage:
        await stage.prepare(tmp_path)
        await stage.put("HDF1:NumCapture", 0)
        capturing = stage.start("HDF1:Capture", 1)
        await stage.arm()
        await stage.trigger([n * MS for n in range(5)])
        await stage.put("HDF1:NumCapture", 3)
        await stage.run(0.1)
        assert stage.hdf("Capture_RBV") == ("Capturing" if trapped else "Done")
        await stage.put("HDF1:Capture", 0)
        await capturing


@SETTINGS
async def test_a_signed_frame_is_taken_into_an_unsigned_file(tmp_path: Path, trapped: bool) -> None:
    async with camera_stage(**traps(Trap.SIGN_IGNORED, trapped)) as stage:
        await stage.prepare(tmp_path)
        capturing = stage.start("HDF1:Capture", 1)
        await stage.expose([0])
        await stage.put("cam1:DataType", "Int16")
        await stage.expose([0])
        assert stage.hdf("NumCaptured_RBV") == (2 if trapped else 1)
        assert stage.hdf("WriteMessage").startswith("" if trapped else "Invalid frame. Ignoring.")
        await stage.put("HDF1:Capture", 0)
        await capturing
    assert Written(tmp_path / "frames.h5").data.dtype == "u2"


@SETTINGS
async def test_a_filter_that_was_not_compiled_in_is_put_and_not_read_back(trapped: bool) -> None:
    async with camera_stage(**traps(Trap.ABSENT_FILTERS, trapped)) as stage:
        await stage.put("HDF1:Compression", "BSLZ4")
        assert stage.hdf("Compression_RBV") == ("None" if trapped else "BSLZ4")
        await stage.put("HDF1:Compression", "zlib")
        assert stage.hdf("Compression_RBV") == "zlib"


@SETTINGS
async def test_a_capture_in_single_mode_does_nothing(tmp_path: Path, trapped: bool) -> None:
    async with camera_stage(**traps(Trap.SINGLE_MODE, trapped)) as stage:
        await stage.prepare(tmp_path, FileWriteMode="Single")
        stage.start("HDF1:Capture", 1)
        await stage.run(0.1)
        assert stage.hdf("Capture_RBV") == ("Done" if trapped else "Capturing")
        await stage.put("HDF1:Capture", 0)


@SETTINGS
async def test_acquire_completes_before_the_plugins_have(tmp_path: Path, trapped: bool) -> None:
    async with camera_stage(**traps(Trap.SHORT_PLUGIN_WAIT, trapped)) as stage:
        await stage.prepare(tmp_path, SimProcessingTime=0.1)
        await stage.set(cam1__ImageMode="Multiple", cam1__NumImages=5, cam1__WaitForPlugins="Yes")
        stage.start("HDF1:Capture", 1)
        await stage.run(0)
        assert (await stage.put("cam1:Acquire", 1) < 0.3) is trapped
        assert (stage.hdf("NumCaptured_RBV") < 5) is trapped
        await stage.put("HDF1:Capture", 0)


@SETTINGS
async def test_attributes_take_half_a_second(trapped: bool) -> None:
    async with camera_stage(**traps(Trap.SLOW_ATTRIBUTES, trapped)) as stage:
        seconds = await stage.put("cam1:NDAttributesFile", "<Attributes></Attributes>")
        assert (seconds >= 0.5) is trapped
        assert stage.cam("NDAttributesStatus") == "Attributes file OK"
        await stage.put("cam1:NDAttributesFile", "<Attributes>")
        assert stage.cam("NDAttributesStatus") == "XML syntax error"
        await stage.put("cam1:NDAttributesFile", "")
        assert stage.cam("NDAttributesStatus") == "XML syntax error"


@SETTINGS
async def test_healthy_records_have_alarms(tmp_path: Path, trapped: bool) -> None:
    async with camera_stage(**traps(Trap.HEALTHY_ALARMS, trapped)) as stage:

        def severity(name: str) -> int:
            return stage.pvs[name].alarm[1]

        undefined = ("FullFileName_RBV", "ArraySize0_RBV", "FilePathExists_RBV")
        assert {severity(f"HDF1:{suffix}") for suffix in undefined} == ({3} if trapped else {0})
        await stage.put("HDF1:FilePath", str(tmp_path / "absent"))
        assert severity("HDF1:FilePathExists_RBV") == (2 if trapped else 0)
        await stage.prepare(tmp_path)
        assert severity("HDF1:FilePathExists_RBV") == 0
        assert severity("HDF1:EnableCallbacks_RBV") == (1 if trapped else 0)
        await stage.put("HDF1:EnableCallbacks", "Disable")
        assert severity("HDF1:EnableCallbacks_RBV") == 0
        await stage.put("HDF1:EnableCallbacks", "Enable")
        await stage.capture([0])
        assert {severity(f"HDF1:{suffix}") for suffix in undefined} == {0}


KILLED = """
import asyncio, sys
from pathlib import Path
from tests.sim_iocs.camera_stage import camera_stage
async def main():
    async with camera_stage(traps={"position_mode_kills"}) as stage:
        await stage.prepare(Path(sys.argv[1]), PositionMode="On")
        for _ in range(2):
            stage.start("HDF1:Capture", 1)
            await stage.expose([0])
            await stage.run(0.1)
            print(stage.hdf("Capture_RBV"), stage.hdf("WriteStatus"), stage.hdf("WriteMessage"), flush=True)
asyncio.run(main())
"""


async def test_position_mode_fails_the_first_capture_and_kills_with_the_second(tmp_path: Path) -> None:
    assert Trap.POSITION_MODE_KILLS == "position_mode_kills"
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, str(tmp_path), stdout=pipe, stderr=pipe, cwd=Path(__file__).parents[2]
    )
    out, _ = await child.communicate()
    lines = out.decode().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("Done Write error")
    assert "PositionMode" in lines[0]
    assert child.returncode == -signal.SIGABRT


async def test_traps_are_set_by_name_while_it_runs() -> None:
    async with camera_stage() as stage:
        await stage.put("cam1:Traps", "zero_rows, single_mode")
        assert stage.cam("Traps") == "single_mode,zero_rows"
        with pytest.raises(RefusedPutError, match=r"'rows' is not a valid Trap; there are absent_filters, "):
            await stage.set(cam1__Traps="rows")
        await stage.put("cam1:Traps", "")
        assert stage.cam("Traps") == ""
