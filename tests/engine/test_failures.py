import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from wingbeat.async_devices import SoftDetector, SoftMotor
from wingbeat.engine import RunEngine, plan
from wingbeat.engine.errors import (
    EngineBusyError,
    IllegalMessageError,
    NotInPlanError,
    OperationFailedError,
    OperationTimeoutError,
    PlanAbortedError,
    PlanStoppedError,
    UnsupportedVerbError,
)
from wingbeat.engine.plans import count
from wingbeat.engine.stubs import abs_set, mv, null, open_run, run, sleep, staged, trigger_and_read, wait

from tests.engine.axis import Axis, StalledError
from tests.engine.conftest import Collected


@pytest.fixture
def log(engine: RunEngine) -> list[str]:
    """What happened, documents and devices in one order."""
    happened: list[str] = []
    emit: Callable[..., int] = engine.emit

    def logged(name: str, doc: dict[str, Any], *, payload: bytes) -> int:
        happened.append(name)
        return emit(name, doc, payload=payload)

    engine.emit = logged
    return happened


@plan
async def move_in_a_run(axis: Axis, log: list[str]) -> None:
    async with staged(axis), run():
        try:
            await mv(axis, 5)
        finally:
            await null()
            log.append("finally")


async def test_a_failed_move_is_raised_at_its_await_with_the_devices_own_error(
    engine: RunEngine, docs: Collected, log: list[str]
) -> None:
    axis = Axis("x", log)
    handle = engine.start(move_in_a_run(axis, log))
    await axis.moving.wait()
    axis.stall()
    with pytest.raises(OperationFailedError, match="set of x failed: StalledError: following error") as caught:
        await handle
    assert isinstance(caught.value.__cause__, StalledError)
    assert log == ["x stage", "start", "x set 5", "finally", "x stop False", "stop", "x unstage"]
    stop = docs.of("stop")[0]
    assert (stop["exit_status"], stop["reason"]) == ("fail", "set of x failed: StalledError: following error")


async def test_an_abort_runs_finally_stops_devices_and_only_then_emits_stop(
    engine: RunEngine, docs: Collected, log: list[str]
) -> None:
    axis = Axis("x", log)
    handle = engine.start(move_in_a_run(axis, log))
    await axis.moving.wait()
    await handle.abort("beam lost")
    with pytest.raises(PlanAbortedError, match="beam lost"):
        await handle
    assert log == ["x stage", "start", "x set 5", "finally", "x unstage", "x stop False", "stop"]
    assert (docs.of("stop")[0]["exit_status"], docs.of("stop")[0]["reason"]) == ("abort", "beam lost")


async def test_a_stop_closes_the_run_as_successful(engine: RunEngine, docs: Collected, log: list[str]) -> None:
    axis = Axis("x", log)
    handle = engine.start(move_in_a_run(axis, log))
    await axis.moving.wait()
    await engine.stop("enough")
    with pytest.raises(PlanStoppedError, match="enough"):
        await handle
    assert "x stop False" in log
    assert docs.of("stop")[0]["exit_status"] == "success"


async def test_an_abort_ends_a_plan_that_waits_for_something_foreign(engine: RunEngine, docs: Collected) -> None:
    reached, cleaned = asyncio.Event(), []

    @plan
    async def foreign() -> None:
        async with run():
            try:
                reached.set()
                await asyncio.Event().wait()
            finally:
                await sleep(0)
                cleaned.append(True)

    handle = engine.start(foreign())
    await reached.wait()
    await handle.abort()
    with pytest.raises(PlanAbortedError):
        await handle
    assert cleaned == [True]
    assert docs.of("stop")[0]["exit_status"] == "abort"


async def test_a_plan_that_swallows_exceptions_is_aborted_all_the_same(engine: RunEngine) -> None:
    axis = Axis("x")

    @plan
    async def stubborn() -> None:
        while True:
            try:
                await mv(axis, 1)
            except Exception:  # noqa: BLE001
                continue

    handle = engine.start(stubborn())
    await axis.moving.wait()
    await handle.abort()
    with pytest.raises(PlanAbortedError):
        await handle
    assert axis.log == ["x set 1", "x stop False"]


