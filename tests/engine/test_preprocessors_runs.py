"""Several runs open at once: what is configured, collected and interrupted goes to each as it should."""

import asyncio
from typing import Any

from wingbeat.async_devices.status import Status
from wingbeat.engine import RunEngine, plan, using
from wingbeat.engine.preprocessors import SetRunKey
from wingbeat.engine.stubs import (
    collect_while_completing,
    configure,
    declare_stream,
    kickoff,
    run,
    sleep,
    trigger_and_read,
)

from tests.engine.conftest import Collected
from tests.engine.test_collect import Writer, _numbers
from tests.engine.test_monitors_and_configuration import Camera
from tests.virtual_clock import VirtualClock


async def test_a_device_that_is_configured_gets_a_new_descriptor_in_every_open_run(
    engine: RunEngine, docs: Collected
) -> None:
    camera = Camera("cam")

    @plan
    async def nested() -> None:
        async with using(SetRunKey("outer")), run({"key": "outer"}):
            await trigger_and_read([camera])
            async with using(SetRunKey("inner")), run({"key": "inner"}):
                await trigger_and_read([camera], "other")
                await configure(camera, 4)
                await trigger_and_read([camera], "other")
            await trigger_and_read([camera])

    await engine(nested())
    docs.check_schemas()
    gains = [(doc["name"], doc["configuration"]["cam"]["data"]["gain"]) for doc in docs.of("descriptor")]
    assert sorted(gains) == [("other", 1), ("other", 4), ("primary", 1), ("primary", 4)]
    described = {doc["uid"]: doc["configuration"]["cam"]["data"]["gain"] for doc in docs.of("descriptor")}
    assert [described[doc["descriptor"]] for doc in docs.of("event")] == [1, 1, 4, 4]
    key_of = {doc["uid"]: doc["key"] for doc in docs.of("start")}
    assert [key_of[doc["run_start"]] for doc in docs.of("stop")] == ["inner", "outer"]


class Flying(Writer):
    """A writer that flies: a frame every second, `frames` in all."""

    def __init__(self, name: str, frames: int) -> None:
        super().__init__(name)
        self._frames = frames

    def kickoff(self) -> Status:
        return Status(asyncio.sleep(0), name=self.name)

    def complete(self) -> Status:
        return Status(self._fly(), name=self.name)

    async def _fly(self) -> None:
        for _ in range(self._frames):
            await asyncio.sleep(1)
            self.written += 1


async def test_two_runs_are_collected_while_their_flyers_complete(
    virtual_clock: VirtualClock, engine: RunEngine, docs: Collected
) -> None:
    flyers = [Flying("slow", 7), Flying("quick", 4)]

    @plan
    async def flight(flyer: Flying) -> None:
        async with using(SetRunKey(flyer.name)), run({"key": flyer.name}):
            await declare_stream(flyer, name="flown", collect=True)
            await kickoff(flyer, wait=True)
            await collect_while_completing([flyer], [flyer], flush_period=2.5, stream_name="flown")

    @plan
    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            for flyer in flyers:
                group.create_task(flight(flyer).body())

    await engine(both())
    docs.check_schemas()
    assert _numbers(docs, "slow") == [(1, 3), (3, 6), (6, 8)]
    assert _numbers(docs, "quick") == [(1, 3), (3, 5)]
    key_of = {doc["uid"]: doc["key"] for doc in docs.of("start")}
    run_of = {doc["uid"]: key_of[doc["run_start"]] for doc in docs.of("descriptor")}
    uid_of = {doc["uid"]: doc["data_key"] for doc in docs.of("stream_resource")}
    assert all(run_of[doc["descriptor"]] == uid_of[doc["stream_resource"]] for doc in docs.of("stream_datum"))


async def test_an_interruption_is_recorded_in_every_open_run(
    virtual_clock: VirtualClock, engine: RunEngine, docs: Collected
) -> None:
    @plan
    async def nested() -> Any:
        async with using(SetRunKey("outer")), run():
            async with using(SetRunKey("inner")), run():
                await sleep(2)
            await sleep(2)

    engine.record_interruptions = True
    handle = engine.start(nested())
    for _ in range(2):
        await asyncio.sleep(1)
        await engine.pause()
        resumed = asyncio.ensure_future(engine.resume())
        await asyncio.sleep(1)
    await resumed
    assert handle.done
    assert [doc["num_events"] for doc in docs.of("stop")] == [{"interruptions": 2}, {"interruptions": 4}]
