"""The frames of one data key, as an array that never makes up a frame. Blocks: it reads files.

Theory of operation. The leading axis counts planned frames from 0 (frame = seq_num - 1); what is read for a frame is
its newest row. The axis is as long as the frames that are known to be written or missing::

    frame     0 1 2 3 4 5 6            committed up to 6; 3 was lost; 4 was redone: its newer row counts
    valid     1 1 1 0 1 1 1            reader[3], reader[2:5], reader[:] raise MissingFrameError
                                       reader.good() gives frames [0 1 2 4 5 6] and their data

The index may grow while it is read: one expression sees one state only if the caller's loop does not apply documents
meanwhile.
"""

from collections.abc import Iterable, Iterator
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from .arrayindex import ArrayIndex
from .errors import MissingFrameError, NotYetWrittenError, SelectionError, UnreadableError, UnsupportedLayoutError
from .files import path_of_uri, read_rows
from .frames import FrameRange, RangeSet
from .layout import Index
from .rowmap import Stretch
from .virtual import HDF5_MIMETYPE


class ArrayReader:
    """Reads the frames that an ArrayIndex knows, from the files it names.

    `reader[i]` is one frame, `reader[a:b]` several; further indices select within the frames, as in numpy.
    An item has the shape of one event: frames_per_event is its first axis if that is not 1.
    """

    def __init__(self, index: ArrayIndex) -> None:
        self.index = index

    @property
    def shape(self) -> tuple[int, ...]:
        """Frames written or missing so far, then the shape of an item."""
        return (self.index.length, *self.index.item_shape)

    @property
    def dtype(self) -> "np.dtype[Any]":
        """Of one element, as the descriptor has it."""
        return self.index.dtype

    @property
    def valid(self) -> NDArray[np.bool_]:
        """True for each frame that has a row known to hold it; as long as the array."""
        mask = np.zeros(self.index.length, np.bool_)
        for seq_nums in self.index.good:
            mask[seq_nums.start - 1 : seq_nums.stop - 1] = True
        return mask

    def __len__(self) -> int:
        return self.index.length

    def __getitem__(self, selection: Index | tuple[Index, ...]) -> NDArray[Any]:
        """Frames, as numpy selects them with ints, slices and a leading Ellipsis.

        Raises:
            MissingFrameError: A frame of the selection was skipped or lost; the message names all of them.
            NotYetWrittenError: It lies beyond the last committed frame of a run that goes on.
            UnknownFrameError: The run never had it.
            UnreadableError: A file is gone, short or corrupt.
            UnreachableUriError: A file is not on this machine.
        """
        parts = selection if isinstance(selection, tuple) else (selection,)
        first, *within = parts or (slice(None),)
        if first is Ellipsis:
            first = slice(None)
        if isinstance(first, slice):
            data = self._slice(first)
            return data[(slice(None), *within)] if within else data
        if isinstance(first, bool) or not isinstance(first, SupportsIndex):
            msg = f"frames of {self.index.key!r} are selected by ints and slices, not {first!r}"
            raise SelectionError(msg)
        frame = first.__index__()
        item = self._frame(frame if frame >= 0 else frame + self.index.length)
        return item[tuple(within)] if within else item

    def __iter__(self) -> Iterator[NDArray[Any]]:
        # Written out: Python's own iteration over __getitem__ ends in silence at the first IndexError.
        for frame in range(self.index.length):
            yield self._frame(frame)

    def __array__(self, dtype: Any = None, *, copy: bool | None = None) -> NDArray[Any]:
        data = self[:]
        return data if dtype is None else data.astype(dtype, copy=bool(copy))

    def good(self, frames: FrameRange | None = None) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """What is there of a range of frames, or of all.

        Returns:
            The frames that have a row, ascending, and their data in that order.
        """
        wanted = FrameRange(0, self.index.length) if frames is None else frames
        stretches = list(self.index.stretches(wanted.shift(1)))
        numbers = [np.arange(s.seq_nums.start - 1, s.seq_nums.stop - 1, dtype=np.int64) for s in stretches]
        return np.concatenate([np.empty(0, np.int64), *numbers]), self._joined(self._read(s) for s in stretches)

    def rows(self, rows: FrameRange) -> NDArray[Any]:
        """Physical rows, superseded ones with them; counted through all files in order of announcement.

        Raises:
            NotYetWrittenError: A row beyond the last committed one.
        """
        if rows.stop > self.index.rowmap.rows:
            msg = f"{self.index.key!r} has {self.index.rowmap.rows} committed rows, asked for {rows}"
            raise NotYetWrittenError(msg)
        parts: list[NDArray[Any]] = []
        before = 0
        for uid in self.index.rowmap.resources:
            count = self.index.rowmap.physical_rows(uid)
            part = FrameRange(before, before + count).meet(rows)
            if part is not None:
                parts.append(self._read_file(uid, part.shift(-before)))
            before += count
        return self._joined(parts)

    def _frame(self, frame: int) -> NDArray[Any]:
        row = self.index.locate(frame)
        return self._read_file(row.resource, FrameRange(row.row, row.row + 1))[0]

    def _slice(self, selection: slice) -> NDArray[Any]:
        length = self.index.length
        if not self.index.closed and selection.stop is not None and selection.stop > length:
            msg = (
                f"frames {length}:{selection.stop} of {self.index.key!r} are not written yet: ask again when they are,"
                " or leave the stop out to get what there is"
            )
            raise NotYetWrittenError(msg)
        frames = range(*selection.indices(length))
        self._check_good(frames)
        if frames.step != 1 or not frames:
            return self._joined(self._frame(frame)[np.newaxis] for frame in frames)
        stretches = self.index.stretches(FrameRange(frames.start + 1, frames.stop + 1))
        return self._joined(self._read(stretch) for stretch in stretches)

    def _check_good(self, frames: range) -> None:
        if not frames:
            return
        hull = FrameRange(min(frames[0], frames[-1]) + 1, max(frames[0], frames[-1]) + 2)
        gaps = self.index.good.gaps(hull)
        missing = [i - 1 for i in gaps.indices() if i - 1 in frames]
        if missing:
            named = ", ".join(f"{r}" if r.size > 1 else f"{r.start}" for r in RangeSet.of_indices(missing))
            if self.index.undecided:
                msg = (
                    f"frames {named} of {self.index.key!r} have no row yet, and may still get one: datums are held back"
                )
                raise NotYetWrittenError(msg)
            msg = (
                f"{len(missing)} of {len(frames)} frames of {self.index.key!r} are missing: {named} (half-open ranges)."
                " `.valid` is the mask of those that are there, `.good()` reads them"
            )
            raise MissingFrameError(msg)

    def _read(self, stretch: Stretch) -> NDArray[Any]:
        return self._read_file(stretch.resource, stretch.rows)

    def _read_file(self, uid: str, rows: FrameRange) -> NDArray[Any]:
        """Event rows of one file; shape (rows, *item_shape)."""
        resource, shape = self.index.resources[uid], (rows.size, *self.index.item_shape)
        if resource["mimetype"] != HDF5_MIMETYPE:
            msg = f"{resource['uri']} of {self.index.key!r} is {resource['mimetype']}: only {HDF5_MIMETYPE} is read"
            raise UnsupportedLayoutError(msg)
        path = path_of_uri(resource["uri"])
        data = read_rows(path, resource["parameters"]["dataset"], rows=self.index.file_rows(rows))
        if data.size != int(np.prod(shape, dtype=np.int64)):
            expected = (self.index.file_rows(rows).size, *self.index.frame_shape)
            msg = f"{path} of {self.index.key!r}: expected data of shape {expected}, seen {data.shape}"
            raise UnreadableError(msg)
        return data.reshape(shape)

    def _joined(self, parts: Iterable[NDArray[Any]]) -> NDArray[Any]:
        held = list(parts)
        if not held:
            return np.empty((0, *self.index.item_shape), self.dtype)
        return held[0] if len(held) == 1 else np.concatenate(held)

    def __repr__(self) -> str:
        missing = self.index.length - self.index.good.size
        return f"ArrayReader({self.index.key!r}, shape={self.shape}, dtype={self.dtype}, missing={missing})"
