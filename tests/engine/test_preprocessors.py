"""What may be put around a plan: it holds for both kinds of plans, in child tasks, and by the key of a run."""

import asyncio
from collections.abc import Generator
from typing import Any

import pytest
from wingbeat.async_devices import SoftDetector, SoftMotor
from wingbeat.engine import Msg, RunEngine, plan, using
from wingbeat.engine.errors import IllegalMessageError, NotInPlanError, OperationFailedError, PlanTypeError
from wingbeat.engine.plans import count
from wingbeat.engine.preprocessors import (
    FlyDuring,
    MonitorDuring,
    SetRunKey,
    SupplementalData,
    baseline_wrapper,
    configure_count_time_wrapper,
    contingency_wrapper,
    finalize_decorator,
    finalize_wrapper,
    fly_during_wrapper,
    inject_md_wrapper,
    lazily_stage_wrapper,
    msg_mutator,
    plan_mutator,
    print_summary_wrapper,
    relative_set_wrapper,
    reset_positions_wrapper,
    rewindable_wrapper,
    run_wrapper,
    set_run_key_wrapper,
    stage_wrapper,
    stub_wrapper,
    subs_wrapper,
    suspend_wrapper,
)
from wingbeat.engine.states import State
from wingbeat.engine.stubs import mv, null, open_run, run, sleep, trigger_and_read
from wingbeat.engine.suspenders import SuspendBoolHigh

from tests.engine.conftest import Collected
from tests.engine.test_monitors_and_configuration import Gauge
from tests.engine.test_pause import Glider
from tests.engine.test_sections import Slow
from tests.virtual_clock import VirtualClock


def noting(seen: list[str], mark: str = "") -> Any:
    async def layer(msg: Any, call: Any) -> Any:
        seen.append(f"{mark}{msg.command}")
        return await call(msg)

    return layer


# The scope.


async def test_middleware_of_a_block_sees_the_block_and_its_children_and_nothing_else(engine: RunEngine) -> None:
    seen: list[str] = []

    @plan
    async def child() -> None:
        await sleep(0)

    @plan
    async def blocks() -> None:
        await null()
        async with using(noting(seen)), asyncio.TaskGroup() as group:
            group.create_task(child().body())
            await SoftMotor("x").set(1)
        await null()

    await engine(blocks())
    assert sorted(seen) == ["set", "sleep"]


async def test_the_innermost_block_sees_a_message_first_and_the_engine_last(engine: RunEngine) -> None:
    seen: list[str] = []
    engine.middleware.append(noting(seen, "engine "))

    @plan
    async def nested() -> None:
        async with engine.using(noting(seen, "outer ")), engine.using(noting(seen, "inner ")):
            await null()

    await engine(nested())
    assert seen == ["inner null", "outer null", "engine null"]


async def test_outside_of_plans_the_block_is_the_engines(engine: RunEngine, det: SoftDetector) -> None:
    seen: list[str] = []
    async with engine.using(noting(seen)):
        await engine(count([det]))
    assert "trigger_and_read" in seen
    assert engine.middleware == []
    with pytest.raises(NotInPlanError):
        async with using(noting(seen)):
            pass


async def test_what_a_layer_sends_on_rests_in_a_pause(virtual_clock: VirtualClock, engine: RunEngine) -> None:
    x, began = SoftMotor("x"), asyncio.Event()

    async def layer(msg: Any, call: Any) -> Any:
        began.set()
        await asyncio.sleep(1)
        await call(Msg("set", x, (5,)))
        return await call(msg)

    @plan
    async def inserts() -> None:
        async with using(layer):
            await null()

    handle = engine.start(inserts())
    await began.wait()
    paused = asyncio.ensure_future(engine.pause())
    await asyncio.sleep(3)
    assert (await x.locate())["setpoint"] == 0
    await paused
    await engine.resume()
    await handle
    assert (await x.locate())["setpoint"] == 5


# Both kinds of plans.


def _generated(detector: Any, motor: Any) -> Generator[Msg, Any, Any]:
    yield Msg("open_run")
    yield Msg("set", motor, (1,), {"group": "g"})
    yield Msg("wait", None, (), {"group": "g"})
    yield Msg("trigger_and_read", None, ([detector],), {"name": "primary"})
    yield Msg("close_run")


