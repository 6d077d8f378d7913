import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from wingbeat.async_devices import SoftDetector, SoftMotor
from wingbeat.engine import Msg, Plan, RunEngine, default, plan
from wingbeat.engine.errors import NotInPlanError, PlanTypeError, UnknownCommandError
from wingbeat.engine.plans import count
from wingbeat.engine.stubs import abs_set, create, mv, null, rd, read, run, save, trigger_and_read

from tests.engine.conftest import Collected


@pytest.fixture
def seen(engine: RunEngine) -> list[tuple[str, Any]]:
    """Every message that the one dispatch point saw: (command, name of the device)."""
    messages: list[tuple[str, Any]] = []

    async def look(msg: Any, call: Any) -> Any:
        messages.append((msg.command, getattr(msg.obj, "name", None)))
        return await call(msg)

    engine.middleware.append(look)
    return messages


async def test_the_three_ways_meet_at_one_point(engine: RunEngine, seen: list[Any], x: SoftMotor) -> None:
    def generator() -> Iterator[Msg]:
        yield Msg("set", x, (1,), {"group": "g"})
        yield Msg("wait", None, (), {"group": "g"})

    @plan
    async def stubs_and_verbs() -> None:
        await mv(x, 2)
        await x.set(3)
        assert (await x.read())["x"]["value"] == 3

    await engine(generator())
    await engine(stubs_and_verbs())
    move = [("set", "x"), ("wait", None)]
    assert seen == [*move, *move, ("set", "x"), ("read", "x")]


async def test_verbs_of_devices_in_child_tasks_are_seen(engine: RunEngine, seen: list[Any]) -> None:
    motors = [SoftMotor("a"), SoftMotor("b")]

    async def move(motor: SoftMotor) -> None:
        await motor.set(1)

    @plan
    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            for motor in motors:
                group.create_task(move(motor))

    await engine(both())
    assert sorted(seen) == [("set", "a"), ("set", "b")]
    assert [motor.position for motor in motors] == [1, 1]


async def test_what_a_device_does_inside_a_verb_is_no_message(engine: RunEngine, seen: list[Any]) -> None:
    class Pair(SoftDetector):
        def __init__(self) -> None:
            super().__init__("pair")
            self.inner = SoftMotor("inner")

        async def read(self) -> Any:
            await self.inner.set(5)
            return await self.inner.read()

    @plan
    async def reads() -> Any:
        return await read(Pair())

    assert (await engine(reads()))["pair-inner"]["value"] == 5
    assert seen == [("read", "pair")]


async def test_middleware_may_change_a_message_and_its_result(engine: RunEngine, x: SoftMotor) -> None:
    async def limited(msg: Any, call: Any) -> Any:
        if msg.command == "set" and msg.args[0] > 1:
            msg = msg._replace(args=(1.0,))
        return await call(msg)

    order: list[str] = []

    async def inner(msg: Any, call: Any) -> Any:
        order.append(f"inner {msg.args[0]:g}" if msg.command == "set" else "inner")
        return await call(msg)

    engine.middleware[:] = [limited, inner]

    @plan
    async def far() -> float:
        await mv(x, 10)
        return await rd(x)

    assert await engine(far()) == 1.0
    assert order[0] == "inner 1"


async def test_points_taken_by_two_children_do_not_mix(engine: RunEngine, docs: Collected) -> None:
    async def take(detector: SoftDetector, turn: asyncio.Event, other: asyncio.Event) -> None:
        await create(detector.name)
        other.set()
        await turn.wait()
        await read(detector)
        await save()

    @plan
    async def both() -> None:
        a, b = asyncio.Event(), asyncio.Event()
        async with run(), asyncio.TaskGroup() as group:
            group.create_task(take(SoftDetector("one"), a, b))
            group.create_task(take(SoftDetector("two"), b, a))

    await engine(both())
    assert sorted(tuple(doc["data"]) for doc in docs.of("event")) == [("one",), ("two",)]
    assert docs.of("stop")[0]["num_events"] == {"one": 1, "two": 1}


async def test_children_of_one_stream_number_their_events_without_gaps(engine: RunEngine, docs: Collected) -> None:
    det = SoftDetector("det")

    async def take() -> None:
        for _ in range(20):
            await trigger_and_read([det])

    @plan
    async def many() -> None:
        async with run(), asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(take())

    await engine(many())
    assert [doc["seq_num"] for doc in docs.of("event")] == list(range(1, 101))
    assert len(docs.of("descriptor")) == 1


