"""The AreaDetector device against the simulated camera, on its own clock."""

import asyncio

import numpy as np
import pytest
from wingbeat.async_devices import StaticPathProvider
from wingbeat.async_devices.epics import AreaDetector
from wingbeat.async_devices.errors import (
    AcquireError,
    AssetsNotReadyError,
    NoPathProviderError,
    ReadbackError,
    UnsupportedTriggerError,
    WriterError,
)
from wingbeat.async_devices.flight import FlightDetector, Identity, PausableDetector, TriggerInfo
from wingbeat.stream_resource.files import read_rows
from wingbeat.stream_resource.frames import FrameRange
from wingbeat.stream_resource.uris import path_of_uri

pytestmark = pytest.mark.system


@pytest.fixture
async def cam(simulated_beamline, tmp_path):
    cam = AreaDetector(
        f"{simulated_beamline.prefix}CAM:",
        path_provider=StaticPathProvider(tmp_path / "new" / "directories"),
        identity=Identity.HARDWARE_TIME,
        name="cam",
    )
    await cam.connect()
    yield cam
    await cam.stop()
    await cam.disconnect()


async def test_it_satisfies_the_contract_of_a_flight(cam):
    assert isinstance(cam, FlightDetector)
    assert isinstance(cam, PausableDetector)
    assert cam.data_keys == ("cam", "cam-unique_id", "cam-timestamp", "cam-epics_ts_sec", "cam-epics_ts_nsec")
    assert await cam.deadtime() == pytest.approx(5e-5)


async def test_internal_triggers_give_one_row_each_in_one_file(cam):
    await cam.stage()
    with pytest.raises(AssetsNotReadyError, match="prepare it first"):
        await cam.assets()
    for _ in range(3):
        await cam.trigger()
    asset, *_ = await cam.assets()
    found = await cam.identities(FrameRange(0, 3))
    assert found.unique_ids.tolist() == [1, 2, 3]
    assert np.all(np.diff(found.times_ns) > 0)
    counts = await cam.counts()
    assert (counts.exposed, counts.written, counts.dropped) == (3, 3, 0)
    key = (await cam.describe())["cam"]
    await cam.unstage()
    frames = read_rows(path_of_uri(asset.uri), asset.dataset, rows=FrameRange(0, 3))
    assert list(frames.shape[1:]) == key["shape"][1:] == [64, 64]
    assert frames.dtype == np.dtype(key["dtype_numpy"])


async def test_the_shape_described_is_the_shape_written_after_a_change_of_size(cam):
    x, y = cam.driver.size_x.source, cam.driver.size_y.source
    from wingbeat.async_devices import signal_w

    width, height = signal_w(int, x.removesuffix("_RBV")), signal_w(int, y.removesuffix("_RBV"))
    await width.connect()
    await height.connect()
    try:
        await width.put(48)
        await height.put(32)
        await cam.stage()
        described = (await cam.describe_collect())["cam"]["shape"]
        await cam.trigger()
        asset, *_ = await cam.assets()
        await cam.unstage()
        frames = read_rows(path_of_uri(asset.uri), asset.dataset, rows=FrameRange(0, 1))
        assert described == [1, 32, 48] == list(frames.shape)
        assert asset.chunk_shape == (1, 32, 48)
    finally:
        await width.put(64)
        await height.put(64)
        await width.disconnect()
        await height.disconnect()


async def test_step_documents_come_once_and_in_the_device_side_form(cam):
    await cam.stage()
    await cam.trigger()
    first = [doc async for doc in cam.collect_asset_docs()]
    await cam.trigger()
    await cam.trigger()
    second = [doc async for doc in cam.collect_asset_docs(2)]
    third = [doc async for doc in cam.collect_asset_docs()]
    nothing = [doc async for doc in cam.collect_asset_docs()]
    await cam.unstage()
    assert [name for name, _ in first] == ["stream_resource"] * 5 + ["stream_datum"] * 5
    assert [doc["data_key"] for _, doc in first[:5]] == list(cam.data_keys)
    assert all(doc["run_start"] == "" for _, doc in first[:5])
    assert all(doc["descriptor"] == "" and doc["seq_nums"] == {"start": 0, "stop": 0} for _, doc in first[5:])
    frames = first[0][1]["uid"]
    ranges = [doc["indices"] for _, doc in first + second + third if doc.get("stream_resource") == frames]
    assert ranges == [{"start": 0, "stop": 1}, {"start": 1, "stop": 2}, {"start": 2, "stop": 3}]
    assert nothing == []


