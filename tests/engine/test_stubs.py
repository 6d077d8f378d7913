"""Plan stubs: what they send, what they give, and what they never do."""

import asyncio
import builtins
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from wingbeat.async_devices import SoftDetector, SoftMotor
from wingbeat.async_devices.status import Status
from wingbeat.engine import Msg, RunEngine, plan, stubs
from wingbeat.engine.errors import (
    CollectError,
    IllegalMessageError,
    OperationFailedError,
    OperationTimeoutError,
    PlanAbortedError,
    UnsupportedVerbError,
)

from tests.engine.conftest import Collected, until
from tests.virtual_clock import VirtualClock


class Flyer:
    """Takes `seconds` to complete, or fails after them."""

    parent = None

    def __init__(self, name: str, seconds: float = 0.0, error: Exception | None = None) -> None:
        self.name = name
        self.seconds = seconds
        self.error = error

    def kickoff(self) -> Status:
        return Status.finished(name=self.name)

    def complete(self) -> Status:
        self._work = asyncio.create_task(self._complete())
        return Status(self._work, name=self.name)

    async def stop(self, success: bool = True) -> None:
        self._work.cancel()

    async def _complete(self) -> None:
        await asyncio.sleep(self.seconds)
        if self.error is not None:
            raise self.error


async def setpoint(motor: SoftMotor) -> float:
    return (await motor.locate())["setpoint"]


async def run_of(engine: RunEngine, body: Callable[[], Any]) -> Any:
    return await engine(plan(body)())


async def test_a_relative_move_counts_from_where_the_axis_was_sent(engine: RunEngine) -> None:
    x, y = SoftMotor("x", initial=42.0), SoftMotor("y", initial=-1.0)

    async def moves() -> None:
        await stubs.mvr(x, 1, y, -1)
        await stubs.rel_set(x, 2, wait=True)
        await stubs.movr(y, 0.5)

    await run_of(engine, moves)
    assert (await setpoint(x), await setpoint(y)) == (45.0, -1.5)


async def test_a_relative_move_that_is_paused_while_it_asks_where_the_axis_is_ends_where_it_should(
    engine: RunEngine,
) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    class Slow(SoftMotor):
        async def locate(self) -> Any:
            asked.set()
            await answer.wait()
            return {"setpoint": 42.0, "readback": 42.0}

    x = Slow("x", initial=42.0)
    handle = engine.start(plan(lambda: stubs.mvr(x, 1))())
    await asked.wait()
    pausing = asyncio.create_task(engine.pause("a look"))
    await asyncio.sleep(0)
    answer.set()
    await pausing
    await engine.resume()
    await handle
    assert x.position == 43.0


@pytest.mark.parametrize("verb", ["trigger", "prepare", "kickoff", "complete", "stage"])
async def test_an_operation_without_a_group_waits_for_none_but_itself(
    virtual_clock: VirtualClock, engine: RunEngine, verb: str
) -> None:
    class Device(SoftDetector):
        def quick(self, *_: Any) -> Status:
            return Status(asyncio.sleep(0.05), name="quick")

        trigger = prepare = kickoff = complete = stage = quick

    x = SoftMotor("x", velocity=1.0)
    arguments = (0,) if verb == "prepare" else ()

    async def body() -> float:
        move = await stubs.abs_set(x, 4)
        began = asyncio.get_running_loop().time()
        await getattr(stubs, verb)(Device("det"), *arguments, wait=True)
        took = asyncio.get_running_loop().time() - began
        await move
        return took

    assert await run_of(engine, body) < 1


async def test_rd_gives_the_one_value_and_refuses_to_choose(engine: RunEngine) -> None:
    class Two(SoftDetector):
        @property
        def hints(self) -> Any:
            return {"fields": ["a", "b"]}

    async def body() -> tuple[Any, Any]:
        with pytest.raises(ValueError, match="expected one value, seen \\['a', 'b'\\]"):
            await stubs.rd(Two("two"))
        return await stubs.rd(SoftMotor("x", initial=0.0)), await stubs.rd(SoftDetector("det"), default_value=7)

    assert await run_of(engine, body) == (0.0, 0.0)


@pytest.mark.parametrize("stub", ["mv", "mvr"])
async def test_a_move_refuses_a_device_without_a_position_and_one_that_is_named_twice(
    engine: RunEngine, stub: str
) -> None:
    x = SoftMotor("x")

    async def body() -> None:
        for wrong in [(x,), (), (x, 1, x, 2)]:
            with pytest.raises(ValueError, match=stub):
                await getattr(stubs, stub)(*wrong)

    await run_of(engine, body)
    assert x.position == 0


class Axis(SoftMotor):
    """Is part of a positioner."""

    parent: Any = None


