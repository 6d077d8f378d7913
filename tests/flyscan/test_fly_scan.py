"""The plan: what the run says of a flight that went well, lost frames, or was not flown at all."""

from collections.abc import AsyncIterator

import pytest
from wingbeat.async_devices.flight import Identity
from wingbeat.engine import RunEngine
from wingbeat.engine.errors import OperationFailedError
from wingbeat.flyscan import InfeasibleScanError, LostFramesError, Policy, fly_scan
from wingbeat.flyscan.fly_scan import Flight
from wingbeat.stream_resource.verdicts import Verdicts

from tests.flyscan.fakes import FakeMotor, Recorder, World, fake_rig, play
from tests.flyscan.test_flight import SAFE, raster


@pytest.fixture
async def engine(tmp_path, virtual_clock) -> AsyncIterator[RunEngine]:
    async with RunEngine(tmp_path) as engine:
        yield engine


async def flight_of(policy: Policy | None = None, **camera) -> tuple[Flight, World]:
    world = World()
    cam = Recorder(world, "cam", Identity.HARDWARE_TIME, **camera)
    flight = fly_scan(raster(), [cam], rig=fake_rig(world, cam), md={"sample": "Au"}, policy=policy)
    report = await flight.preflight()
    world.trigger_times = play(report.table, report.trajectory, world.settings) * 1e-6
    return flight, world


async def test_a_run_tells_what_was_flown_with_what_and_how_many_frames_there_are(engine):
    flight, _ = await flight_of()
    run = await engine(flight)
    assert {key: run.start[key] for key in ("plan_name", "detectors", "motors", "num_points", "shape", "sample")} == {
        "plan_name": "fly_scan",
        "detectors": ["cam"],
        "motors": ["y", "x"],
        "num_points": 100,
        "shape": [5, 20],
        "sample": "Au",
    }
    assert run.exit_status == "success"
    assert run.stop["num_events"] == {"primary": 100}
    assert {name: array.committed for name, array in run.index.streams["primary"].arrays.items()} == {
        "cam-image": 100,
        "panda-ts": 100,
        "panda-x": 100,
    }


async def test_a_run_that_misses_frames_succeeds_and_names_them(engine):
    flight, _ = await flight_of(lost={3}, dropped={50})
    run = await engine(flight)
    assert run.exit_status == "success"
    assert run.stop["reason"].startswith("cam misses 2 (frames 3, 50; ")
    entry = run.stop["frames"]["cam"]
    assert [entry[key] for key in ("planned", "triggered", "exposed", "written", "missing")] == [100, 100, 99, 98, 2]
    assert Verdicts.from_document(entry["verdicts"]) == flight.ledger.verdicts("cam")


async def test_where_the_policy_is_fail_a_run_that_misses_frames_fails(engine):
    flight, _ = await flight_of(Policy(on_loss="fail"), lost={3})
    with pytest.raises(LostFramesError, match="frames 3") as caught:
        await engine(flight)
    assert set(caught.value.missing) == {"cam"}


async def test_what_cannot_be_flown_opens_no_run(engine):
    flight, world = await flight_of()
    flight.flyscan.rig.devices["x"] = FakeMotor(world, "x", limits=(0.0, 0.5))
    documents = []
    engine.subscribe(lambda name, _: documents.append(name))
    with pytest.raises(InfeasibleScanError):
        await engine(flight)
    assert documents == []


async def test_a_flight_that_fails_closes_its_run_with_an_account(engine):
    flight, world = await flight_of()
    stops = []
    engine.subscribe(lambda name, doc: stops.append(doc) if name == "stop" else None, critical=True)
    world.fail_at = "panda arm"
    with pytest.raises(OperationFailedError, match="panda arm"):
        await engine(flight)
    assert all(what in world.log for what in SAFE)
    (stop,) = stops
    assert (stop["exit_status"], stop["num_events"]) == ("fail", {"primary": 0})
    for entry in stop["frames"].values():
        assert [entry[key] for key in ("planned", "triggered", "written", "missing")] == [100, 0, 0, 100]
        assert entry["verdicts"]["findings"][0]["reason"].startswith("not triggered")


async def test_progress_is_watched_in_frames(engine):
    flight, _ = await flight_of()
    seen = []
    flight.watch(lambda **progress: seen.append(progress))
    await engine(flight)
    assert [progress["current"] for progress in seen] == sorted(progress["current"] for progress in seen)
    assert seen[-1]["current"] == seen[-1]["target"] == 100
    assert seen[-1]["unit"] == "frames"


async def test_a_flight_can_be_awaited_again(engine):
    flight, world = await flight_of()
    for _ in range(2):
        world.started = None
        for recorder in flight.flyscan.recorders:
            recorder.closed = False
        run = await engine(flight)
        assert run.stop["frames"]["cam"]["missing"] == 0