async def test_a_second_abort_cuts_the_clean_up_short(engine: RunEngine, docs: Collected) -> None:
    axis, parking = Axis("x"), Axis("parking")

    @plan
    async def slow_to_clean() -> None:
        async with run():
            try:
                await mv(axis, 1)
            finally:
                await mv(parking, 0)

    handle = engine.start(slow_to_clean())
    await axis.moving.wait()
    async with asyncio.TaskGroup() as group:
        group.create_task(handle.abort("first"))
        await parking.moving.wait()
        group.create_task(handle.abort("second"))
    with pytest.raises(PlanAbortedError, match="first"):
        await handle
    assert parking.log == ["parking set 0", "parking stop False"]
    assert docs.names == ["start", "stop"]


async def test_clean_up_that_takes_too_long_is_cut_short(engine: RunEngine) -> None:
    engine.cleanup_time = 0.05
    axis, parking = Axis("x"), Axis("parking")

    @plan
    async def slow_to_clean() -> None:
        try:
            await mv(axis, 1)
        finally:
            await mv(parking, 0)

    handle = engine.start(slow_to_clean())
    await axis.moving.wait()
    await handle.abort()
    assert handle.done
    with pytest.raises(PlanAbortedError):
        await handle


async def test_an_abort_reaches_every_child_task_of_the_plan(engine: RunEngine, docs: Collected) -> None:
    axes = [Axis("x"), Axis("y")]
    cleaned: list[str] = []

    async def child(axis: Axis) -> None:
        try:
            await mv(axis, 1)
        finally:
            await null()
            cleaned.append(axis.name)

    @plan
    async def both() -> None:
        async with run(), asyncio.TaskGroup() as group:
            for axis in axes:
                group.create_task(child(axis))

    handle = engine.start(both())
    for axis in axes:
        await axis.moving.wait()
    await handle.abort()
    with pytest.raises(PlanAbortedError):
        await handle
    assert sorted(cleaned) == ["x", "y"]
    assert [axis.log[-1] for axis in axes] == ["x stop False", "y stop False"]
    assert docs.of("stop")[0]["exit_status"] == "abort"


async def test_a_cancelled_caller_leaves_no_plan_behind(engine: RunEngine, docs: Collected, log: list[str]) -> None:
    axis = Axis("x", log)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(engine(move_in_a_run(axis, log)))
        await axis.moving.wait()
        task.cancel()
    assert task.cancelled()
    assert engine.running is None
    assert docs.of("stop")[0]["exit_status"] == "abort"


async def test_ctrl_c_ends_the_plan_in_order_and_the_old_handler_comes_back(engine: RunEngine, docs: Collected) -> None:
    before = signal.getsignal(signal.SIGINT)
    engine.pausing_interrupts = 0
    axis = Axis("x")
    handle = engine.start(move_in_a_run(axis, []))
    await axis.moving.wait()
    os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(PlanAbortedError, match="keyboard"):
        await handle
    assert signal.getsignal(signal.SIGINT) is before
    assert docs.of("stop")[0]["exit_status"] == "abort"


async def test_a_wait_with_a_timeout_names_what_is_late_and_can_be_waited_for_again(engine: RunEngine) -> None:
    axis = Axis("x")

    @plan
    async def impatient() -> bool:
        await abs_set(axis, 1, group="g")
        assert await wait("g", timeout=0.01, error_on_timeout=False) is False
        with pytest.raises(OperationTimeoutError, match="set of x: in flight"):
            await wait("g", timeout=0.01)
        axis.arrive()
        return await wait("g")

    assert await engine(impatient()) is True


@pytest.mark.blocks_loop
async def test_a_member_that_is_done_in_the_turn_in_which_the_time_is_up_is_done(engine: RunEngine) -> None:
    axis = Axis("x")

    @plan
    async def photo_finish() -> bool:
        await abs_set(axis, 1, group="g")
        loop = asyncio.get_running_loop()
        loop.call_later(0.001, time.sleep, 0.03)  # so that both of what follows are due in one turn of the loop
        loop.call_later(0.005, axis.arrive)
        return await wait("g", timeout=0.01, error_on_timeout=False)

    assert await engine(photo_finish()) is True


async def test_waiting_again_and_again_leaves_nothing_behind_at_the_device(engine: RunEngine) -> None:
    axis = Axis("x")

    @plan
    async def polls() -> None:
        operation = await abs_set(axis, 1, group="g")
        for _ in range(10):
            await wait("g", timeout=0.0001, error_on_timeout=False)
        assert len(operation._status._callbacks) == 1
        axis.arrive()
        await wait("g")

    await engine(polls())


