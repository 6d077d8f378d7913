"""Position, velocity and time of every axis from the start of a scan to its end.

    rest ─ run-up ─ lead-in ─ window 0 ─ turnaround ─ lead-in ─ window 1 ─ … ─ run-down ─ rest
                            ^         ^
                     start point   stop point

A trajectory is points (PVT): at the end of segment i, which lasts times_us[i], every axis is at its position with its
velocity; between points it follows the cubic Hermite curve, which is what a PMAC in PVT mode does. Point 0 is the
rest at the start of the run-up: its segment takes up what the motors were off it. Everything between points is
quadratic in time (or cubic, in curved windows), so the curve through the points is the motion and not an
approximation of it.

Times are whole microseconds. Within a window the time of each point is the rounded time of its trigger ticks since
the start of the window, so that motion and triggers never differ by a microsecond, however long the window.

The lead-in is a short way at the velocity of the first frame before a window: the trigger box needs some encoder
counts on the far side of the start to see the axis come, and the axis some time to settle.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .turnaround import US
from .window import Floats, Ints, in_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisLimits:
    """What an axis can do, in its own units and seconds.

    Attributes:
        velocity: Highest speed.
        acceleration: Highest acceleration.
        low: Lower end of the travel.
        high: Upper end of the travel.
        lead_in: Way at constant velocity wanted before a window if this axis triggers it.
    """

    velocity: float
    acceleration: float
    low: float = -np.inf
    high: float = np.inf
    lead_in: float = 0.0


class Motion(NamedTuple):
    """Position, velocity and acceleration at some times."""

    position: Floats
    velocity: Floats
    acceleration: Floats


class Curve(NamedTuple):
    """The motion of one axis: per segment its end, its duration (µs) and the four coefficients of its cubic."""

    ends_us: Ints
    times_us: Ints
    cubic: tuple[Floats, Floats, Floats, Floats]

    def at(self, times_us: ArrayLike) -> Motion:
        """Evaluate at these times since the start of the flight; before and after it the axis is at rest."""
        times = np.asarray(times_us, dtype=np.float64)
        segment = np.minimum(np.searchsorted(self.ends_us, times, side="left"), len(self.ends_us) - 1)
        span = self.times_us[segment]
        s = np.clip(times - (self.ends_us[segment] - span), 0, span) * US
        c0, c1, c2, c3 = (coefficient[segment] for coefficient in self.cubic)
        return Motion(c0 + s * (c1 + s * (c2 + s * c3)), c1 + s * (2 * c2 + 3 * s * c3), 2 * c2 + 6 * s * c3)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trajectory:
    """Points of the whole flight.

    Attributes:
        start: Position of every axis at rest before the flight.
        times_us: int64; duration of the segment that ends at each point.
        positions: Per axis, at each point.
        velocities: Per axis, at each point.
        window_start: Index of the point at which each window starts.
        window_stop: Index of the point at which each window ends.
    """

    start: Mapping[str, float]
    times_us: Ints
    positions: Mapping[str, Floats]
    velocities: Mapping[str, Floats]
    window_start: Ints
    window_stop: Ints

    @property
    def points_us(self) -> Ints:
        """Time of every point since the start of the flight."""
        return np.cumsum(self.times_us)

    @property
    def duration(self) -> float:
        """Seconds from the start of the flight to rest."""
        return float(self.times_us.sum()) * US

    def curve(self, axis: str) -> "Curve":
        """Give the motion of one axis as cubics, to be evaluated at many times."""
        return Curve(self.points_us, self.times_us, self._segments(axis))

    def _segments(self, axis: str) -> tuple[Floats, Floats, Floats, Floats]:
        """Coefficients of the cubic of every segment in seconds since the segment began."""
        h = in_seconds(self.times_us)
        p1, v1 = self.positions[axis], self.velocities[axis]
        p0, v0 = np.concatenate(([self.start[axis]], p1[:-1])), np.concatenate(([0.0], v1[:-1]))
        slope = (p1 - p0) / h
        return p0, v0, (3 * slope - 2 * v0 - v1) / h, (v0 + v1 - 2 * slope) / h**2

    def extremes(self, axis: str) -> tuple[Floats, Floats, Floats]:
        """Give per segment the lowest and highest position, the highest speed and acceleration, in closed form.

        Returns:
            Positions of shape (segments, 2), speeds and accelerations of shape (segments,).
        """
        c0, c1, c2, c3 = self._segments(axis)
        h = in_seconds(self.times_us)
        # Speed is extreme where the acceleration is zero, position where the velocity is; both only count within the
        # segment.
        turns = np.column_stack([np.zeros_like(h), h, *_roots(3 * c3, 2 * c2, c1, h)])
        bends = np.column_stack([np.zeros_like(h), h, *_roots(np.zeros_like(h), 6 * c3, 2 * c2, h)])
        c0, c1, c2, c3 = (coefficient[:, None] for coefficient in (c0, c1, c2, c3))
        places = c0 + turns * (c1 + turns * (c2 + turns * c3))
        speeds = np.abs(c1 + bends * (2 * c2 + 3 * bends * c3)).max(axis=1)
        accelerations = np.maximum(np.abs(2 * c2), np.abs(2 * c2 + 6 * h[:, None] * c3))[:, 0]
        return np.column_stack((places.min(axis=1), places.max(axis=1))), speeds, accelerations


def _roots(a: Floats, b: Floats, c: Floats, h: Floats) -> tuple[Floats, Floats]:
    """Roots of a t² + b t + c in [0, h], 0 where there is none."""
    with np.errstate(all="ignore"):
        half = -(b + np.copysign(np.sqrt(b * b - 4 * a * c), b)) / 2
        first, second = half / a, c / half
    inside = [np.where(np.isfinite(root) & (root > 0) & (root < h), root, 0.0) for root in (first, second)]
    return inside[0], inside[1]
