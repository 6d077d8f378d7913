"""Suspenders, watchdogs and deadlines: what the world does to a plan."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from wingbeat.async_devices import SoftMotor
from wingbeat.engine import RunEngine, plan
from wingbeat.engine.deadline import Deadline
from wingbeat.engine.errors import PlanAbortedError
from wingbeat.engine.states import State
from wingbeat.engine.stubs import install_suspender, mv, remove_suspender, run, sleep
from wingbeat.engine.suspenders import (
    SuspendBoolHigh,
    SuspendBoolLow,
    SuspendCeil,
    SuspendFloor,
    SuspendOutBand,
    SuspendWhenChanged,
    SuspendWhenOutsideBand,
)
from wingbeat.engine.watchdog import Watchdog

from tests.engine.conftest import until
from tests.virtual_clock import VirtualClock


class Signal:
    """A value that pushes readings to whoever subscribed, the present one first."""

    parent = None

    def __init__(self, name: str, value: Any) -> None:
        self.name = name
        self.value = value
        self.subscribers: list[Callable[..., None]] = []

    def subscribe(self, function: Callable[..., None]) -> None:
        self.subscribers.append(function)
        function({self.name: {"value": self.value, "timestamp": 0.0}})

    def clear_sub(self, function: Callable[..., None]) -> None:
        self.subscribers.remove(function)

    def put(self, value: Any) -> None:
        self.value = value
        for function in list(self.subscribers):
            function({self.name: {"value": value, "timestamp": 0.0}})


class OldSignal(Signal):
    """A signal as ophyd has them: the value comes as a keyword, from a thread of its own."""

    def subscribe(self, function: Callable[..., None], **_: Any) -> None:
        self.subscribers.append(function)
        function(value=self.value, timestamp=0.0, obj=self)

    def put(self, value: Any) -> None:
        def push() -> None:
            for function in list(self.subscribers):
                function(value=value, timestamp=0.0, obj=self)

        pusher = threading.Thread(target=push)
        pusher.start()
        pusher.join()


@plan
async def nap(seconds: float = 10) -> str:
    await sleep(seconds)
    await sleep(0)
    return "slept"


@pytest.mark.parametrize(
    ("make", "good", "bad"),
    [
        (lambda s: SuspendBoolHigh(s), 0, 1),
        (lambda s: SuspendBoolLow(s), 1, 0),
        (lambda s: SuspendFloor(s, 100), 200, 50),
        (lambda s: SuspendFloor(s, 100, resume_thresh=150), 200, 50),
        (lambda s: SuspendCeil(s, 100), 50, 200),
        (lambda s: SuspendWhenOutsideBand(s, 1, 2), 1.5, 3),
        (lambda s: SuspendOutBand(s, 1, 2), 3, 1.5),
        (lambda s: SuspendWhenChanged(s, expected_value="a", allow_resume=True), "a", "b"),
    ],
)
@pytest.mark.parametrize("kind", [Signal, OldSignal])
async def test_a_plan_rests_while_the_value_is_bad_and_goes_on_when_it_is_good(
    virtual_clock: VirtualClock, engine: RunEngine, make: Any, good: Any, bad: Any, kind: type[Signal]
) -> None:
    signal = kind("s", good)
    engine.install_suspender(make(signal))
    handle = engine.start(nap())
    await asyncio.sleep(1)
    assert engine.state is State.RUNNING
    signal.put(bad)
    await until(lambda: engine.state is State.SUSPENDED)
    assert "s is " in engine.suspensions[0].reason
    signal.put(good)
    assert await handle == "slept"


async def test_one_that_is_tripped_before_the_plan_holds_its_first_operation(
    virtual_clock: VirtualClock, engine: RunEngine
) -> None:
    beam, motor = Signal("beam", 0.0), SoftMotor("x")
    engine.install_suspender(SuspendFloor(beam, 100))

    @plan
    async def move() -> float:
        await mv(motor, 1)
        return virtual_clock.elapsed

    handle = engine.start(move())
    await asyncio.sleep(5)
    assert engine.state is State.SUSPENDED
    assert motor.position == 0
    began = virtual_clock.elapsed
    beam.put(200.0)
    assert await handle >= began
    assert motor.position == 1


async def test_it_goes_on_only_after_all_has_been_well_for_a_while(
    virtual_clock: VirtualClock, engine: RunEngine
) -> None:
    beam = Signal("beam", 200.0)
    engine.install_suspender(SuspendFloor(beam, 100, resume_thresh=150, sleep=5))
    handle = engine.start(nap())
    await asyncio.sleep(1)
    beam.put(0.0)
    beam.put(120.0)  # not yet above the threshold to resume
    await asyncio.sleep(20)
    assert engine.state is State.SUSPENDED
    beam.put(200.0)
    await asyncio.sleep(4)
    beam.put(0.0)  # lost again within the five seconds
    await asyncio.sleep(4)
    assert engine.state is State.SUSPENDED
    beam.put(200.0)
    await asyncio.sleep(4.9)
    assert engine.state is State.SUSPENDED
    await asyncio.sleep(0.2)
    assert engine.state is State.RUNNING
    assert await handle == "slept"


async def test_the_reason_says_what_is_wrong_and_when_it_is_expected_to_clear(engine: RunEngine) -> None:
    beam = Signal("beam", 200.0)
    suspender = SuspendFloor(beam, 100, tripped_message="no beam", eta=lambda: 42.0)
    engine.install_suspender(suspender)
    handle = engine.start(nap())
    await asyncio.sleep(0)
    beam.put(3.0)
    assert engine.suspensions[0].reason == "beam is 3.0, below 100: no beam: expected to clear in 42 s"
    await handle.abort()


async def test_several_hold_until_the_last_is_clear_and_a_removed_one_holds_no_more(
    virtual_clock: VirtualClock, engine: RunEngine
) -> None:
    beam, valve = Signal("beam", 0.0), Signal("valve", 1)
    floor, shut = SuspendFloor(beam, 100), SuspendBoolHigh(valve)
    engine.install_suspender(floor)
    engine.install_suspender(shut)
    handle = engine.start(nap())
    await asyncio.sleep(1)
    beam.put(200.0)
    await asyncio.sleep(1)
    assert engine.state is State.SUSPENDED
    engine.remove_suspender(shut)
    assert valve.subscribers == []
    assert await handle == "slept"
    assert list(engine.suspenders) == [floor]


async def test_a_changed_value_that_may_not_come_back_is_ended_by_an_abort(
    virtual_clock: VirtualClock, engine: RunEngine
) -> None:
    sample = Signal("sample", "A")
    engine.install_suspender(SuspendWhenChanged(sample))
    handle = engine.start(nap())
    await asyncio.sleep(1)
    sample.put("B")
    sample.put("A")
    await asyncio.sleep(100)
    assert engine.state is State.SUSPENDED
    await handle.abort()
    with pytest.raises(PlanAbortedError):
        await handle


async def test_a_watchdog_allows_a_condition_to_be_broken_for_its_grace_time(
    virtual_clock: VirtualClock, engine: RunEngine
) -> None:
    flow, level = Signal("flow", 2.0), Signal("level", 60.0)
    engine.install_suspender(
        Watchdog(
            lambda flow, level: flow > 1 or level > 50,
            {"flow": flow, "level": level},
            grace=5,
            abort=True,
            message="cryo",
        )
    )
    handle = engine.start(nap(60))
    level.put(10.0)
    await asyncio.sleep(1)
    flow.put(0.0)
    await asyncio.sleep(4)
    flow.put(2.0)
    await asyncio.sleep(10)
    assert engine.state is State.RUNNING
    flow.put(0.5)
    await asyncio.sleep(6)
    with pytest.raises(PlanAbortedError, match=r"cryo: flow = 0\.5, level = 10\.0"):
        await handle


async def test_a_step_that_cannot_end_before_the_deadline_begins_after_it(
    virtual_clock: VirtualClock, engine: RunEngine
) -> None:
    countdown = Signal("countdown", 25.0)
    engine.install_suspender(Deadline(countdown, margin=1, message="top-up"))
    begun: list[float] = []
    start = virtual_clock.elapsed

    @plan
    async def steps() -> None:
        async with run() as opened:
            async for step in opened.steps(range(4)):
                async with step:
                    begun.append(round(virtual_clock.elapsed - start))
                    await sleep(10)

    handle = engine.start(steps())
    await asyncio.sleep(27)  # the fill begins at 25 s and takes two
    countdown.put(600.0)
    await handle
    assert begun == [0, 10, 27, 37]


async def test_an_abort_ends_the_waiting_for_a_deadline(virtual_clock: VirtualClock, engine: RunEngine) -> None:
    engine.install_suspender(Deadline(Signal("countdown", 5.0)))

    @plan
    async def steps() -> None:
        async with run() as opened:
            async for step in opened.steps(range(4), duration=10):
                async with step:
                    await sleep(10)

    handle = engine.start(steps())
    await asyncio.sleep(1)
    await handle.abort()
    with pytest.raises(PlanAbortedError):
        await handle


@pytest.mark.parametrize(
    "make",
    [
        lambda s: SuspendFloor(s, 100, resume_thresh=50),
        lambda s: SuspendCeil(s, 100, resume_thresh=150),
        lambda s: SuspendWhenOutsideBand(s, 2, 1),
    ],
)
def test_thresholds_that_contradict_each_other_are_refused(make: Any) -> None:
    with pytest.raises(ValueError, match="must"):
        make(Signal("s", 0))


async def test_a_plan_installs_and_removes_a_suspender(engine: RunEngine) -> None:
    beam = Signal("beam", 200.0)
    suspender = SuspendFloor(beam, 100)

    @plan
    async def guarded() -> list[int]:
        await install_suspender(suspender)
        followed = [len(beam.subscribers)]
        await remove_suspender(suspender)
        return [*followed, len(beam.subscribers)]

    assert await engine(guarded()) == [1, 0]
