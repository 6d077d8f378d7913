"""Generator plans that are taken back to their last checkpoint: bluesky's replay, without what it does wrong."""

import asyncio
from collections.abc import Callable, Generator
from typing import Any

import pytest
from wingbeat.async_devices import SoftDetector, SoftMotor
from wingbeat.async_devices.status import Status
from wingbeat.engine import Msg, RunEngine
from wingbeat.engine.run_engine import RunEngine as Engine
from wingbeat.engine.states import State

from tests.engine.conftest import Collected, until
from tests.engine.test_pause import Glider
from tests.engine.test_steps import Camera, rowmap_of
from tests.virtual_clock import VirtualClock

Plan = Generator[Msg, Any, Any]


class Slow:
    """A motor that takes a second to answer and two to move, and says what it was sent."""

    parent = None

    def __init__(self, name: str, position: float = 42.0) -> None:
        self.name = name
        self.sent: list[float] = []
        self.position = position

    async def locate(self) -> Any:
        await asyncio.sleep(1)
        return {"setpoint": self.position, "readback": self.position}

    async def read(self) -> Any:
        await asyncio.sleep(1)
        return {self.name: {"value": self.position, "timestamp": 0.0}}

    def set(self, value: float) -> Status:
        self.sent.append(value)
        self._stopped = asyncio.Event()
        return Status(self._go(value), name=self.name)

    async def _go(self, value: float) -> None:
        try:
            async with asyncio.timeout(2):
                await self._stopped.wait()
        except TimeoutError:
            self.position = value

    async def stop(self, success: bool = True) -> None:
        self._stopped.set()


@pytest.fixture(params=["pause", "suspension"])
def disturb(request: pytest.FixtureRequest, engine: RunEngine) -> Callable[[float], Any]:
    """Disturb the plan `after` seconds for three, by a pause or by a suspension."""

    async def pause(after: float) -> None:
        await asyncio.sleep(after)
        await engine.pause()
        await asyncio.sleep(3)
        asyncio.ensure_future(engine.resume()).add_done_callback(lambda done: done.exception())

    async def suspend(after: float) -> None:
        await asyncio.sleep(after)
        release = engine.suspend("beam lost")
        await asyncio.sleep(3)
        release()

    return pause if request.param == "pause" else suspend


async def disturbed(engine: Engine, plan: Plan, disturbance: Any) -> Any:
    handle = engine.start(plan)
    await disturbance
    return await handle


async def test_the_answer_of_an_interrupted_message_reaches_the_plan(
    virtual_clock: VirtualClock, engine: RunEngine, disturb: Callable[[float], Any]
) -> None:
    motor = Slow("m")

    def relative() -> Plan:
        yield Msg("checkpoint")
        location = yield Msg("locate", motor)
        target = location["readback"] + 1
        yield Msg("set", motor, (target,), {"group": "g"})
        yield Msg("wait", None, (), {"group": "g"})
        return target

    assert await disturbed(engine, relative(), disturb(0.5)) == 43
    assert motor.sent == [43]


async def test_a_move_that_began_before_the_checkpoint_is_waited_for_after_it(
    virtual_clock: VirtualClock, engine: RunEngine, disturb: Callable[[float], Any]
) -> None:
    motor, other = Slow("m", 0.0), SoftMotor("other")

    def moves() -> Plan:
        yield Msg("checkpoint")
        yield Msg("set", motor, (20.0,), {"group": "A"})
        yield Msg("stage", other)
        yield Msg("wait", None, (), {"group": "A"})
        return motor.position

    assert await disturbed(engine, moves(), disturb(1.0)) == 20.0


async def test_what_was_done_since_the_checkpoint_is_done_again_and_what_was_before_is_not(
    virtual_clock: VirtualClock, engine: RunEngine, disturb: Callable[[float], Any]
) -> None:
    motor = Slow("m", 0.0)

    def moves() -> Plan:
        for target in (1.0, 2.0):
            yield Msg("checkpoint")
            yield Msg("set", motor, (target,), {"group": "g"})
            yield Msg("wait", None, (), {"group": "g"})
        yield Msg("sleep", None, (5,))

    await disturbed(engine, moves(), disturb(4.5))
    assert motor.sent == [1.0, 2.0, 2.0]


async def test_no_point_of_one_run_is_repeated_in_the_next(
    virtual_clock: VirtualClock, engine: RunEngine, docs: Collected, det: SoftDetector, disturb: Callable[[float], Any]
) -> None:
    def two_runs() -> Plan:
        for _ in range(2):
            yield Msg("open_run")
            yield Msg("create", None, ("primary",))
            yield Msg("read", det)
            yield Msg("save")
            yield Msg("sleep", None, (1,))
            yield Msg("close_run")

    await disturbed(engine, two_runs(), disturb(1.5))
    assert docs.names == ["start", "descriptor", "event", "stop"] * 2
    assert [doc["seq_num"] for doc in docs.of("event")] == [1, 1]


async def test_an_event_that_was_emitted_is_not_emitted_again(
    virtual_clock: VirtualClock, engine: RunEngine, docs: Collected, det: SoftDetector, disturb: Callable[[float], Any]
) -> None:
    def points() -> Plan:
        yield Msg("open_run")
        for _ in range(3):
            yield Msg("checkpoint")
            yield Msg("create", None, ("primary",))
            yield Msg("read", det)
            yield Msg("save")
            yield Msg("sleep", None, (1,))
        yield Msg("close_run")

    await disturbed(engine, points(), disturb(1.5))
    assert [doc["seq_num"] for doc in docs.of("event")] == [1, 2, 3]


