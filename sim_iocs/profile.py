"""A trajectory profile: points in time that a PMAC moves through, and whether it may.

Theory of operation. Point i says: when segment i ends, the axes are at `positions[i]` with `velocities[i]`; segment i
lasts `durations_us[i]`. Between points the axes follow cubic Hermite pieces (the PMAC's PVT). Segment 0 begins where
the axes are, at rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .track import Track

MAX_POINTS = 200_000
# 24 bits of microseconds: the PMAC's own limit.
MAX_DURATION_US = 0xFFFFFF
# An axis this close to the first point needs no move to reach it.
CLOSE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisLimits:
    """What a profile is checked against for one axis.

    Attributes:
        low: Least position, in units; equal to `high` for no limits.
        high: Greatest position.
        max_velocity: Greatest speed, units per second.
        position: Where the axis is now.
    """

    low: float
    high: float
    max_velocity: float
    position: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Points for some axes.

    Attributes:
        durations_us: Duration of the segment that ends at each point, (n,), microseconds.
        positions: Positions at the points by axis letter, (n,) each, units.
        velocities: Velocities at the points by axis letter, (n,) each, units per second.
        programmes: User programme at each point, (n,); 0 = none.
    """

    durations_us: NDArray[np.float64]
    positions: Mapping[str, NDArray[np.float64]]
    velocities: Mapping[str, NDArray[np.float64]]
    programmes: NDArray[np.int64]

    def __len__(self) -> int:
        """Give the number of points."""
        return len(self.durations_us)

    def ends_ns(self) -> NDArray[np.int64]:
        """Instants of the points after the start, (n,), nanoseconds; durations are rounded one by one."""
        return np.cumsum(np.rint(self.durations_us * 1000).astype(np.int64))

    def head(self, count: int) -> "Profile":
        """Give the first `count` points."""
        return Profile(
            durations_us=self.durations_us[:count],
            positions={letter: p[:count] for letter, p in self.positions.items()},
            velocities={letter: v[:count] for letter, v in self.velocities.items()},
            programmes=self.programmes[:count],
        )

    def track(self, letter: str, *, start_ns: int, position: float, velocity: float) -> Track:
        """Give one axis' motion, begun at `start_ns` where and as fast as it then is."""
        return Track(
            np.concatenate([[start_ns], start_ns + self.ends_ns()]),
            np.concatenate([[position], self.positions[letter]]),
            np.concatenate([[velocity], self.velocities[letter]]),
        )

    def fault(self, limits: Mapping[str, AxisLimits], *, anywhere: bool = False) -> str:
        """Say why the profile cannot be run, or nothing.

        Args:
            limits: Of every axis that is used.
            anywhere: How far away the first point is does not matter: the axes are on their way there, or the points
                continue a profile that runs.
        """
        long = np.flatnonzero((self.durations_us > MAX_DURATION_US) | (self.durations_us < 0))
        if len(long):
            return (
                f"time of point {long[0]} is {self.durations_us[long[0]]:g} us: "
                f"the controller takes 0 to {MAX_DURATION_US} us; divide the segment"
            )
        for letter, axis in limits.items():
            fault = self._axis_fault(letter, axis) or ("" if anywhere else self._start_fault(letter, axis))
            if fault:
                return fault
        return ""

    def _axis_fault(self, letter: str, axis: AxisLimits) -> str:
        p = self.positions[letter]
        outside = np.flatnonzero((p < axis.low) | (p > axis.high))
        if axis.low != axis.high and len(outside):
            i = int(outside[0])
            return f"axis {letter}: position {p[i]:g} of point {i} is outside the limits {axis.low:g} to {axis.high:g}"
        if not (np.isfinite(p).all() and np.isfinite(self.velocities[letter]).all()):
            return f"axis {letter}: positions and velocities must be finite numbers"
        return ""

    def _start_fault(self, letter: str, axis: AxisLimits) -> str:
        distance = abs(float(self.positions[letter][0]) - axis.position)
        if distance <= CLOSE:
            return ""
        if self.durations_us[0] > 0:
            first = self.track(letter, start_ns=0, position=axis.position, velocity=0.0)
            if first.fastest() <= axis.max_velocity:
                return ""
        return (
            f"axis {letter} is at {axis.position:g}, {distance:g} away from the first point "
            f"{self.positions[letter][0]:g}, and {self.durations_us[0]:g} us are too short to get there "
            f"at {axis.max_velocity:g}/s at most; move to the start first or allow more time"
        )


def make_profile(
    count: int,
    durations_us: Any,
    *,
    axes: Mapping[str, tuple[Any, Any]],
    programmes: Any = (),
    calculate_velocities: bool = False,
) -> Profile | str:
    """Take the first `count` points out of a controller's arrays.

    Args:
        count: Points to build.
        durations_us: At least `count` durations.
        axes: (positions, velocities) by letter, at least `count` each.
        programmes: User programmes; where there are fewer than `count`, 0.
        calculate_velocities: Ignore the velocities and take mean slopes, 0 at both ends.

    Returns:
        The profile, or why there is none.
    """
    if not 1 <= count <= MAX_POINTS:
        return f"{count} points to build: the controller takes 1 to {MAX_POINTS}"
    arrays: dict[str, Sequence[Any]] = {"time": durations_us}
    for letter, (positions, velocities) in axes.items():
        arrays[f"{letter} position"] = positions
        if not calculate_velocities:
            arrays[f"{letter} velocity"] = velocities
    for name, array in arrays.items():
        if len(array) < count:
            return f"{count} points to build, but the {name} array holds {len(array)}"
    durations = np.asarray(durations_us, dtype=np.float64)[:count]
    positions = {letter: np.asarray(p, dtype=np.float64)[:count] for letter, (p, _) in axes.items()}
    velocities = {letter: np.asarray(v, dtype=np.float64)[:count] for letter, (_, v) in axes.items()}
    if calculate_velocities:
        velocities = {letter: _slopes(p, durations / 1e6) for letter, p in positions.items()}
    user = np.zeros(count, np.int64)
    given = np.asarray(programmes, np.int64)[:count]
    user[: len(given)] = given
    return Profile(durations_us=durations, positions=positions, velocities=velocities, programmes=user)


def _slopes(positions: NDArray[np.float64], durations: NDArray[np.float64]) -> NDArray[np.float64]:
    slopes = np.zeros_like(positions)
    slopes[1:-1] = (positions[2:] - positions[:-2]) / np.maximum(durations[1:-1] + durations[2:], 1e-9)
    return slopes
