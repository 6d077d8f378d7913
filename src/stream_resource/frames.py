"""Sets of whole numbers as half-open ranges: frames, rows, seq_nums, triggers.

Theory of operation. A `RangeSet` keeps its ranges sorted, disjoint and never touching, so that two equal sets have
equal ranges. It keeps them as their edges, which therefore ascend strictly::

    ranges   [0, 3)   [5, 9)        0 1 2 . . 5 6 7 8 .
    edges     0  3     5  9         i is held where the number of edges <= i is odd

Sets are immutable, and yet one that grows at its end is not copied. The last stop is kept apart, and the edges before
it are shared with the sets that this one grew from; each set sees the first `count` of them::

    edges   0 3 5                   count 3, stop 9    0:3 5:9         this set
            0 3 5                   count 3, stop 12   0:3 5:12        .with_range(9:12), nothing is written
            0 3 5 9 20              count 5, stop 22   0:3 5:9 20:22   .with_range(20:22), written behind what it sees

A second set that would write at the same place finds more edges there than it sees, and takes a copy.

Memory and the cost of every operation grow with the number of ranges (16 bytes each), never with the number of frames.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from .errors import FrameRangeError

_LARGEST = 2**63 - 1


class FrameRange(NamedTuple):
    """The whole numbers from `start` up to, but without, `stop`.

    A NamedTuple, because one is made per datum and per range; `of` is the constructor that checks.

    Example:
        >>> FrameRange.of(2, 5).meet(FrameRange.of(4, 9))
        FrameRange(start=4, stop=5)
    """

    start: int
    stop: int

    @classmethod
    def of(cls, start: int, stop: int) -> "FrameRange":
        """Make a checked range.

        Raises:
            FrameRangeError: `start` is below zero or above `stop`, or `stop` above 2⁶³ − 1.
        """
        if not 0 <= start <= stop <= _LARGEST:
            msg = f"a frame range needs 0 <= start <= stop < 2**63, not start={start}, stop={stop}"
            raise FrameRangeError(msg)
        return cls(int(start), int(stop))

    @property
    def size(self) -> int:
        """How many numbers the range holds."""
        return self.stop - self.start

    @property
    def empty(self) -> bool:
        """Whether the range holds nothing."""
        return self.stop <= self.start

    def holds(self, i: int) -> bool:
        """Whether `i` lies in the range."""
        return self.start <= i < self.stop

    def shift(self, n: int) -> "FrameRange":
        """The same range, `n` further on.

        Raises:
            FrameRangeError: The range would start below zero.
        """
        return FrameRange.of(self.start + n, self.stop + n)

    def meet(self, other: "FrameRange") -> "FrameRange | None":
        """What both ranges hold, or None if that is nothing."""
        start, stop = max(self.start, other.start), min(self.stop, other.stop)
        return FrameRange(start, stop) if start < stop else None

    def __str__(self) -> str:
        return f"{self.start}:{self.stop}"


def _merged(ranges: Iterable[FrameRange]) -> "array[int]":
    edges = array("q")
    for start, stop in sorted(FrameRange.of(*r) for r in ranges):
        if start == stop:
            continue
        if edges and start <= edges[-1]:
            edges[-1] = max(edges[-1], stop)
        else:
            edges.extend((start, stop))
    return edges


def _size_between(edges: Sequence[int]) -> int:
    return sum(edges[1::2]) - sum(edges[::2])


class RangeSet:
    """An immutable set of whole numbers, kept as sorted disjoint ranges.

    Example:
        >>> RangeSet([FrameRange(0, 5), FrameRange(5, 8)]) - RangeSet.of_indices([2, 3])
        RangeSet(0:2, 4:8)
    """

    __slots__ = ("_count", "_edges", "_size", "_stop")

    def __init__(self, ranges: Iterable[FrameRange] = ()) -> None:
        edges = _merged(ranges)
        self._size = _size_between(edges)
        self._stop = edges.pop() if edges else 0
        self._edges, self._count = edges, len(edges)

    @classmethod
    def _of(cls, edges: "array[int]", *, size: int | None = None) -> "RangeSet":
        """The set with all these edges, the last stop with them; the array is the set's from now on."""
        total = _size_between(edges) if size is None else size
        stop = edges.pop() if edges else 0
        return cls._sharing(edges, stop=stop, size=total)

    @classmethod
    def _sharing(cls, edges: "array[int]", *, stop: int, size: int) -> "RangeSet":
        """The set that sees the edges there are now, and ends at `stop`."""
        made: RangeSet = cls.__new__(cls)
        made._edges, made._count, made._stop, made._size = edges, len(edges), stop, size
        return made

    @classmethod
    def of_indices(cls, indices: Iterable[int]) -> "RangeSet":
        """The set of these numbers, in any order, repeats allowed.

        Raises:
            FrameRangeError: A number is below zero.
        """
        return cls(FrameRange(int(i), int(i) + 1) for i in indices)

    @property
    def ranges(self) -> tuple[FrameRange, ...]:
        """The ranges, ascending; no two touch."""
        return tuple(self)

    @property
    def size(self) -> int:
        """How many numbers the set holds."""
        return self._size

    def holds(self, i: int) -> bool:
        """Whether `i` is in the set; O(log ranges)."""
        return i < self._stop and bisect_right(self._edges, i, 0, self._count) % 2 == 1

    def indices(self) -> Iterator[int]:
        """Every number, ascending; this one costs O(numbers)."""
        for r in self:
            yield from range(r.start, r.stop)

    def gaps(self, within: FrameRange) -> "RangeSet":
        """What `within` holds and the set does not; O(log ranges + those in `within`)."""
        return RangeSet._of(self._gaps(FrameRange.of(*within)))

    def with_range(self, frames: FrameRange) -> "RangeSet":
        """The set and `frames`; O(1) amortised at its end, O(log ranges) if it holds them, else O(ranges).

        Example:
            >>> RangeSet([FrameRange(0, 5)]).with_range(FrameRange(5, 8))
            RangeSet(0:8)

        Raises:
            FrameRangeError: As `FrameRange.of`.
        """
        start, stop = frames = FrameRange.of(*frames)
        if start == stop:
            return self
        if not self._count or start > self._stop:
            return self._appended(frames)
        if start >= self._edges[self._count - 1]:
            return self if stop <= self._stop else self._extended(stop)
        more = stop - start - _size_between(self._cut(frames))
        return self._spliced(frames, add=True, size=self._size + more) if more else self

    def without(self, frames: FrameRange) -> "RangeSet":
        """The set less `frames`; O(log ranges) if it holds none of them, else O(ranges).

        Example:
            >>> RangeSet([FrameRange(0, 5)]).without(FrameRange(2, 8))
            RangeSet(0:2)
        """
        held = _size_between(self._cut(frames))
        return self._spliced(frames, add=False, size=self._size - held) if held else self

    def _extended(self, stop: int) -> "RangeSet":
        return RangeSet._sharing(self._own_edges(), stop=stop, size=self._size + stop - self._stop)

    def _appended(self, frames: FrameRange) -> "RangeSet":
        edges = self._own_edges()
        edges.extend((self._stop, frames.start) if self._count else (frames.start,))
        return RangeSet._sharing(edges, stop=frames.stop, size=self._size + frames.size)

    def _own_edges(self) -> "array[int]":
        """The edges that this set sees: shared where nobody has written behind them, else a copy."""
        return self._edges if len(self._edges) == self._count else self._edges[: self._count]

    def _spliced(self, frames: FrameRange, *, add: bool, size: int) -> "RangeSet":
        edges = self._all_edges()
        first, last = bisect_left(edges, frames.start), bisect_right(edges, frames.stop)
        # Adding needs an edge outside of the set (an even number of edges is before it), taking away one inside.
        new = [edge for edge, before in ((frames.start, first), (frames.stop, last)) if (before % 2 == 0) is add]
        edges[first:last] = array("q", new)
        return RangeSet._of(edges, size=size)

    def _all_edges(self) -> "array[int]":
        edges = self._edges[: self._count]
        if edges:
            edges.append(self._stop)
        return edges

    def _cut(self, within: FrameRange) -> "array[int]":
        """The edges of what the set holds of `within`."""
        start, stop = within.start, min(within.stop, self._stop)
        edges = array("q")
        if start >= stop:
            return edges
        # The last stop is not below `stop`: it is counted neither here nor there.
        first = bisect_right(self._edges, start, 0, self._count)
        last = bisect_left(self._edges, stop, 0, self._count)
        if first % 2:
            edges.append(start)
        edges += self._edges[first:last]
        if last % 2:
            edges.append(stop)
        return edges

    def _gaps(self, within: FrameRange) -> "array[int]":
        """The edges of what `within` holds and the set does not."""
        if within.empty:
            return array("q")
        edges = array("q", [within.start]) + self._cut(within)
        edges.append(within.stop)
        first = 2 if edges[0] == edges[1] else 0
        last = len(edges) - (2 if edges[-1] == edges[-2] else 0)
        return edges[first:last]

    def __or__(self, other: "RangeSet") -> "RangeSet":
        return RangeSet((*self, *other))

    def __and__(self, other: "RangeSet") -> "RangeSet":
        few, many = (self, other) if self._count <= other._count else (other, self)
        edges = array("q")
        for each in few:
            edges += many._cut(each)
        return RangeSet._of(edges)

    def __sub__(self, other: "RangeSet") -> "RangeSet":
        return self & other.gaps(FrameRange(0, self._stop))

    def __iter__(self) -> Iterator[FrameRange]:
        edges = self._all_edges()
        return map(FrameRange, edges[::2], edges[1::2])

    def __bool__(self) -> bool:
        return self._count > 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RangeSet) and self._all_edges() == other._all_edges()

    def __hash__(self) -> int:
        return hash(self._all_edges().tobytes())

    def __repr__(self) -> str:
        return f"RangeSet({', '.join(map(str, self))})"