@plan
async def _awaited(detector: Any, motor: Any) -> None:
    async with run():
        await mv(motor, 1)
        await trigger_and_read([detector])


@pytest.mark.parametrize("make", [_generated, _awaited])
@pytest.mark.parametrize("by", ["engine", "plan", "generator"])
async def test_a_wrapper_takes_either_kind_and_gives_what_either_takes(
    engine: RunEngine, docs: Collected, det: SoftDetector, make: Any, by: str
) -> None:
    x = SoftMotor("x")
    await x.set(2)
    wrapped = baseline_wrapper(relative_set_wrapper(make(det, x)), [x])

    @plan
    async def inline() -> None:
        await wrapped

    def generator() -> Any:
        yield from wrapped

    await engine({"engine": lambda: wrapped, "plan": inline, "generator": generator}[by]())
    assert [doc["name"] for doc in docs.of("descriptor")] == ["baseline", "primary"]
    assert [doc["data"]["x"] for doc in docs.of("event") if "x" in doc["data"]] == [2, 3]
    docs.check_schemas()


async def test_every_wrapper_lets_an_async_plan_be_what_it_is(
    engine: RunEngine, docs: Collected, det: SoftDetector
) -> None:
    x, heard = SoftMotor("x"), list[str]()
    plain: dict[str, Any] = {
        "inject_md": lambda p: inject_md_wrapper(p, {"sample": "gold"}),
        "stage": lambda p: stage_wrapper(p, [det]),
        "lazily_stage": lazily_stage_wrapper,
        "subs": lambda p: subs_wrapper(p, {"start": [lambda name, _: heard.append(name)]}),
        "suspend": lambda p: suspend_wrapper(p, SuspendBoolHigh(Gauge())),
        "rewindable": lambda p: rewindable_wrapper(p, False),
        "count_time": lambda p: configure_count_time_wrapper(p, None),
        "summary": print_summary_wrapper,
        "msg_mutator": lambda p: msg_mutator(p, lambda msg: msg),
        "plan_mutator": lambda p: plan_mutator(p, lambda _: (None, None)),
        "key": lambda p: set_run_key_wrapper(p, "a"),
        "fly": lambda p: fly_during_wrapper(p, []),
        "reset": reset_positions_wrapper,
        "contingency": contingency_wrapper,
        "finalize": lambda p: finalize_wrapper(p, []),
    }
    for wrap in plain.values():
        docs.clear()
        await engine(wrap(_awaited(det, x)))
        assert docs.names == ["start", "descriptor", "event", "stop"]
        assert docs[0][1]["plan_name"] == "_awaited"
    assert heard == ["start"]
    assert list(engine.suspenders) == []
    assert (await x.locate())["setpoint"] == 1


async def test_a_plan_within_a_generator_is_not_begun_again_after_a_pause(
    virtual_clock: VirtualClock, engine: RunEngine
) -> None:
    begun: list[int] = []
    motor = Slow("m", 0.0)

    @plan
    async def once() -> None:
        begun.append(1)
        await mv(motor, 5.0)

    def generator() -> Any:
        yield Msg("checkpoint")
        yield Msg("set", motor, (1.0,), {"group": "g"})
        yield Msg("wait", None, (), {"group": "g"})
        yield from finalize_wrapper(once(), [])
        return "done"

    handle = engine.start(generator())
    await asyncio.sleep(3)
    await engine.pause()
    assert await engine.resume() == "done"
    assert handle.done
    assert begun == [1]
    assert motor.sent == [1.0, 5.0, 5.0]


# One by one.


async def test_relative_moves_of_two_children_start_from_one_place(
    virtual_clock: VirtualClock, engine: RunEngine
) -> None:
    motor = Slow("m", 42.0)

    @plan
    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(mv(motor, 1))
            group.create_task(mv(motor, 2))

    await engine(relative_set_wrapper(both()))
    assert sorted(motor.sent) == [43.0, 44.0]


