"""Subscribers in a process of their own, and on a loop of their choice."""

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from wingbeat.async_devices import SoftDetector
from wingbeat.engine import RunEngine
from wingbeat.engine.errors import SubscriberFailedError, SubscriptionError
from wingbeat.engine.plans import count

from tests.engine import subscriber_examples
from tests.engine.conftest import Collected


async def test_one_in_a_process_sees_every_document_in_order_there(
    engine: RunEngine, det: SoftDetector, tmp_path: Path
) -> None:
    engine.subscribe(subscriber_examples.Lines(tmp_path / "seen"), where="process", critical=True)
    await engine(count([det], num=3))
    (statistics,) = engine.statistics().subscribers
    lines = [line.split() for line in (tmp_path / "seen").read_text().splitlines()]
    assert {int(pid) for pid, *_ in lines} == {statistics.pid}
    assert statistics.pid != os.getpid()
    assert [rest for _, *rest in lines] == [
        ["start"],
        ["descriptor"],
        ["event", "1"],
        ["event", "2"],
        ["event", "3"],
        ["stop"],
    ]
    assert (statistics.delivered, statistics.lag, statistics.errors) == (6, 0, 0)


async def test_what_one_raises_in_its_process_is_reported_and_it_goes_on(
    engine: RunEngine, det: SoftDetector, caplog: pytest.LogCaptureFixture
) -> None:
    token = engine.subscribe(f"{subscriber_examples.__name__}:refuses_events", where="process")
    with caplog.at_level(logging.ERROR):
        assert (await engine(count([det], num=2))).exit_status == "success"
        subscription = engine._subscriptions._active[token]
        await engine.aclose()
    assert "ValueError: no fit for point 1" in caplog.text
    assert "ValueError: no fit for point 2" in caplog.text
    assert (subscription.statistics().delivered, subscription.statistics().errors) == (5, 2)


async def test_the_death_of_its_process_is_reported_and_the_run_goes_on(
    engine: RunEngine, det: SoftDetector, caplog: pytest.LogCaptureFixture
) -> None:
    token = engine.subscribe(subscriber_examples.dies_at_the_first_event, where="process")
    with caplog.at_level(logging.ERROR):
        assert (await engine(count([det], num=2))).exit_status == "success"
        subscription = engine._subscriptions._active[token]
        await engine.aclose()
    statistics = subscription.statistics()
    assert "dies_at_the_first_event" in caplog.text
    assert "killed by signal 9" in caplog.text
    assert (statistics.condition, statistics.delivered, statistics.lag) == ("died", 2, 0)


async def test_the_death_of_a_critical_one_fails_the_plan(engine: RunEngine, det: SoftDetector) -> None:
    engine.subscribe(subscriber_examples.dies_at_the_first_event, where="process", critical=True)
    with pytest.raises(SubscriberFailedError, match="killed by signal 9"):
        await engine(count([det], num=2))


@pytest.mark.parametrize("function", [lambda name, doc: None, "tests.engine.nowhere:Nothing"])
async def test_what_no_other_process_can_import_is_refused_by_name(
    engine: RunEngine, det: SoftDetector, function: Any, caplog: pytest.LogCaptureFixture
) -> None:
    if callable(function):
        with pytest.raises(SubscriptionError, match=r"package\.module:name"):
            engine.subscribe(function, where="process")
        return
    engine.subscribe(function, where="process", critical=True)
    with pytest.raises(SubscriberFailedError, match=r"No module named 'tests\.engine\.nowhere'"):
        await engine(count([det], num=2))


@pytest.fixture
def other_loop() -> Iterator[tuple[asyncio.AbstractEventLoop, threading.Thread]]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop, thread
    if not loop.is_closed():
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def test_one_may_choose_a_loop_where_it_is_called_plain_or_async(
    engine: RunEngine, det: SoftDetector, other_loop: tuple[asyncio.AbstractEventLoop, threading.Thread]
) -> None:
    loop, thread = other_loop
    plain, asynchronous = Collected(), Collected()

    def called(name: str, doc: dict[str, Any]) -> None:
        assert threading.current_thread() is thread
        plain(name, doc)

    async def awaited(name: str, doc: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        assert asyncio.get_running_loop() is loop
        asynchronous(name, doc)

    engine.subscribe(called, where=loop, critical=True)
    engine.subscribe(awaited, where=loop, critical=True)
    await engine(count([det], num=2))
    assert plain.names == asynchronous.names == ["start", "descriptor", "event", "event", "stop"]


async def test_loop_is_the_loop_that_runs_where_it_was_subscribed(engine: RunEngine, det: SoftDetector) -> None:
    threads: set[threading.Thread] = set()
    engine.subscribe(lambda *_: threads.add(threading.current_thread()), where="loop", critical=True)
    await engine(count([det], num=2))
    assert threads == {threading.current_thread()}


async def test_a_gui_gets_documents_through_what_posts_to_its_loop_one_at_a_time(
    engine: RunEngine, det: SoftDetector
) -> None:
    posted: SimpleQueue[Callable[[], None]] = SimpleQueue()
    seen, waiting = Collected(), []

    def gui() -> None:
        while "stop" not in seen.names:
            call = posted.get()
            waiting.append(posted.qsize())
            call()

    thread = threading.Thread(target=gui)
    thread.start()
    engine.subscribe(seen, where=posted.put)
    await engine(count([det], num=5))
    await asyncio.to_thread(thread.join)
    assert seen.names == ["start", "descriptor", *["event"] * 5, "stop"]
    assert set(waiting) == {0}


async def test_a_loop_that_is_closed_ends_its_subscriber_and_not_the_run(
    engine: RunEngine, det: SoftDetector, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    token = engine.subscribe(Collected(), where=loop)
    with caplog.at_level(logging.ERROR):
        assert (await engine(count([det], num=2))).exit_status == "success"
        subscription = engine._subscriptions._active[token]
        await engine.aclose()
    assert "is closed" in caplog.text
    assert subscription.statistics().condition == "died"


def test_where_no_loop_runs_one_has_to_be_named(tmp_path: Path) -> None:
    engine = RunEngine(tmp_path)
    with pytest.raises(SubscriptionError, match="give the loop itself"):
        engine.subscribe(Collected(), where="loop")
    asyncio.run(engine.aclose())
