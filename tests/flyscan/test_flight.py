"""The flyer on fakes: the order of arming, documents while it flies, and safe hardware whatever goes wrong."""

import asyncio

import pytest
from scanspec.specs import Fly, Linspace
from wingbeat.async_devices.errors import ExecuteFailedError, WaitTimeoutError
from wingbeat.async_devices.flight import Identity
from wingbeat.flyscan import FlyScan, compile
from wingbeat.flyscan.errors import (
    ArmingTimeoutError,
    FlightOrderError,
    InfeasibleScanError,
    RigError,
    StalledDetectorError,
    TriggerBoxError,
    WiringError,
)
from wingbeat.flyscan.flight import State
from wingbeat.stream_resource.frames import FrameRange
from wingbeat.stream_resource.rowmap import RowMap

from tests.flyscan.fakes import FakeMotor, Recorder, World, fake_rig, play

SAFE = ["pmac abort", "panda disable", "panda disarm", "cam stop", "panda stop"]


def raster(lines: int = 5, frames: int = 20, duration: float = 2e-3):
    return compile(Fly(duration @ (Linspace("y", 0, 0.5, lines) * ~Linspace("x", 0, 1, frames))))


async def flight_on_fakes(scan=None, **camera) -> tuple[FlyScan, World, Recorder]:
    world = World()
    cam = Recorder(world, "cam", camera.pop("identity", Identity.HARDWARE_TIME), **camera)
    rig = fake_rig(world, cam)
    flight = FlyScan(scan or raster(), [cam], rig=rig)
    report = await flight.preflight()
    if report.table is not None:
        world.trigger_times = play(report.table, report.trajectory, world.settings) * 1e-6
    return flight, world, cam


async def fly(flight: FlyScan) -> list:
    documents = []
    await flight.prepare()
    await flight.kickoff()
    status = flight.complete()
    while not status.done:
        await asyncio.sleep(0.1)
        documents += [each async for each in flight.collect_asset_docs()]
    await status
    return documents + [each async for each in flight.collect_asset_docs()]


def rowmaps(documents: list) -> dict[str, RowMap]:
    maps: dict[str, RowMap] = {}
    keys: dict[str, str] = {}
    for name, doc in documents:
        if name == "stream_resource":
            keys[doc["uid"]] = doc["data_key"]
            maps.setdefault(doc["data_key"], RowMap()).add_resource(doc)
        else:
            maps[keys[doc["stream_resource"]]].add_datum(doc)
    return maps


async def test_a_flight_gives_every_frame_of_every_detector_to_its_documents(virtual_clock):
    flight, _, _ = await flight_on_fakes()
    documents = await fly(flight)
    assert flight.state is State.LANDED
    maps = rowmaps(documents)
    assert set(maps) == {"cam-image", "panda-ts", "panda-x"}
    for rowmap in maps.values():
        assert list(rowmap.good) == [FrameRange(1, 101)]
        assert rowmap.rows == 100
    assert {name: entry["missing"] for name, entry in flight.summary().items()} == {"panda": 0, "cam": 0}


async def test_documents_come_while_it_flies(virtual_clock):
    flight, _, _ = await flight_on_fakes(raster(lines=10, frames=200))
    await flight.prepare()
    await flight.kickoff()
    status = flight.complete()
    live = 0
    while not status.done:
        await asyncio.sleep(0.2)
        live += len([each async for each in flight.collect_asset_docs()])
    await status
    assert live > 20
    assert status.progress.current == 2000


async def test_detectors_are_armed_before_the_capture_and_the_sequencer_last(virtual_clock):
    flight, world, _ = await flight_on_fakes()
    await flight.prepare()
    order = [world.log.index(what) for what in ("x set", "pmac build", "panda prepare", "panda arm", "panda enable")]
    assert order == sorted(order)
    assert world.log.index("cam prepare") < world.log.index("panda prepare")
    assert world.log[-1] == "panda enable"
    await flight.stop()


