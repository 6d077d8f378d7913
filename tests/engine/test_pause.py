"""What a pause does to what is in flight, and that nothing is done twice or lost by it."""

import asyncio
import itertools
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from wingbeat.async_devices import SoftDetector, SoftMotor
from wingbeat.async_devices.status import Status
from wingbeat.engine import RunEngine, plan
from wingbeat.engine.errors import (
    OperationTimeoutError,
    PauseRefusedError,
    PlanAbortedError,
    PlanHaltedError,
    PlanStoppedError,
    RunPaused,
    TransitionError,
)
from wingbeat.engine.states import State
from wingbeat.engine.stubs import (
    abs_set,
    checkpoint,
    complete,
    kickoff,
    mv,
    pause,
    run,
    sleep,
    trigger,
    trigger_and_read,
    wait,
)

from tests.engine.axis import Axis
from tests.engine.conftest import Collected
from tests.virtual_clock import VirtualClock


class Counter:
    """A detector whose exposure ends when the test says so."""

    parent = None

    def __init__(self) -> None:
        self.name = "counter"
        self.triggers = 0
        self.exposing = asyncio.Event()
        self.exposed = asyncio.Event()

    def trigger(self) -> Status:
        self.triggers += 1
        self.exposing.set()
        return Status(self._expose(), name=self.name)

    async def _expose(self) -> None:
        await self.exposed.wait()


@plan
async def move(axis: Axis, target: float) -> str:
    await mv(axis, target)
    return "there"


async def test_a_move_is_stopped_by_a_pause_and_sent_to_the_same_target_when_resumed(engine: RunEngine) -> None:
    axis = Axis()
    handle = engine.start(move(axis, 5))
    await axis.moving.wait()
    await engine.pause("lunch")
    assert engine.state is State.PAUSED
    assert axis.log == ["x set 5", "x stop True"]
    resumed = asyncio.ensure_future(engine.resume())
    await asyncio.sleep(0.01)
    assert axis.log == ["x set 5", "x stop True", "x set 5"]
    assert not handle.done
    axis.arrive()
    assert await resumed == "there"
    assert engine.state is State.IDLE


async def test_a_move_that_is_done_is_never_sent_again(engine: RunEngine) -> None:
    axis = Axis()

    @plan
    async def there_and_rest() -> None:
        operation = await abs_set(axis, 1)
        await operation
        await sleep(30)

    handle = engine.start(there_and_rest())
    await axis.moving.wait()
    axis.arrive()
    await asyncio.sleep(0.01)
    await engine.pause()
    assert axis.log == ["x set 1"]
    await handle.abort()
    assert axis.log == ["x set 1", "x stop False"]


async def test_a_move_that_was_held_fails_at_its_waiter_if_it_cannot_be_sent_again(engine: RunEngine) -> None:
    class Broken(Axis):
        def set(self, value: float) -> Status:
            if self.log:
                raise ValueError("drive is off")
            return super().set(value)

    axis = Broken()
    handle = engine.start(move(axis, 5))
    await axis.moving.wait()
    await engine.pause()
    with pytest.raises(Exception, match="set of x failed: ValueError: drive is off"):
        await engine.resume()
    assert handle.done


async def test_an_exposure_is_finished_before_the_plan_is_at_rest_and_is_not_taken_again(engine: RunEngine) -> None:
    counter = Counter()

    @plan
    async def expose() -> int:
        await trigger(counter, wait=True)
        await sleep(0)
        return counter.triggers

    engine.start(expose())
    await counter.exposing.wait()
    pausing = asyncio.ensure_future(engine.pause())
    await asyncio.sleep(0.01)
    assert engine.state is State.PAUSING
    counter.exposed.set()
    await pausing
    assert engine.state is State.PAUSED
    assert await engine.resume() == 1


async def test_an_exposure_that_takes_too_long_does_not_keep_the_plan_from_pausing(
    engine: RunEngine, caplog: pytest.LogCaptureFixture
) -> None:
    counter = Counter()
    engine.pause_time = 0.02

    @plan
    async def expose() -> str:
        await trigger(counter, wait=True)
        await sleep(0)
        return "exposed"

    engine.start(expose())
    await counter.exposing.wait()
    await engine.pause()
    assert "is paused while this goes on: <trigger of counter: in flight>" in caplog.text
    counter.exposed.set()
    assert await engine.resume() == "exposed"


async def test_a_sleep_sleeps_its_whole_length_outside_the_pause(
    virtual_clock: VirtualClock, engine: RunEngine
) -> None:
    @plan
    async def nap() -> float:
        await sleep(10)
        return virtual_clock.elapsed

    begun = virtual_clock.elapsed
    engine.start(nap())
    await asyncio.sleep(4)
    await engine.pause()
    await asyncio.sleep(100)
    assert await engine.resume() - begun == pytest.approx(110)


