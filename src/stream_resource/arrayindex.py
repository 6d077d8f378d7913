"""One external data key of a run: where its frames are, how each looks, and what became of it.

Theory of operation. A descriptor's shape has the frames of one event first, unless its files join events along a new
axis (`join_method` "stack": bluesky 1.15, consolidators.py, `ConsolidatorBase.shape`)::

    shape [4, 512, 1028], concat     4 frames of (512, 1028) per event; event row r is dataset rows 4r ... 4r + 3
    shape [512, 1028], stack         1 frame of (512, 1028) per event; event row r is dataset row r

A row is not yet a good frame. Rows of an interval of which it cannot be told which frames they hold (verdict unknown)
are there, and so are rows beyond the plan (a trigger too many); neither is ever given for a frame. Before the stop
document the datums themselves say which rows are unknown, afterwards its verdicts do. While the run goes on its good
frames are kept up to date datum by datum, so that asking for them after each costs nothing more.

Rows behind a hole (`held`) are not committed. As long as there are some and the run goes on, a frame that has no row
is not known to be missing: it may be in the hole.
"""

from collections.abc import Collection, Iterator
from functools import cached_property
from typing import Any, cast

import numpy as np
from event_model.documents.stream_datum import StreamDatum
from event_model.documents.stream_resource import StreamResource

from .errors import MissingFrameError, NotYetWrittenError, RunIndexError, UnknownFrameError
from .frames import FrameRange, RangeSet
from .rowmap import Held, Row, RowMap, Stretch
from .verdicts import Verdicts


