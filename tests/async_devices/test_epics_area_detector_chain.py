"""The detector over PV Access: plug-ins between camera and file, kickoffs and pauses, and when things go wrong."""

import asyncio

import numpy as np
import pytest
from wingbeat.async_devices import StaticPathProvider, signal_rw
from wingbeat.async_devices.device import connect_devices
from wingbeat.async_devices.epics import AreaDetector
from wingbeat.async_devices.epics.ad_attributes import NDAttribute
from wingbeat.async_devices.epics.ad_block import optional_r, optional_rw
from wingbeat.async_devices.epics.ad_driver import AdDriver
from wingbeat.async_devices.epics.ad_plugins import (
    CircularBuffPlugin,
    JpegPlugin,
    ProcessPlugin,
    PvaPlugin,
    RoiPlugin,
    RoiStatPlugin,
    StatsPlugin,
    TiffPlugin,
)
from wingbeat.async_devices.errors import (
    DeviceError,
    FrameLayoutError,
    FramesDroppedError,
    PauseRefusedError,
    PluginChainError,
    UnknownDeadtimeError,
    UnsupportedTriggerError,
    WriterError,
)
from wingbeat.async_devices.flight import Identity, TriggerInfo
from wingbeat.stream_resource.files import read_rows
from wingbeat.stream_resource.frames import FrameRange
from wingbeat.stream_resource.uris import path_of_uri

from tests.async_devices.cameras import SECONDS, a_run_works, flying

pytestmark = pytest.mark.system


class GatedDriver(AdDriver):
    trigger_modes = {"internal": "Internal", "edge": "External", "gate": "Gate", "burst": "Burst"}  # noqa: RUF012


class Microscope(AreaDetector):
    driver_type = GatedDriver
    plugin_types = {  # noqa: RUF012
        "roi": (RoiPlugin, "ROI1:"),
        "process": (ProcessPlugin, "PROC1:"),
        "stats": (StatsPlugin, "STAT1:"),
        "pva": (PvaPlugin, "Pva1:"),
    }
    source = "process"


OTHERS = (
    (RoiStatPlugin, "ROISTAT1:"),
    (CircularBuffPlugin, "CB1:"),
    (TiffPlugin, "TIFF1:"),
    (JpegPlugin, "JPEG1:"),
)


@pytest.fixture
async def scope(simulated_beamline, tmp_path):
    scope = Microscope(
        f"{simulated_beamline.prefix}CAM:", path_provider=StaticPathProvider(tmp_path), protocol="pva", name="scope"
    )
    await scope.connect()
    roi, process = scope.plugins["roi"], scope.plugins["process"]
    await asyncio.gather(
        roi.input_port.put("CAM"),
        process.input_port.put(await roi.port_name.get_value()),
        *(plugin.enable_callbacks.put(True) for plugin in (roi, process)),
        *(plugin.min_callback_time.put(0.0) for plugin in (roi, process)),
        roi.size_x.put(40),
        roi.size_y.put(30),
        roi.bin_x.put(2),
        process.data_type_out.put("Float32"),
    )
    yield scope
    await scope.stop()
    await scope.disconnect()


@pytest.fixture
async def cam(simulated_beamline, tmp_path):
    cam = AreaDetector(
        f"{simulated_beamline.prefix}CAM:", path_provider=StaticPathProvider(tmp_path), protocol="pva", name="cam"
    )
    await cam.connect()
    yield cam
    await cam.stop()
    await cam.disconnect()


NUMBERS = np.ndarray[tuple[int], np.dtype[np.int32]]


@pytest.fixture
async def fault(simulated_beamline):
    """Has something go wrong, by the name of the fault; all is well again after the test."""
    signals = {}

    async def inject(name, value):
        if name not in signals:
            datatype = NUMBERS if isinstance(value, np.ndarray) else type(value)
            signals[name] = signal_rw(datatype, f"ca://{simulated_beamline.prefix}FAULTS:{name}")
            await signals[name].connect()
        await signals[name].put(value)

    yield inject
    for name, signal in signals.items():
        await signal.put(np.array([], np.int32) if name == "DropFrames" else 0)
        await signal.disconnect()


