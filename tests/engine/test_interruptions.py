"""Interruptions: recorded in runs that ask for it, and not counted by a plan's time limits."""

import asyncio

import pytest
from wingbeat.engine import RunEngine, plan, timeout
from wingbeat.engine.stubs import run, sleep

from tests.engine.conftest import Collected
from tests.virtual_clock import VirtualClock


async def test_pauses_and_suspensions_are_events_of_every_open_run(
    virtual_clock: VirtualClock, engine: RunEngine, docs: Collected
) -> None:
    @plan
    async def waits() -> None:
        async with run():
            await sleep(10)

    engine.record_interruptions = True
    handle = engine.start(waits())
    await asyncio.sleep(1)
    await engine.pause("lunch")
    resumed = asyncio.ensure_future(engine.resume())
    await asyncio.sleep(1)
    release = engine.suspend("beam lost")
    await asyncio.sleep(1)
    release()
    await resumed
    assert handle.done
    docs.check_schemas()
    (descriptor,) = docs.of("descriptor")
    assert descriptor["name"] == "interruptions"
    assert descriptor["data_keys"] == {"interruption": {"dtype": "string", "shape": [], "source": "RunEngine"}}
    assert [doc["data"]["interruption"] for doc in docs.of("event")] == ["pause", "resume", "beam lost"]
    assert [doc["seq_num"] for doc in docs.of("event")] == [1, 2, 3]


async def test_nothing_is_recorded_unless_asked_for(
    virtual_clock: VirtualClock, engine: RunEngine, docs: Collected
) -> None:
    @plan
    async def waits() -> None:
        async with run():
            await sleep(10)

    handle = engine.start(waits())
    await asyncio.sleep(1)
    await engine.pause()
    await engine.resume()
    assert handle.done
    assert docs.names == ["start", "stop"]


async def test_a_time_limit_stands_still_in_a_pause_and_ends_a_block(
    virtual_clock: VirtualClock, engine: RunEngine
) -> None:
    @plan
    async def limited(seconds: float) -> str:
        async with timeout(5):
            await sleep(seconds)
        return "in time"

    handle = engine.start(limited(4))
    await asyncio.sleep(3)
    await engine.pause()
    await asyncio.sleep(100)
    assert await engine.resume() == "in time"
    assert handle.done
    with pytest.raises(TimeoutError):
        await engine(limited(6))
