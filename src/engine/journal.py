"""The journal: every document of every run, in order, on disk before any subscriber sees it.

Theory of operation. `append` gives a document its number and hands it to one writer thread, which writes all that
waits in one system call and then announces it. Committed means given to the kernel (it survives a kill -9 of this
process); with `durable` it is fsynced as well. Readers follow by number (`JournalCursor`): the last records are kept
in memory, older ones are read back from the files, so that a slow reader costs disk and not memory.

A document that comes alone is written at once. Then the writer rests for a moment, and what comes meanwhile is written
together: waking a thread costs the loop as much as making an event of ten detectors.

    append ─► queue ─► writer thread ─► segment file ─► committed ─► cursors
                                                        └► window of the last records

A segment is closed for a new one between runs only, so that a run lies in one segment and recovery reads the last
one alone. On opening, a torn tail is cut off and kept beside the segment, and a run without a stop document is
closed as lost.
"""

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..stream_resource.journal import MAGIC, JournalRecord, encode_record, segment_name
from .documents import Document, encode
from .errors import JournalError
from .journal_recovery import lost_stop, recover

WINDOW_RECORDS = 1024
"""How many records are kept in memory for readers that keep up."""

WINDOW_NBYTES = 8 * 2**20
"""And how many bytes of them."""

BACKLOG_NBYTES = 64 * 2**20
"""Bytes waiting to be written from which on `room` waits."""

REST = 0.001
"""Seconds for which the writer rests after each write."""

SEGMENT_NBYTES = 64 * 2**20
"""Size from which on a segment is closed, once no run is open."""


class _Waiting(NamedTuple):
    record: JournalRecord
    open_runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalStatistics:
    """Where the journal is.

    Attributes:
        appended: Number of the newest record; -1 if there is none.
        committed: Number of the newest committed record.
        waiting_nbytes: Bytes that wait to be written.
        segment: Path of the current segment.
    """

    appended: int
    committed: int
    waiting_nbytes: int
    segment: Path