async def test_what_region_and_process_make_of_a_frame_is_described_before_it_is_written(scope):
    await scope.stage()
    key = (await scope.describe())["scope"]
    assert (key["shape"], key["dtype_numpy"], key["dims"]) == ([1, 30, 20], "<f4", ["frame", "y", "x"])
    await scope.trigger()
    asset = (await scope.assets())[0]
    await scope.unstage()
    frames = read_rows(path_of_uri(asset.uri), asset.dataset, rows=FrameRange(0, 1))
    assert (frames.shape, frames.dtype) == ((1, 30, 20), np.dtype("<f4"))
    assert asset.chunk_shape == (1, 30, 20)


async def test_plug_ins_that_would_lose_frames_are_refused_by_name(scope):
    roi, process = scope.plugins["roi"], scope.plugins["process"]
    await roi.enable_callbacks.put(False)
    with pytest.raises(PluginChainError, match=r"scope-roi lies .*EnableCallbacks_RBV is Disable"):
        await scope.prepare(TriggerInfo(livetime=1e-3))
    await roi.enable_callbacks.put(True)
    await roi.min_callback_time.put(0.5)
    with pytest.raises(PluginChainError, match=r"MinCallbackTime_RBV is 0.5 s"):
        await scope.prepare(TriggerInfo(livetime=1e-3))
    await roi.min_callback_time.put(0.0)
    await process.input_port.put(await scope.writer.port_name.get_value())
    with pytest.raises(PluginChainError, match=r"scope-process takes its frames from 'HDF1'.*expected one of"):
        await scope.prepare(TriggerInfo(livetime=1e-3))


async def test_the_picture_of_now_is_an_iterator_that_shows_the_newest(scope):
    await scope.plugins["pva"].enable_callbacks.put(True)
    await scope.plugins["stats"].enable_callbacks.put(True)
    await scope.plugins["stats"].compute_statistics.put(True)
    await scope.stage()
    async with scope.plugins["pva"].images() as images:
        await scope.trigger()
        async with asyncio.timeout(20):
            frame = await anext(images)
        assert frame.pixels.shape == (64, 64)
        assert frame.time > 0
        assert images.statistics().capacity == 1
        assert images.statistics().delivered >= 1
    assert await scope.plugins["stats"].total.wait_for_value(lambda total: total > 0) > 0


async def test_colour_is_described_in_the_order_of_the_file(cam, simulated_beamline):
    color = signal_rw(str, f"ca://{simulated_beamline.prefix}CAM:cam1:ColorMode")
    await color.connect()
    await color.put("RGB1")
    try:
        await cam.stage()
        key = (await cam.describe())["cam"]
        assert (key["shape"], key["dims"]) == ([1, 64, 64, 3], ["frame", "y", "x", "color"])
        await cam.trigger()
        asset = (await cam.assets())[0]
        await cam.unstage()
        assert read_rows(path_of_uri(asset.uri), asset.dataset, rows=FrameRange(0, 1)).shape == (1, 64, 64, 3)
    finally:
        await color.put("Mono")
        await color.disconnect()


async def test_a_size_changed_between_arming_and_the_first_frame_is_refused(cam, simulated_beamline):
    width = signal_rw(int, f"ca://{simulated_beamline.prefix}CAM:cam1:SizeX")
    await width.connect()
    await cam.prepare(TriggerInfo(livetime=1e-3))
    await width.put(32)
    try:
        await cam.trigger()
        with pytest.raises(FrameLayoutError, match=r"\(64, 32\) <u2, described as \(64, 64\)"):
            await cam.assets()
    finally:
        await width.put(64)
        await width.disconnect()


