"""One external data key of a run: where its frames are, how each looks, and what became of it.

Theory of operation. A descriptor's shape has the frames of one event first, unless its files join events along a new
axis (`join_method` "stack": bluesky 1.15, consolidators.py, `ConsolidatorBase.shape`)::

    shape [4, 512, 1028], concat     4 frames of (512, 1028) per event; event row r is dataset rows 4r ... 4r + 3
    shape [512, 1028], stack         1 frame of (512, 1028) per event; event row r is dataset row r
"""

from typing import Any, cast

import numpy as np
from event_model.documents.stream_resource import StreamResource

from .errors import MissingFrameError, NotYetWrittenError, RunIndexError, UnknownFrameError
from .frames import FrameRange
from .rowmap import Row, RowMap
from .verdicts import Verdicts


class ArrayIndex:
    """An external key of a stream. `RunIndex` fills it; everything else reads.

    Attributes:
        key: The data key's name.
        data_key: Its entry in the descriptor.
        rowmap: Where its events are.
        resources: Its StreamResource documents by uid.
        closed: Whether the run has stopped, so that nothing more will come.
        planned: How many frames the stop document says were planned, or None.
        verdicts: What the stop document says became of each, or None.
    """

    def __init__(self, key: str, data_key: dict[str, Any]) -> None:
        self.key = key
        self.data_key = data_key
        self.rowmap = RowMap(key)
        self.resources: dict[str, StreamResource] = {}
        self.closed = False
        self.planned: int | None = None
        self.verdicts: Verdicts | None = None

    def add_resource(self, doc: StreamResource) -> None:
        """Announce a file of the key; the same document again changes nothing."""
        self.rowmap.add_resource(doc)
        self.resources.setdefault(doc["uid"], doc)

    @property
    def committed(self) -> int:
        """The highest seq_num that has a row: frames 0 … committed − 1 are written or missing."""
        return self.rowmap.last_seq_num

    @property
    def length(self) -> int:
        """How many frames are known to be written or missing; after the stop document at least those planned."""
        return max(self.committed, self.planned or 0)

    @property
    def stacked(self) -> bool:
        """Whether the files join events along a new leading axis."""
        return any(doc["parameters"].get("join_method") == "stack" for doc in self.resources.values())

    @property
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
        if row is not None:
            return row
        if 0 <= frame < self.length:
            raise self._missing(frame)
        if frame < 0 or self.closed:
            state = "ended with" if self.closed else "goes on and has"
            msg = f"{self.key!r} has no frame {frame}: the run {state} {self.length} frames, counted from 0"
            raise UnknownFrameError(msg)
        msg = f"frame {frame} of {self.key!r} is not written yet: {self.committed} are; ask again when it is"
        raise NotYetWrittenError(msg)

    def _missing(self, frame: int) -> MissingFrameError:
        finding = self.verdicts.of(frame) if self.verdicts else None
        reason = f"{finding.verdict}: {finding.reason}" if finding and finding.reason else "no row was committed for it"
        return MissingFrameError(f"frame {frame} of {self.key!r} is missing ({reason}); `.valid` tells which are there")
