"""Points on spirals, ring by ring; pure.

Each function gives the x and y positions, in the axes' own units, of the points that lie in a rectangle around the
centre (x_start, y_start). The formulas and the order of points are those of bluesky's patterns of these names.
"""

# ruff: noqa: PLR0913  # the signatures are bluesky's

import itertools
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Positions = tuple[list[float], list[float]]

GOLDEN_ANGLE = np.radians(1) * 137.508
"""Between two points that follow each other on Fermat's spiral."""


def spiral(
    x_start: float,
    y_start: float,
    x_range: float,
    y_range: float,
    dr: float,
    nth: float,
    *,
    dr_y: float | None = None,
    tilt: float | None = 0.0,
) -> Positions:
    """Give points on rings that lie `dr` apart (`dr_y` in y), the n-th ring having n × `nth` of them.

    `tilt` is the angle in radians by which the rectangle's sides lean over.
    """
    aspect = 1 if dr_y is None else dr_y / dr
    half_x, half_y = x_range / 2, y_range / (2 * aspect)
    rings = 2 + int(np.hypot(half_x, half_y) / dr)

    def ring(number: int) -> tuple[Floats, Floats]:
        count = int(number * nth)
        angles = np.arange(count) * (2.0 * np.pi / (number * nth))
        x, y = number * dr * np.cos(angles), number * dr * np.sin(angles)
        inside = (abs(x - y * _lean(tilt)) <= half_x) & (abs(y) <= half_y)
        return x[inside], y[inside] * aspect

    return _around(x_start, y_start, (ring(number) for number in range(1, rings + 1)))


def spiral_fermat(
    x_start: float,
    y_start: float,
    x_range: float,
    y_range: float,
    dr: float,
    factor: float,
    *,
    dr_y: float | None = None,
    tilt: float | None = 0.0,
) -> Positions:
    """Give points on Fermat's spiral, all about as dense: the n-th lies √n × `dr` / `factor` from the centre."""
    aspect = 1 if dr_y is None else dr_y / dr
    half_x, half_y = x_range / 2, y_range / (2 * aspect)
    numbers = np.arange(1, int((1.5 * np.hypot(half_x, half_y) / (dr / factor)) ** 2))
    radii, angles = np.sqrt(numbers) * dr / factor, GOLDEN_ANGLE * numbers
    x, y = radii * np.cos(angles), radii * np.sin(angles)
    inside = (abs(x - y * _lean(tilt)) <= half_x) & (abs(y * aspect) <= half_y)
    return _around(x_start, y_start, [(x[inside], y[inside] * aspect)])


def spiral_square(
    x_center: float, y_center: float, x_range: float, y_range: float, x_num: int, y_num: int
) -> Positions:
    """Give the points of an `x_num` by `y_num` grid, from its middle outwards in squares.

    Example:
        >>> spiral_square(0, 0, 2, 2, 3, 3)
        ([0.0, 1.0, 1.0, 0.0, -1.0, -1.0, -1.0, 0.0, 1.0], [0.0, 0.0, -1.0, -1.0, -1.0, 0.0, 1.0, 1.0, 1.0])
    """
    # Where a number is even there is no middle point: the walk begins half a step beside the centre.
    x_offset, y_offset = (0.5 if x_num % 2 == 0 else 0.0), (-0.5 if y_num % 2 == 0 else 0.0)
    x_step, y_step = (size / (num - 1) if num > 1 else 0.0 for size, num in ((x_range, x_num), (y_range, y_num)))
    walk = itertools.chain.from_iterable(_square(ring) for ring in range(max(x_num, y_num)))
    inside = [
        (column, row) for column, row in walk if abs(column - x_offset) < x_num / 2 and abs(row - y_offset) < y_num / 2
    ]
    x = [x_center - x_step * x_offset + x_step * column for column, _ in inside]
    return x, [y_center - y_step * y_offset + y_step * row for _, row in inside]


def _square(ring: int) -> Iterator[tuple[int, int]]:
    """Go round the square of cells at a distance from the middle, from below its upper right corner, clockwise."""
    if ring == 0:
        yield 0, 0
        return
    down, up = range(ring - 1, -ring - 1, -1), range(-ring + 1, ring + 1)
    yield from ((ring, row) for row in down)
    yield from ((column, -ring) for column in down)
    yield from ((-ring, row) for row in up)
    yield from ((column, ring) for column in up)


def _lean(tilt: float | None) -> float:
    return 1 / np.tan((tilt or 0.0) + np.pi / 2.0)


def _around(x_start: float, y_start: float, rings: Iterable[tuple[Floats, Floats]]) -> Positions:
    found = list(rings)
    x = np.concatenate([x for x, _ in found])
    y = np.concatenate([y for _, y in found])
    return (x_start + x).tolist(), (y_start + y).tolist()
