import asyncio
import logging
import threading
import time
from typing import Any

import pytest
from wingbeat.async_devices import SoftDetector
from wingbeat.engine import RunEngine, plan
from wingbeat.engine.errors import SubscriberFailedError
from wingbeat.engine.plans import count
from wingbeat.engine.stubs import create, read, run, save

from tests.engine.conftest import Collected


async def test_a_slow_subscriber_sees_everything_and_does_not_slow_the_run(
    engine: RunEngine, det: SoftDetector
) -> None:
    gate, seen = threading.Event(), Collected()

    def slow(name: str, doc: dict[str, Any]) -> None:
        gate.wait()
        seen(name, doc)

    token = engine.subscribe(slow)
    await engine(count([det], num=2000))
    lag = engine.statistics().subscribers[0].lag
    assert lag == 2003
    gate.set()
    engine.unsubscribe(token)
    await engine.aclose()
    assert seen.names == ["start", "descriptor", *["event"] * 2000, "stop"]
    assert [doc["seq_num"] for doc in seen.of("event")] == list(range(1, 2001))


async def test_an_asynchronous_subscriber_runs_on_the_loop(engine: RunEngine, det: SoftDetector) -> None:
    seen = Collected()

    async def subscriber(name: str, doc: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        assert threading.current_thread() is threading.main_thread()
        seen(name, doc)

    engine.subscribe(subscriber, critical=True)
    await engine(count([det], num=3))
    assert seen.names == ["start", "descriptor", "event", "event", "event", "stop"]


async def test_a_synchronous_subscriber_runs_in_one_thread_of_its_own(engine: RunEngine, det: SoftDetector) -> None:
    threads: set[int] = set()
    engine.subscribe(lambda *_: threads.add(threading.get_ident()), critical=True)
    await engine(count([det], num=3))
    assert len(threads) == 1
    assert threading.get_ident() not in threads


async def test_a_name_selects_documents(engine: RunEngine, det: SoftDetector) -> None:
    stops = Collected()
    engine.subscribe(stops, "stop", critical=True)
    await engine(count([det], num=3))
    assert stops.names == ["stop"]


async def test_a_raising_subscriber_is_reported_and_gets_the_next_document(
    engine: RunEngine, det: SoftDetector, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []

    def broken(name: str, doc: dict[str, Any]) -> None:
        seen.append(name)
        if name == "event":
            raise ValueError("no such plot")

    token = engine.subscribe(broken)
    with caplog.at_level(logging.ERROR):
        handle = await engine(count([det], num=2))
        engine.unsubscribe(token)
        await engine.aclose()
    assert handle.exit_status == "success"
    assert seen == ["start", "descriptor", "event", "event", "stop"]
    assert caplog.text.count("ValueError: no such plot") == 2


async def test_a_raising_critical_subscriber_fails_the_plan(
    engine: RunEngine, docs: Collected, det: SoftDetector
) -> None:
    def broken(name: str, doc: dict[str, Any]) -> None:
        raise ValueError("archive is full")

    token = engine.subscribe(broken, critical=True)
    with pytest.raises(SubscriberFailedError, match="archive is full") as caught:
        await engine(count([det]))
    assert isinstance(caught.value.__cause__, ValueError)
    engine.unsubscribe(token)
    assert (await engine(count([det]))).exit_status == "success"


async def test_the_plan_ends_only_when_a_critical_subscriber_has_seen_its_stop(
    engine: RunEngine, det: SoftDetector
) -> None:
    seen: list[str] = []

    def slow(name: str, doc: dict[str, Any]) -> None:
        time.sleep(0.02)
        seen.append(name)

    engine.subscribe(slow, critical=True)
    await engine(count([det]))
    assert seen == ["start", "descriptor", "event", "stop"]


@pytest.mark.parametrize(("policy", "most"), [("drop_oldest", 1064), ("conflate", 2)])
async def test_a_policy_that_drops_keeps_the_newest_and_counts_what_it_dropped(
    engine: RunEngine, det: SoftDetector, policy: Any, most: int
) -> None:
    gate, seen = threading.Event(), Collected()

    def slow(name: str, doc: dict[str, Any]) -> None:
        gate.wait()
        seen(name, doc)

    engine.subscribe(slow, policy=policy)
    await engine(count([det], num=2000))
    subscription = next(iter(engine._subscriptions._active.values()))
    gate.set()
    await engine.aclose()
    assert seen.names[-1] == "stop"
    assert 1 <= len(seen) <= most
    assert subscription.statistics().dropped == 2003 - len(seen)


async def test_documents_can_be_iterated_over_until_the_engine_closes(engine: RunEngine, det: SoftDetector) -> None:
    names: list[str] = []

    async def follow() -> None:
        async for name, _ in engine.documents():
            names.append(name)

    async with asyncio.TaskGroup() as group:
        group.create_task(follow())
        await asyncio.sleep(0)
        await engine(count([det], num=2))
        await engine.aclose()
    assert names == ["start", "descriptor", "event", "event", "stop"]


async def test_a_subscription_made_in_a_plan_ends_with_it_and_sees_the_stop(
    engine: RunEngine, det: SoftDetector
) -> None:
    from wingbeat.engine import Msg

    seen = Collected()

    def messages() -> Any:
        yield Msg("subscribe", None, (seen, "all"))
        yield Msg("open_run")
        yield Msg("close_run")

    await engine(messages())
    assert engine.statistics().subscribers == ()
    await engine(count([det]))
    await engine.aclose()
    assert seen.names == ["start", "stop"]


async def test_a_subscriber_added_later_sees_only_what_comes_after(engine: RunEngine, det: SoftDetector) -> None:
    seen = Collected()

    @plan
    async def joins_late() -> None:
        async with run():
            await create()
            await read(det)
            await save()
            engine.subscribe(seen, critical=True)

    await engine(joins_late())
    assert seen.names == ["stop"]


def test_subscribers_can_be_added_before_any_loop_runs(tmp_path: Any) -> None:
    engine, seen = RunEngine(tmp_path), Collected()

    async def subscriber(name: str, doc: dict[str, Any]) -> None:
        seen(name, doc)

    engine.subscribe(subscriber, critical=True)

    async def main() -> None:
        async with engine:
            await engine(count([SoftDetector("det")]))

    asyncio.run(main())
    assert seen.names == ["start", "descriptor", "event", "stop"]
