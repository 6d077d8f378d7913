"""bluesky's own plans and preprocessors, unmodified, on our engine."""

import asyncio
from collections.abc import Callable
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import bluesky.preprocessors as bpp
import pytest
from event_model import DocumentNames, schema_validators
from ophyd_async.sim import PatternGenerator, SimMotor, SimPointDetector
from wingbeat.async_devices import SoftDetector, SoftMotor
from wingbeat.async_devices.status import Status
from wingbeat.engine import RunEngine, plans
from wingbeat.engine.errors import OperationFailedError, PlanAbortedError

from tests.conformance.both_engines import Documents, by_bluesky, by_us, plain

pytestmark = [pytest.mark.conformance, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def _devices() -> tuple[list[SoftDetector], SoftMotor, SoftMotor]:
    return [SoftDetector("one"), SoftDetector("two")], SoftMotor("x"), SoftMotor("y")


BLUESKYS: dict[str, Callable[[], Any]] = {
    "count": lambda: bp.count(_devices()[0], num=3),
    "count with a delay": lambda: bp.count(_devices()[0], num=2, delay=[0.001]),
    "scan": lambda: (lambda dets, x, _: bp.scan(dets, x, -1, 1, 5))(*_devices()),
    "scan of two axes": lambda: (lambda dets, x, y: bp.scan(dets, x, -1, 1, y, 0, 4, num=3))(*_devices()),
    "rel_scan": lambda: (lambda dets, x, _: bp.rel_scan(dets, x, -1, 1, 3))(*_devices()),
    "list_scan": lambda: (lambda dets, x, _: bp.list_scan(dets, x, [3, 1, 2]))(*_devices()),
    "grid_scan": lambda: (lambda dets, x, y: bp.grid_scan(dets, x, 0, 1, 2, y, 0, 1, 3, snake_axes=True))(*_devices()),
}


@pytest.mark.parametrize("name", BLUESKYS)
async def test_an_unmodified_plan_makes_the_same_documents(name: str) -> None:
    make = BLUESKYS[name]
    assert plain(await by_us(make)) == plain(by_bluesky(make))


async def test_metadata_of_the_call_go_into_the_start_document_as_in_bluesky() -> None:
    make = BLUESKYS["count"]
    assert plain(await by_us(make, sample="gold")) == plain(by_bluesky(make, sample="gold"))


async def test_preprocessors_of_bluesky_work() -> None:
    def make() -> Any:
        dets, x, _ = _devices()
        return bpp.baseline_wrapper(bp.count(dets, num=2), [x])

    assert plain(await by_us(make)) == plain(by_bluesky(make))


async def test_stubs_of_bluesky_give_what_they_give_there() -> None:
    x, y = SoftMotor("x"), SoftMotor("y")

    def plan() -> Any:
        yield from bps.mv(x, 3, y, 4)
        yield from bps.mvr(x, 1)
        there = yield from bps.rd(x)
        where = yield from bps.locate(x, y)
        return there, [location["readback"] for location in where]

    async with RunEngine() as engine:
        assert await engine(plan()) == (4, [4, 4])


async def test_a_failure_reaches_the_generator_which_closes_its_run() -> None:
    x = SoftMotor("x", limits=(0, 1))
    docs: Documents = []
    async with RunEngine() as engine:
        engine.subscribe(lambda name, doc: docs.append((name, doc)), critical=True)
        with pytest.raises(OperationFailedError, match="outside its limits"):
            await engine(bp.scan([SoftDetector("det")], x, 0, 2, 3))
    stop = docs[-1][1]
    assert stop["exit_status"] == "fail"
    assert "outside its limits" in stop["reason"]
    assert stop["num_events"] == {"primary": 2}


async def test_an_abort_unwinds_a_generator_and_the_engine_closes_its_run() -> None:
    exposing, happened = asyncio.Event(), list[str]()

    class Slow(SoftDetector):
        def trigger(self) -> Status:
            exposing.set()
            return Status(asyncio.get_running_loop().create_future(), name="exposure")

        async def stop(self, success: bool = True) -> None:
            happened.append("stopped")

        async def unstage(self) -> None:
            happened.append("unstaged")

        async def stage(self) -> None: ...

    async with RunEngine() as engine:
        engine.subscribe(lambda name, _: happened.append(name), "stop", critical=True)
        handle = engine.start(bp.count([Slow("slow")]))
        await exposing.wait()
        await handle.abort("enough")
        with pytest.raises(PlanAbortedError, match="enough"):
            await handle
    assert happened == ["unstaged", "stopped", "stop"]


async def test_devices_of_ophyd_async_are_driven_and_read() -> None:
    motor, detector = SimMotor("motor", instant=True), SimPointDetector(PatternGenerator(), name="det")
    await motor.connect()
    await detector.connect()
    docs: Documents = []
    async with RunEngine() as engine:
        engine.subscribe(lambda name, doc: docs.append((name, doc)), critical=True)
        await engine(plans.scan([detector], motor, 0, 1, 3))
        await engine(bp.scan([detector], motor, 0, 1, 3))
    events = [doc["data"]["motor"] for name, doc in docs if name == "event"]
    assert events == pytest.approx([0, 0.5, 1] * 2)
    for name, doc in docs:
        schema_validators[DocumentNames[name]].validate(doc)