async def test_a_timeout_of_a_wait_counts_no_time_of_a_pause(virtual_clock: VirtualClock, engine: RunEngine) -> None:
    axis = Axis()

    @plan
    async def impatient() -> float:
        await abs_set(axis, 1, group="g")
        with pytest.raises(OperationTimeoutError):
            await wait("g", timeout=10)
        axis.arrive()
        return virtual_clock.elapsed

    begun = virtual_clock.elapsed
    engine.start(impatient())
    await asyncio.sleep(4)
    await engine.pause()
    await asyncio.sleep(100)
    assert await engine.resume() - begun == pytest.approx(110)
    assert axis.log == ["x set 1", "x stop True", "x set 1"]


async def test_the_plan_rests_at_its_next_operation_when_it_awaits_something_foreign(engine: RunEngine) -> None:
    seen: list[str] = []
    foreign = asyncio.Event()

    @plan
    async def elsewhere() -> None:
        await foreign.wait()
        seen.append("back")
        await sleep(0)
        seen.append("on")

    engine.start(elsewhere())
    await asyncio.sleep(0)
    await engine.pause()
    foreign.set()
    await asyncio.sleep(0.01)
    assert seen == ["back"]
    await engine.resume()
    assert seen == ["back", "on"]


async def test_a_pause_of_its_own_tells_whoever_awaits_the_plan(engine: RunEngine, docs: Collected) -> None:
    @plan
    async def stops_to_ask() -> str:
        async with run():
            await pause()
        return "went on"

    with pytest.raises(RunPaused, match="the plan paused itself") as paused:
        await engine(stops_to_ask())
    assert paused.value.run.exit_status is None
    assert engine.state is State.PAUSED
    assert await engine.resume() == "went on"
    assert docs.names == ["start", "stop"]


async def test_a_pause_from_elsewhere_leaves_the_await_pending(engine: RunEngine) -> None:
    axis = Axis()
    awaited = asyncio.ensure_future(engine(move(axis, 1)))
    await axis.moving.wait()
    await engine.pause()
    assert not awaited.done()
    resumed = asyncio.ensure_future(engine.resume())
    await asyncio.sleep(0.01)
    axis.arrive()
    assert await resumed == "there"
    assert await awaited == "there"


async def test_a_deferred_pause_waits_for_the_checkpoint_of_that_name(engine: RunEngine) -> None:
    passed: list[str] = []

    @plan
    async def stages() -> None:
        for name in ("sample", "point", "sample"):
            await checkpoint(name)
            passed.append(name)
            await sleep(0.01)

    handle = engine.start(stages())
    await asyncio.sleep(0)
    await engine.pause(at="point")
    assert passed == ["sample"]
    await engine.resume()
    assert passed == ["sample", "point", "sample"]
    assert handle.done


async def test_a_resume_that_comes_before_the_pause_has_arrived_is_as_good(engine: RunEngine) -> None:
    counter = Counter()

    @plan
    async def expose() -> str:
        await trigger(counter, wait=True)
        await sleep(0)
        return "done"

    handle = engine.start(expose())
    await counter.exposing.wait()
    engine.request_pause()
    await asyncio.sleep(0.01)
    assert engine.state is State.PAUSING
    resumed = asyncio.ensure_future(engine.resume())
    counter.exposed.set()
    assert await resumed == "done"
    assert handle.done


class Stage:
    """Arrives after a second, or is stopped before; says what it was sent and where it arrived."""

    parent = None
    name = "stage"

    def __init__(self) -> None:
        self.sent: list[float] = []
        self.arrived: list[float] = []

    def set(self, value: float) -> Status:
        self.sent.append(value)
        self._stopped = asyncio.Event()
        return Status(self._go(value), name="stage")

    async def _go(self, value: float) -> None:
        try:
            async with asyncio.timeout(1.0):
                await self._stopped.wait()
        except TimeoutError:
            self.arrived.append(value)

    async def stop(self, success: bool = True) -> None:
        self._stopped.set()


@pytest.mark.parametrize("seed", range(5))
async def test_pauses_raced_against_completion_lose_no_result_and_double_no_action(
    virtual_clock: VirtualClock, engine: RunEngine, seed: int
) -> None:
    rng = random.Random(seed)
    stage = Stage()
    resumers: list[asyncio.Future[Any]] = []

    @plan
    async def walk() -> int:
        for target in range(60):
            await mv(stage, target)
        return 60

    async def interrupt() -> None:
        while engine.running:
            await asyncio.sleep(rng.choice((0.0, 0.5, 1.0, 1.0, 2.0)))
            with suppress(PauseRefusedError, TransitionError):  # the plan has come to its end
                await engine.pause()
                resumers.append(asyncio.ensure_future(engine.resume()))
                await asyncio.sleep(0)

    handle = engine.start(walk())
    interrupting = asyncio.ensure_future(interrupt())
    assert await handle == 60
    await interrupting
    await asyncio.gather(*resumers)
    assert stage.arrived == list(range(60))
    assert [one for one, _ in itertools.groupby(stage.sent)] == list(range(60))