async def test_devices_are_read_at_once(engine: RunEngine) -> None:
    class Meeting(SoftDetector):
        reading = 0
        met = asyncio.Event()

        async def read(self) -> Any:
            Meeting.reading += 1
            if Meeting.reading == 3:
                Meeting.met.set()
            await Meeting.met.wait()
            return await super().read()

    async with asyncio.timeout(5):
        await engine(count([Meeting(f"d{i}") for i in range(3)]))


async def test_a_child_task_that_outlives_its_plan_is_refused(engine: RunEngine) -> None:
    release = asyncio.Event()
    orphans: list[asyncio.Task[None]] = []

    async def orphan() -> None:
        await release.wait()
        await null()

    @plan
    async def leaves_one() -> None:
        orphans.append(asyncio.get_running_loop().create_task(orphan()))

    await engine(leaves_one())
    release.set()
    with pytest.raises(NotInPlanError, match="leaves_one has ended"):
        await orphans[0]


async def test_an_unknown_command_names_the_known_ones(engine: RunEngine) -> None:
    with pytest.raises(UnknownCommandError, match=r"'fly_away'.*open_run"):
        await engine([Msg("fly_away")])


async def test_a_registered_command_runs(engine: RunEngine) -> None:
    async def twice(execution: Any, branch: Any, msg: Any) -> int:
        return 2 * msg.args[0]

    engine.register_command("twice", twice)

    def generator() -> Any:
        return (yield Msg("twice", None, (21,)))

    assert await engine(generator()) == 42


async def test_a_generator_gets_results_and_errors_where_they_belong(engine: RunEngine, x: SoftMotor) -> None:
    def generator() -> Any:
        try:
            yield Msg("fly_away")
        except UnknownCommandError:
            status = yield Msg("set", x, (4,), {"group": None})
        assert status.done
        location = yield Msg("locate", x)
        return location["readback"]

    assert await engine(generator()) == 4


@pytest.mark.parametrize("wrong", [3, "count", count, None])
async def test_what_is_no_plan_is_refused(engine: RunEngine, wrong: Any) -> None:
    with pytest.raises(PlanTypeError, match="is not a plan"):
        await engine(wrong)


async def test_a_plan_keeps_its_arguments_and_can_be_awaited_again(engine: RunEngine, det: SoftDetector) -> None:
    counting = count([det], num=2)
    assert (counting.name, counting.args, counting.kwargs) == ("count", ([det],), {"num": 2})
    first, second = await counting, await counting
    assert first.uid != second.uid
    assert repr(counting) == "count([<SoftDetector det>], num=2)"


async def test_a_plan_awaited_in_a_plan_runs_inline(engine: RunEngine, docs: Collected, det: SoftDetector) -> None:
    @plan
    async def outer() -> list[str]:
        return [(await count([det])).uid for _ in range(2)]

    uids = await outer()
    assert [doc["uid"] for doc in docs.of("start")] == uids
    assert default.current() is engine


async def test_a_subclass_of_plan_has_a_body_of_its_own(engine: RunEngine) -> None:
    class Flight(Plan[str]):
        async def body(self) -> str:
            await null()
            return f"flew {self.name}"

    async def fly() -> str:
        raise AssertionError

    assert await Flight(fly) == "flew fly"
    assert await engine(Flight(fly)) == "flew fly"


async def test_a_second_engine_never_takes_over(engine: RunEngine) -> None:
    async with RunEngine() as second:
        assert default.current() is engine
        assert default.current() is not second


async def test_operations_awaited_later_are_those_that_were_started(engine: RunEngine) -> None:
    slow = SoftMotor("slow", velocity=1000)

    @plan
    async def later() -> bool:
        operation = await abs_set(slow, 5)
        assert not operation.done
        await operation
        return operation.success

    assert await engine(later())
    assert slow.position == 5


async def test_progress_of_a_device_reaches_whoever_watches_the_verb(engine: RunEngine) -> None:
    slow, targets = SoftMotor("slow", velocity=1000), list[float]()

    @plan
    async def watched() -> None:
        moving = slow.set(5)
        moving.watch(lambda **fields: targets.append(fields["target"]))
        await moving

    await engine(watched())
    assert set(targets) == {5}


async def test_long_plans_of_quick_operations_let_the_loop_run(engine: RunEngine) -> None:
    turns = 0
    over = asyncio.Event()

    async def count_turns() -> None:
        nonlocal turns
        while not over.is_set():
            turns += 1
            await asyncio.sleep(0)

    @plan
    async def busy() -> None:
        for _ in range(20_000):
            await null()
        over.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(count_turns())
        await engine(busy())
    assert turns > 3
