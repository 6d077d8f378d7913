"""The plugins behind a camera: statistics, regions, processing, the circular buffer, image files, the PVA image."""

import io
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from wingbeat.sim_iocs.image_files import tiff
from wingbeat.sim_iocs.nd_image import ntndarray
from wingbeat.sim_iocs.picture import read_trigger

from .camera_stage import MS, CameraStage, Written, camera_stage


def frame(stage: CameraStage, trigger: int = 1) -> np.ndarray:
    return stage.camera.scene().painter()(0.0, 0.0, trigger, 1.0)


async def test_statistics_are_those_of_the_last_frame() -> None:
    async with camera_stage() as stage:
        switches = {f"STAT1__Compute{what}": 1 for what in ("Statistics", "Centroid", "Profiles", "Histogram")}
        await stage.set(STAT1__EnableCallbacks=1, STAT1__HistSize=16, **switches)
        await stage.expose([0, MS])
        image = frame(stage, 2).astype(float)
        for suffix, value in (("Total", image.sum()), ("MeanValue", image.mean()), ("SigmaValue", image.std())):
            assert stage.get(f"STAT1:{suffix}_RBV") == pytest.approx(value)
        assert (stage.get("STAT1:MinValue_RBV"), stage.get("STAT1:MaxValue_RBV")) == (image.min(), image.max())
        place = np.arange(64)
        assert stage.get("STAT1:CentroidX_RBV") == pytest.approx((image.sum(axis=0) * place).sum() / image.sum())
        assert stage.get("STAT1:ProfileAverageY_RBV") == pytest.approx(image.mean(axis=1))
        assert stage.get("STAT1:Histogram_RBV").sum() == image.size
        assert stage.get("STAT1:ArrayCounter_RBV") == 2


async def test_more_frames_than_the_queue_holds_are_dropped_by_a_plugin_that_draws() -> None:
    async with camera_stage() as stage:
        await stage.set(STAT1__EnableCallbacks=1, STAT1__QueueSize=3)
        # All in one period of the pump.
        await stage.expose([n * 100_000 for n in range(8)], AcquireTime=1e-5)
        counts = stage.get("STAT1:ArrayCounter_RBV"), stage.get("STAT1:DroppedArrays_RBV")
    assert counts == (3, 5)


async def test_a_plugin_may_look_at_times_only() -> None:
    async with camera_stage() as stage:
        await stage.set(STAT1__EnableCallbacks=1, STAT1__MinCallbackTime=0.005)
        await stage.expose([n * MS for n in range(20)])
        assert stage.get("STAT1:ArrayCounter_RBV") == 4


async def test_regions_have_statistics_of_their_own() -> None:
    async with camera_stage() as stage:
        region = {"MinX": 8, "MinY": 16, "SizeX": 24, "SizeY": 8, "Use": 1}
        await stage.set(**{f"ROISTAT1__2__{name}": value for name, value in region.items()})
        await stage.set(ROISTAT1__EnableCallbacks=1)
        await stage.expose([0])
        part = frame(stage)[16:24, 8:32].astype(float)
        assert stage.get("ROISTAT1:2:Total_RBV") == part.sum()
        assert stage.get("ROISTAT1:2:MeanValue_RBV") == pytest.approx(part.mean())
        assert stage.get("ROISTAT1:1:Total_RBV") == 0.0


async def test_a_region_that_is_processed_is_written_to_the_file(tmp_path: Path) -> None:
    async with camera_stage() as stage:
        await stage.set(ROI1__EnableCallbacks=1, ROI1__MinX=4, ROI1__SizeX=32, ROI1__SizeY=16, ROI1__BinY=2)
        await stage.set(PROC1__EnableCallbacks=1, PROC1__NDArrayPort="ROI1", PROC1__EnableOffsetScale=1)
        await stage.set(PROC1__Scale=0.25, PROC1__DataTypeOut="Float32")
        await stage.prepare(tmp_path, NDArrayPort="PROC1")
        await stage.capture([0, MS])
        image = frame(stage)[:16, 4:36]
        assert [stage.hdf(f"ArraySize{k}_RBV") for k in range(2)] == [32, 8]
        assert stage.hdf("DataType_RBV") == "Float32"
    found = Written(tmp_path / "frames.h5")
    expected = image.reshape(8, 2, 32).sum(axis=1).astype(np.uint16) * np.float32(0.25)
    assert found.data.shape == (2, 8, 32)
    assert np.array_equal(found.data[0], expected)


