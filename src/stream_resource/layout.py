"""How a logical array is cut into chunks, and which parts of which chunks a selection needs.

Theory of operation. Every axis is independent: a slice meets a run of chunks, and in each it takes a regular part::

    axis 0, 10 long, chunks of 4        0 1 2 3 | 4 5 6 7 | 8 9 (padding)
    selection 1:10:3                      ^         ^         .            1, 4, 7
    chunk 0  source 1:2:3  target 0:1
    chunk 1  source 0:4:3  target 1:3
    (chunk 2 is not touched, and so not listed)

The chunk slices of a selection are the product of the axes' parts, made one by one: nothing is ever listed that is
not asked for. For each of them `result[target] = chunk[source]`, and the targets cover the result exactly once.

HDF5 stores the last chunk of an axis at full size, padded (HDF5 user guide, "Chunking in HDF5"): sources never reach
the padding.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from types import EllipsisType
from typing import NamedTuple, SupportsIndex

import numpy as np

from .errors import SelectionError

Index = int | slice | EllipsisType
"""One entry of a numpy basic selection."""

Part = int | slice
"""What is taken from one axis of a chunk: a slice, or an int that drops the axis as it does in numpy."""


class Filter(NamedTuple):
    """One step of a dataset's HDF5 filter pipeline, in the order of writing."""

    id: int
    name: str
    options: tuple[int, ...]


class ChunkSlice(NamedTuple):
    """A part of one chunk and its place in the result: `result[target] = chunk[source]`."""

    chunk: tuple[int, ...]
    source: tuple[Part, ...]
    target: tuple[slice, ...]


