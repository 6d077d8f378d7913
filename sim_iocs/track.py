"""A motion between knots, and the motions that are planned most often: a trapezoid, a controlled stop.

A `Track` joins knots (time, position, velocity) by cubic Hermite pieces, the form in which a PMAC moves (PVT); a
trapezoidal move is the special case whose pieces are quadratic. Instants are integer nanoseconds; within a piece the
polynomial's variable is the seconds since the piece began, so that float64 keeps 1e-12 s even in a track of hours.
"""

from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .clock import NS
from .errors import TimelineError


class Track:
    """A motion between knots, as cubic Hermite pieces; never changed once made.

    Args:
        times_ns: Knot times in Unix nanoseconds, not decreasing; of knots at one time the last counts. At least one.
        positions: Positions at the knots, in the axis' units.
        velocities: Velocities at the knots, in units per second.

    Attributes:
        coefficients: Of each piece, (n - 1, 4): position = c0 + u·(c1 + u·(c2 + u·c3)), u seconds since its first knot.

    Raises:
        TimelineError: Times that go back, or arrays of unequal length.
    """

    def __init__(self, times_ns: ArrayLike, positions: ArrayLike, velocities: ArrayLike) -> None:
        times = np.asarray(times_ns, dtype=np.int64)
        p, v = np.asarray(positions, dtype=np.float64), np.asarray(velocities, dtype=np.float64)
        if not (len(times) == len(p) == len(v) and len(times)):
            msg = (
                f"a track needs knots of equal number: got {len(times)} times, {len(p)} positions, {len(v)} velocities"
            )
            raise TimelineError(msg)
        if np.any(np.diff(times) < 0):
            msg = f"knot times of a track go back at knot {int(np.argmax(np.diff(times) < 0)) + 1}"
            raise TimelineError(msg)
        last_of_its_time = np.append(np.diff(times) > 0, True)
        self.times_ns: NDArray[np.int64] = times[last_of_its_time]
        self.positions: NDArray[np.float64] = p[last_of_its_time]
        self.velocities: NDArray[np.float64] = v[last_of_its_time]
        self.coefficients: NDArray[np.float64] = self._fit(self.positions, self.velocities)

    def _fit(self, p: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
        h = np.diff(self.times_ns) / NS
        slope = np.diff(p) / h
        c2 = (3 * slope - 2 * v[:-1] - v[1:]) / h
        c3 = (v[:-1] + v[1:] - 2 * slope) / (h * h)
        return np.column_stack([p[:-1], v[:-1], c2, c3])

    @property
    def start_ns(self) -> int:
        """First knot."""
        return int(self.times_ns[0])

    @property
    def stop_ns(self) -> int:
        """Last knot."""
        return int(self.times_ns[-1])

    def position(self, t_ns: int) -> float:
        """Position at `t_ns`; before and after the track, that of its ends."""
        if t_ns <= self.start_ns or t_ns >= self.stop_ns:
            return float(self.positions[0 if t_ns <= self.start_ns else -1])
        u, (c0, c1, c2, c3) = self._piece(t_ns)
        return c0 + u * (c1 + u * (c2 + u * c3))

    def velocity(self, t_ns: int) -> float:
        """Velocity at `t_ns`, in units per second; 0 outside the track."""
        if t_ns < self.start_ns or t_ns >= self.stop_ns:
            return 0.0
        u, (_, c1, c2, c3) = self._piece(t_ns)
        return c1 + u * (2 * c2 + u * 3 * c3)

    def _piece(self, t_ns: int) -> tuple[float, list[float]]:
        i = int(np.searchsorted(self.times_ns, t_ns, side="right")) - 1
        return (t_ns - int(self.times_ns[i])) / NS, self.coefficients[i].tolist()

    def fastest(self) -> float:
        """Greatest speed within the track, in units per second."""
        h = np.diff(self.times_ns) / NS
        _, c1, c2, c3 = self.coefficients.T
        # A cubic's velocity is greatest at an end of the piece, or where the acceleration is 0.
        turn = np.clip(np.divide(-c2, 3 * c3, out=np.zeros_like(c2), where=c3 != 0), 0.0, h)
        middle = c1 + turn * (2 * c2 + turn * 3 * c3)
        return float(max(np.abs(self.velocities).max(), np.abs(middle).max(initial=0.0)))

    def cut(self, t_ns: int) -> "Track":
        """Give this track, ended at `t_ns` with the position and velocity that it has there."""
        keep = int(np.searchsorted(self.times_ns, t_ns, side="left"))
        return Track(
            np.append(self.times_ns[:keep], t_ns),
            np.append(self.positions[:keep], self.position(t_ns)),
            np.append(self.velocities[:keep], self.velocity(t_ns)),
        )

    def shifted(self, ns: int) -> "Track":
        """Give the same motion, `ns` nanoseconds later."""
        return Track(self.times_ns + ns, self.positions, self.velocities) if ns else self


def trapezoid(
    start_ns: int, position: float, *, velocity: float = 0.0, target: float, speed: float, acceleration: float
) -> Track:
    """Plan the fastest move that ends at rest at `target`.

    Args:
        start_ns: When it begins, in Unix nanoseconds.
        position: Where the axis is then, in units.
        velocity: How fast it is then; of either sign, also above `speed`.
        target: Where it shall rest.
        speed: Greatest speed, > 0.
        acceleration: Of both ramps, > 0.
    """
    stopping = velocity * abs(velocity) / (2 * acceleration)
    sign = 1.0 if target - position >= stopping else -1.0
    # In the direction of `sign` everything is positive: v0 up (or down) to the peak, cruise, down to 0.
    v0, distance = sign * velocity, sign * (target - position)
    peak = min(sqrt(max(0.0, acceleration * distance + v0 * v0 / 2)), speed)
    ramp = abs(peak - v0) / acceleration
    ramped = (v0 + peak) / 2 * ramp
    brake = peak / acceleration
    cruise = max(0.0, (distance - ramped - peak * brake / 2) / peak) if peak > 0 else 0.0
    times = np.cumsum([0.0, ramp, cruise, brake])
    positions = [position, position + sign * ramped, target - sign * peak * brake / 2, target]
    velocities = [velocity, sign * peak, sign * peak, 0.0]
    return Track([start_ns + round(t * NS) for t in times.tolist()], positions, velocities)


def ramp_down(start_ns: int, position: float, *, velocity: float, acceleration: float) -> Track:
    """Plan the controlled stop of an axis that moves with `velocity`."""
    duration = abs(velocity) / acceleration
    return Track(
        [start_ns, start_ns + round(duration * NS)], [position, position + velocity * duration / 2], [velocity, 0.0]
    )


def ramp_to_speed(start_ns: int, position: float, *, velocity: float, speed: float, acceleration: float) -> Track:
    """Plan the ramp to a velocity (`speed`, signed) that ends in motion: what follows goes on with it."""
    duration = abs(speed - velocity) / acceleration
    return Track(
        [start_ns, start_ns + round(duration * NS)],
        [position, position + (velocity + speed) / 2 * duration],
        [velocity, speed],
    )
