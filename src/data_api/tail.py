"""Follows an engine's journal: records in order, each once, as they are committed, from a cursor on.

Theory of operation. The journal is a directory of segments, named by their first sequence number, so that their names
sort in order. Only the last one grows. A record that is not whole yet is a torn tail: the cursor stays in front of
it, and reading goes on when the file changes. A segment is done when a later one was there BEFORE it was read to its
end: the writer closes a segment before it opens the next, so nothing can be added after that.

Reading happens in a thread. The directory is watched, not polled; where notifications do not work (some network file
systems) the watch's timeout leads to a look twice a second. A segment that is corrupt in its middle is left where it
is damaged: what is behind the damage cannot be framed. That, and a gap in the sequence numbers, is kept in `damage`
for the readiness report.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from watchfiles import awatch  # pyright: ignore[reportUnknownVariableType]  # names trio, which is not installed

from ..stream_resource.errors import CorruptJournalError
from ..stream_resource.journal import JOURNAL_SUFFIX, DecodedRecords, JournalRecord, decode_records
from ..task_owner import TaskOwner
from .catalog import JournalCursor

WINDOW_NBYTES = 1 << 20
LARGEST_WINDOW_NBYTES = 1 << 28
WATCH_TIMEOUT_MS = 500
log = logging.getLogger(__name__)


class TailBatch(NamedTuple):
    """Records, and the cursor that stands behind the last of them."""

    records: list[JournalRecord]
    cursor: JournalCursor


@dataclass(frozen=True, slots=True, kw_only=True)
class TailStatistics:
    """What a tail has done so far."""

    records: int
    segment: str
    offset_nbytes: int
    sequence: int
    damage: tuple[str, ...]


class JournalTail:
    """Reads a journal directory from a cursor on. One reader at a time."""

    def __init__(self, directory: Path, cursor: JournalCursor, *, window_nbytes: int = WINDOW_NBYTES) -> None:
        self._directory = directory
        self._cursor = cursor
        self._window = self._first_window = window_nbytes
        self._records = 0
        self._damage: list[str] = []

    async def batches(self) -> AsyncGenerator[TailBatch]:
        """Every batch there is, then every batch that comes; ends by cancellation or `aclose` only."""
        changed = asyncio.Event()
        owner = TaskOwner("journal tail")
        owner.start(self._watch(changed), name=str(self._directory))
        try:
            while True:
                changed.clear()  # before reading: a change while we read means another look
                while (batch := await self.read()) is not None:
                    if batch.records:
                        yield batch
                await changed.wait()
        finally:
            await owner.aclose()

    async def _watch(self, changed: asyncio.Event) -> None:
        watch = awatch(
            self._directory,
            watch_filter=None,
            debounce=10,
            step=5,
            rust_timeout=WATCH_TIMEOUT_MS,
            yield_on_timeout=True,
            recursive=False,
        )
        async with aclosing(watch):
            async for _ in watch:
                changed.set()

    async def read(self) -> TailBatch | None:
        """The next records that are there, None at the end of what is committed. A batch may be empty."""
        return await asyncio.to_thread(self._read)

    def _read(self) -> TailBatch | None:
        segments = sorted(path.name for path in self._directory.glob(f"*{JOURNAL_SUFFIX}"))
        name = self._cursor.segment or next(iter(segments), "")
        if not name:
            return None
        later = [segment for segment in segments if segment > name]
        buffer, at_end = self._window_of(name)
        try:
            decoded = decode_records(buffer)
        except CorruptJournalError as error:
            decoded = _before_damage(buffer)
            if not decoded.records:
                return self._leave_damaged(name, error, later)
        if decoded.consumed:
            return self._accept(name, decoded.records, decoded.consumed)
        if not at_end:
            self._widen(name)
            return TailBatch([], self._cursor)
        return self._enter(later[0]) if later else None

    def _window_of(self, name: str) -> tuple[bytes, bool]:
        """Bytes from the cursor on, and whether they reach the end of the segment."""
        try:
            with (self._directory / name).open("rb") as segment:
                segment.seek(self._cursor.offset)
                buffer = segment.read(self._window)
        except FileNotFoundError:
            return b"", True
        return buffer, len(buffer) < self._window

    def _accept(self, name: str, records: list[JournalRecord], consumed: int) -> TailBatch:
        self._window = self._first_window
        last = self._cursor.sequence
        fresh = [record for record in records if record.sequence > last]
        if fresh and last >= 0 and fresh[0].sequence != last + 1:
            self._note(f"{name}: records {last + 1} to {fresh[0].sequence - 1} are not in the journal")
        sequence = fresh[-1].sequence if fresh else last
        self._cursor = JournalCursor(name, self._cursor.offset + consumed, sequence)
        self._records += len(fresh)
        return TailBatch(fresh, self._cursor)

    def _widen(self, name: str) -> None:
        if self._window >= LARGEST_WINDOW_NBYTES:
            msg = f"{name}: a record over {LARGEST_WINDOW_NBYTES} bytes at offset {self._cursor.offset}"
            raise CorruptJournalError(msg)
        self._window *= 4

    def _enter(self, name: str) -> TailBatch:
        self._cursor = JournalCursor(name, 0, self._cursor.sequence)
        return TailBatch([], self._cursor)

    def _leave_damaged(self, name: str, error: CorruptJournalError, later: list[str]) -> TailBatch | None:
        self._note(f"{name}: {error}")
        return self._enter(later[0]) if later else None

    def _note(self, damage: str) -> None:
        if damage not in self._damage:
            log.error("journal damaged: %s", damage)
            self._damage.append(damage)

    @property
    def cursor(self) -> JournalCursor:
        """Where the next record will be read."""
        return self._cursor

    def statistics(self) -> TailStatistics:
        """What was read so far, and what is wrong with the journal."""
        segment, offset, sequence = self._cursor
        return TailStatistics(
            records=self._records, segment=segment, offset_nbytes=offset, sequence=sequence, damage=tuple(self._damage)
        )


def _before_damage(buffer: bytes) -> DecodedRecords:
    """The whole records in front of the first damage: those of the longest buffer that decodes."""
    whole, damaged = 0, len(buffer)
    decoded = decode_records(b"")
    while damaged - whole > 1:
        middle = (whole + damaged) // 2
        try:
            decoded = decode_records(buffer[:middle])
            whole = middle
        except CorruptJournalError:
            damaged = middle
    return decoded
