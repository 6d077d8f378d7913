"""Many stretches in little memory: four numbers each, in arrays, sorted by seq_num and searched by bisection.

Theory of operation. Every stretch is a run of seq_nums that lie in the rows of one resource (known by its number here)
one after the other::

    starts   stops   rows   owners              seq_nums 1:3 are rows 0:2 of 0, 3:7 rows 4:8 of 0, 9:11 rows 0:2 of 1
      1        3       0      0
      3        7       4      0
      9       11       0      1

What goes on in seq_nums, rows and owner where another stretch ends becomes part of it. 32 bytes a stretch, and no
object that a garbage collector would look at: with objects in the place of numbers a datum costs the more, the more
came before it.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from .frames import FrameRange


class Placed(NamedTuple):
    """seq_nums start:stop are the rows from `row` on of `owner`."""

    start: int
    stop: int
    row: int
    owner: int

    def cut(self, start: int, stop: int) -> "Placed":
        """The part with the seq_nums start:stop, which it must hold."""
        return Placed(start, stop, self.row + start - self.start, self.owner)


class Stretches:
    """Stretches of one data key; of all its resources by seq_num, or of one by row.

    Example:
        >>> stretches = Stretches()
        >>> stretches.append(Placed(1, 5, 0, 0))
        >>> stretches.replace(Placed(2, 4, 4, 0))
        >>> [tuple(part) for part in stretches.cut(FrameRange(1, 4))]
        [(1, 2, 0, 0), (2, 4, 4, 0)]
    """

    __slots__ = ("_owners", "_rows", "_starts", "_stops")

    def __init__(self) -> None:
        self._starts = array("q")
        self._stops = array("q")
        self._rows = array("q")
        self._owners = array("q")

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[Placed]:
        return map(Placed, self._starts, self._stops, self._rows, self._owners)

    @property
    def stop(self) -> int:
        """Where the last stretch's seq_nums stop; 0 if there is none."""
        return self._stops[-1] if self._stops else 0

    def append(self, new: Placed) -> None:
        """Put a stretch at the end, as part of the last one if it goes on there."""
        if self._starts and self._goes_on(len(self._starts) - 1, new):
            self._stops[-1] = new.stop
            return
        self._starts.append(new.start)
        self._stops.append(new.stop)
        self._rows.append(new.row)
        self._owners.append(new.owner)

    def replace(self, new: Placed) -> None:
        """Put a stretch where it belongs by its seq_nums, in the place of all that lies there."""
        at = bisect_right(self._stops, new.start)
        end = bisect_left(self._starts, new.stop, at)
        parts = [new]
        if at < end and self._starts[at] < new.start:
            parts.insert(0, self._at(at).cut(self._starts[at], new.start))
        if at < end and self._stops[end - 1] > new.stop:
            parts.append(self._at(end - 1).cut(new.stop, self._stops[end - 1]))
        columns = (self._starts, self._stops, self._rows, self._owners)
        for column, values in zip(columns, zip(*parts, strict=True), strict=True):
            column[at:end] = array("q", values)
        self._join(at + parts.index(new))

    def _join(self, at: int) -> None:
        for left in (at, at - 1):
            if 0 <= left < len(self) - 1 and self._goes_on(left, self._at(left + 1)):
                self._stops[left] = self._stops[left + 1]
                for column in (self._starts, self._stops, self._rows, self._owners):
                    del column[left + 1]

    def _goes_on(self, left: int, right: Placed) -> bool:
        size = self._stops[left] - self._starts[left]
        end = (self._stops[left], self._rows[left] + size, self._owners[left])
        return end == (right.start, right.row, right.owner)

    def _at(self, i: int) -> Placed:
        return Placed(self._starts[i], self._stops[i], self._rows[i], self._owners[i])

    def find(self, seq_num: int) -> Placed | None:
        """The stretch that holds a seq_num; O(log stretches)."""
        at = bisect_right(self._stops, seq_num)
        return self._at(at) if at < len(self._starts) and self._starts[at] <= seq_num else None

    def cut(self, seq_nums: FrameRange) -> Iterator[Placed]:
        """The parts of stretches with these seq_nums, ascending."""
        for at in range(bisect_right(self._stops, seq_nums.start), len(self._starts)):
            placed = self._at(at)
            if placed.start >= seq_nums.stop:
                return
            yield placed.cut(max(placed.start, seq_nums.start), min(placed.stop, seq_nums.stop))