async def test_a_status_that_calls_back_from_a_thread_is_waited_for(engine: RunEngine) -> None:
    class Threaded:
        """A status as ophyd's are."""

        done = success = False

        def add_callback(self, callback: Callable[[Any], None]) -> None:
            def finish() -> None:
                self.done = self.success = True
                callback(self)

            threading.Thread(target=finish).start()

        def exception(self, timeout: float | None = 0.0) -> None:
            return None

    class Device:
        name = "ophyd"

        def set(self, value: float) -> Threaded:
            return Threaded()

    @plan
    async def move() -> None:
        await mv(Device(), 1)

    async with asyncio.timeout(5):
        await engine(move())


async def test_the_first_failure_in_time_of_a_group_is_raised(engine: RunEngine) -> None:
    slow, failing = Axis("slow"), Axis("failing")

    @plan
    async def move() -> None:
        await mv(slow, 1, failing, 2)

    handle = engine.start(move())
    await failing.moving.wait()
    failing.stall()
    with pytest.raises(OperationFailedError, match="failing"):
        await handle
    assert slow.log[-1] == "slow stop False"


async def test_a_failure_before_the_wait_is_raised_at_the_wait(engine: RunEngine) -> None:
    axis = Axis("x")
    seen: list[str] = []

    @plan
    async def late() -> None:
        await abs_set(axis, 1, group="g")
        axis.stall()
        await null()
        seen.append("unrelated operation passed")
        with pytest.raises(OperationFailedError):
            await wait("g")
        seen.append("raised at the wait")

    await engine(late())
    assert seen == ["unrelated operation passed", "raised at the wait"]


async def test_a_fire_and_forget_move_goes_on_when_the_plan_ends(engine: RunEngine) -> None:
    axis = Axis("x")

    @plan
    async def go() -> None:
        await abs_set(axis, 1)

    await engine(go())
    assert axis.log == ["x set 1"]
    await axis.stop()


async def test_a_device_that_cannot_be_stopped_does_not_keep_the_others_moving(engine: RunEngine) -> None:
    class Stuck(Axis):
        async def stop(self, success: bool = True) -> None:
            raise StalledError("no answer")

    stuck, axis = Stuck("stuck"), Axis("x")

    @plan
    async def fail() -> None:
        await abs_set(stuck, 1)
        await abs_set(axis, 1)
        raise LookupError("the plan's own")

    with pytest.raises(LookupError, match="the plan's own"):
        await engine(fail())
    assert axis.log[-1] == "x stop False"


async def test_a_run_that_the_plan_left_open_is_closed(engine: RunEngine, docs: Collected) -> None:
    @plan
    async def forgets() -> None:
        await open_run()

    await engine(forgets())
    assert docs.names == ["start", "stop"]


async def test_a_plan_can_catch_a_failure_and_go_on(engine: RunEngine, docs: Collected, det: SoftDetector) -> None:
    @plan
    async def tries() -> None:
        with pytest.raises(OperationFailedError):
            async with run():
                raise OperationFailedError("first try")
        async with run():
            await trigger_and_read([det])

    await engine(tries())
    assert [(doc["exit_status"], doc["reason"]) for doc in docs.of("stop")] == [("fail", "first try"), ("success", "")]


async def test_an_operation_outside_of_a_plan_says_so(det: SoftDetector) -> None:
    with pytest.raises(NotInPlanError, match="@plan"):
        await trigger_and_read([det])


async def test_a_second_plan_is_refused_while_one_runs(engine: RunEngine, det: SoftDetector) -> None:
    axis = Axis("x")
    handle = engine.start(move_in_a_run(axis, []))
    await axis.moving.wait()
    with pytest.raises(EngineBusyError, match="move_in_a_run"):
        await engine(count([det]))
    axis.arrive()
    await handle


async def test_messages_that_make_no_sense_are_refused(engine: RunEngine, x: SoftMotor) -> None:
    from wingbeat.engine.stubs import close_run, create, kickoff, save

    @plan
    async def nonsense() -> None:
        with pytest.raises(IllegalMessageError, match="no run"):
            await close_run()
        with pytest.raises(UnsupportedVerbError, match="kickoff"):
            await kickoff(x)
        async with run():
            with pytest.raises(IllegalMessageError, match="create"):
                await save()
            await create()
            with pytest.raises(IllegalMessageError, match="save or drop"):
                await create()

    await engine(nonsense())
