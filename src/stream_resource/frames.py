"""Sets of whole numbers as half-open ranges: frames, rows, seq_nums, triggers.

Theory of operation. A `RangeSet` keeps its ranges sorted, disjoint and never touching, so that two equal sets have
equal ranges::

    ranges   [0, 3)   [5, 9)        0 1 2 . . 5 6 7 8 .
    starts    0        5            bisect_right(starts, i) - 1 is the only range that can hold i
    stops     3        9

Memory and the cost of every operation grow with the number of ranges, never with the number of frames.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .errors import FrameRangeError


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
            FrameRangeError: `start` is below zero or above `stop`.
        """
        if not 0 <= start <= stop:
            msg = f"a frame range needs 0 <= start <= stop, not start={start}, stop={stop}"
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


def _merged(ranges: Iterable[FrameRange]) -> tuple[FrameRange, ...]:
    merged: list[FrameRange] = []
    for start, stop in sorted(FrameRange.of(*r) for r in ranges):
        if start == stop:
            continue
        if merged and start <= merged[-1].stop:
            merged[-1] = FrameRange(merged[-1].start, max(merged[-1].stop, stop))
        else:
            merged.append(FrameRange(start, stop))
    return tuple(merged)


class RangeSet:
    """An immutable set of whole numbers, kept as sorted disjoint ranges.

    Example:
        >>> RangeSet([FrameRange(0, 5), FrameRange(5, 8)]) - RangeSet.of_indices([2, 3])
        RangeSet(0:2, 4:8)
    """

    __slots__ = ("_ranges", "_size", "_starts")

    def __init__(self, ranges: Iterable[FrameRange] = ()) -> None:
        self._ranges = _merged(ranges)
        self._starts = [r.start for r in self._ranges]
        self._size = sum(r.size for r in self._ranges)

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
        return self._ranges

    @property
    def size(self) -> int:
        """How many numbers the set holds."""
        return self._size

    def holds(self, i: int) -> bool:
        """Whether `i` is in the set; O(log ranges)."""
        at = bisect_right(self._starts, i) - 1
        return at >= 0 and i < self._ranges[at].stop

    def indices(self) -> Iterator[int]:
        """Every number, ascending; this one costs O(numbers)."""
        for r in self._ranges:
            yield from range(r.start, r.stop)

    def gaps(self, within: FrameRange) -> "RangeSet":
        """What `within` holds and the set does not."""
        return RangeSet([within]) - self

    def __or__(self, other: "RangeSet") -> "RangeSet":
        return RangeSet((*self._ranges, *other._ranges))

    def __and__(self, other: "RangeSet") -> "RangeSet":
        return RangeSet(_meets(self._ranges, other._ranges))

    def __sub__(self, other: "RangeSet") -> "RangeSet":
        if not self._ranges:
            return self
        return self & other._outside(self._ranges[-1].stop)

    def _outside(self, stop: int) -> "RangeSet":
        edges = [0, *(edge for r in self._ranges for edge in r), stop]
        return RangeSet(FrameRange(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b)

    def __iter__(self) -> Iterator[FrameRange]:
        return iter(self._ranges)

    def __bool__(self) -> bool:
        return bool(self._ranges)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RangeSet) and self._ranges == other._ranges

    def __hash__(self) -> int:
        return hash(self._ranges)

    def __repr__(self) -> str:
        return f"RangeSet({', '.join(map(str, self._ranges))})"


def _meets(a: tuple[FrameRange, ...], b: tuple[FrameRange, ...]) -> Iterator[FrameRange]:
    i = j = 0
    while i < len(a) and j < len(b):
        if (both := a[i].meet(b[j])) is not None:
            yield both
        if a[i].stop <= b[j].stop:
            i += 1
        else:
            j += 1
