"""Where the chunks of one dataset are in its file: chunk → byte offset, stored size, filter mask.

Theory of operation. Chunks are counted along the leading axis; a dataset that is also cut along others has a `grid` of
them in every chunk row, counted with the last axis fastest. The records live in three numpy arrays that grow by
doubling: 20 bytes per chunk. A record may be replaced: a filtered chunk that is not full yet moves when the writer
flushes it again, a full one never does (HDF5 2.0, measured with a SWMR writer). So a chunk may be kept for ever only
once the committed rows fill it, and "committed" comes from the stream documents, never from the dataset's extent, which
may run ahead of its data. For the same reason a sidecar holds complete chunks alone: what it says stays true.
"""

from collections.abc import Iterable, Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .blockframe import pack, unpack
from .errors import FrameRangeError, SidecarError
from .frames import FrameRange, RangeSet

MAGIC = b"WBCHIX01"
"""The first bytes of a chunk index: format and version."""

Chunk = int | tuple[int, ...]
"""A chunk's place: its chunk row where rows are not cut, or its place along every axis."""

_ABSENT = -1
_COLUMNS = (("offset", "<i8"), ("nbytes", "<i8"), ("filter_mask", "<u4"))


class ChunkRecord(NamedTuple):
    """A stored chunk: its place in the file and its size in bytes; bit i of the mask says that it skipped filter i."""

    offset: int
    nbytes: int
    filter_mask: int


