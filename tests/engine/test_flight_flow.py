"""The verbs in the order in which a flight uses them."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from wingbeat.async_devices.status import Progress, Report, Status
from wingbeat.engine import RunEngine, plan
from wingbeat.engine.errors import OperationFailedError, PlanAbortedError
from wingbeat.engine.stubs import add_to_stop, collect, complete, declare_stream, kickoff, prepare, run

from tests.engine.conftest import Collected
from tests.engine.test_collect import Writer


class LostError(Exception):
    """What the flyer of these tests fails with."""


class Flyer:
    """A flyer over one writing detector; it flies when told to, some frames at a time."""

    name = "flyer"
    parent = None

    def __init__(self, cam: Writer) -> None:
        self.cam = cam
        self.calls: list[str] = []
        self.flying = asyncio.Event()
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._flown: Report | None = None

    def prepare(self, value: Any) -> Status:
        self.calls.append(f"prepare {value}")
        return Status.finished(name="prepare")

    def kickoff(self) -> Status:
        self.calls.append("kickoff")
        return Status.finished(name="kickoff")

    def complete(self) -> Status:
        self.calls.append("complete")
        return Status.reporting(self._fly, name="complete")

    async def _fly(self, report: Report) -> None:
        self._flown = report
        self.flying.set()
        await self._over

    def frames(self, count: int) -> None:
        self.cam.written += count
        assert self._flown is not None
        self._flown(Progress(name="cam", current=self.cam.written, target=10))

    def land(self, error: Exception | None = None) -> None:
        if not self._over.done():
            self._over.set_exception(error) if error else self._over.set_result(None)

    def collect_asset_docs(self) -> Iterator[Any]:
        yield from self.cam.collect_asset_docs()

    async def stop(self, success: bool = True) -> None:
        self.calls.append(f"stop {success}")
        self.land()


async def _first_datum(engine: RunEngine) -> None:
    async for name, _ in engine.documents():
        if name == "stream_datum":
            return


@plan
async def fly(flyer: Flyer, seen: list[float]) -> str:
    flyer.cam.numbered_from = 1
    async with run() as handle:
        await declare_stream(flyer.cam, name="primary", collect=True)
        await prepare(flyer, "window", wait=True)
        await kickoff(flyer, wait=True)
        flight = await complete(flyer)
        arrived = asyncio.Event()

        def watch(*, current: float, **_: Any) -> None:
            seen.append(current)
            arrived.set()

        flight.watch(watch)
        while not flight.done:
            async with asyncio.TaskGroup() as group:
                landing = group.create_task(_landed(flight, arrived))
                await arrived.wait()
                landing.cancel()
            arrived.clear()
            await collect(flyer, name="primary")
            await add_to_stop(frames={"cam": {"planned": 10, "written": flyer.cam.written}})
        await flight
    return handle.uid


async def _landed(flight: Any, arrived: asyncio.Event) -> None:
    with contextlib.suppress(OperationFailedError):
        await flight
    arrived.set()


async def test_a_flight_reports_collects_and_lands(engine: RunEngine, docs: Collected) -> None:
    flyer, seen = Flyer(Writer("cam")), list[float]()
    handle = engine.start(fly(flyer, seen))
    await flyer.flying.wait()
    async with asyncio.TaskGroup() as group:
        group.create_task(_first_datum(engine))
        await asyncio.sleep(0)
        flyer.frames(4)
    flyer.frames(6)
    flyer.land()
    await handle
    docs.check_schemas()
    assert flyer.calls == ["prepare window", "kickoff", "complete"]
    assert docs.names[:3] == ["start", "descriptor", "stream_resource"]
    assert docs.of("stream_datum")[-1]["seq_nums"]["stop"] == 11
    stop = docs.of("stop")[0]
    assert (stop["num_events"], stop["frames"]) == ({"primary": 10}, {"cam": {"planned": 10, "written": 10}})
    assert seen == [4, 10]


async def test_an_abort_stops_the_flyer_and_keeps_what_is_known_of_its_frames(
    engine: RunEngine, docs: Collected
) -> None:
    flyer = Flyer(Writer("cam"))
    handle = engine.start(fly(flyer, []))
    await flyer.flying.wait()
    async with asyncio.TaskGroup() as group:
        group.create_task(_first_datum(engine))
        await asyncio.sleep(0)
        flyer.frames(4)
    await handle.abort("beam lost")
    with pytest.raises(PlanAbortedError):
        await handle
    assert flyer.calls[-1] == "stop False"
    stop = docs.of("stop")[0]
    assert (stop["exit_status"], stop["reason"]) == ("abort", "beam lost")
    assert stop["frames"] == {"cam": {"planned": 10, "written": 4}}


async def test_a_flyer_that_fails_fails_the_run_by_name(engine: RunEngine, docs: Collected) -> None:
    flyer = Flyer(Writer("cam"))
    handle = engine.start(fly(flyer, []))
    await flyer.flying.wait()
    flyer.land(LostError("trajectory aborted"))
    with pytest.raises(OperationFailedError, match="complete of flyer failed: LostError: trajectory aborted"):
        await handle
    assert flyer.calls[-1] == "stop False"
    assert docs.of("stop")[0]["exit_status"] == "fail"
