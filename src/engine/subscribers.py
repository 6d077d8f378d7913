"""Subscribers: whoever wants the documents, without ever slowing the plan.

Theory of operation. Each subscriber has a cursor on the journal and reads at its own pace: an asynchronous one in a
task of the engine, every other through a thread of its own, which calls it right there, on a loop of its choice, or in
a process (`subscriber_call`, `subscriber_process`). Nothing is queued for it in memory, so that one that falls behind
costs a number; it reads older records back from disk. What happens then is its policy, looked at before each batch::

    lossless     goes on, however far behind
    drop_oldest  leaves out what is more than FAR_BEHIND_RECORDS behind
    conflate     leaves out all but the newest
    disconnect   is cut when it is more than FAR_BEHIND_RECORDS behind: gets nothing more, and is told by a call of its
                 method `disconnected(reason)`, if it has one
    block        goes on, and the plan waits while it is more than BLOCK_RECORDS behind

A subscriber that raises is reported, counted, and goes on with the next document; a critical one has failed the run,
and stays failed. One whose process died, or whose loop was closed, is reported and gets nothing more.
"""

import asyncio
import inspect
import logging
import threading
from typing import cast

from ..stream_resource.journal import JournalRecord
from ..task_owner import TaskOwner
from .delivery import deliveries
from .errors import JournalError, SubscriberFailedError, SubscriberGoneError
from .journal import Journal
from .journal_cursor import JournalCursor
from .subscriber_call import SubscriberCall
from .subscriber_terms import (
    BLOCK_RECORDS,
    FAR_BEHIND_RECORDS,
    Condition,
    Subscriber,
    SubscriberStatistics,
    Terms,
)

log = logging.getLogger(__name__)

BATCH_RECORDS = 64


