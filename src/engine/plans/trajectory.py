"""Points of a scan, one dict of positions per axis after the other.

Theory of operation. A trajectory is what bluesky gets from a cycler: `keys`, a length, and points. Ours computes each
point from its number. Of a grid with the axes' lengths n, the last axis being the fastest, point i has on axis k the
index

    (i // repeats) % n[k],   where repeats = n[k+1] · n[k+2] · ...

and the axis has been gone through i // (repeats · n[k]) times before; a snaked one is gone through backwards every
second time.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np


class Trajectory:
    """Points in the order in which they are taken.

    Attributes:
        keys: The axes.
    """

    def __init__(
        self, columns: Mapping[Any, Sequence[Any]], *, grid: bool = False, snaking: Sequence[bool] = ()
    ) -> None:
        """Make it of a column of positions per axis.

        Args:
            columns: The columns. Gone along together, they have one length.
            grid: Whether each position of an axis meets each of the others; the last axis is the fastest.
            snaking: Of a grid, which axes are gone along to and fro.

        Raises:
            ValueError: There is no axis, or the columns have several lengths.
        """
        self._columns = tuple(columns.values())
        self._lengths = tuple(len(column) for column in self._columns)
        self._grid = grid
        self._snaking = tuple(snaking) or (False,) * len(self._columns)
        self.keys = tuple(columns)
        if not columns or (not grid and len(set(self._lengths)) > 1):
            msg = f"axes that are moved together need the same number of positions, seen {list(self._lengths)}"
            raise ValueError(msg)

    def __len__(self) -> int:
        return math.prod(self._lengths) if self._grid else self._lengths[0]

    def __iter__(self) -> Iterator[dict[Any, Any]]:
        for number in range(len(self)):
            yield self[number]

    def __getitem__(self, number: int) -> dict[Any, Any]:
        """Give the point of a number, counted from 0."""
        if not self._grid:
            return {axis: column[number] for axis, column in zip(self.keys, self._columns, strict=True)}
        return dict(zip(self.keys, self._on_grid(number), strict=True))

    def _on_grid(self, number: int) -> Iterator[Any]:
        repeats = len(self)
        for column, length, snaked in zip(self._columns, self._lengths, self._snaking, strict=True):
            repeats //= length
            times, index = divmod(number // repeats, length)
            yield column[length - 1 - index if snaked and times % 2 else index]


def linear(start: float, stop: float, num: int) -> list[float]:
    """Give `num` positions in equal steps, both ends included.

    Example:
        >>> linear(0, 1, 3)
        [0.0, 0.5, 1.0]
    """
    return np.linspace(start, stop, num=num, endpoint=True).tolist()


def logarithmic(start: float, stop: float, num: int) -> list[float]:
    """Give `num` positions in equal ratios, from 10**start to 10**stop.

    Example:
        >>> logarithmic(0, 2, 3)
        [1.0, 10.0, 100.0]
    """
    return np.logspace(start, stop, num=num).tolist()