async def test_a_kickoff_by_its_own_clock_is_complete_when_its_frames_are_written(cam):
    with pytest.raises(UnsupportedTriggerError, match="not armed"):
        await cam.kickoff()
    await cam.prepare(TriggerInfo(livetime=1e-3, frames=20, kickoffs=2))
    seen = []
    for _ in range(2):
        await cam.kickoff()
        completion = cam.complete()
        completion.watch(lambda **progress: seen.append((progress["current"], progress["target"])))
        await completion
    assert seen[-1] == (40, 40)
    counts = await cam.counts()
    assert (counts.exposed, counts.written, counts.dropped) == (40, 40, 0)
    await cam.finish()
    found = await cam.identities(FrameRange(0, 40))
    assert found.unique_ids.tolist() == list(range(1, 41))


async def test_a_pause_ends_at_a_frame_and_a_resume_takes_what_is_left_from_there(cam):
    await cam.prepare(TriggerInfo(livetime=5e-3, deadtime=5e-3, frames=100))
    await cam.kickoff()
    async with asyncio.timeout(20):
        async for written in cam.observe_written():
            if written >= 5:
                break
    rows = await cam.pause_at_boundary()
    assert 5 <= rows < 100
    counts = await cam.counts()
    assert counts.written == counts.exposed == rows
    await cam.resume(95)
    await cam.complete()
    assert (await cam.counts()).written == rows + 5
    with pytest.raises(PauseRefusedError, match="not paused"):
        await cam.resume(3)
    await cam.finish()
    found = await cam.identities(FrameRange(0, rows + 5))
    assert found.unique_ids.tolist() == list(range(1, rows + 6))


async def test_a_dropped_frame_is_an_error_at_once_where_nobody_keeps_a_ledger(cam, fault):
    await fault("DropFrames", np.array([3], np.int32))
    await cam.prepare(TriggerInfo(livetime=1e-3, frames=10))
    await cam.kickoff()
    with pytest.raises(FramesDroppedError, match=r"cam-writer dropped 1 frames.*DroppedArrays"):
        await cam.complete()
    (drop,) = cam.drops
    assert (drop.plugin, drop.frames) == ("cam-writer", 1)
    await fault("DropFrames", np.array([], np.int32))
    await cam.prepare(TriggerInfo(livetime=1e-3, frames=10))
    await cam.kickoff()
    await cam.complete()


async def test_a_full_disk_ends_the_wait_with_what_the_plug_in_says_and_the_next_run_works(cam, fault):
    await fault("DiskFullAt", 4)
    await cam.prepare(TriggerInfo(livetime=1e-3, frames=10))
    await cam.kickoff()
    with pytest.raises(WriterError, match=r"cam-writer (could not write|stopped capturing).*WriteStatus 'Write error'"):
        await cam.complete()
    with pytest.raises(WriterError):
        await cam.counts()
    await fault("DiskFullAt", 0)
    await cam.prepare(TriggerInfo(livetime=1e-3, frames=10))
    await cam.kickoff()
    await cam.complete()
    assert (await cam.counts()).written == 10


async def test_a_camera_that_comes_back_with_another_size_fails_the_run_and_is_described_anew(cam, simulated_beamline):
    completion, _ = await flying(cam)
    restart = signal_rw(str, f"pva://{simulated_beamline.prefix}FAULTS:RestartWithSize")
    await restart.connect()
    await restart.put("48,32")
    try:
        with pytest.raises(DeviceError, match=r"cam"):
            async with asyncio.timeout(SECONDS):
                await completion
        await cam.stop()
        assert (await cam.describe())["cam"]["shape"] == [1, 32, 48]
        await a_run_works(cam)
    finally:
        await restart.put("64,64")
        await restart.disconnect()