class Subscription:
    """One subscriber and its cursor; runs in a thread or in a task until it is ended.

    Args:
        journal: What it reads.
        function: The subscriber.
        terms: What it was promised.
        call: How its thread calls it; None for one that runs in a task.

    Attributes:
        terms: As above.
        failure: What a critical one has failed with.
    """

    def __init__(
        self, journal: Journal, function: Subscriber | str, *, terms: Terms, call: SubscriberCall | None
    ) -> None:
        self.terms = terms
        self.failure: BaseException | None = None
        self._function = function
        self._call = call
        self._condition: Condition = "served"
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
        if isinstance(self._function, str):
            return self._function
        return str(getattr(self._function, "__qualname__", None) or repr(self._function))

    @property
    def ended(self) -> bool:
        """Whether its thread or task has ended."""
        if self._thread is not None:
            return not self._thread.is_alive()
        return self._task is None or self._task.done()

    # Running.

    def start(self, owner: TaskOwner) -> None:
        """Begin to deliver in a task of `owner`."""
        self._task = owner.start(self._run_in_task(), name=f"subscriber {self.name}")

    def start_thread(self) -> None:
        """Begin to deliver in a thread."""
        self._thread = threading.Thread(target=self._run_in_thread, name=f"subscriber {self.name}", daemon=True)
        self._thread.start()

    def _run_in_thread(self) -> None:
        call = self._call
        if call is None:
            return
        try:
            self._open(call)
            while not self._ended():
                self._finish_if_drained()
                self._journal.wait(self._cursor.sequence, self._ended)
                for record in self._batch():
                    if self._wants(record):
                        self._delivered += self._delivered_by(call, record)
                    self._passed(record.sequence)
        finally:
            self._cursor.close()
            call.close()

    def _open(self, call: SubscriberCall) -> None:
        try:
            call.open()
        except SubscriberGoneError as error:
            self._cut("died", error)

    def _delivered_by(self, call: SubscriberCall, record: JournalRecord) -> int:
        try:
            return call.deliver(record, lambda error: self._report(error, record))
        except SubscriberGoneError as error:
            self._cut("died", error)
            return 0
        except BaseException as error:  # noqa: BLE001  # boundary: SystemExit too, which ends this thread in silence
            gone = SubscriberGoneError(f"subscriber {self.name} raised {error!r} and is called no more")
            gone.__cause__ = error
            self._cut("died", gone)
            return 0

    async def _run_in_task(self) -> None:
        news = self._news = self._journal.listen()
        try:
            while not self._ended():
                batch = self._batch() if self._cursor.in_memory() else await asyncio.to_thread(self._batch)
                for record in batch:
                    if self._wants(record):
                        await self._deliver_in_task(record)
                    self._passed(record.sequence)
                if not batch and not self._ended():
                    self._finish_if_drained()
                    await news.wait()
                    news.clear()
        finally:
            self._journal.ignore(news)
            self._cursor.close()

    async def _deliver_in_task(self, record: JournalRecord) -> None:
        for name, doc in deliveries(record.name, record.payload, pages=self.terms.pages):
            self._delivered += 1
            try:
                result = cast(Subscriber, self._function)(name, doc)
                if inspect.isawaitable(result):
                    await result
            except Exception as error:  # noqa: BLE001  # boundary: somebody else's code must not end the run
                self._report(error, record)

    def _batch(self) -> list[JournalRecord]:
        behind, policy = self._cursor.behind, self.terms.policy
        if policy == "disconnect" and behind > FAR_BEHIND_RECORDS:
            self._disconnect(behind)
            return []
        keep = {"drop_oldest": FAR_BEHIND_RECORDS, "conflate": 1}.get(policy, behind)
        if behind > keep:
            self._dropped += self._cursor.skip_to(self._cursor.sequence + behind - keep)
        try:
            return self._cursor.next(1 if policy == "conflate" else BATCH_RECORDS)
        except (JournalError, OSError) as error:
            self._cut("failed", error)
            return []

    def _disconnect(self, behind: int) -> None:
        reason = f"it is {behind} records behind, and was to be cut when more than {FAR_BEHIND_RECORDS} behind"
        self._cut("disconnected", SubscriberGoneError(f"subscriber {self.name} is disconnected: {reason}"))
        tell = getattr(self._function, "disconnected", None)
        if tell is None:
            return
        try:
            tell(reason)
        except Exception as error:  # boundary: somebody else's code
            log.exception("subscriber %s raised when it was told that it is cut", self.name, exc_info=error)

    def _cut(self, condition: Condition, why: Exception) -> None:
        """Serve it no more, and say why."""
        log.error("subscriber %s gets nothing more (%s): %s", self.name, condition, why)
        self._condition = condition
        self._errors += condition == "died"
        self._dropped += self.lag
        if self.terms.critical:
            self.failure = why
        with self._lock:
            self._end = 0
            self._tell()

    def _wants(self, record: JournalRecord) -> bool:
        kinds, ended = self.terms.kinds, self._end is not None and record.sequence >= self._end
        return self.failure is None and (kinds is None or record.name in kinds) and not ended

    def _report(self, error: BaseException, record: JournalRecord) -> None:
        self._errors += 1
        log.error("subscriber %s raised at %s document %d", self.name, record.name, record.sequence, exc_info=error)
        if self.terms.critical and self.failure is None:
            self.failure, self._condition = error, "failed"

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
        if self._end is None:
            self._end = sequence
        if self._condition == "served":
            self._condition = "ended"
        self._journal.wake()
        if self._news is not None:
            self._news.set()

    @property
    def lag(self) -> int:
        """Committed records that it has not passed yet; 0 if it gets no more."""
        return 0 if self._end == 0 else max(0, self._journal.committed_sequence + 1 - self._handled)

    async def caught_up(self) -> None:
        """Wait until it is no more than BLOCK_RECORDS behind."""
        if self._journal.next_sequence - self._handled > BLOCK_RECORDS:
            await self.settled(self._journal.next_sequence - BLOCK_RECORDS - 1)

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
            policy=self.terms.policy,
            lag=self.lag,
            delivered=self._delivered,
            dropped=self._dropped,
            errors=self._errors,
            condition=self._condition,
            pid=None if self._call is None else self._call.pid,
        )
