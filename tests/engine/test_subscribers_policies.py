"""What becomes of a subscriber that is slow, by its policy; and pages of events."""

import asyncio
import logging
import threading
from typing import Any

import pytest
from wingbeat.async_devices import SoftDetector
from wingbeat.engine import RunEngine, plan
from wingbeat.engine.errors import PlanAbortedError, SubscriptionError
from wingbeat.engine.plans import count
from wingbeat.engine.stubs import collect, declare_stream, run
from wingbeat.engine.subscriber_terms import BLOCK_RECORDS, FAR_BEHIND_RECORDS

from tests.engine.conftest import Collected, until


class Held:
    """Waits in its first document until it is let go."""

    def __init__(self) -> None:
        self.gate, self.entered, self.told, self.seen = threading.Event(), threading.Event(), list[str](), Collected()

    def __call__(self, name: str, doc: dict[str, Any]) -> None:
        self.entered.set()
        self.gate.wait()
        self.seen(name, doc)

    def disconnected(self, reason: str) -> None:
        self.told.append(reason)


async def test_one_that_is_too_far_behind_is_cut_and_told(
    engine: RunEngine, det: SoftDetector, caplog: pytest.LogCaptureFixture
) -> None:
    held = Held()
    token = engine.subscribe(held, policy="disconnect")
    with caplog.at_level(logging.ERROR):
        await engine(count([det], num=FAR_BEHIND_RECORDS + 200))
        subscription = engine._subscriptions._active[token]
        held.gate.set()
        await until(lambda: held.told)
        await engine(count([det]))
    statistics = subscription.statistics()
    assert statistics.condition == "disconnected"
    assert statistics.lag == 0
    assert statistics.delivered == len(held.seen) < 100
    assert statistics.delivered + statistics.dropped == FAR_BEHIND_RECORDS + 200 + 3
    assert "records behind" in held.told[0]
    assert "gets nothing more" in caplog.text


async def test_one_that_keeps_up_is_not_cut(engine: RunEngine, det: SoftDetector) -> None:
    seen = Collected()
    engine.subscribe(seen, policy="disconnect", critical=True)
    for _ in range(3):
        await engine(count([det], num=FAR_BEHIND_RECORDS // 2))
    assert len(seen.of("event")) == 3 * (FAR_BEHIND_RECORDS // 2)


async def test_a_blocking_one_holds_the_plan_back_until_it_has_caught_up(engine: RunEngine, det: SoftDetector) -> None:
    held = Held()
    engine.subscribe(held, policy="block")
    handle = engine.start(count([det], num=10 * BLOCK_RECORDS))
    await until(lambda: engine.journal.next_sequence > BLOCK_RECORDS)
    for _ in range(50):
        await asyncio.sleep(0)
    assert engine.journal.next_sequence <= BLOCK_RECORDS + 2
    assert not handle.done
    held.gate.set()
    assert (await handle).exit_status == "success"
    await engine.aclose()
    assert len(held.seen.of("event")) == 10 * BLOCK_RECORDS


async def test_a_plan_that_is_held_back_can_be_aborted(engine: RunEngine, det: SoftDetector) -> None:
    held = Held()
    engine.subscribe(held, policy="block")
    handle = engine.start(count([det], num=10 * BLOCK_RECORDS))
    await until(lambda: engine.journal.next_sequence > BLOCK_RECORDS)
    await engine.abort("the archive hangs")
    with pytest.raises(PlanAbortedError):
        await handle
    held.gate.set()


async def test_a_blocking_one_that_is_unsubscribed_holds_nobody_back(engine: RunEngine, det: SoftDetector) -> None:
    held = Held()
    token = engine.subscribe(held, policy="block")
    handle = engine.start(count([det], num=3 * BLOCK_RECORDS))
    await until(lambda: engine.journal.next_sequence > BLOCK_RECORDS)
    engine.unsubscribe(token)
    held.gate.set()
    assert (await handle).exit_status == "success"


async def test_one_that_wants_to_end_the_process_ends_alone(
    engine: RunEngine, det: SoftDetector, caplog: pytest.LogCaptureFixture
) -> None:
    def leaves(name: str, doc: dict[str, Any]) -> None:
        raise SystemExit

    engine.subscribe(leaves)
    assert (await engine(count([det], num=3))).exit_status == "success"
    await until(lambda: engine.statistics().subscribers[0].condition == "died")
    assert "raised SystemExit() and is called no more" in caplog.text


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"policy": "drop_oldest", "critical": True}, "has to see every document"),
        ({"policy": "newest"}, "no policy"),
        ({"where": "elsewhere"}, "no subscriber runs"),
    ],
)
async def test_terms_that_cannot_be_kept_are_refused(engine: RunEngine, terms: Any, message: str) -> None:
    with pytest.raises(SubscriptionError, match=message):
        engine.subscribe(Collected(), **terms)


class Recorder:
    """A flyer that has kept three readings."""

    name, parent = "recorder", None

    async def describe_collect(self) -> dict[str, Any]:
        return {"value": {"source": "soft://recorder", "dtype": "number", "shape": []}}

    async def collect(self) -> Any:
        for row in range(3):
            yield {"data": {"value": row / 4}, "timestamps": {"value": 1e9 + row}, "time": 2e9 + row}


@plan
async def recorded() -> None:
    recorder = Recorder()
    async with run():
        await declare_stream(recorder, name="kept", collect=True)
        await collect(recorder, name="kept")


async def test_pages_come_as_events_unless_they_were_asked_for(engine: RunEngine) -> None:
    plain, only_events, packed, iterated = Collected(), Collected(), Collected(), Collected()
    engine.subscribe(plain, critical=True)
    engine.subscribe(only_events, "event", critical=True)
    engine.subscribe(packed, pages=True, critical=True)

    async def follow() -> None:
        async for name, doc in engine.documents():
            iterated(name, doc)

    async with asyncio.TaskGroup() as group:
        group.create_task(follow())
        await asyncio.sleep(0)
        await engine(recorded())
        await engine.aclose()
    assert plain.names == iterated.names == ["start", "descriptor", "event", "event", "event", "stop"]
    assert only_events.names == ["event"] * 3
    assert packed.names == ["start", "descriptor", "event_page", "stop"]
    for seen in (plain, packed):
        seen.check_schemas()
    assert [(doc["seq_num"], doc["data"]["value"], doc["time"]) for doc in plain.of("event")] == [
        (1, 0.0, 2e9),
        (2, 0.25, 2e9 + 1),
        (3, 0.5, 2e9 + 2),
    ]
    assert [doc["uid"] for doc in plain.of("event")] == packed.of("event_page")[0]["uid"]