async def test_arming_for_edges_waits_for_triggers_and_every_arming_has_its_own_file(cam):
    files = []
    for _ in range(2):
        await cam.prepare(TriggerInfo(kind="edge", livetime=1e-3, deadtime=1e-4, frames=10))
        assert await cam.driver.acquiring.get_value() is True
        with pytest.raises(AssetsNotReadyError, match="first frame"):
            await cam.assets()
        counts = await cam.counts()
        assert (counts.exposed, counts.written, counts.dropped) == (0, 0, 0)
        files.append(await cam.writer.file_name.get_value())
        await cam.finish()
        assert await cam.driver.acquiring.get_value() is False
        assert await cam.writer.capturing.get_value() is False
    assert len(set(files)) == 2


async def test_triggers_closer_than_its_dead_time_are_refused(cam):
    with pytest.raises(UnsupportedTriggerError, match=r"dead 1e-05 s.*5e-05 s dead"):
        await cam.prepare(TriggerInfo(kind="edge", livetime=1e-3, deadtime=1e-5, frames=10))
    with pytest.raises(UnsupportedTriggerError, match="gate"):
        await cam.prepare(TriggerInfo(kind="gate", livetime=1e-3, deadtime=1e-4))


async def test_stamps_that_are_not_the_cameras_refuse_to_pass_as_hardware_time(cam):
    await cam.driver.stamp_source.put("IOC")
    try:
        with pytest.raises(ReadbackError, match=r"StampSource is 'IOC', expected 'Camera clock'"):
            await cam.prepare(TriggerInfo(kind="edge", livetime=1e-3, deadtime=1e-4))
    finally:
        await cam.driver.stamp_source.put("Camera clock")


async def test_a_directory_that_cannot_be_made_is_named(cam, tmp_path):
    (tmp_path / "file").write_text("")
    blocked = tmp_path / "file" / "below"

    class Blocked:
        def __call__(self, device_name):
            from wingbeat.async_devices import PathInfo

            return PathInfo(directory=blocked, filename="cam", uri_directory=f"file://localhost{blocked}/")

    cam._path_provider = Blocked()
    with pytest.raises(WriterError, match=r"cannot write to .*/file/below"):
        await cam.trigger()


async def test_a_writer_that_stops_by_itself_is_noticed(cam):
    await cam.prepare(TriggerInfo(kind="edge", livetime=1e-3, deadtime=1e-4, frames=10))
    await cam.writer.capture.put(False, wait=False)
    await cam.writer.capturing.wait_for_value(False)
    with pytest.raises(WriterError, match="stopped capturing by itself"):
        await cam.counts()
    with pytest.raises(WriterError, match="stopped capturing by itself"):
        await cam.finish()


async def test_without_a_path_it_says_who_could_give_one(simulated_beamline):
    cam = AreaDetector(f"{simulated_beamline.prefix}CAM:", name="cam")
    await cam.connect()
    with pytest.raises(NoPathProviderError, match="path_provider"):
        await cam.prepare(TriggerInfo(kind="internal", livetime=1e-3))
    await cam.disconnect()


async def test_stop_while_a_trigger_is_pending_takes_less_than_two_seconds(cam):
    await cam.stage()
    await cam.driver.acquire_time.put(30.0)
    pending = cam.trigger()
    await cam.driver.acquiring.wait_for_value(True)
    async with asyncio.timeout(2):
        await cam.stop()
        with pytest.raises(AcquireError, match="stopped with 0 frames written"):
            await pending
    await cam.driver.acquire_time.put(1e-3)


async def test_a_capture_that_another_client_left_running_is_ended_not_truncated(cam, tmp_path):
    await cam.prepare(TriggerInfo(livetime=1e-3, frames=5))
    await cam.kickoff()
    await cam.complete()
    first = (await cam.assets())[0]
    other = AreaDetector("SIM:CAM:", path_provider=StaticPathProvider(tmp_path / "other"), protocol="pva", name="other")
    await other.connect()
    await other.prepare(TriggerInfo(livetime=1e-3, frames=2))
    await other.kickoff()
    await other.complete()
    with pytest.raises(WriterError, match="stopped capturing by itself"):
        await cam.finish()
    await other.finish()
    await other.disconnect()
    assert read_rows(path_of_uri(first.uri), first.dataset, rows=FrameRange(0, 5)).shape == (5, 64, 64)