async def test_devices_go_back_after_a_failure_and_after_an_abort(engine: RunEngine) -> None:
    x = SoftMotor("x", limits=(0, 10))
    await x.set(4)
    moved = asyncio.Event()

    @plan
    async def fails() -> None:
        await mv(x, 7)
        await mv(x, 11)

    @plan
    async def waits() -> None:
        await mv(x, 8)
        moved.set()
        await sleep(60)

    with pytest.raises(OperationFailedError, match="limits"):
        await engine(reset_positions_wrapper(fails()))
    assert (await x.locate())["readback"] == 4
    handle = engine.start(reset_positions_wrapper(waits()))
    await moved.wait()
    await handle.abort("enough")
    assert (await x.locate())["readback"] == 4


async def test_a_run_around_a_plan_that_fails_says_why(engine: RunEngine, docs: Collected) -> None:
    @plan
    async def fails() -> None:
        await null()
        raise ValueError("no sample")

    with pytest.raises(ValueError, match="no sample"):
        await engine(baseline_wrapper(run_wrapper(fails(), md={"a": 1}), [SoftMotor("x")]))
    assert docs.of("start")[0]["a"] == 1
    assert (docs[-1][1]["exit_status"], docs[-1][1]["reason"]) == ("fail", "no sample")


async def test_a_baseline_that_cannot_be_read_does_not_hide_why_a_run_failed(
    engine: RunEngine, docs: Collected
) -> None:
    class Tired(SoftMotor):
        reads = 0

        async def read(self) -> Any:
            self.reads += 1
            if self.reads > 1:
                raise OSError("gone")
            return await super().read()

    @plan
    async def fails() -> None:
        await null()
        raise ValueError("no sample")

    with pytest.raises(ValueError, match="no sample"):
        await engine(baseline_wrapper(run_wrapper(fails()), [Tired("x")]))
    assert docs[-1][1]["reason"] == "no sample"


async def test_lazily_staged_devices_are_staged_once_and_unstaged_in_opposite_order(engine: RunEngine) -> None:
    log: list[str] = []

    class Staged(SoftDetector):
        async def stage(self) -> None:
            await asyncio.sleep(0)
            log.append(f"stage {self.name}")

        async def unstage(self) -> None:
            log.append(f"unstage {self.name}")

    a, b = Staged("a"), Staged("b")

    @plan
    async def points() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(trigger_and_read([a]))
        await trigger_and_read([a, b])

    await engine(lazily_stage_wrapper(points()))
    assert log == ["stage a", "stage b", "unstage b", "unstage a"]


async def test_a_stub_gives_its_metadata_and_opens_nothing(
    engine: RunEngine, docs: Collected, det: SoftDetector
) -> None:
    @plan
    async def whole() -> Any:
        async with run():
            return await stub_wrapper(count([det], md={"sample": "gold"}))

    metadata = await engine(whole())
    assert metadata["sample"] == "gold"
    assert docs.names == ["start", "descriptor", "event", "stop"]


async def test_count_times_are_set_at_first_use_and_restored(engine: RunEngine, det: SoftDetector) -> None:
    count_time = SoftMotor("count_time")
    await count_time.set(3)
    det.count_time = count_time
    during: list[Any] = []

    @plan
    async def reads() -> None:
        await trigger_and_read([det])
        during.append((await count_time.locate())["setpoint"])

    await engine(configure_count_time_wrapper(reads(), 0.5))
    assert during == [0.5]
    assert (await count_time.locate())["setpoint"] == 3


async def test_final_plans_run_after_an_abort_and_except_plans_do_not(engine: RunEngine) -> None:
    happened, waiting = list[str](), asyncio.Event()

    async def note(what: str) -> None:
        await null()
        happened.append(what)

    @finalize_decorator(lambda: note("finally"))
    @plan
    async def waits() -> None:
        waiting.set()
        await sleep(60)

    handle = engine.start(contingency_wrapper(waits(), except_plan=lambda _: note("except")))
    await waiting.wait()
    await handle.abort("enough")
    assert happened == ["finally"]
    with pytest.raises(PlanTypeError):
        finalize_decorator([])  # type: ignore[arg-type]