class ArrayIndex:
    """An external key of a stream. `RunIndex` fills it; everything else reads.

    Args:
        key: The data key's name.
        data_key: Its entry in the descriptor.
        early: The stream's datums whose resource is not announced yet; any of them may be this key's.

    Attributes:
        key: The data key's name.
        data_key: Its entry in the descriptor.
        rowmap: Where its events are.
        resources: Its StreamResource documents by uid, in the order in which they were announced.
        closed: Whether the run has stopped, so that nothing more will come.
        planned: How many frames the stop document says were planned, or None.
        verdicts: What the stop document says became of each, or None.
    """

    def __init__(self, key: str, data_key: dict[str, Any], *, early: Collection[object] = ()) -> None:
        self.key = key
        self.data_key = data_key
        self.rowmap = RowMap(key)
        self.resources: dict[str, StreamResource] = {}
        self.closed = False
        self.planned: int | None = None
        self.verdicts: Verdicts | None = None
        self._early = early
        self._judged: tuple[tuple[object, ...], RangeSet] | None = None

    def add_resource(self, doc: StreamResource, *, order: int | None = None) -> None:
        """Announce a file of the key; the same document again changes nothing. `order` is as in `RowMap`."""
        self.rowmap.add_resource(doc, order=order)
        if doc["uid"] not in self.resources:
            self.resources[doc["uid"]] = doc
            self.resources = {uid: self.resources[uid] for uid in self.rowmap.resources}

    def add_datum(self, doc: StreamDatum) -> None:
        """Take rows of an announced file, or hold them back; the same document again changes nothing."""
        self.rowmap.add_datum(doc)

    @property
    def held(self) -> tuple[Held, ...]:
        """The datums that are held back, because rows in front of theirs have not been announced yet."""
        return self.rowmap.held

    @property
    def undecided(self) -> bool:
        """Whether a frame in front of the last committed one may still come: something is held back that may be it."""
        return not self.closed and (self.rowmap.num_held > 0 or len(self._early) > 0)

    @property
    def unknown(self) -> RangeSet:
        """The seq_nums of intervals of which it cannot be told which frame a row holds."""
        if self.verdicts is None:
            return self.rowmap.good - self.rowmap.certain
        return RangeSet(frames.shift(1) for frames in self.verdicts.unknown)

    @property
    def indexed(self) -> RangeSet:
        """The planned seq_nums that have a row, the unknown ones with them."""
        if self.planned is None:
            return self.rowmap.good
        return self.rowmap.good & RangeSet([FrameRange(1, self.planned + 1)])

    @property
    def good(self) -> RangeSet:
        """The seq_nums whose newest row is known to hold just that frame."""
        if self.planned is None and self.verdicts is None:
            return self.rowmap.certain
        # Asked for with every frame, and made anew only when one of the things that it follows from is another one.
        made_of = (self.rowmap.good, self.planned, self.verdicts, self.rowmap.certain)
        if self._judged is None or any(new is not old for new, old in zip(made_of, self._judged[0], strict=True)):
            self._judged = made_of, self.indexed - self.unknown
        return self._judged[1]

    def stretches(self, seq_nums: FrameRange) -> Iterator[Stretch]:
        """The newest rows of the good frames among `seq_nums`, ascending."""
        for part in self.good & RangeSet([seq_nums]):
            yield from self.rowmap.stretches(part)

    @property
    def committed(self) -> int:
        """The highest seq_num that has a row: frames 0 … committed − 1 are written or missing, or `undecided`."""
        return self.rowmap.last_seq_num

    @property
    def length(self) -> int:
        """How many frames there are: those planned, where the stop document says it; else those committed so far."""
        return self.committed if self.planned is None else self.planned

    @property
    def stacked(self) -> bool:
        """Whether the files join events along a new leading axis."""
        return any(doc["parameters"].get("join_method") == "stack" for doc in self.resources.values())

    @cached_property
    def event_shape(self) -> tuple[int, ...]:
        """The shape of one event's data as the descriptor gives it.

        Raises:
            RunIndexError: The descriptor leaves a length open.
        """
        shape = self.data_key["shape"]
        if not all(isinstance(n, int) for n in shape):
            msg = f"data key {self.key!r} has shape {shape}: frames of changing size cannot be indexed"
            raise RunIndexError(msg)
        return tuple(shape)

    @property
    def frames_per_event(self) -> int:
        """How many rows of the dataset one event has."""
        return 1 if self.stacked or not self.event_shape else self.event_shape[0]

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """The shape of one row of the dataset."""
        return self.event_shape if self.stacked else self.event_shape[1:]

    @property
    def item_shape(self) -> tuple[int, ...]:
        """The shape of one event: a frame, or frames_per_event of them."""
        return self.frame_shape if self.frames_per_event == 1 else (self.frames_per_event, *self.frame_shape)

    @property
    def dtype(self) -> "np.dtype[Any]":
        """Of one element; float64 if the descriptor does not say (as bluesky's consolidators have it)."""
        given = self.data_key.get("dtype_numpy", "<f8")
        return np.dtype(
            [tuple(field) for field in cast("list[list[str]]", given)] if isinstance(given, list) else given
        )

    def file_rows(self, rows: FrameRange) -> FrameRange:
        """The dataset's rows that these event rows are."""
        return FrameRange(rows.start * self.frames_per_event, rows.stop * self.frames_per_event)

    def locate(self, frame: int) -> Row:
        """Where the newest good row of a frame is; frames count from 0.

        Raises:
            MissingFrameError: The frame was skipped or lost.
            NotYetWrittenError: It lies beyond the last committed frame of a run that goes on.
            UnknownFrameError: The run never had it and never will.
        """
        row = self.rowmap.locate(frame + 1)
        if row is not None and self.good.holds(frame + 1):
            return row
        if 0 <= frame < self.length:
            raise self._late(frame) if self.undecided and row is None else self._missing(frame)
        if frame < 0 or self.closed:
            state = "ended with" if self.closed else "goes on and has"
            msg = f"{self.key!r} has no frame {frame}: the run {state} {self.length} frames, counted from 0"
            raise UnknownFrameError(msg)
        msg = f"frame {frame} of {self.key!r} is not written yet: {self.committed} are; ask again when it is"
        raise NotYetWrittenError(msg)

    def _late(self, frame: int) -> NotYetWrittenError:
        held = [str(each.waits_for) for each in self.held[-1:]]
        what = f"{self.rowmap.num_held} datums are held back, until rows {held[0]} come" if held else "datums are early"
        return NotYetWrittenError(f"frame {frame} of {self.key!r} has no row yet, and may still get one: {what}")

    def _missing(self, frame: int) -> MissingFrameError:
        finding = self.verdicts.of(frame) if self.verdicts else None
        reason = f"{finding.verdict}: {finding.reason}" if finding and finding.reason else "no row was committed for it"
        if self.unknown.holds(frame + 1) and not finding:
            reason = "unknown: which row of its interval holds it, if any does, cannot be told"
        held = next((each for each in self.held if each.seq_nums.holds(frame + 1)), None)
        if held is not None and not finding:
            reason = f"its datum {held.datum} is held back: rows {held.waits_for} in front of it never came"
        return MissingFrameError(f"frame {frame} of {self.key!r} is missing ({reason}); `.valid` tells which are there")
