"""Policies for devices that fail: tried again, taken again, or excused with an alarm."""

import asyncio
import math
from typing import Any

import pytest
from wingbeat.async_devices import SoftDetector, SoftMotor
from wingbeat.async_devices.status import Status
from wingbeat.engine import Msg, RunEngine, plan, using
from wingbeat.engine.errors import OperationFailedError
from wingbeat.engine.preprocessors import nan_and_continue, redo_point, retry
from wingbeat.engine.stubs import create, declare_stream, mv, read, run, save, trigger, trigger_and_read

from tests.engine.conftest import Collected
from tests.engine.test_sections import Slow
from tests.engine.test_steps import Camera, rowmap_of
from tests.virtual_clock import VirtualClock


class Tiresome(SoftDetector):
    """A detector that fails its first readings or exposures."""

    def __init__(self, name: str, *, reads: int = 0, triggers: int = 0) -> None:
        super().__init__(name)
        self.bad_reads, self.bad_triggers, self.exposed = reads, triggers, 0

    def trigger(self) -> Status:
        return Status(self._expose(), name=self.name)

    async def _expose(self) -> None:
        self.exposed += 1
        if self.exposed <= self.bad_triggers:
            raise TimeoutError("no shutter")

    async def read(self) -> Any:
        self.bad_reads -= 1
        if self.bad_reads >= 0:
            raise OSError("link down")
        return await super().read()