async def test_a_summary_names_moves_and_events(
    engine: RunEngine, det: SoftDetector, capsys: pytest.CaptureFixture[str]
) -> None:
    await engine(print_summary_wrapper(_awaited(det, SoftMotor("x"))))
    lines = capsys.readouterr().out.splitlines()
    assert [line.strip("= ") for line in lines if "RunEngine" not in line][:4] == [
        "Open Run",
        "x -> 1",
        "Read ['det']",
        "Close Run",
    ]


async def test_an_async_plan_is_refused_by_a_preprocessor_of_generators(engine: RunEngine, det: SoftDetector) -> None:
    def theirs(given: Any) -> Any:
        yield from given

    engine.preprocessors.append(theirs)
    with pytest.raises(PlanTypeError, match="takes generators"):
        await engine(count([det]))
    assert engine.state is State.IDLE


# Several runs.


class Flyer(Glider):
    """A glider that hands over one reading when it is collected."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.landed.set()

    async def describe_collect(self) -> Any:
        return {self.name: {self.name: {"source": "soft://", "dtype": "number", "shape": []}}}

    async def collect(self) -> Any:
        self.log.append("collect")
        yield {"time": 1.0, "data": {self.name: 1.0}, "timestamps": {self.name: 1.0}}


async def test_monitors_and_flyers_belong_to_the_run_whose_key_they_were_given(
    engine: RunEngine, docs: Collected, det: SoftDetector
) -> None:
    gauges, flyers = [Gauge(), Gauge()], [Flyer("f0"), Flyer("f1")]

    @plan
    async def part(number: int, opened: asyncio.Barrier) -> None:
        layers = (FlyDuring([flyers[number]]), MonitorDuring([gauges[number]]), SetRunKey(number))
        async with using(*reversed(layers)), run({"number": number}):
            await opened.wait()
            await trigger_and_read([det])
            await opened.wait()

    @plan
    async def both() -> None:
        opened = asyncio.Barrier(2)
        async with asyncio.TaskGroup() as group:
            for number in range(2):
                group.create_task(part(number, opened).body())

    await engine(both())
    docs.check_schemas()
    number_of = {doc["uid"]: doc["number"] for doc in docs.of("start")}
    streams = sorted((number_of[doc["run_start"]], doc["name"]) for doc in docs.of("descriptor"))
    assert streams == [(n, name) for n in range(2) for name in (f"f{n}", "gauge_monitor", "primary")]
    for stop in docs.of("stop"):
        assert stop["num_events"] == {f"f{number_of[stop['run_start']]}": 1, "gauge_monitor": 1, "primary": 1}
    assert [flyer.log for flyer in flyers] == [["kickoff", "complete", "collect"]] * 2
    assert [gauge.subscribers for gauge in gauges] == [[], []]


async def test_supplemental_data_are_taken_in_every_run_of_either_kind(
    engine: RunEngine, docs: Collected, det: SoftDetector
) -> None:
    flyer = Flyer("f")
    extra = SupplementalData(baseline=[SoftMotor("y")], monitors=[Gauge()], flyers=[flyer])
    engine.preprocessors.append(extra)
    await engine(count([det]))
    await engine(_generated(det, SoftMotor("x")))
    names = [doc["name"] for doc in docs.of("descriptor")]
    assert sorted(names) == sorted(["baseline", "gauge_monitor", "primary", "f"] * 2)
    assert names[:2] == ["baseline", "gauge_monitor"]
    assert [doc["num_events"]["baseline"] for doc in docs.of("stop")] == [2, 2]
    extra.baseline.clear()
    docs.clear()
    await engine(count([det]))
    assert "baseline" not in [doc["name"] for doc in docs.of("descriptor")]


async def test_a_run_that_is_open_under_a_key_is_not_opened_again(engine: RunEngine) -> None:
    @plan
    async def twice() -> None:
        async with using(SetRunKey("a")):
            await open_run()
            with pytest.raises(IllegalMessageError, match="'a'"):
                await open_run()

    await engine(twice())
    with pytest.raises(ValueError, match="None"):
        SetRunKey(None)