class ChunkIndex:
    """The chunks of one (file, dataset).

    Args:
        rows_per_chunk: The length of a chunk along the leading axis.
        grid: How many chunks there are along each of the other axes; may be left out where none is cut.

    Example:
        >>> index = ChunkIndex(4)
        >>> index.add([(0, ChunkRecord(2048, 100, 0))])
        >>> index.get(0), index.get(1), index.complete(0, 3)
        (ChunkRecord(offset=2048, nbytes=100, filter_mask=0), None, False)

    Raises:
        FrameRangeError: A length below 1.
    """

    def __init__(self, rows_per_chunk: int = 1, *, grid: tuple[int, ...] = ()) -> None:
        if rows_per_chunk < 1 or any(n < 1 for n in grid):
            msg = f"a chunk must hold at least one row, not {rows_per_chunk}, and a row one chunk, not {grid}"
            raise FrameRangeError(msg)
        self.rows_per_chunk = rows_per_chunk
        self.grid = grid
        self._per_row = prod(grid)
        self._offsets: NDArray[np.int64] = np.full(0, _ABSENT, np.int64)
        self._nbytes: NDArray[np.int64] = np.zeros(0, np.int64)
        self._masks: NDArray[np.uint32] = np.zeros(0, np.uint32)

    @classmethod
    def contiguous(cls, offset: int, *, rows: int, row_nbytes: int) -> "ChunkIndex":
        """The index of a dataset that is not chunked, each of its rows as a chunk.

        Args:
            offset: Where the dataset's data begin in the file.
            rows: How many rows it has.
            row_nbytes: How many bytes one row has.
        """
        index = cls(1)
        index._offsets = offset + row_nbytes * np.arange(rows, dtype=np.int64)
        index._nbytes = np.full(rows, row_nbytes, np.int64)
        index._masks = np.zeros(rows, np.uint32)
        return index

    def add(self, records: Iterable[tuple[Chunk, ChunkRecord]]) -> None:
        """Add or replace records, each with its chunk; in any order.

        Raises:
            FrameRangeError: A chunk outside of the grid.
        """
        for chunk, record in records:
            number = self._number(chunk)
            if number >= len(self._offsets):
                self._grow(number + 1)
            self._offsets[number] = record.offset
            self._nbytes[number] = record.nbytes
            self._masks[number] = record.filter_mask

    def _number(self, chunk: Chunk) -> int:
        """A chunk's place in the arrays."""
        row, rest = (chunk, ()) if isinstance(chunk, int) else (chunk[0], chunk[1:])
        if not rest and self._per_row == 1 and row >= 0:
            return row
        # A dataset whose rows are not cut may be given its chunks' places along all axes all the same: zeros.
        grid = self.grid or (1,) * len(rest)
        if row < 0 or len(rest) != len(grid) or not all(0 <= i < n for i, n in zip(rest, grid, strict=True)):
            msg = f"chunk {chunk} is outside of a grid of (any, {', '.join(map(str, self.grid))}) chunks"
            raise FrameRangeError(msg)
        for i, n in zip(rest, grid, strict=True):
            row = row * n + i
        return row

    def _grow(self, size: int) -> None:
        more = max(size, 2 * len(self._offsets), 64) - len(self._offsets)
        self._offsets = np.concatenate([self._offsets, np.full(more, _ABSENT, np.int64)])
        self._nbytes = np.concatenate([self._nbytes, np.zeros(more, np.int64)])
        self._masks = np.concatenate([self._masks, np.zeros(more, np.uint32)])

    def get(self, chunk: Chunk) -> ChunkRecord | None:
        """The record of a chunk, or None if none was added.

        Raises:
            FrameRangeError: The chunk is outside of the grid; a chunk row below 0 only has no record.
        """
        if isinstance(chunk, int) and chunk < 0:
            return None
        number = self._number(chunk)
        if number >= len(self._offsets) or self._offsets[number] == _ABSENT:
            return None
        return self._record(number)

    def _record(self, number: int) -> ChunkRecord:
        return ChunkRecord(int(self._offsets[number]), int(self._nbytes[number]), int(self._masks[number]))

    def records(self, chunk_rows: FrameRange | None = None) -> Iterator[tuple[tuple[int, ...], ChunkRecord]]:
        """The chunks of these chunk rows that have a record, or all, with their place along every axis; ascending."""
        first, last = (0, len(self._offsets)) if chunk_rows is None else (n * self._per_row for n in chunk_rows)
        for number in (np.flatnonzero(self._offsets[first:last] != _ABSENT) + first).tolist():
            yield self._place(number), self._record(number)

    def _place(self, number: int) -> tuple[int, ...]:
        place: list[int] = []
        for n in reversed(self.grid):
            number, i = divmod(number, n)
            place.append(i)
        return (number, *reversed(place))

    def complete(self, chunk_row: int, committed_rows: int) -> bool:
        """Whether the committed rows fill the chunk, so that its record and bytes can never change again."""
        return committed_rows >= (chunk_row + 1) * self.rows_per_chunk

    def chunk_rows(self, rows: FrameRange) -> FrameRange:
        """The chunk rows that hold these rows of the dataset."""
        if rows.empty:
            return FrameRange(0, 0)
        return FrameRange(rows.start // self.rows_per_chunk, -(-rows.stop // self.rows_per_chunk))

    def unknown(self, chunk_rows: FrameRange) -> RangeSet:
        """The chunk rows of the range of which a chunk has no record."""
        held = self._offsets[chunk_rows.start * self._per_row : chunk_rows.stop * self._per_row] != _ABSENT
        whole = held[: len(held) // self._per_row * self._per_row].reshape(-1, self._per_row).all(axis=1)
        # Beyond the arrays nothing has a record; a difference of True and False is an edge.
        absent = np.ones(chunk_rows.size + 2, np.bool_)
        absent[1 : 1 + len(whole)] = ~whole
        absent[[0, -1]] = False
        edges = (np.flatnonzero(np.diff(absent)) + chunk_rows.start).tolist()
        return RangeSet(map(FrameRange, edges[::2], edges[1::2]))

    @property
    def size(self) -> int:
        """How many chunks have a record."""
        return int(np.count_nonzero(self._offsets != _ABSENT))

    @property
    def nbytes(self) -> int:
        """The memory that the records take, in bytes."""
        return self._offsets.nbytes + self._nbytes.nbytes + self._masks.nbytes

    def to_bytes(self, committed_rows: int | None = None) -> bytes:
        """The complete chunks as the bytes of a sidecar.

        Args:
            committed_rows: How many rows are committed; None if the file is closed, so that its last chunk, too, is
                what it will ever be.
        """
        end = int(np.flatnonzero(self._offsets != _ABSENT)[-1]) + 1 if self.size else 0
        if committed_rows is not None:
            end = min(end, committed_rows // self.rows_per_chunk * self._per_row)
        columns = (self._offsets[:end], self._nbytes[:end], self._masks[:end])
        payload = b"".join(c.astype(dtype).tobytes() for c, (_, dtype) in zip(columns, _COLUMNS, strict=True))
        shape = {"rows_per_chunk": self.rows_per_chunk, "grid": self.grid, "count": end}
        return pack(MAGIC, {**shape, "absent": _ABSENT, "columns": _COLUMNS}, payload=payload)

    @classmethod
    def from_bytes(cls, data: bytes) -> "ChunkIndex":
        """Read back what `to_bytes` gave.

        Raises:
            SidecarError: The bytes are torn, damaged, or of another kind or version.
        """
        header, payload = unpack(MAGIC, data)
        try:
            index = cls(int(header["rows_per_chunk"]), grid=tuple(int(n) for n in header["grid"]))
            columns = _columns(header, payload)
        except (KeyError, TypeError, ValueError) as error:
            msg = f"a chunk index must have rows_per_chunk, grid, count and columns {_COLUMNS}; seen {header}"
            raise SidecarError(msg) from error
        index._offsets, index._nbytes, index._masks = (
            column.astype(column.dtype.newbyteorder("=")) for column in columns
        )
        return index

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same records of the same grid."""
        if not isinstance(other, ChunkIndex):
            return NotImplemented
        return (self.rows_per_chunk, self.grid) == (other.rows_per_chunk, other.grid) and dict(self.records()) == dict(
            other.records()
        )

    __hash__ = None  # pyright: ignore[reportAssignmentType]  # it grows


def _columns(header: dict[str, Any], payload: bytes) -> list[NDArray[Any]]:
    count, named = int(header["count"]), [tuple(column) for column in header["columns"]]
    if named != list(_COLUMNS) or header["absent"] != _ABSENT:
        msg = f"columns {named}"
        raise ValueError(msg)
    columns: list[NDArray[Any]] = []
    at = 0
    for _, dtype in _COLUMNS:
        columns.append(np.frombuffer(payload, dtype, count, at))
        at += columns[-1].nbytes
    if at != len(payload):
        msg = f"{len(payload)} bytes for {count} chunks"
        raise ValueError(msg)
    return columns