async def test_the_circular_buffer_passes_on_what_was_before_and_after_its_trigger(tmp_path: Path) -> None:
    async with camera_stage() as stage:
        await stage.set(CB1__EnableCallbacks=1, CB1__PreCount=3, CB1__PostCount=4, CB1__PresetTriggerCount=1)
        await stage.prepare(tmp_path, NDArrayPort="CB1")
        capturing = stage.start("HDF1:Capture", 1)
        buffering = stage.start("CB1:Capture", 1)
        await stage.arm()
        await stage.trigger([n * MS for n in range(10)])
        assert stage.get("CB1:CurrentQty_RBV") == 3
        await stage.put("CB1:Trigger", 1)
        await stage.trigger([(200 + n) * MS for n in range(10)])
        await buffering
        assert (stage.get("CB1:Capture_RBV"), stage.get("CB1:TriggerCount_RBV")) == ("Done", 1)
        await stage.put("HDF1:Capture", 0)
        await capturing
    assert Written(tmp_path / "frames.h5").triggers == list(range(8, 15))


async def test_plugins_in_a_circle_pass_each_frame_once() -> None:
    async with camera_stage() as stage:
        await stage.set(ROI1__EnableCallbacks=1, PROC1__EnableCallbacks=1, STAT1__EnableCallbacks=1)
        await stage.set(ROI1__NDArrayPort="ROI1", STAT1__NDArrayPort="STAT1")
        await stage.expose([0])
        assert stage.get("ROI1:ArrayCounter_RBV") == 0
        assert stage.get("PROC1:ArrayCounter_RBV") == 1


async def test_tiff_files_are_one_per_frame_and_numbered(tmp_path: Path) -> None:
    async with camera_stage() as stage:
        await stage.prepare(tmp_path, plugin="TIFF1", FileTemplate="%s%s_%6.6d.tiff", FileNumber=0, AutoIncrement=1)
        capturing = stage.start("TIFF1:Capture", 1)
        await stage.expose([n * MS for n in range(12)])
        await stage.put("TIFF1:Capture", 0)
        await capturing
        assert (stage.get("TIFF1:NumCaptured_RBV"), stage.get("TIFF1:FileNumber_RBV")) == (12, 12)
        assert stage.get("TIFF1:FullFileName_RBV").endswith("frames_000011.tiff")
    images = [tifffile.imread(tmp_path / f"frames_{n:06d}.tiff") for n in range(12)]
    assert [read_trigger(image) for image in images] == list(range(1, 13))
    assert images[0].dtype == np.uint16


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "f4"])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_tiff_files_are_read_by_others(dtype: str, shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    assert np.array_equal(tifffile.imread(io.BytesIO(tiff(image))), image)


async def test_jpeg_files_take_bytes_only(tmp_path: Path) -> None:
    async with camera_stage(data_type="UInt8") as stage:
        for name, captured in (("bytes", 2), ("words", 0)):
            await stage.prepare(tmp_path, plugin="JPEG1", name=name, FileTemplate="%s%s_%6.6d.jpg", JPEGQuality=95)
            stage.start("JPEG1:Capture", 1)
            await stage.expose([0, MS])
            await stage.run(0.1)
            assert stage.get("JPEG1:NumCaptured_RBV") == captured
            if captured:
                await stage.put("JPEG1:Capture", 0)
                await stage.put("cam1:DataType", "UInt16")
        assert "8 bits" in stage.get("JPEG1:WriteMessage")
        assert stage.get("JPEG1:WriteStatus") == "Write error"
    image = imagecodecs.jpeg8_decode((tmp_path / "bytes_000000.jpg").read_bytes())
    assert image.shape == (64, 64)


async def test_the_pva_image_has_dimensions_stamps_ids_and_attributes() -> None:
    async with camera_stage(color="RGB1", width=48, height=32, trigger_attribute="Counter") as stage:
        served = stage.camera.shared()["CAM:Pva1:Image"]
        await stage.set(Pva1__EnableCallbacks=1)
        await stage.expose([0, MS])
        shown = served.current()
    assert shown.getID() == "epics:nt/NTNDArray:1.0"
    assert [part.size for part in shown.dimension] == [3, 48, 32]
    assert shown.value.dtype == np.uint16
    assert read_trigger(shown.value.reshape(32, 48, 3)) == shown.uniqueId == 2
    assert int(shown.dataTimeStamp.secondsPastEpoch) * 10**9 + shown.dataTimeStamp.nanoseconds == stage.armed_ns + MS
    assert {part.name: part.value for part in shown.attribute} == {"ColorMode": 2, "Counter": 2}


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8"])
def test_every_pixel_type_keeps_its_type_over_pva(dtype: str) -> None:
    from p4p import Value
    from p4p.nt import NTNDArray

    from .test_nd_queue import shots

    image = np.arange(12, dtype=dtype).reshape(3, 4)
    value = Value(NTNDArray.buildType(), ntndarray(image, shots([0])))
    assert value.value.dtype == image.dtype
    assert value.value.tolist() == list(range(12))
