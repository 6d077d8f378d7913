"""A logical array made of regions of other arrays: files that follow each other, tiles, virtual datasets.

Theory of operation. Every region maps a regular box of the logical array onto one of a source. Along one axis both are
arithmetic progressions, and so is what a selection asks for; where it meets a region is a progression again (Chinese
remainders), or nothing::

    logical axis 0      0 1 2 3 4 5 6 7 8 9 10 11          two writers that take turns
    source a            0   1   2   3   4   5              Region(target 0:12:2, source 0:6)
    source b              0   1   2   3   4    5           Region(target 1:12:2, source 0:6)
    selection 9:0:-3    .     3     2     1                9, 6, 3
        from a          result 1:2 = a[3:4]                6
        from b          result 0:3:2 = b[4:0:-3]           9, 3

Regions never overlap (checked), so each element of a result is written at most once; those that no region covers are
nobody's: `uncovered` counts them, and a reader must say what it puts there. Regions are sorted by where they begin
along the first axis: a selection passes over those that end before it and stops at the first that begins after it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from math import gcd, prod
from typing import Generic, NamedTuple, TypeVar

from .arrayindex import ArrayIndex
from .errors import SelectionError, UnsupportedLayoutError
from .frames import FrameRange
from .layout import Index, Layout, Part, axis_slice, normal_selection

S = TypeVar("S")


class Region(NamedTuple, Generic[S]):
    """A box of a source and the box of the logical array that it is.

    `target` has a slice per axis of the logical array, with start, stop and a positive step or none. `source` has one
    for each of them, as long as the target's; None where the source does not have the axis, which is then 1 long.
    """

    origin: S
    source: tuple[slice | None, ...]
    target: tuple[slice, ...]


class SourceSlice(NamedTuple, Generic[S]):
    """A part of one source and its place in the result: `result[target] = source_array[source]`."""

    origin: S
    source: tuple[Part, ...]
    target: tuple[Part, ...]


class SourceChunk(NamedTuple, Generic[S]):
    """A part of one chunk of one source and its place in the result: `result[target] = chunk[source]`."""

    origin: S
    chunk: tuple[int, ...]
    source: tuple[Part, ...]
    target: tuple[Part, ...]


class _Box(NamedTuple, Generic[S]):
    origin: S
    source: tuple[range | None, ...]
    target: tuple[range, ...]


class _Meeting(NamedTuple):
    """Where two progressions meet: places in the first, and places in the second."""

    first: range
    second: range


class SourceMap(Generic[S]):
    """The regions that make up a logical array.

    Args:
        shape: Of the logical array.
        regions: In any order.

    Example:
        >>> rolled = SourceMap((5,), [Region("a", (slice(0, 3),), (slice(0, 3),)),
        ...                           Region("b", (slice(0, 2),), (slice(3, 5),))])
        >>> [(part.origin, part.source, part.target) for part in rolled.locate(slice(2, 4))]
        [('a', (slice(2, 3, 1),), (slice(0, 1, 1),)), ('b', (slice(0, 1, 1),), (slice(1, 2, 1),))]

    Raises:
        UnsupportedLayoutError: A region that leaves the array, has unequal sides, or overlaps another.
    """

    def __init__(self, shape: tuple[int, ...], regions: Iterable[Region[S]]) -> None:
        self.shape = shape
        boxes = (_box(region, shape) for region in regions)
        self._boxes = sorted((box for box in boxes if all(box.target)), key=_begin)
        self._begins = [_begin(box) for box in self._boxes]
        self._ends = list(accumulate((_end(box) for box in self._boxes), max))
        self._check_disjoint()

    @property
    def num_regions(self) -> int:
        """How many regions there are; empty ones are left out."""
        return len(self._boxes)

    def result_shape(self, selection: Index | tuple[Index, ...]) -> tuple[int, ...]:
        """The shape of what `selection` gives, as numpy has it.

        Raises:
            SelectionError: As `locate`.
        """
        indices = normal_selection(selection, self.shape)
        return tuple(len(_positions(i, n)) for i, n in zip(indices, self.shape, strict=True) if isinstance(i, slice))

    def locate(self, selection: Index | tuple[Index, ...]) -> Iterator[SourceSlice[S]]:
        """The parts of sources that make up a numpy basic selection; computed as they are asked for.

        Raises:
            SelectionError: As `Layout.locate`.
        """
        return self._located(normal_selection(selection, self.shape))

    def locate_chunks(
        self, selection: Index | tuple[Index, ...], layouts: Callable[[S], Layout]
    ) -> Iterator[SourceChunk[S]]:
        """The chunk slices of all sources that make up a selection; computed as they are asked for.

        Args:
            selection: As `locate`.
            layouts: Gives the layout of a source.

        Raises:
            SelectionError: As `Layout.locate`, or a source is shorter than its region.
        """
        return self._chunks(self.locate(selection), layouts)

    def uncovered(self, selection: Index | tuple[Index, ...]) -> int:
        """How many elements of a selection no region covers; costs as much as locating it.

        Raises:
            SelectionError: As `locate`.
        """
        covered = sum(_size(part.target) for part in self.locate(selection))
        return prod(self.result_shape(selection)) - covered

    def _located(self, indices: tuple[Part, ...]) -> Iterator[SourceSlice[S]]:
        wanted = [_positions(index, n) for index, n in zip(indices, self.shape, strict=True)]
        if not all(wanted):
            return
        for box in self._candidates(wanted):
            meetings = [_meeting(positions, side) for positions, side in zip(wanted, box.target, strict=True)]
            if all(meeting is not None for meeting in meetings):
                yield _slice_of(box, [meeting for meeting in meetings if meeting is not None], indices)

    def _candidates(self, wanted: list[range]) -> Iterator[_Box[S]]:
        if not wanted:
            return iter(self._boxes)
        low, high = _hull(wanted[0])
        first = bisect_right(self._ends, low)
        return (box for box in self._boxes[first : bisect_left(self._begins, high)] if _end(box) > low)

    def _chunks(self, parts: Iterable[SourceSlice[S]], layouts: Callable[[S], Layout]) -> Iterator[SourceChunk[S]]:
        for part in parts:
            layout = layouts(part.origin)
            _check_fits(part, layout)
            for chunk in layout.locate(part.source):
                target = _within(part.target, chunk.target)
                yield SourceChunk(part.origin, chunk.chunk, chunk.source, target)

    def _check_disjoint(self) -> None:
        active: list[_Box[S]] = []
        for box in self._boxes:
            active = [other for other in active if _end(other) > _begin(box)]
            for other in active:
                if all(_meeting(a, b) is not None for a, b in zip(box.target, other.target, strict=True)):
                    msg = f"regions of {other.origin} and {box.origin} overlap: {other.target} and {box.target}"
                    raise UnsupportedLayoutError(msg)
            active.append(box)


def logical_rows(array: ArrayIndex) -> SourceMap[str]:
    """The good frames of a data key as they are in its files: sources are resources, rows are rows of their datasets.

    The logical array has `length * frames_per_event` rows, in order of seq_num; those of missing frames are uncovered.

    Args:
        array: Of a run; what it knows now is what the map says.
    """
    n, whole = array.frames_per_event, tuple(slice(0, size) for size in array.frame_shape)
    regions: list[Region[str]] = []
    for stretch in array.stretches(FrameRange(1, array.length + 1)):
        rows, events = array.file_rows(stretch.rows), stretch.seq_nums.shift(-1)
        target = slice(events.start * n, events.stop * n)
        regions.append(Region(stretch.resource, (slice(*rows), *whole), (target, *whole)))
    return SourceMap((array.length * n, *array.frame_shape), regions)


def _box(region: Region[S], shape: tuple[int, ...]) -> _Box[S]:
    if not len(region.source) == len(region.target) == len(shape):
        msg = f"region {region} needs a source and a target side for each of the {len(shape)} axes"
        raise UnsupportedLayoutError(msg)
    target = tuple(_side(side, region) for side in region.target)
    source = tuple(None if side is None else _side(side, region) for side in region.source)
    for axis, (a, b, n) in enumerate(zip(target, source, shape, strict=True)):
        if len(a) != (1 if b is None else len(b)) or (a and a[-1] >= n):
            msg = f"region {region} along axis {axis}: both sides must be equally long, the target within 0:{n}"
            raise UnsupportedLayoutError(msg)
    return _Box(region.origin, source, target)


def _side(side: slice, region: Region[S]) -> range:
    start, step = side.start or 0, side.step or 1
    if side.stop is None or start < 0 or step < 1:
        msg = f"region {region}: a side has a stop, a start from 0 and a step from 1, not {side}"
        raise UnsupportedLayoutError(msg)
    return range(start, side.stop, step)


def _begin(box: _Box[S]) -> int:
    return box.target[0][0] if box.target else 0


def _end(box: _Box[S]) -> int:
    return box.target[0][-1] + 1 if box.target else 1


def _hull(positions: range) -> tuple[int, int]:
    return min(positions[0], positions[-1]), max(positions[0], positions[-1]) + 1


def _positions(index: Part, length: int) -> range:
    return range(index, index + 1) if isinstance(index, int) else range(*index.indices(length))


def _meeting(first: range, second: range) -> _Meeting | None:
    """Which places of the one hold the same numbers as which of the other; `second` ascends."""
    common = gcd(first.step, second.step)
    if (second.start - first.start) % common:
        return None
    every = second.step // common
    # first.start + i * first.step is in `second` only for i = at (modulo every), and between its ends.
    at = (second.start - first.start) // common * pow(first.step // common, -1, every) % every if every > 1 else 0
    near, far = (second[0], second[-1]) if first.step > 0 else (second[-1], second[0])
    low = max(0, -((first.start - near) // first.step))
    high = min(len(first) - 1, (far - first.start) // first.step)
    low += (at - low) % every
    if low > high:
        return None
    count = (high - low) // every + 1
    begin, step = (first[low] - second.start) // second.step, first.step // common
    return _Meeting(range(low, low + count * every, every), range(begin, begin + count * step, step))


def _slice_of(box: _Box[S], meetings: list[_Meeting], indices: tuple[Part, ...]) -> SourceSlice[S]:
    source: list[Part] = []
    target: list[Part] = []
    for index, side, meeting in zip(indices, box.source, meetings, strict=True):
        if side is not None:
            first, step = side[meeting.second[0]], meeting.second.step * side.step
            source.append(first if isinstance(index, int) else axis_slice(first, step=step, count=len(meeting.first)))
        if isinstance(index, slice):
            begin, step = meeting.first[0], meeting.first.step
            target.append(begin if side is None else axis_slice(begin, step=step, count=len(meeting.first)))
    return SourceSlice(box.origin, tuple(source), tuple(target))


def _within(target: tuple[Part, ...], inner: tuple[slice, ...]) -> tuple[Part, ...]:
    """The places in the result of places in a part of it."""
    parts = iter(inner)
    return tuple(outer if isinstance(outer, int) else _nested(outer, next(parts)) for outer in target)


def _nested(outer: slice, inner: slice) -> slice:
    return axis_slice(outer.start + inner.start * outer.step, step=outer.step, count=inner.stop - inner.start)


def _size(target: tuple[Part, ...]) -> int:
    return prod(len(range(part.start, part.stop, part.step)) for part in target if isinstance(part, slice))


def _check_fits(part: SourceSlice[S], layout: Layout) -> None:
    if len(part.source) != len(layout.shape):
        msg = f"source {part.origin} has {len(layout.shape)} axes; its region has {len(part.source)}"
        raise SelectionError(msg)
    for axis, (side, n) in enumerate(zip(part.source, layout.shape, strict=True)):
        last = (
            side
            if isinstance(side, int)
            else max(_hull(range(side.start, -1 if side.stop is None else side.stop, side.step))) - 1
        )
        if last >= n:
            msg = f"source {part.origin} is {n} long along axis {axis}; its region needs index {last}"
            raise SelectionError(msg)
