import asyncio

import pytest
from wingbeat.async_devices import Progress, Status
from wingbeat.async_devices.protocols import StatusLike


async def nothing():
    return None


async def fails():
    raise ValueError("no")


async def test_a_status_is_done_when_its_work_is():
    go = asyncio.Event()
    status = Status(go.wait(), name="waiting")
    called = []
    status.add_callback(called.append)
    assert not status.done
    assert not status.success
    assert status.exception() is None
    go.set()
    await status
    assert status.done
    assert status.success
    assert called == [status]
    assert isinstance(status, StatusLike)


async def test_a_failed_status_raises_its_own_error_and_tells_who_asks():
    status = Status(fails(), name="failing")
    with pytest.raises(ValueError, match="no"):
        await status
    assert status.done
    assert not status.success
    assert isinstance(status.exception(timeout=0), ValueError)


async def test_a_callback_added_late_is_called_at_once():
    status = Status(nothing())
    await status
    called = []
    status.add_callback(called.append)
    assert called == [status]


async def test_a_cancelled_wait_cancels_the_work_and_counts_as_failure():
    status = Status(asyncio.Event().wait(), name="for ever")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await status
    assert status.done
    assert not status.success
    assert isinstance(status.exception(), asyncio.CancelledError)


async def test_progress_reaches_watchers_and_the_last_one_reaches_those_who_come_late():
    go, seen, late = asyncio.Event(), [], []

    async def work(report):
        report(Progress(name="x", current=1, initial=0, target=2, unit="mm", fraction=0.5))
        await go.wait()

    status = Status.reporting(work, name="x")
    status.watch(lambda **fields: seen.append(fields))
    await asyncio.sleep(0)
    status.watch(lambda **fields: late.append(fields["fraction"]))
    go.set()
    await status
    assert [fields["current"] for fields in seen] == [1]
    assert set(seen[0]) == set(Progress._fields)
    assert late == [0.5]


async def test_a_finished_status_has_no_task():
    before = asyncio.all_tasks()
    status = Status.finished(name="x")
    await status
    assert asyncio.all_tasks() == before
    assert status.success
    failed = Status.finished(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        await failed
    assert not failed.success