class Sticky(SoftMotor):
    """An axis that gets going at the third attempt."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.sent: list[float] = []

    def set(self, value: float) -> Status:
        self.sent.append(value)
        return super().set(value) if len(self.sent) > 2 else Status(self._stuck(), name=self.name)

    async def _stuck(self) -> None:
        await asyncio.sleep(0)
        raise TimeoutError("following error")


async def test_a_point_whose_child_task_failed_is_taken_again(engine: RunEngine, docs: Collected) -> None:
    detector, motor = Tiresome("det", reads=1), SoftMotor("x")

    @plan
    async def scan() -> None:
        async with using(redo_point(1)), run() as opened:
            async for step in opened.steps([1]):
                async with step as target, asyncio.TaskGroup() as group:
                    group.create_task(mv(motor, target))
                    group.create_task(trigger_and_read([detector]))

    await engine(scan())
    assert docs.of("stop")[0]["num_events"] == {"primary": 1}


async def test_a_row_of_a_point_that_failed_between_two_readings_is_announced(
    virtual_clock: VirtualClock, engine: RunEngine, docs: Collected
) -> None:
    motor, bad = SoftMotor("x"), Tiresome("bad", reads=1)
    camera = Camera(motor)

    @plan
    async def scan() -> None:
        async with using(redo_point(1)), run() as opened:
            await declare_stream(camera, bad, name="primary")
            async for step in opened.steps([1, 2]):
                async with step as target:
                    await mv(motor, target)
                    await trigger(camera, wait=True)
                    await create()
                    await read(camera)
                    await read(bad)
                    await save()

    await engine(scan())
    rows = rowmap_of(docs)
    assert camera.rows == [1, 1, 2]
    assert rows.rows == 3
    assert [rows.locate(number).row for number in (1, 2)] == [1, 2]
    assert [doc["seq_num"] for doc in docs.of("event")] == [1, 2]


@plan
async def point(detector: Any, motor: Any) -> None:
    async with run():
        await mv(motor, 1)
        await trigger_and_read([detector])


def generated(detector: Any, motor: Any) -> Any:
    yield Msg("open_run")
    yield Msg("set", motor, (1,), {"group": "g"})
    yield Msg("wait", None, (), {"group": "g"})
    yield Msg("trigger", detector, (), {"group": "t"})
    yield Msg("wait", None, (), {"group": "t"})
    yield Msg("create", None, (), {"name": "primary"})
    yield Msg("read", detector)
    yield Msg("save")
    yield Msg("close_run")


@pytest.mark.parametrize("make", [point, generated])
async def test_what_fails_is_tried_again_and_the_event_is_there_once(
    engine: RunEngine, docs: Collected, make: Any
) -> None:
    detector, motor = Tiresome("det", reads=1, triggers=1), Sticky("x")
    async with engine.using(retry(2, on=(TimeoutError, OSError))):
        await engine(make(detector, motor))
    assert motor.sent == [1, 1, 1]
    assert [doc["seq_num"] for doc in docs.of("event")] == [1]
    assert docs.of("stop")[0]["exit_status"] == "success"


async def test_an_error_that_is_not_worth_it_and_one_time_too_many_are_raised(engine: RunEngine) -> None:
    for policy in (retry(1), retry(5, on=OSError, commands={"read"})):
        motor = Sticky("x")
        async with engine.using(policy):
            with pytest.raises(OperationFailedError, match="following error"):
                await engine(point(SoftDetector("det"), motor))


@pytest.mark.parametrize("make", [point, generated])
@pytest.mark.parametrize("failure", [{"reads": 1}, {"triggers": 1}])
async def test_an_excused_reading_is_nothing_and_an_alarm_says_so(
    engine: RunEngine, docs: Collected, make: Any, failure: dict[str, int]
) -> None:
    detector = Tiresome("det", **failure)
    async with engine.using(nan_and_continue([detector])):
        await engine(make(detector, SoftMotor("x")))
    docs.check_schemas()
    primary, alarms = [
        next(doc["uid"] for doc in docs.of("descriptor") if doc["name"] == n) for n in ("primary", "alarms")
    ]
    assert [doc["data"] for doc in docs.of("event") if doc["descriptor"] == primary] == [{"det": None}]
    (alarm,) = [doc["data"] for doc in docs.of("event") if doc["descriptor"] == alarms]
    assert (alarm["device"], alarm["where"]) == ("det", "primary")
    assert "link down" in alarm["message"] or "no shutter" in alarm["message"]
    assert docs.of("stop")[0]["num_events"] == {"primary": 1, "alarms": 1}


async def test_only_the_excused_device_is_excused(engine: RunEngine, docs: Collected) -> None:
    good, bad = Tiresome("good", reads=1), Tiresome("bad", reads=1)

    @plan
    async def readings() -> Any:
        async with using(nan_and_continue([bad])):
            assert math.isnan((await trigger_and_read([bad]))["bad"]["value"])
            async with run():
                await trigger_and_read([good, bad])

    with pytest.raises(OperationFailedError, match="read of good"):
        await engine(readings())
    assert docs.of("event") == []


async def test_a_failed_point_is_taken_again_as_a_step(engine: RunEngine, docs: Collected) -> None:
    detector, motor = Tiresome("det", reads=1), SoftMotor("x")
    tried: list[int] = []

    @plan
    async def scan() -> None:
        async with using(redo_point(1)), run() as opened:
            async for step in opened.steps([1, 2]):
                async with step as target:
                    tried.append(target)
                    await mv(motor, target)
                    await trigger_and_read([motor], "axis")
                    await trigger_and_read([detector])

    await engine(scan())
    assert tried == [1, 1, 2]
    docs.check_schemas()
    assert docs.of("stop")[0]["num_events"] == {"axis": 2, "primary": 2}
    detector.bad_reads = 2
    with pytest.raises(OperationFailedError, match="link down"):
        await engine(scan())


@pytest.mark.parametrize("declared", [True, False])
async def test_a_row_of_an_event_that_a_pause_broke_off_is_announced(
    virtual_clock: VirtualClock, engine: RunEngine, docs: Collected, declared: bool
) -> None:
    motor, slow = SoftMotor("x"), Slow("m")
    camera = Camera(motor)

    def points() -> Any:
        yield Msg("open_run")
        if declared:
            yield Msg("declare_stream", None, (camera, slow), {"name": "primary"})
        for _ in range(2):
            yield Msg("checkpoint")
            yield Msg("trigger", camera, (), {"group": "t"})
            yield Msg("wait", None, (), {"group": "t"})
            yield Msg("create", None, ("primary",))
            yield Msg("read", camera)
            yield Msg("sleep", None, (1,))
            yield Msg("read", slow)
            yield Msg("save")
        yield Msg("close_run")

    slow.describe = slow_keys
    handle = engine.start(points())
    await asyncio.sleep(0.7)
    await engine.pause()
    await engine.resume()
    assert handle.done
    rows = rowmap_of(docs)
    assert len(camera.rows) == rows.rows == 3
    assert [rows.locate(number).row for number in (1, 2)] == [1, 2]
    assert [doc["seq_num"] for doc in docs.of("event")] == [1, 2]


async def slow_keys() -> Any:
    return {"m": {"source": "soft://m", "dtype": "number", "shape": []}}