async def test_a_frame_that_was_exposed_and_not_read_is_taken_again_and_its_row_is_announced(
    virtual_clock: VirtualClock, engine: RunEngine, docs: Collected, disturb: Callable[[float], Any]
) -> None:
    motor = SoftMotor("x")
    camera = Camera(motor)

    def points() -> Plan:
        yield Msg("open_run")
        for _ in range(3):
            yield Msg("checkpoint")
            yield Msg("trigger", camera, (), {"group": "t"})
            yield Msg("wait", None, (), {"group": "t"})
            yield Msg("sleep", None, (1,))
            yield Msg("create", None, ("primary",))
            yield Msg("read", camera)
            yield Msg("read", motor)
            yield Msg("save")
        yield Msg("close_run")

    await disturbed(engine, points(), disturb(1.8))
    rows = rowmap_of(docs)
    assert [doc["seq_num"] for doc in docs.of("event")] == [1, 2, 3]
    assert rows.rows == len(camera.rows) == 4
    assert [rows.locate(n).row for n in (1, 2, 3)] == [0, 2, 3]


async def test_a_flight_is_not_kicked_off_again(virtual_clock: VirtualClock, engine: RunEngine) -> None:
    class Pausing(Glider):
        async def pause(self) -> None:
            self.log.append("pause")

        async def resume(self) -> None:
            self.log.append("resume")

    glider = Pausing()

    def flies() -> Plan:
        yield Msg("checkpoint")
        yield Msg("kickoff", glider, (), {"group": "k"})
        yield Msg("wait", None, (), {"group": "k"})
        yield Msg("complete", glider, (), {"group": "c"})
        yield Msg("wait", None, (), {"group": "c"})
        return "landed"

    handle = engine.start(flies())
    await glider.flying.wait()
    await engine.pause()
    resumed = asyncio.ensure_future(engine.resume())
    await asyncio.sleep(1)
    glider.landed.set()
    assert await resumed == "landed"
    assert handle.done
    assert glider.log == ["kickoff", "complete", "pause", "resume"]


async def test_a_suspension_subscribes_a_monitored_device_once(virtual_clock: VirtualClock, engine: RunEngine) -> None:
    class Signal:
        parent = None
        name = "current"

        def __init__(self) -> None:
            self.subscribers: list[Any] = []

        async def describe(self) -> Any:
            return {"current": {"source": "soft://current", "dtype": "number", "shape": []}}

        async def read(self) -> Any:
            return {"current": {"value": 1.0, "timestamp": 0.0}}

        def subscribe(self, function: Any) -> None:
            self.subscribers.append(function)

        def clear_sub(self, function: Any) -> None:
            self.subscribers.remove(function)

    signal = Signal()

    def monitors() -> Plan:
        yield Msg("open_run")
        yield Msg("monitor", signal)
        yield Msg("sleep", None, (5,))
        counts.append(len(signal.subscribers))
        yield Msg("close_run")

    counts: list[int] = []
    handle = engine.start(monitors())
    await asyncio.sleep(1)
    release = engine.suspend("beam lost")
    await until(lambda: engine.state is State.SUSPENDED)
    assert signal.subscribers == []
    release()
    await handle
    assert counts == [1]
    assert signal.subscribers == []


async def test_a_cleared_checkpoint_is_set_again_by_the_next(
    virtual_clock: VirtualClock, engine: RunEngine, disturb: Callable[[float], Any]
) -> None:
    motor = Slow("m", 0.0)

    def moves() -> Plan:
        yield Msg("checkpoint")
        yield Msg("clear_checkpoint")
        yield Msg("set", motor, (1.0,), {"group": "g"})
        yield Msg("wait", None, (), {"group": "g"})
        yield Msg("checkpoint")
        yield Msg("set", motor, (2.0,), {"group": "g"})
        yield Msg("wait", None, (), {"group": "g"})
        yield Msg("sleep", None, (5,))

    await disturbed(engine, moves(), disturb(5.0))
    assert motor.sent == [1.0, 2.0, 2.0]


async def test_a_plan_that_cannot_be_taken_back_goes_on_where_it_was(
    virtual_clock: VirtualClock, engine: RunEngine, disturb: Callable[[float], Any]
) -> None:
    motor = Slow("m", 0.0)

    def moves() -> Plan:
        yield Msg("checkpoint")
        yield Msg("set", motor, (1.0,), {"group": "g"})
        yield Msg("wait", None, (), {"group": "g"})
        yield Msg("clear_checkpoint")
        yield Msg("sleep", None, (5,))
        return virtual_clock.elapsed

    begun = virtual_clock.elapsed
    assert await disturbed(engine, moves(), disturb(4.0)) - begun == pytest.approx(2 + 5 + 3)
    assert motor.sent == [1.0]


async def test_a_plan_that_pauses_itself_goes_on_behind_the_pause(engine: RunEngine) -> None:
    motor = SoftMotor("m")
    said: list[str] = []

    def asks() -> Plan:
        yield Msg("checkpoint")
        yield Msg("set", motor, (1.0,), {"group": "g"})
        yield Msg("wait", None, (), {"group": "g"})
        yield Msg("pause", None, (), {"defer": False})
        said.append("on")
        return "done"

    handle = engine.start(asks())
    await until(lambda: engine.state is State.PAUSED)
    assert said == []
    assert await engine.resume() == "done"
    assert handle.done


async def test_a_plan_without_checkpoints_keeps_a_bounded_number_of_messages(engine: RunEngine) -> None:
    def endless() -> Plan:
        for _ in range(30_000):
            yield Msg("null")
        section = engine.execution.steps[0]
        return section.messages

    assert await engine(endless()) is None
