"""bluesky's own plans, unmodified, on our engine; and our plans' documents beside those of bluesky's engine."""

import asyncio
from collections.abc import Callable
from typing import Any

import bluesky
import bluesky.plan_stubs as bps
import bluesky.plans as bp
import bluesky.preprocessors as bpp
import orjson
import pytest
from event_model import DocumentNames, schema_validators
from ophyd_async.sim import PatternGenerator, SimMotor, SimPointDetector
from wingbeat.async_devices import SoftDetector, SoftMotor
from wingbeat.async_devices.status import Status
from wingbeat.engine import RunEngine, plans
from wingbeat.engine.errors import OperationFailedError, PlanAbortedError

pytestmark = [pytest.mark.conformance, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

Documents = list[tuple[str, dict[str, Any]]]

OURS = {"uid", "time", "timestamps", "versions", "run_start", "descriptor", "timestamp"}
"""Keys whose values differ from engine to engine and from run to run."""


def _comparable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _comparable(item) for key, item in value.items() if key not in OURS}
    return [_comparable(item) for item in value] if isinstance(value, list) else value


def _plain(docs: Documents) -> Documents:
    """Documents as JSON has them, without what must differ."""
    return [
        (name, _comparable(orjson.loads(orjson.dumps(doc, option=orjson.OPT_SERIALIZE_NUMPY)))) for name, doc in docs
    ]


def _by_bluesky(make: Callable[[], Any], **md: Any) -> Documents:
    docs: Documents = []
    engine = bluesky.RunEngine({}, context_managers=[])
    engine.subscribe(lambda name, doc: docs.append((name, doc)))
    engine(make(), **md)
    engine.loop.call_soon_threadsafe(engine.loop.stop)
    engine._th.join()
    engine.loop.close()
    return docs


async def _by_us(make: Callable[[], Any], **md: Any) -> Documents:
    docs: Documents = []
    async with RunEngine() as engine:
        engine.subscribe(lambda name, doc: docs.append((name, doc)), critical=True)
        await engine(make(), **md)
    for name, doc in docs:
        schema_validators[DocumentNames[name]].validate(doc)
    return docs


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
    assert _plain(await _by_us(make)) == _plain(_by_bluesky(make))


TWINS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "count": (lambda: plans.count(_devices()[0], num=3), BLUESKYS["count"]),
    "count once": (lambda: plans.count(_devices()[0]), lambda: bp.count(_devices()[0])),
    "scan": (lambda: (lambda dets, x, _: plans.scan(dets, x, -1, 1, 5))(*_devices()), BLUESKYS["scan"]),
    "scan of two axes": (
        lambda: (lambda dets, x, y: plans.scan(dets, x, -1, 1, y, 0, 4, num=3))(*_devices()),
        BLUESKYS["scan of two axes"],
    ),
}


@pytest.mark.parametrize("name", TWINS)
async def test_our_plan_makes_the_documents_of_its_twin(name: str) -> None:
    ours, theirs = TWINS[name]
    made, expected = _plain(await _by_us(ours)), _plain(_by_bluesky(theirs))
    for docs in (made, expected):
        docs[0][1].pop("plan_type")  # "plan" is what ours is, "generator" what theirs is
    assert made == expected


async def test_metadata_of_the_call_go_into_the_start_document_as_in_bluesky() -> None:
    make = BLUESKYS["count"]
    assert _plain(await _by_us(make, sample="gold")) == _plain(_by_bluesky(make, sample="gold"))


async def test_preprocessors_of_bluesky_work() -> None:
    def make() -> Any:
        dets, x, _ = _devices()
        return bpp.baseline_wrapper(bp.count(dets, num=2), [x])

    assert _plain(await _by_us(make)) == _plain(_by_bluesky(make))


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