class Positioner:
    """A pseudo positioner by ophyd's names, whose two axes are one move."""

    RealPosition = tuple
    parent = None
    name = "pos"
    component_names = ("h", "k")

    def __init__(self) -> None:
        self.h, self.k, self.real = Axis("h"), Axis("k"), Axis("real")
        self.went: list[Any] = []
        for axis in (self.h, self.k, self.real):
            axis.parent = self
        self.pseudo_positioners, self.real_positioners = (self.h, self.k), (self.real,)

    def set(self, target: Any) -> Status:
        self.went.append(target)
        return Status.finished(name=self.name)


async def test_axes_of_one_positioner_that_are_moved_together_are_one_move(engine: RunEngine) -> None:
    pos, x = Positioner(), SoftMotor("x")

    async def body() -> None:
        await stubs.mv(pos.h, 1, x, 5, pos.k, 2)
        await stubs.mv(pos.h, 3)
        with pytest.raises(ValueError, match="they move each other"):
            await stubs.mv(pos.h, 1, pos.real, 2)

    await run_of(engine, body)
    assert pos.went == [{"h": 1, "k": 2}]
    assert (x.position, pos.h.position) == (5, 3)


async def test_a_wait_ends_when_an_operation_of_a_watched_group_fails(
    virtual_clock: VirtualClock, engine: RunEngine
) -> None:
    broken, panda = Flyer("broken", 1.0, OSError("detector tripped")), Flyer("panda", 1000)

    async def body() -> float:
        began = asyncio.get_running_loop().time()
        await stubs.complete(panda, group="flight")
        await stubs.complete(broken, group="detectors")
        with pytest.raises(OperationFailedError, match="complete of broken failed: OSError: detector tripped"):
            await stubs.wait("flight", watch=["detectors"])
        await panda.stop()
        return asyncio.get_running_loop().time() - began

    assert await run_of(engine, body) == pytest.approx(1, abs=0.1)


async def test_a_watched_group_that_ends_well_ends_nothing_and_is_still_waited_for(
    virtual_clock: VirtualClock, engine: RunEngine, caplog: pytest.LogCaptureFixture
) -> None:
    async def body() -> None:
        await stubs.complete(Flyer("panda", 5), group="flight")
        await stubs.complete(Flyer("quick", 1), group="detectors")
        await stubs.complete(Flyer("late", 9, OSError("tripped later")), group="detectors")
        assert await stubs.wait("flight", watch=["detectors"])
        with pytest.raises(OperationFailedError, match="tripped later"):
            await stubs.wait("detectors")

    await run_of(engine, body)
    assert not caplog.records


async def test_collect_while_completing_collects_until_the_flyers_have_ended(
    virtual_clock: VirtualClock, engine: RunEngine
) -> None:
    collected: list[float] = []

    async def middleware(msg: Any, call: Any) -> Any:
        if msg.command == "collect":
            collected.append(asyncio.get_running_loop().time())
            return None
        return await call(msg)

    engine.middleware.append(middleware)
    began = asyncio.get_running_loop().time()
    await run_of(engine, lambda: stubs.collect_while_completing([Flyer("fly", 2.5)], [object()], flush_period=1))
    assert [round(at - began, 1) for at in collected] == [1, 2, 2.5]


async def test_flyers_are_kicked_off_and_completed_all_at_once(virtual_clock: VirtualClock, engine: RunEngine) -> None:
    flyers = [Flyer("a", 3), Flyer("b", 2)]

    async def body() -> float:
        began = asyncio.get_running_loop().time()
        assert len(await stubs.kickoff_all(*flyers)) == 2
        assert len(await stubs.complete_all(*flyers, group="both")) == 2
        await stubs.wait("both")
        with pytest.raises(UnsupportedVerbError, match=r"det .* is no flyer"):
            await stubs.kickoff_all(*flyers, SoftDetector("det"))
        return asyncio.get_running_loop().time() - began

    assert await run_of(engine, body) == pytest.approx(3, abs=0.1)


async def test_wait_for_gives_the_tasks_and_raises_what_they_have_raised(engine: RunEngine) -> None:
    async def good() -> int:
        return 3

    async def bad() -> None:
        raise ValueError("no oracle")

    async def body() -> None:
        (task,) = await stubs.wait_for([good])
        assert task.result() == 3
        with pytest.raises(ValueError, match="no oracle"):
            await stubs.wait_for([good, bad])
        with pytest.raises(UnsupportedVerbError, match="functions that make awaitables"):
            await stubs.wait_for([3])  # type: ignore[list-item]

    await run_of(engine, body)


async def test_wait_for_cancels_what_takes_too_long_and_leaves_what_was_not_waited_for(
    virtual_clock: VirtualClock, engine: RunEngine
) -> None:
    ended: list[str] = []

    async def slow() -> None:
        try:
            await asyncio.sleep(10)
            ended.append("slept")
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def body() -> None:
        with pytest.raises(OperationTimeoutError, match="1 of 1 coroutines took longer than 2 s"):
            await stubs.wait_for([slow], timeout=2)
        first, second = await stubs.wait_for([slow, lambda: asyncio.sleep(1)], return_when=asyncio.FIRST_COMPLETED)
        assert (first.done(), second.done()) == (False, True)
        await stubs.wait_for([lambda: first])

    await run_of(engine, body)
    assert ended == ["cancelled", "slept"]


