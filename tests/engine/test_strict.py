"""Strict mode names what passes the engine by, and changes nothing."""

import asyncio
from typing import Any

import pytest
from wingbeat.async_devices import SoftDetector, SoftMotor
from wingbeat.engine import RunEngine, plan, timeout
from wingbeat.engine.errors import PlanAbortedError
from wingbeat.engine.plans import scan
from wingbeat.engine.stubs import mv, run, sleep, trigger_and_read

from tests.engine.conftest import Collected


@pytest.fixture
def strict(engine: RunEngine) -> RunEngine:
    engine.strict = True
    return engine


async def test_a_plan_of_operations_alone_is_not_reported(
    strict: RunEngine, docs: Collected, det: SoftDetector, x: SoftMotor
) -> None:
    @plan
    async def clean() -> Any:
        async with run() as opened, asyncio.TaskGroup() as group, timeout(5):
            group.create_task(mv(x, 3))
            await sleep(0.01)
            await SoftMotor("y").set(1)
            async for step in opened.steps([1, 2]):
                async with step:
                    await trigger_and_read([det])
        return await scan([det], x, 0, 1, 2)

    await strict(clean())
    assert strict.bypasses == []
    assert docs.of("stop")[-1]["num_events"] == {"primary": 2}


async def test_foreign_awaits_are_named_with_their_place_also_in_children_and_generators(
    strict: RunEngine, caplog: pytest.LogCaptureFixture
) -> None:
    async def fetch() -> None:
        await asyncio.sleep(0.001)

    async def points() -> Any:
        await asyncio.sleep(0.002)
        yield 1

    @plan
    async def leaks() -> int:
        await asyncio.sleep(0.001)
        async with asyncio.TaskGroup() as group:
            group.create_task(fetch())
        async for _ in points():
            pass
        return 7

    assert await strict(leaks()) == 7
    assert len(strict.bypasses) == 3
    assert all("asyncio.tasks.sleep is awaited past the engine" in line for line in strict.bypasses)
    assert [line.partition(" (")[0].rpartition(".")[2] for line in strict.bypasses] == ["leaks", "fetch", "points"]
    assert all("test_strict.py:" in line for line in strict.bypasses)
    assert caplog.messages == strict.bypasses


async def test_an_asyncio_timeout_around_an_operation_is_warned_of(strict: RunEngine) -> None:
    @plan
    async def limited() -> None:
        async with asyncio.timeout(5):
            await sleep(0.001)

    await strict(limited())
    (line,) = strict.bypasses
    assert "asyncio.timeout counts the time of pauses" in line


async def test_errors_cancellation_and_aborts_go_through_as_ever(strict: RunEngine) -> None:
    began = asyncio.Event()

    @plan
    async def fails() -> None:
        await sleep(0)
        raise ValueError("no sample")

    @plan
    async def waits() -> None:
        began.set()
        await asyncio.sleep(60)

    with pytest.raises(ValueError, match="no sample"):
        await strict(fails())
    handle = strict.start(waits())
    await began.wait()
    await handle.abort("enough")
    with pytest.raises(PlanAbortedError, match="enough"):
        await handle
    assert asyncio.get_running_loop().get_task_factory() is None
