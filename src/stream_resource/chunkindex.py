"""Where the chunks of one dataset are in its file: chunk row → byte offset, stored size, filter mask.

Theory of operation. Chunks are counted along the leading axis (a dataset that is also cut along another axis is not
indexed). The records live in three numpy arrays that grow by doubling: 20 bytes per chunk. A record may be replaced:
a filtered chunk that is not full yet moves when the writer flushes it again, a full one never does
(HDF5 2.0, measured with a SWMR writer). So a chunk may be kept for ever only once the committed rows fill it, and
"committed" comes from the stream documents, never from the dataset's extent, which may run ahead of its data.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .errors import FrameRangeError
from .frames import FrameRange, RangeSet

_ABSENT = -1


class ChunkRecord(NamedTuple):
    """A stored chunk: its place in the file and its size in bytes; bit i of the mask says that it skipped filter i."""

    offset: int
    nbytes: int
    filter_mask: int


class ChunkIndex:
    """The chunks of one (file, dataset) along its leading axis.

    Args:
        rows_per_chunk: The length of a chunk along the leading axis.

    Example:
        >>> index = ChunkIndex(4)
        >>> index.add([(0, ChunkRecord(2048, 100, 0))])
        >>> index.get(0), index.get(1), index.complete(0, 3)
        (ChunkRecord(offset=2048, nbytes=100, filter_mask=0), None, False)
    """

    def __init__(self, rows_per_chunk: int = 1) -> None:
        if rows_per_chunk < 1:
            msg = f"a chunk must hold at least one row, not {rows_per_chunk}"
            raise FrameRangeError(msg)
        self.rows_per_chunk = rows_per_chunk
        self._offsets: NDArray[np.int64] = np.full(0, _ABSENT, np.int64)
        self._nbytes: NDArray[np.int64] = np.zeros(0, np.int64)
        self._masks: NDArray[np.uint32] = np.zeros(0, np.uint32)

    def add(self, records: Iterable[tuple[int, ChunkRecord]]) -> None:
        """Add or replace records, each with its chunk row; in any order."""
        for chunk_row, record in records:
            if chunk_row >= len(self._offsets):
                self._grow(chunk_row + 1)
            self._offsets[chunk_row] = record.offset
            self._nbytes[chunk_row] = record.nbytes
            self._masks[chunk_row] = record.filter_mask

    def _grow(self, size: int) -> None:
        more = max(size, 2 * len(self._offsets), 64) - len(self._offsets)
        self._offsets = np.concatenate([self._offsets, np.full(more, _ABSENT, np.int64)])
        self._nbytes = np.concatenate([self._nbytes, np.zeros(more, np.int64)])
        self._masks = np.concatenate([self._masks, np.zeros(more, np.uint32)])

    def get(self, chunk_row: int) -> ChunkRecord | None:
        """The record of a chunk, or None if none was added."""
        if not 0 <= chunk_row < len(self._offsets) or self._offsets[chunk_row] == _ABSENT:
            return None
        return ChunkRecord(int(self._offsets[chunk_row]), int(self._nbytes[chunk_row]), int(self._masks[chunk_row]))

    def complete(self, chunk_row: int, committed_rows: int) -> bool:
        """Whether the committed rows fill the chunk, so that its record and bytes can never change again."""
        return committed_rows >= (chunk_row + 1) * self.rows_per_chunk

    def chunk_rows(self, rows: FrameRange) -> FrameRange:
        """The chunk rows that hold these rows of the dataset."""
        if rows.empty:
            return FrameRange(0, 0)
        return FrameRange(rows.start // self.rows_per_chunk, -(-rows.stop // self.rows_per_chunk))

    def unknown(self, chunk_rows: FrameRange) -> RangeSet:
        """The chunk rows of the range that no record was added for."""
        held = self._offsets[chunk_rows.start : chunk_rows.stop]
        known = RangeSet.of_indices(int(i) + chunk_rows.start for i in np.flatnonzero(held != _ABSENT))
        return known.gaps(chunk_rows)

    @property
    def size(self) -> int:
        """How many chunks have a record."""
        return int(np.count_nonzero(self._offsets != _ABSENT))

    @property
    def nbytes(self) -> int:
        """The memory that the records take, in bytes."""
        return self._offsets.nbytes + self._nbytes.nbytes + self._masks.nbytes