async def test_frames_of_another_size_in_mid_capture_are_told_not_passed_over(cam, simulated_beamline):
    completion, _ = await flying(cam)
    width = signal_rw(int, f"pva://{simulated_beamline.prefix}CAM:cam1:SizeX")
    await width.connect()
    await width.put(32)
    try:
        with pytest.raises(FrameLayoutError, match=r"passes over frames, .*WriteMessage.*Invalid frame"):
            async with asyncio.timeout(SECONDS):
                await completion
    finally:
        await width.put(64)
        await width.disconnect()
    await cam.stop()
    await a_run_works(cam)


async def test_the_other_plug_ins_have_the_pvs_that_their_classes_name(simulated_beamline):
    plugins = {name: kind(f"pva://{simulated_beamline.prefix}CAM:{name}") for kind, name in OTHERS}
    await connect_devices(plugins)
    try:
        for name, plugin in plugins.items():
            assert await plugin.port_name.get_value() == name.removesuffix(":")
            assert await plugin.input_port.get_value() == "CAM"
        assert "trigger" in await plugins["CB1:"].withholding()
    finally:
        for plugin in plugins.values():
            await plugin.disconnect()


async def test_an_attribute_that_the_ioc_does_not_record_is_missed_before_a_document_names_it(
    simulated_beamline, tmp_path
):
    class Recording(AreaDetector):
        attributes = (NDAttribute(name="RingCurrent", pv="SIM:SR:CURRENT", units="mA"),)

    paths = StaticPathProvider(tmp_path)
    cam = Recording(f"{simulated_beamline.prefix}CAM:", path_provider=paths, protocol="pva", name="cam")
    await cam.connect()
    try:
        await cam.stage()
        assert (await cam.describe())["cam-RingCurrent"]["units"] == "mA"
        await cam.trigger()
        assert "SIM:SR:CURRENT" in await cam.driver.attributes_file.get_value()
        with pytest.raises(FrameLayoutError, match=r"expected .*NDAttributes/RingCurrent in .*seen none"):
            await anext(cam.collect_asset_docs())
    finally:
        await cam.driver.attributes_file.put("")
        await cam.stop()
        await cam.disconnect()


class BareDriver(AdDriver):
    """The driver of an IOC that lacks what real ones lack."""

    def __init__(self, prefix):
        super().__init__(prefix)
        self.num_exposed = optional_r(int, f"{prefix}NoSuchCount_RBV")
        self.deadtime = optional_r(float, f"{prefix}NoSuchDeadTime_RBV")
        self.stamp_source = optional_rw(str, f"{prefix}NoSuchStamps")


class BareCamera(AreaDetector):
    driver_type = BareDriver


async def test_what_an_ioc_lacks_is_found_out_and_never_guessed(simulated_beamline, tmp_path):
    paths = StaticPathProvider(tmp_path)
    cam = BareCamera(
        f"{simulated_beamline.prefix}CAM:",
        path_provider=paths,
        identity=Identity.HARDWARE_TIME,
        protocol="pva",
        name="cam",
    )
    await cam.connect()
    try:
        assert [source.rpartition(":")[2] for source in cam.driver.absent] == [
            "NoSuchCount_RBV",
            "NoSuchDeadTime_RBV",
            "NoSuchStamps",
        ]
        edges = TriggerInfo(kind="edge", livetime=1e-3, deadtime=1e-3, frames=10)
        with pytest.raises(UnknownDeadtimeError, match=r"no .*NoSuchDeadTime_RBV, and no rule.*measure_deadtime"):
            await cam.prepare(edges)
        await cam.prepare(TriggerInfo(livetime=1e-3, frames=5))
        await cam.kickoff()
        await cam.complete()
        assert (await cam.counts()).exposed == 5
        assert await cam.measure_deadtime(1e-3) == pytest.approx(5e-5, abs=2e-6)
        assert await cam.deadtime() == pytest.approx(5e-5, abs=2e-6)
        await cam.prepare(edges)
        assert (await cam.counts()).exposed == 0
        await cam.finish()
    finally:
        await cam.stop()
        await cam.disconnect()
