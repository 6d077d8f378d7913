"""Steps that are taken again: what was saved is there exactly once, and what was written is accounted for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wingbeat.async_devices import SoftDetector, SoftMotor
from wingbeat.async_devices.status import Status
from wingbeat.engine import RunEngine, plan
from wingbeat.engine.errors import IllegalMessageError, OperationFailedError, PlanAbortedError, TransitionError
from wingbeat.engine.states import State
from wingbeat.engine.stubs import mv, null, run, sleep, trigger_and_read
from wingbeat.stream_resource import RowMap

from tests.engine.conftest import Collected, until
from tests.virtual_clock import VirtualClock


async def suspend_for(engine: RunEngine, seconds: float = 1.0, **plans: Any) -> None:
    release = engine.suspend("beam lost", **plans)
    await asyncio.sleep(seconds)
    release()


class Camera:
    """Writes a row per trigger and tells of it when it is read; the file is a list of the targets it was taken at."""

    parent = None

    def __init__(self, motor: SoftMotor) -> None:
        self.name = "cam"
        self.rows: list[float] = []
        self.fails: set[int] = set()
        self._motor = motor
        self._told = 0

    def trigger(self) -> Status:
        return Status(self._expose(), name=self.name)

    async def _expose(self) -> None:
        self.rows.append((await self._motor.locate())["readback"])
        await asyncio.sleep(0.1)
        if len(self.rows) in self.fails:
            raise OSError("detector tripped")

    async def describe(self) -> dict[str, Any]:
        return {
            "cam": {"source": "soft://cam", "dtype": "array", "dtype_numpy": "<f8", "shape": [1], "external": "STREAM:"}
        }

    async def read(self) -> dict[str, Any]:
        await asyncio.sleep(0.1)
        return {}

    async def collect_asset_docs(self, index: int | None = None) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        if not self._told:
            yield "stream_resource", {
                "uid": "res", "data_key": "cam", "mimetype": "application/x-hdf5",
                "uri": "file://localhost/tmp/cam.h5", "parameters": {"dataset": "/data", "chunk_shape": [1]},
            }  # fmt: skip
        if len(self.rows) > self._told:
            yield "stream_datum", {
                "uid": f"res/{self._told}", "stream_resource": "res", "descriptor": "",
                "indices": {"start": self._told, "stop": len(self.rows)}, "seq_nums": {"start": 0, "stop": 0},
            }  # fmt: skip
            self._told = len(self.rows)


@plan
async def raster(motor: SoftMotor, camera: Any, targets: list[float], attempts: list[int] | None = None) -> None:
    async with run() as opened:
        async for step in opened.steps(targets):
            async with step as target:
                if attempts is not None:
                    attempts.append(step.attempt)
                await mv(motor, target)
                await trigger_and_read([camera, motor])


def rowmap_of(docs: Collected) -> RowMap:
    rows = RowMap("cam")
    for name, doc in docs:
        if name == "stream_resource":
            rows.add_resource(doc)
        elif name == "stream_datum":
            rows.add_datum(doc)
    return rows


async def test_a_point_in_which_the_beam_was_lost_is_taken_again_and_its_event_is_there_once(
    virtual_clock: VirtualClock, engine: RunEngine, docs: Collected
) -> None:
    motor = SoftMotor("x")
    camera = Camera(motor)
    attempts: list[int] = []
    handle = engine.start(raster(motor, camera, [0.0, 1.0, 2.0], attempts))
    await until(lambda: len(camera.rows) >= 2)
    await suspend_for(engine)
    await handle
    assert attempts == [1, 1, 2, 1]
    assert [doc["seq_num"] for doc in docs.of("event")] == [1, 2, 3]
    assert [doc["data"]["x"] for doc in docs.of("event")] == [0, 1, 2]
    rows = rowmap_of(docs)
    assert rows.rows == len(camera.rows) == 4
    assert [camera.rows[rows.locate(n).row] for n in (1, 2, 3)] == [0, 1, 2]


async def test_a_suspension_between_steps_repeats_no_frame(
    virtual_clock: VirtualClock, engine: RunEngine, docs: Collected
) -> None:
    motor = SoftMotor("x")
    camera = Camera(motor)

    @plan
    async def with_rests() -> None:
        async with run() as opened:
            async for step in opened.steps([0.0, 1.0]):
                async with step as target:
                    await mv(motor, target)
                    await trigger_and_read([camera, motor])
                await sleep(10)

    handle = engine.start(with_rests())
    await until(lambda: docs.of("event"))
    await suspend_for(engine)
    await handle
    assert camera.rows == [0.0, 1.0]


async def test_a_rewind_reaches_the_children_of_a_step_and_their_group_is_left_in_order(
    virtual_clock: VirtualClock, engine: RunEngine
) -> None:
    log: list[str] = []

    async def child(name: str) -> None:
        try:
            await sleep(5)
            log.append(f"{name} done")
        except BaseException as error:
            log.append(f"{name} {type(error).__name__}")
            raise

    @plan
    async def parallel() -> None:
        async with run() as opened:
            async for step in opened.steps([0]):
                async with step, asyncio.TaskGroup() as group:
                    group.create_task(child("a"))
                    group.create_task(child("b"))

    handle = engine.start(parallel())
    await asyncio.sleep(1)
    await suspend_for(engine)
    await handle
    assert log == ["a Rewind", "b Rewind", "a done", "b done"]


async def test_a_siblings_failure_wins_over_a_rewind(virtual_clock: VirtualClock, engine: RunEngine) -> None:
    async def fails() -> None:
        await asyncio.sleep(1.5)
        raise ValueError("bad oracle")

    async def waits() -> None:
        try:
            await sleep(5)
        finally:
            await asyncio.sleep(2)

    @plan
    async def parallel() -> None:
        async with run() as opened:
            async for step in opened.steps([0]):
                async with step, asyncio.TaskGroup() as group:
                    group.create_task(waits())
                    group.create_task(fails())

    handle = engine.start(parallel())
    await asyncio.sleep(0.4)
    await suspend_for(engine, 1.0)
    with pytest.raises(ExceptionGroup, match="unhandled errors") as failed:
        await handle
    assert [type(error) for error in failed.value.exceptions] == [ValueError]


async def test_operations_of_a_finally_pass_while_a_step_unwinds(
    virtual_clock: VirtualClock, engine: RunEngine
) -> None:
    shutter = SoftMotor("shutter")
    shut: list[int] = []

    @plan
    async def careful() -> None:
        async with run() as opened:
            async for step in opened.steps([0]):
                async with step:
                    try:
                        await sleep(3)
                    finally:
                        await mv(shutter, 1)
                        shut.append(step.attempt)

    handle = engine.start(careful())
    await asyncio.sleep(1)
    await suspend_for(engine)
    await handle
    assert shut == [1, 2]


async def test_a_step_whose_body_ends_while_suspended_is_taken_again(
    virtual_clock: VirtualClock, engine: RunEngine
) -> None:
    attempts: list[int] = []
    foreign = asyncio.Event()

    @plan
    async def computes() -> None:
        async with run() as opened:
            async for step in opened.steps([0]):
                async with step:
                    attempts.append(step.attempt)
                    await foreign.wait()

    handle = engine.start(computes())
    await asyncio.sleep(1)
    release = engine.suspend("beam lost")
    foreign.set()
    await asyncio.sleep(1)
    assert attempts == [1]
    release()
    await handle
    assert attempts == [1, 2]


async def test_an_error_in_a_step_commits_what_it_has_saved(
    virtual_clock: VirtualClock, engine: RunEngine, docs: Collected, det: SoftDetector
) -> None:
    @plan
    async def fails() -> None:
        async with run() as opened:
            async for step in opened.steps([0]):
                async with step:
                    await trigger_and_read([det])
                    raise ValueError("after the point")

    with pytest.raises(ValueError, match="after the point"):
        await engine(fails())
    assert docs.names == ["start", "descriptor", "event", "stop"]


async def test_an_abort_during_a_suspension_wins_and_keeps_what_was_saved(
    virtual_clock: VirtualClock, engine: RunEngine, docs: Collected, det: SoftDetector
) -> None:
    @plan
    async def waits() -> None:
        async with run() as opened:
            async for step in opened.steps([0]):
                async with step:
                    await trigger_and_read([det])
                    await sleep(10)

    handle = engine.start(waits())
    await asyncio.sleep(1)
    engine.suspend("beam lost")
    await asyncio.sleep(1)
    assert engine.state is State.SUSPENDED
    await handle.abort("enough")
    with pytest.raises(PlanAbortedError):
        await handle
    assert docs.names == ["start", "descriptor", "event", "stop"]


async def test_several_suspensions_hold_until_the_last_is_released_and_their_plans_run_once_each(
    virtual_clock: VirtualClock, engine: RunEngine
) -> None:
    shutter = SoftMotor("shutter")
    log: list[str] = []

    def says(word: str) -> Any:
        @plan
        async def talk() -> None:
            await mv(shutter, len(log))
            await sleep(0.1)
            log.append(word)

        return talk

    @plan
    async def nap() -> None:
        await sleep(1)
        await null()
        log.append("nap over")

    handle = engine.start(nap())
    await asyncio.sleep(0.5)
    first = engine.suspend("beam", pre_plan=says("close 1"), post_plan=says("open 1"))
    await asyncio.sleep(1)
    second = engine.suspend("vacuum", pre_plan=says("close 2"), post_plan=says("open 2"))
    await asyncio.sleep(1)
    first()
    await asyncio.sleep(1)
    assert engine.state is State.SUSPENDED
    assert log == ["close 1", "close 2"]
    second()
    await handle
    assert log == ["close 1", "close 2", "open 1", "open 2", "nap over"]


async def test_a_pause_in_a_step_freezes_it_and_takes_nothing_again(
    virtual_clock: VirtualClock, engine: RunEngine
) -> None:
    motor = SoftMotor("x")
    camera = Camera(motor)
    attempts: list[int] = []
    handle = engine.start(raster(motor, camera, [0.0, 1.0], attempts))
    await asyncio.sleep(0.05)
    await engine.pause()
    await asyncio.sleep(5)
    await engine.resume()
    assert handle.done
    assert attempts == [1, 1]
    assert camera.rows == [0.0, 1.0]


async def test_a_step_that_is_not_entered_is_refused(engine: RunEngine) -> None:
    @plan
    async def forgetful() -> None:
        async with run() as opened:
            async for _ in opened.steps([0]):
                await null()

    with pytest.raises(IllegalMessageError, match="a step was not entered"):
        await engine(forgetful())


async def test_an_outer_step_that_is_taken_again_takes_its_inner_points_again_and_their_events_are_there_once(
    virtual_clock: VirtualClock, engine: RunEngine, docs: Collected
) -> None:
    motor = SoftMotor("x")
    camera = Camera(motor)
    tuned: list[int] = []

    @plan
    async def nested() -> None:
        async with run() as opened:
            async for sample in opened.steps(["a", "b"], name="sample"):
                async with sample:
                    async for point in opened.steps([0.0, 1.0], name="point"):
                        async with point as target:
                            await mv(motor, target)
                            await trigger_and_read([camera, motor])
                    tuned.append(sample.attempt)
                    await sleep(3)

    handle = engine.start(nested())
    await until(lambda: tuned)
    await suspend_for(engine)
    await handle
    assert tuned == [1, 2, 1]
    assert [doc["data"]["x"] for doc in docs.of("event")] == [0, 1, 0, 1]
    assert [doc["seq_num"] for doc in docs.of("event")] == [1, 2, 3, 4]
    rows = rowmap_of(docs)
    assert camera.rows == [0, 1, 0, 1, 0, 1]
    assert rows.rows == 6
    assert [rows.locate(n).row for n in (1, 2, 3, 4)] == [2, 3, 4, 5]


async def test_a_failed_exposure_in_a_step_is_raised_where_it_is_awaited(
    virtual_clock: VirtualClock, engine: RunEngine
) -> None:
    motor = SoftMotor("x")
    camera = Camera(motor)
    camera.fails = {2}
    with pytest.raises(OperationFailedError, match="trigger of cam failed: OSError: detector tripped"):
        await engine(raster(motor, camera, [0.0, 1.0]))


@settings(max_examples=25)
@given(gaps=st.lists(st.floats(0.01, 1.5), max_size=8))
def test_whenever_suspensions_come_every_event_is_there_once_and_every_row_is_announced(
    tmp_path_factory: pytest.TempPathFactory, gaps: list[float]
) -> None:
    asyncio.run(_suspended_at(tmp_path_factory.mktemp("engine"), gaps))


async def _suspended_at(directory: Path, gaps: list[float]) -> None:
    clock = VirtualClock(asyncio.get_running_loop())
    clock.install()
    try:
        async with RunEngine(directory) as engine:
            docs = Collected()
            engine.subscribe(docs, critical=True)
            motor = SoftMotor("x")
            camera = Camera(motor)
            handle = engine.start(raster(motor, camera, [0.0, 1.0, 2.0, 3.0]))
            for gap in gaps:
                await asyncio.sleep(gap)
                with suppress(TransitionError):  # the plan has come to its end
                    await suspend_for(engine, 0.3)
            await handle
            assert [doc["data"]["x"] for doc in docs.of("event")] == [0, 1, 2, 3]
            assert [doc["seq_num"] for doc in docs.of("event")] == [1, 2, 3, 4]
            rows = rowmap_of(docs)
            assert rows.rows == len(camera.rows)
            assert [camera.rows[rows.locate(n).row] for n in (1, 2, 3, 4)] == [0, 1, 2, 3]
    finally:
        clock.remove()