async def test_lost_triggers_and_dropped_frames_are_named_and_skipped_in_the_documents(virtual_clock):
    flight, _, _ = await flight_on_fakes(lost={7, 41}, dropped={63})
    maps = rowmaps(await fly(flight))
    assert list(flight.ledger.missing("cam").indices()) == [7, 41, 63]
    cam = maps["cam-image"]
    assert cam.rows == 97
    assert cam.locate(8) is None
    assert cam.locate(9).row == 7
    assert cam.locate(100).row == 96
    reasons = {finding.frames.start: finding.reason for finding in flight.ledger.verdicts("cam").findings()}
    assert reasons[7].startswith("lost trigger")
    assert reasons[63].startswith("dropped")


@pytest.mark.parametrize("where", ["x set", "cam prepare", "pmac build", "panda prepare", "panda arm", "panda enable"])
async def test_an_abort_during_arming_leaves_the_hardware_safe(virtual_clock, where):
    flight, world, _ = await flight_on_fakes()
    world.hang_at = where
    status = flight.prepare()
    await asyncio.sleep(1)
    world.hang_at = None
    await flight.stop()
    assert status.done
    assert not status.success
    assert flight.state is State.STOPPED
    assert world.log[-5:] == SAFE


@pytest.mark.parametrize("where", ["cam prepare", "pmac build", "panda arm"])
async def test_a_failure_during_arming_is_raised_as_itself_with_the_hardware_safe(virtual_clock, where):
    flight, world, _ = await flight_on_fakes()
    world.fail_at = where
    with pytest.raises(ExecuteFailedError, match=where):
        await flight.prepare()
    assert world.log[-5:] == SAFE


async def test_arming_that_does_not_end_says_what_it_waited_for(virtual_clock):
    flight, world, _ = await flight_on_fakes()
    world.hang_at = "y set"
    with pytest.raises(ArmingTimeoutError, match="waited for y: move to 0"):
        await flight.prepare()
    assert virtual_clock.elapsed == pytest.approx(120, abs=5)
    assert world.log[-5:] == SAFE


async def test_one_device_that_cannot_be_stopped_does_not_keep_the_others_from_it(virtual_clock):
    flight, world, _ = await flight_on_fakes()
    await flight.prepare()
    world.fail_at = "pmac abort"
    with pytest.raises(ExecuteFailedError):
        await flight.stop()
    assert world.log[-5:] == SAFE


async def test_an_abort_in_flight_accounts_for_every_frame(virtual_clock):
    flight, world, _ = await flight_on_fakes()
    await flight.prepare()
    await flight.kickoff()
    status = flight.complete()
    await asyncio.sleep(0.3)
    documents = [each async for each in flight.collect_asset_docs()]
    await flight.stop()
    assert not status.success
    assert all(what in world.log for what in SAFE)
    documents += [each async for each in flight.collect_asset_docs()]
    verdicts = flight.ledger.verdicts("cam")
    assert verdicts.complete
    written = flight.summary()["cam"]["written"]
    assert 0 < written < 100
    assert rowmaps(documents)["cam-image"].rows == written
    assert verdicts.of(99).reason.startswith("not triggered")


async def test_an_abort_is_not_lost_when_a_library_swallows_a_cancellation(virtual_clock):
    flight, _, cam = await flight_on_fakes(raster(lines=20, frames=100))
    await flight.prepare()
    await flight.kickoff()
    status = flight.complete()
    await asyncio.sleep(0.5)
    read = cam.identities

    async def deaf(rows):
        try:
            await asyncio.sleep(0.3)
        except asyncio.CancelledError:
            cam.identities = read
        return await read(rows)

    cam.identities = deaf
    await asyncio.sleep(0.2)
    await flight.stop()
    assert cam.identities == read
    assert status.done
    assert flight.state is State.STOPPED
    assert 0 < flight.summary()["cam"]["written"] < 2000


