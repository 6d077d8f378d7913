"""What a step has saved, until it is known whether it holds.

A row that a detector has written stays in its file, whatever becomes of the attempt. So the documents of a discarded
attempt's rows are emitted too, with the seq_nums that its events would have had: the same numbers that the next attempt
gives to newer rows, and the newest row of a number is the one to read.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .bundle import Bundle
from .stream import Stream

if TYPE_CHECKING:
    from .open_run import OpenRun


@dataclass(slots=True, kw_only=True)
class Entry:
    """One event to be.

    Attributes:
        run: That it belongs to.
        stream: Of the run.
        bundle: What was read.
        at: When it was saved; Unix seconds.
        kept: Whether it becomes an event; else only its rows are announced.
        ahead: Of one that is not kept: how many events after the stream's next one it would have been.
    """

    run: "OpenRun"
    stream: Stream
    bundle: Bundle
    at: float
    kept: bool = True
    ahead: int = 0


def discard(entries: Iterable[Entry]) -> None:
    """Keep none of them, and number each as the event that it would have become."""
    saved: Counter[int] = Counter()
    for entry in entries:
        stream = id(entry.stream)
        entry.ahead += saved[stream]
        if entry.kept:
            entry.kept = False
            saved[stream] += 1


def emit(entries: Iterable[Entry]) -> None:
    """Emit the events that are kept, and the rows of those that are not, in order."""
    for entry in entries:
        if entry.kept:
            entry.run.commit(entry.stream, entry.bundle, at=entry.at)
        else:
            entry.run.discard(entry.stream, entry.bundle, ahead=entry.ahead)
