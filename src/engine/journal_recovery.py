"""What a journal that was cut off still says: where to go on, and which runs were left open."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from ..stream_resource.journal import JOURNAL_SUFFIX, MAGIC, JournalRecord, decode_records
from .documents import Document, stop

PART_NBYTES = 4 * 2**20


@dataclass(slots=True, kw_only=True)
class UnfinishedRun:
    """A run without a stop document.

    Attributes:
        uid: Of the run.
        last: Number of its last record.
        streams: Stream name by descriptor uid.
        last_seq_nums: By stream.
    """

    uid: str
    last: int
    streams: dict[str, str] = field(default_factory=lambda: dict[str, str]())
    last_seq_nums: dict[str, int] = field(default_factory=lambda: dict[str, int]())


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """Where a journal goes on.

    Attributes:
        next_sequence: Number of the next record.
        segment: The segment to append to; None if there is none yet.
        open_runs: Runs that were cut off, in the order in which they began.
    """

    next_sequence: int
    segment: Path | None
    open_runs: tuple[UnfinishedRun, ...]


def segments(directory: Path) -> list[Path]:
    """List the segments of a journal, oldest first."""
    return sorted(directory.glob(f"*{JOURNAL_SUFFIX}"))


def first_sequence(segment: Path) -> int:
    """Give the number of the first record of a segment."""
    return int(segment.name.removesuffix(JOURNAL_SUFFIX))


def recover(directory: Path) -> Recovered:
    """Read the last segment, cut off its torn tail (kept as `<segment>.torn-<offset>`), and say where to go on.

    Raises:
        CorruptJournalError: The segment is damaged in its middle.
        OSError: It cannot be read or written.
    """
    found = segments(directory)
    if not found:
        return Recovered(next_sequence=0, segment=None, open_runs=())
    segment = found[-1]
    runs = OpenRuns()
    following, good = first_sequence(segment), 0
    with segment.open("rb") as file:
        rest = b""
        while part := file.read(PART_NBYTES):
            rest += part
            decoded = decode_records(rest)
            for record in decoded.records:
                runs.apply(record)
                following = record.sequence + 1
            good += decoded.consumed
            rest = rest[decoded.consumed :]
    if rest:
        _cut(segment, good, rest)
    return Recovered(next_sequence=following, segment=segment, open_runs=tuple(runs.open.values()))


def _cut(segment: Path, good: int, tail: bytes) -> None:
    segment.with_name(f"{segment.name}.torn-{good}").write_bytes(tail)
    os.truncate(segment, good if good >= len(MAGIC) else 0)


class OpenRuns:
    """Follows the records of a journal and keeps what is needed to close each run that has no stop document yet."""

    def __init__(self) -> None:
        self.open: dict[str, UnfinishedRun] = {}
        self._of_descriptor: dict[str, UnfinishedRun] = {}

    def apply(self, record: JournalRecord) -> None:
        """Take in the next record."""
        doc: Document = orjson.loads(record.payload)
        run = self._run(record.name, doc, record.sequence)
        if run is None:
            return
        run.last = record.sequence
        match record.name:
            case "descriptor":
                run.streams[doc["uid"]] = doc["name"]
                run.last_seq_nums.setdefault(doc["name"], 0)
                self._of_descriptor[doc["uid"]] = run
            case "stop":
                self._forget(run)
            case _:
                self._count(run, record.name, doc)

    def _run(self, name: str, doc: Document, sequence: int) -> UnfinishedRun | None:
        if name == "start":
            run = self.open[doc["uid"]] = UnfinishedRun(uid=doc["uid"], last=sequence)
            return run
        if "run_start" in doc:
            return self.open.get(doc["run_start"])
        return self._of_descriptor.get(doc.get("descriptor", ""))

    def _count(self, run: UnfinishedRun, name: str, doc: dict[str, Any]) -> None:
        stream = run.streams.get(doc.get("descriptor", ""))
        if stream is None:
            return
        match name:
            case "event":
                last = doc["seq_num"]
            case "event_page":
                last = max(doc["seq_num"], default=0)
            case "stream_datum":
                last = doc["seq_nums"]["stop"] - 1
            case _:
                return
        run.last_seq_nums[stream] = max(run.last_seq_nums[stream], last)

    def _forget(self, run: UnfinishedRun) -> None:
        self.open.pop(run.uid, None)
        for uid in run.streams:
            self._of_descriptor.pop(uid, None)


def lost_stop(run: UnfinishedRun) -> Document:
    """Compose the stop document of a run that was cut off."""
    reason = f"lost: the engine ended without closing the run (last committed document {run.last})"
    return stop(run.uid, exit_status="fail", reason=reason, num_events=run.last_seq_nums, extra={})