class Journal:
    """The journal of one directory, opened for writing. Opening reads the last segment: do it before the loop is busy.

    Args:
        directory: Where the segments are; made if it does not exist.
        durable: Whether committed means fsynced.
        segment_nbytes: When a segment is full.

    Raises:
        JournalError: The directory cannot be read or written.
        CorruptJournalError: The last segment is damaged in its middle.
    """

    def __init__(self, directory: Path, *, durable: bool = False, segment_nbytes: int = SEGMENT_NBYTES) -> None:
        self.directory = directory
        self._durable = durable
        self._segment_nbytes = segment_nbytes
        self._lock = threading.Condition()
        self._news = threading.Condition()
        self._queue: deque[_Waiting] = deque()
        self._window: deque[JournalRecord] = deque()
        self._window_nbytes = 0
        self._waiting_nbytes = 0
        self._open_runs: set[str] = set()
        self._listeners: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._error: OSError | None = None
        self._closing = False
        self.lost: list[str] = self._open()

    def _open(self) -> list[str]:
        """Recover what is there, start the writer, and close the runs that were cut off; give their uids."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            recovered = recover(self.directory)
            self._next = recovered.next_sequence
            self._committed = self._next - 1
            self._file = self._segment(recovered.segment)
        except OSError as error:
            msg = f"the journal in {self.directory} cannot be opened: {error}; check the directory and its rights"
            raise JournalError(msg) from error
        self._thread = threading.Thread(target=self._write_forever, name=f"journal {self.directory}", daemon=True)
        self._thread.start()
        for run in recovered.open_runs:
            self._open_runs.add(run.uid)
            self.append("stop", lost_stop(run))
        return [run.uid for run in recovered.open_runs]

    # The engine's side.

    def append(self, name: str, doc: Document, *, payload: bytes | None = None) -> int:
        """Put a document at the end; give its number. It is committed a little later.

        Args:
            name: Of its kind.
            doc: The document.
            payload: What `encode` has made of it, if that was done already.

        Raises:
            DocumentError: event-model's schema refuses it.
            JournalError: The disk refused an earlier one, or the journal is closed.
        """
        payload = encode(name, doc) if payload is None else payload
        with self._lock:
            self._check()
            sequence = self._next
            self._next += 1
            if name == "start":
                self._open_runs.add(doc["uid"])
            elif name == "stop":
                self._open_runs.discard(doc["run_start"])
            self._queue.append(_Waiting(JournalRecord(sequence, name, payload), len(self._open_runs)))
            self._waiting_nbytes += len(payload)
            self._lock.notify()
        return sequence

    def _check(self) -> None:
        if self._error is not None:
            msg = f"the journal in {self.directory} cannot be written: {self._error}; nothing more is recorded"
            raise JournalError(msg) from self._error
        if self._closing:
            msg = f"the journal in {self.directory} is closed"
            raise JournalError(msg)

    @property
    def full(self) -> bool:
        """Whether so much waits for the disk that whoever appends should wait for `room`."""
        return self._waiting_nbytes > BACKLOG_NBYTES

    @property
    def next_sequence(self) -> int:
        """The number that the next record will have."""
        return self._next

    @property
    def committed_sequence(self) -> int:
        """The number of the newest committed record; -1 before the first."""
        return self._committed

    async def room(self) -> None:
        """Wait until not too much waits for the disk."""
        await self._until(lambda: not self.full)

    async def committed(self, sequence: int) -> None:
        """Wait until the record with this number, and all before, are committed.

        Raises:
            JournalError: The disk refused it.
        """
        await self._until(lambda: self._committed >= sequence)

    async def _until(self, condition: Callable[[], bool]) -> None:
        if condition():
            return
        event = self.listen()
        try:
            while not condition():
                if self._error is not None:
                    self._check()
                await event.wait()
                event.clear()
        finally:
            self.ignore(event)

    def listen(self) -> asyncio.Event:
        """Give an event that is set, in the running loop, whenever records have been committed."""
        event = asyncio.Event()
        with self._news:
            self._listeners[event] = asyncio.get_running_loop()
        # What was committed just before must not be waited for.
        event.set()
        return event

    def ignore(self, event: asyncio.Event) -> None:
        """Set the event no more."""
        with self._news:
            self._listeners.pop(event, None)

    def statistics(self) -> JournalStatistics:
        """Say where the journal is."""
        return JournalStatistics(
            appended=self._next - 1,
            committed=self._committed,
            waiting_nbytes=self._waiting_nbytes,
            segment=self._path,
        )

    def close(self) -> None:
        """Write what waits and close the file; blocks until that is done. May be called again."""
        with self._lock:
            self._closing = True
            self._lock.notify()
        self._thread.join()

    # The readers' side.

    def window(self, sequence: int, limit: int) -> list[JournalRecord] | None:
        """Give committed records from number `sequence` on, from memory; None if they have left it."""
        with self._news:
            if sequence > self._committed:
                return []
            first = self._window[0].sequence if self._window else self._committed + 1
            if sequence < first:
                return None
            start = sequence - first
            return [self._window[at] for at in range(start, min(start + limit, len(self._window)))]

    def wait(self, sequence: int, ended: Callable[[], bool]) -> None:
        """Block a reader's thread until record `sequence` is committed, or `ended()` says so when it is woken."""
        with self._news:
            self._news.wait_for(lambda: self._committed >= sequence or ended())

    def wake(self) -> None:
        """Wake every blocked reader, so that it looks whether it should end."""
        with self._news:
            self._news.notify_all()

    # The writer's side.

    def _segment(self, path: Path | None) -> int:
        self._path = path or self.directory / segment_name(self._next)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._size = os.fstat(descriptor).st_size
        if self._size == 0:
            self._size = os.write(descriptor, MAGIC)
            if self._durable:
                _sync_directory(self.directory)
        return descriptor

    def _write_forever(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._queue or self._closing)
                batch = list(self._queue)
                self._queue.clear()
            if not batch:
                break
            try:
                self._write(batch)
            except OSError as error:
                self._fail(error)
                break
            self._announce([waiting.record for waiting in batch])
            time.sleep(REST)
        os.close(self._file)
        with self._news:
            self._tell()

    def _write(self, batch: list[_Waiting]) -> None:
        view = memoryview(b"".join([encode_record(waiting.record) for waiting in batch]))
        while view:
            written = os.write(self._file, view)
            self._size += written
            view = view[written:]
        if self._durable:
            os.fsync(self._file)
        if self._size >= self._segment_nbytes and batch[-1].open_runs == 0:
            self._rotate(batch[-1].record.sequence + 1)

    def _rotate(self, first: int) -> None:
        os.close(self._file)
        path = self.directory / segment_name(first)
        self._file = self._segment(path)

    def _announce(self, records: list[JournalRecord]) -> None:
        nbytes = sum(len(record.payload) for record in records)
        with self._lock:
            self._waiting_nbytes -= nbytes
        with self._news:
            self._window.extend(records)
            self._window_nbytes += nbytes
            while len(self._window) > WINDOW_RECORDS or self._window_nbytes > WINDOW_NBYTES:
                self._window_nbytes -= len(self._window.popleft().payload)
            self._committed = records[-1].sequence
            self._tell()

    def _tell(self) -> None:
        self._news.notify_all()
        for event, loop in list(self._listeners.items()):
            try:
                loop.call_soon_threadsafe(event.set)
            except RuntimeError:  # that loop has ended, and its waiter with it
                del self._listeners[event]

    def _fail(self, error: OSError) -> None:
        with self._lock:
            self._error = error
        with self._news:
            self._tell()


def _sync_directory(directory: Path) -> None:
    """Make the names in it survive a loss of power: a synced file whose name is lost is lost."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