async def test_a_generator_that_waits_for_coroutines_finds_their_failures_in_the_tasks(engine: RunEngine) -> None:
    async def bad() -> None:
        raise ValueError("no oracle")

    def generator() -> Iterator[Any]:
        (task,) = yield Msg("wait_for", None, ([bad],), {})
        return str(task.exception())

    assert await engine(generator()) == "no oracle"


async def test_input_gives_what_is_typed_and_says_when_nobody_can_type(
    engine: RunEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def typed(prompt: str) -> str:
        asked.append(prompt)
        if len(asked) > 1:
            raise EOFError("end of file")
        return "yes"

    monkeypatch.setattr(builtins, "input", typed)

    async def body() -> str:
        answer = await stubs.input_plan("go on? ")
        with pytest.raises(EOFError, match="nobody can answer"):
            await stubs.input_plan()
        return answer

    assert await run_of(engine, body) == "yes"
    assert asked == ["go on? ", ""]


async def test_an_abort_does_not_wait_for_the_person_who_is_asked(
    engine: RunEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    asked, leave = threading.Event(), threading.Event()

    def thinking(_prompt: str) -> str:
        asked.set()
        leave.wait(10)
        return "too late"

    monkeypatch.setattr(builtins, "input", thinking)
    handle = engine.start(plan(stubs.input_plan)())
    await until(asked.is_set)
    await handle.abort("nobody there")
    with pytest.raises(PlanAbortedError, match="nobody there"):
        await handle
    leave.set()


async def test_declare_stream_answers_a_generator_as_bluesky_does(engine: RunEngine, docs: Collected) -> None:
    det = SoftDetector("det")

    def generator() -> Iterator[Any]:
        yield Msg("open_run")
        descriptor, compose_event, devices = yield Msg("declare_stream", None, (det,), {"name": "primary"})
        event = compose_event(data={"det": 1.0}, timestamps={"det": 0.0})
        yield Msg("close_run")
        return descriptor["uid"], event["descriptor"], devices

    uid, of_event, devices = await engine(generator())
    assert uid == of_event == docs.of("descriptor")[0]["uid"]
    assert devices == [det]
    assert not docs.of("event")


async def test_repeat_and_its_kin_do_things_as_often_as_they_should(
    virtual_clock: VirtualClock, engine: RunEngine
) -> None:
    done: list[str] = []

    async def note(word: str) -> None:
        done.append(word)

    def messages() -> Iterator[Msg]:
        done.append("made")
        yield Msg("null")

    async def body() -> list[Any]:
        await stubs.repeat(lambda: note("repeat"), num=2, delay=[3])
        await stubs.repeater(2, note, "repeater")
        await stubs.caching_repeater(3, messages())
        with pytest.raises(ValueError, match="3 repetitions have 2 delays between them, seen 1"):
            await stubs.repeat(lambda: note("short"), num=3, delay=iter([0]))
        return await stubs.broadcast_msg("locate", [SoftMotor("x"), SoftMotor("y", initial=1.0)])

    locations = await run_of(engine, body)
    assert done == ["repeat"] * 2 + ["repeater"] * 2 + ["made"] + ["short"] * 2
    assert [location["setpoint"] for location in locations] == [0, 1]


async def test_a_subscription_of_a_plan_ends_with_it(engine: RunEngine) -> None:
    seen: list[str] = []

    async def body() -> None:
        await stubs.subscribe("stop", lambda name, doc: seen.append(name))
        token = await stubs.subscribe("all", lambda name, doc: seen.append(f"all {name}"))
        await stubs.unsubscribe(token)
        async with stubs.run():
            pass

    await run_of(engine, body)
    await until(lambda: seen)
    await run_of(engine, stubs.open_run)
    assert seen == ["stop"]


async def test_a_flyer_whose_streams_nobody_declared_is_refused_by_name(engine: RunEngine) -> None:
    class Flat(Flyer):
        def describe_collect(self) -> dict[str, Any]:
            return {"a": {"source": "sim", "dtype": "number", "shape": []}}

    class Odd(Flyer):
        def describe_collect(self) -> dict[str, Any]:
            return {"stream": {"a": {"source": "sim", "dtype": "number", "shape": []}}}

        def collect(self) -> Iterator[dict[str, Any]]:
            yield {"data": {"b": 1}, "timestamps": {"b": 0.0}, "time": 0.0}

    async def body() -> None:
        async with stubs.run():
            with pytest.raises(IllegalMessageError, match="no stream was declared"):
                await stubs.collect(Flat("flat"))
            with pytest.raises(CollectError, match="readings of \\['b'\\] belong to none"):
                await stubs.collect(Odd("odd"))

    await run_of(engine, body)