class _AxisPart(NamedTuple):
    chunk: int
    source: Part
    target: slice | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A logical array and its chunks.

    Attributes:
        shape: Of the array.
        dtype: Of one element.
        chunk_shape: Leading axis first; axes that it leaves out are not cut.
        filters: The pipeline that every chunk went through when it was written.

    Example:
        >>> layout = Layout(shape=(10,), dtype=np.dtype("u2"), chunk_shape=(4,))
        >>> [part.chunk for part in layout.locate(slice(1, 10, 3))]
        [(0,), (1,)]
    """

    shape: tuple[int, ...]
    dtype: "np.dtype[np.generic]"
    chunk_shape: tuple[int, ...] = ()
    filters: tuple[Filter, ...] = ()

    def __post_init__(self) -> None:
        if len(self.chunk_shape) > len(self.shape) or any(n < 1 for n in self.chunk_shape):
            msg = (
                f"chunks {self.chunk_shape} do not fit an array of shape {self.shape}: at most as many axes, each >= 1"
            )
            raise SelectionError(msg)

    @property
    def chunk_sizes(self) -> tuple[int, ...]:
        """The length of a chunk along every axis, also along those that `chunk_shape` leaves out."""
        rest = self.shape[len(self.chunk_shape) :]
        return (*self.chunk_shape, *(max(n, 1) for n in rest))

    @property
    def chunk_nbytes(self) -> int:
        """How many bytes one whole chunk has when it is decoded, padding with it."""
        return int(np.prod(self.chunk_sizes, dtype=np.int64)) * self.dtype.itemsize

    @property
    def chunk_counts(self) -> tuple[int, ...]:
        """How many chunks there are along every axis."""
        return tuple(-(-n // size) for n, size in zip(self.shape, self.chunk_sizes, strict=True))

    def result_shape(self, selection: Index | tuple[Index, ...]) -> tuple[int, ...]:
        """The shape of what `selection` gives, as numpy has it.

        Raises:
            SelectionError: As `locate`.
        """
        indices = normal_selection(selection, self.shape)
        return tuple(
            len(range(*i.indices(n))) for i, n in zip(indices, self.shape, strict=True) if isinstance(i, slice)
        )

    def locate(self, selection: Index | tuple[Index, ...]) -> Iterator[ChunkSlice]:
        """The chunk slices that make up a numpy basic selection (ints, slices, one Ellipsis), last axis fastest.

        Nothing is computed before it is asked for; a step does not list the chunks it jumps over.

        Raises:
            SelectionError: An index out of bounds, too many indices, or an entry of another kind. At the call, not
                later.
        """
        return self._product(normal_selection(selection, self.shape))

    def _product(self, indices: tuple[Part, ...], axis: int = 0) -> Iterator[ChunkSlice]:
        if axis == len(indices):
            yield ChunkSlice((), (), ())
            return
        for part in _axis_parts(indices[axis], self.shape[axis], self.chunk_sizes[axis]):
            for rest in self._product(indices, axis + 1):
                target = rest.target if part.target is None else (part.target, *rest.target)
                yield ChunkSlice((part.chunk, *rest.chunk), (part.source, *rest.source), target)


def normal_selection(selection: Index | tuple[Index, ...], shape: tuple[int, ...]) -> tuple[Part, ...]:
    """A numpy basic selection with one entry per axis: ints from 0, and slices.

    Example:
        >>> normal_selection((-1, ...), (4, 5))
        (3, slice(None, None, None))

    Raises:
        SelectionError: An index out of bounds, too many indices, or an entry of another kind.
    """
    entries = selection if isinstance(selection, tuple) else (selection,)
    given = [entry for entry in entries if entry is not Ellipsis]
    if len(given) > len(shape) or len(entries) - len(given) > 1:
        msg = f"selection {selection!r} has too many entries for an array of shape {shape}"
        raise SelectionError(msg)
    before = next((i for i, entry in enumerate(entries) if entry is Ellipsis), len(entries))
    rest = [slice(None)] * (len(shape) - len(given))
    filled = (*given[:before], *rest, *given[before:])
    return tuple(_checked(entry, axis, n) for axis, (entry, n) in enumerate(zip(filled, shape, strict=True)))


def axis_slice(first: int, *, step: int, count: int) -> slice:
    """The slice of `count` places from `first` on; a single place has step 1.

    Example:
        >>> axis_slice(4, step=-2, count=3)
        slice(4, None, -2)
    """
    if count == 1:
        return slice(first, first + 1, 1)
    last = first + (count - 1) * step
    # A stop below zero would count from the end: None is "to the beginning".
    return slice(first, (last - 1 if last else None) if step < 0 else last + 1, step)


def _checked(entry: Index | None, axis: int, length: int) -> Part:
    if isinstance(entry, slice):
        if entry.step == 0:
            msg = f"axis {axis}: a slice's step must not be zero"
            raise SelectionError(msg)
        return entry
    if entry is None:
        msg = (
            f"axis {axis}: only ints, slices and one Ellipsis select; None (newaxis) adds an axis: do so to the result"
        )
        raise SelectionError(msg)
    if isinstance(entry, bool) or not isinstance(entry, SupportsIndex):
        msg = f"axis {axis}: only ints, slices and one Ellipsis select, not {entry!r}"
        raise SelectionError(msg)
    index = entry.__index__()
    if not -length <= index < length:
        msg = f"index {index} is out of bounds for axis {axis} of length {length}"
        raise SelectionError(msg)
    return index % length


def _axis_parts(index: Part, length: int, chunk_size: int) -> Iterator[_AxisPart]:
    if isinstance(index, int):
        yield _AxisPart(index // chunk_size, index % chunk_size, None)
        return
    positions = range(*index.indices(length))
    step = positions.step
    done = 0
    while done < len(positions):
        chunk, first = divmod(positions[done], chunk_size)
        # How many steps fit between `first` and the end of the chunk that the step leads to.
        room = chunk_size - 1 - first if step > 0 else first
        count = min(room // abs(step) + 1, len(positions) - done)
        yield _AxisPart(chunk, axis_slice(first, step=step, count=count), slice(done, done + count))
        done += count