async def test_stop_abort_and_halt_end_a_paused_plan(engine: RunEngine) -> None:
    endings: list[tuple[Callable[[], Any], type[Exception]]] = [
        (engine.stop, PlanStoppedError),
        (engine.abort, PlanAbortedError),
        (engine.halt, PlanHaltedError),
    ]
    for end, error in endings:
        axis = Axis()
        handle = engine.start(move(axis, 1))
        await axis.moving.wait()
        await engine.pause()
        await end()
        with pytest.raises(error):
            await handle
        assert engine.state is State.IDLE
        assert axis.log[-1] == "x stop False"


async def test_a_halt_refuses_the_operations_of_the_plans_own_clean_up(engine: RunEngine) -> None:
    axis, shutter = Axis(), Axis("shutter")

    @plan
    async def careful() -> None:
        try:
            await mv(axis, 1)
        finally:
            await abs_set(shutter, 0)

    handle = engine.start(careful())
    await axis.moving.wait()
    await engine.halt()
    with pytest.raises(PlanHaltedError):
        await handle
    assert shutter.log == []


class Glider:
    """A flyer that says what was done to it; it pauses in the air if it is of that kind."""

    parent = None

    def __init__(self) -> None:
        self.name = "glider"
        self.log: list[str] = []
        self.flying = asyncio.Event()
        self.landed = asyncio.Event()

    def kickoff(self) -> Status:
        self.log.append("kickoff")
        return Status(asyncio.sleep(0), name=self.name)

    def complete(self) -> Status:
        self.log.append("complete")
        self.flying.set()
        return Status(self._fly(), name=self.name)

    async def _fly(self) -> None:
        await self.landed.wait()

    async def stop(self, success: bool = True) -> None:
        self.log.append("stop")
        self.landed.set()


class Pausable(Glider):
    async def pause_at_boundary(self) -> int:
        self.log.append("pause at 7")
        return 7

    async def resume(self, frame: int) -> None:
        self.log.append(f"resume from {frame}")


@plan
async def fly(glider: Glider) -> str:
    await kickoff(glider, wait=True)
    await complete(glider, wait=True)
    return "landed"


async def test_a_flight_pauses_at_a_boundary_and_is_neither_kicked_off_nor_completed_again(engine: RunEngine) -> None:
    glider = Pausable()
    engine.start(fly(glider))
    await glider.flying.wait()
    await engine.pause()
    resumed = asyncio.ensure_future(engine.resume())
    await asyncio.sleep(0.01)
    glider.landed.set()
    assert await resumed == "landed"
    assert glider.log == ["kickoff", "complete", "pause at 7", "resume from 7"]


async def test_a_flyer_that_cannot_pause_refuses_the_pause_and_flies_on(engine: RunEngine) -> None:
    glider = Glider()
    handle = engine.start(fly(glider))
    await glider.flying.wait()
    with pytest.raises(PauseRefusedError, match="glider is flying and cannot pause"):
        await engine.pause()
    assert engine.state is State.RUNNING
    glider.landed.set()
    assert await handle == "landed"
    assert glider.log == ["kickoff", "complete"]


async def test_nothing_can_be_paused_or_resumed_when_no_plan_runs(engine: RunEngine) -> None:
    with pytest.raises(TransitionError, match="pause makes no sense while the engine is idle"):
        await engine.pause()
    with pytest.raises(TransitionError, match="resume makes no sense while the engine is idle"):
        await engine.resume()


async def test_events_of_points_before_during_and_after_a_pause_are_there_once(
    engine: RunEngine, docs: Collected, det: SoftDetector, x: SoftMotor
) -> None:
    @plan
    async def points() -> None:
        async with run():
            for target in range(6):
                await checkpoint()
                await mv(x, target)
                await trigger_and_read([det, x])

    handle = engine.start(points())
    while not handle.done:
        await engine.pause(defer=True)
        if not handle.done:
            await asyncio.sleep(0)
            resumed = asyncio.ensure_future(engine.resume())
            await asyncio.sleep(0.002)
    assert await resumed is None
    assert [doc["seq_num"] for doc in docs.of("event")] == [1, 2, 3, 4, 5, 6]
    assert [doc["data"]["x"] for doc in docs.of("event")] == [0, 1, 2, 3, 4, 5]