async def test_a_stalled_camera_is_named_with_its_frame(virtual_clock):
    flight, world, cam = await flight_on_fakes(raster(lines=40, frames=100))
    cam.stall_at = 250
    await flight.prepare()
    await flight.kickoff()
    with pytest.raises(StalledDetectorError) as caught:
        await flight.complete()
    assert (caught.value.detector, caught.value.frame, caught.value.seen) == ("cam", 250, 250)
    assert flight.state is State.STOPPED
    # The hardware was stopped soon after, not at the end of the trajectory.
    assert world.now < (await flight.preflight()).timeline.ends_at(250) + 2.5


async def test_a_lost_frame_before_a_long_turnaround_is_no_stall(virtual_clock):
    slow = compile({"x": [[0.0, 0.1, 0.2, 0.3]] * 3, "y": [[0.0] * 4, [30.0] * 4, [0.0] * 4]}, 0.01)
    flight, _, _ = await flight_on_fakes(slow, lost={3})
    report = await flight.preflight()
    assert report.timeline.starts[1] - report.timeline.stops[0] > 1.0
    await fly(flight)
    assert list(flight.ledger.missing("cam").indices()) == [3]


async def test_bad_health_of_the_trigger_box_fails_a_flight_that_is_accounted_for(virtual_clock):
    flight, _, _ = await flight_on_fakes()
    await flight.prepare()
    await flight.kickoff()
    flight.rig.trigger_box.state = {"SEQ1": "DMA underrun", "PCAP": "OK"}
    with pytest.raises(TriggerBoxError, match="SEQ1 reports 'DMA underrun'"):
        await flight.complete()
    assert flight.ledger.verdicts("cam").complete


async def test_verbs_out_of_order_are_refused(virtual_clock):
    flight, _, _ = await flight_on_fakes()
    with pytest.raises(FlightOrderError, match="kickoff"):
        await flight.kickoff()
    with pytest.raises(FlightOrderError, match="complete"):
        await flight.complete()
    await flight.stop()
    assert flight.state is State.IDLE


async def test_a_flight_can_be_flown_again(virtual_clock):
    flight, world, cam = await flight_on_fakes(raster(lines=2))
    for _ in range(2):
        world.started, cam.closed, flight.recorders[0].closed = None, False, False
        assert len(await fly(flight)) > 0
        assert flight.summary()["cam"]["missing"] == 0


async def test_what_cannot_be_flown_is_refused_before_anything_moves(virtual_clock):
    flight, world, _ = await flight_on_fakes()
    flight.rig.devices["x"] = FakeMotor(world, "x", limits=(0.2, 0.8))
    flight.rig.trigger_box.seen_routing = {**flight.rig.expected_routing(), "TTLOUT1.VAL": "ZERO"}
    with pytest.raises(InfeasibleScanError) as caught:
        await flight.prepare()
    assert len(caught.value.reasons) == 3
    assert world.log == []


async def test_wiring_that_was_changed_after_the_preflight_is_seen_before_anything_moves(virtual_clock):
    flight, world, _ = await flight_on_fakes()
    report = await flight.preflight()
    flight.rig.trigger_box.seen_routing = {**flight.rig.expected_routing(), "COUNTER1.TRIG": "ZERO"}
    with pytest.raises(WiringError, match=r"COUNTER1\.TRIG should be SEQ1\.OUTA, but is ZERO"):
        await flight.prepare(report)
    assert not [what for what in world.log if "set" in what or "build" in what or "enable" in what]


async def test_a_detector_that_the_rig_does_not_know_is_refused():
    world = World()
    cam = Recorder(world, "cam", Identity.COUNT_ONLY)
    with pytest.raises(RigError, match="eiger"):
        FlyScan(raster(), [Recorder(world, "eiger", Identity.COUNT_ONLY)], rig=fake_rig(world, cam))


async def test_a_device_that_does_not_answer_a_preflight_fails_it_as_itself(virtual_clock):
    flight, _, camera = await flight_on_fakes()

    async def silent() -> float:
        raise WaitTimeoutError("cam: no answer")

    camera.deadtime = silent
    with pytest.raises(WaitTimeoutError, match="cam: no answer"):
        await flight.preflight()
