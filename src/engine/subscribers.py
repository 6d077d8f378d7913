"""Subscribers: whoever wants the documents, without ever slowing the plan.

Theory of operation. Each subscriber has a cursor on the journal and reads at its own pace: a synchronous one in a
thread of its own, an asynchronous one in a task of the engine. Nothing is queued for it in memory, so that a
lossless subscriber that falls behind costs a number; it reads older records back from disk. `drop_oldest` leaves out
what is more than `DROP_RECORDS` behind, `conflate` all but the newest.

A subscriber that raises is reported, counted, and goes on with the next document; a critical one has failed the run,
and stays failed.
"""

import asyncio
import inspect
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from ..stream_resource.journal import JournalRecord
from ..task_owner import TaskOwner
from .errors import JournalError, SubscriberFailedError
from .journal import Journal
from .journal_cursor import JournalCursor

log = logging.getLogger(__name__)

Policy = Literal["lossless", "drop_oldest", "conflate"]
Where = Literal["auto", "thread", "task"]
Subscriber = Callable[[str, dict[str, Any]], Any]

DROP_RECORDS = 1000
BATCH_RECORDS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberStatistics:
    """How a subscriber keeps up.

    Attributes:
        name: Of the callable.
        policy: What happens when it is slow.
        lag: Committed records that it has not read yet.
        delivered: Documents it was called with.
        dropped: Records left out for it.
        errors: How often it raised.
    """

    name: str
    policy: Policy
    lag: int
    delivered: int
    dropped: int
    errors: int


class Subscription:
    """One subscriber and its cursor; runs in a thread or in a task until it is ended."""

    def __init__(
        self, journal: Journal, function: Subscriber, *, document: str, policy: Policy, critical: bool
    ) -> None:
        self.critical = critical
        self.failure: Exception | None = None
        self._function = function
        self._document = document
        self._policy: Policy = policy
        self._journal = journal
        self._cursor = JournalCursor(journal, journal.next_sequence)
        self._handled = journal.next_sequence
        self._end: int | None = None
        self._delivered = self._dropped = self._errors = 0
        self._settled: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._lock = threading.Lock()
        self._news: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """What it is called in reports."""
        return str(getattr(self._function, "__qualname__", None) or repr(self._function))

    @property
    def ended(self) -> bool:
        """Whether its thread or task has ended."""
        if self._thread is not None:
            return not self._thread.is_alive()
        return self._task is None or self._task.done()

    # Running.

    def in_task(self, where: Where) -> bool:
        """Whether it is to run in a task of the engine, not in a thread."""
        return where == "task" or (where == "auto" and _is_async(self._function))

    def start(self, owner: TaskOwner) -> None:
        """Begin to deliver in a task of `owner`."""
        self._task = owner.start(self._run_in_task(), name=f"subscriber {self.name}")

    def start_thread(self) -> None:
        """Begin to deliver in a thread."""
        self._thread = threading.Thread(target=self._run_in_thread, name=f"subscriber {self.name}", daemon=True)
        self._thread.start()

    def _run_in_thread(self) -> None:
        while not self._ended():
            self._finish_if_drained()
            self._journal.wait(self._cursor.sequence, self._ended)
            for record in self._batch():
                self._deliver(record)
                self._passed(record.sequence)
        self._cursor.close()

    async def _run_in_task(self) -> None:
        news = self._news = self._journal.listen()
        try:
            while not self._ended():
                batch = self._batch() if self._cursor.in_memory() else await asyncio.to_thread(self._batch)
                for record in batch:
                    await self._deliver_async(record)
                    self._passed(record.sequence)
                if not batch:
                    self._finish_if_drained()
                    await news.wait()
                    news.clear()
        finally:
            self._journal.ignore(news)
            self._cursor.close()

    def _batch(self) -> list[JournalRecord]:
        behind = self._cursor.behind
        keep = {"lossless": behind, "drop_oldest": DROP_RECORDS, "conflate": 1}[self._policy]
        if behind > keep:
            self._dropped += self._cursor.skip_to(self._cursor.sequence + behind - keep)
        try:
            return self._cursor.next(1 if self._policy == "conflate" else BATCH_RECORDS)
        except (JournalError, OSError):
            log.exception("subscriber %s cannot read the journal; it is ended", self.name)
            self._end = 0
            return []

    def _wants(self, record: JournalRecord) -> bool:
        ended = self._end is not None and record.sequence >= self._end
        return self.failure is None and self._document in ("all", record.name) and not ended

    def _deliver(self, record: JournalRecord) -> None:
        if not self._wants(record):
            return
        try:
            self._function(record.name, orjson.loads(record.payload))
        except Exception as error:  # noqa: BLE001  # boundary: somebody else's code must not end the run
            self._report(error, record)
        self._delivered += 1

    async def _deliver_async(self, record: JournalRecord) -> None:
        if not self._wants(record):
            return
        try:
            result = self._function(record.name, orjson.loads(record.payload))
            if inspect.isawaitable(result):
                await result
        except Exception as error:  # noqa: BLE001  # boundary: as in `_deliver`
            self._report(error, record)
        self._delivered += 1

    def _report(self, error: Exception, record: JournalRecord) -> None:
        self._errors += 1
        log.error("subscriber %s raised at %s document %d", self.name, record.name, record.sequence, exc_info=error)
        if self.critical:
            self.failure = error

    def _passed(self, sequence: int) -> None:
        with self._lock:
            self._handled = sequence + 1
            self._tell()

    def _tell(self) -> None:
        for event, loop in self._settled.items():
            loop.call_soon_threadsafe(event.set)

    def _finish_if_drained(self) -> None:
        with self._lock:
            self._handled = max(self._handled, self._cursor.sequence)
            self._tell()

    def _ended(self) -> bool:
        return self._end is not None and self._cursor.sequence >= self._end

    # Asking.

    def check(self) -> None:
        """Raise what a critical subscriber has raised.

        Raises:
            SubscriberFailedError: It has.
        """
        if self.failure is not None:
            msg = f"the critical subscriber {self.name} raised {type(self.failure).__name__}: {self.failure}"
            raise SubscriberFailedError(msg) from self.failure

    async def settled(self, sequence: int) -> None:
        """Wait until it has passed record `sequence`."""
        event = asyncio.Event()
        with self._lock:
            self._settled[event] = asyncio.get_running_loop()
        try:
            while self._handled <= sequence and self.failure is None and self._end is None:
                await event.wait()
                event.clear()
        finally:
            with self._lock:
                del self._settled[event]

    def end(self, sequence: int) -> None:
        """Deliver what comes before record `sequence`, and then no more."""
        self._end = sequence
        self._journal.wake()
        if self._news is not None:
            self._news.set()

    async def join(self, timeout: float) -> bool:
        """Wait until it has ended; False if it took longer than `timeout` seconds."""
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, timeout)
            return not self._thread.is_alive()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=timeout)
            return self._task.done()
        return True

    def statistics(self) -> SubscriberStatistics:
        """Say how it keeps up."""
        return SubscriberStatistics(
            name=self.name,
            policy=self._policy,
            lag=max(0, self._journal.committed_sequence + 1 - self._handled),
            delivered=self._delivered,
            dropped=self._dropped,
            errors=self._errors,
        )


def _is_async(function: Subscriber) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004
