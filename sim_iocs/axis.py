"""One axis of the beamline: where it is at any instant, computed and never ticked.

Theory of operation. A motion is a `Track`: knots (time, position, velocity) joined by cubic Hermite pieces, the form
in which a PMAC moves (PVT); a trapezoidal move is the special case whose pieces are quadratic. An `Axis` is a list of
tracks; before, between and after them it rests where it last was. Instants are integer nanoseconds; within a piece
the polynomial's variable is the seconds since the piece began, so that float64 keeps 1e-12 s even in a track of
hours. Commands change only the future: `cut` ends the motion at an instant, and a new track begins there with the
position and velocity that the axis then has.

Encoder counts are floor(position / resolution + 1/2). `first_time` gives the first integer nanosecond at which the
counts have reached a value. It divides each piece at the roots of its derivative (a quadratic) into monotone
stretches, and in the first stretch whose far end has reached the value it finds the instant by bisection over
integers with the very predicate that `counts` uses. So a trigger computed here can never disagree with the counts
read at that instant, by not even one nanosecond, which the bare root of a cubic could.
"""

from collections.abc import Callable
from itertools import pairwise
from math import floor, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .clock import NS
from .errors import TimelineError

HISTORY_NS = 120 * NS


class Track:
    """A motion between knots, as cubic Hermite pieces.

    Args:
        times_ns: Knot times in Unix nanoseconds, not decreasing; of knots at one time the last counts. At least one.
        positions: Positions at the knots, in the axis' units.
        velocities: Velocities at the knots, in units per second.

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
        self._fit(p[last_of_its_time], v[last_of_its_time])

    def _fit(self, p: NDArray[np.float64], v: NDArray[np.float64]) -> None:
        h = np.diff(self.times_ns) / NS
        slope = np.diff(p) / h
        c2 = (3 * slope - 2 * v[:-1] - v[1:]) / h
        c3 = (v[:-1] + v[1:] - 2 * slope) / (h * h)
        self.positions, self.velocities = p, v
        self.coefficients: NDArray[np.float64] = np.column_stack([p[:-1], v[:-1], c2, c3])
        area = (((c3 / 4 * h + c2 / 3) * h + v[:-1] / 2) * h + p[:-1]) * h
        self._area: NDArray[np.float64] = np.concatenate([[0.0], np.cumsum(area)])
        # A cubic lies in the hull of its Bézier points.
        hull = np.stack([p[:-1], p[:-1] + v[:-1] * h / 3, p[1:] - v[1:] * h / 3, p[1:]])
        self._hull_low: NDArray[np.float64] = hull.min(axis=0, initial=np.inf)
        self._hull_high: NDArray[np.float64] = hull.max(axis=0, initial=-np.inf)

    @property
    def start_ns(self) -> int:
        """First knot."""
        return int(self.times_ns[0])

    @property
    def stop_ns(self) -> int:
        """Last knot."""
        return int(self.times_ns[-1])

    def piece(self, t_ns: int) -> int:
        """Give the number of the piece that holds `t_ns`, which must lie within the track."""
        return min(int(np.searchsorted(self.times_ns, t_ns, side="right")) - 1, len(self.coefficients) - 1)

    def position(self, t_ns: int) -> float:
        """Position at `t_ns`; before and after the track, that of its ends."""
        if t_ns <= self.start_ns or t_ns >= self.stop_ns:
            return float(self.positions[0 if t_ns <= self.start_ns else -1])
        i = self.piece(t_ns)
        c0, c1, c2, c3 = self.coefficients[i].tolist()
        u = (t_ns - int(self.times_ns[i])) / NS
        return c0 + u * (c1 + u * (c2 + u * c3))

    def velocity(self, t_ns: int) -> float:
        """Velocity at `t_ns`, in units per second; 0 outside the track."""
        if t_ns < self.start_ns or t_ns >= self.stop_ns:
            return 0.0
        i = self.piece(t_ns)
        _, c1, c2, c3 = self.coefficients[i].tolist()
        u = (t_ns - int(self.times_ns[i])) / NS
        return c1 + u * (2 * c2 + u * 3 * c3)

    def fastest(self) -> float:
        """Greatest speed within the track, in units per second."""
        h = np.diff(self.times_ns) / NS
        _, c1, c2, c3 = self.coefficients.T
        # A cubic's velocity is greatest at an end of the piece, or where the acceleration is 0.
        turn = np.clip(np.divide(-c2, 3 * c3, out=np.zeros_like(c2), where=c3 != 0), 0.0, h)
        middle = c1 + turn * (2 * c2 + turn * 3 * c3)
        return float(max(np.abs(self.velocities).max(), np.abs(middle).max(initial=0.0)))

    def area(self, t_ns: int) -> float:
        """Integral of the position from the start of the track to `t_ns` within it, in units × seconds."""
        if not len(self.coefficients):
            return 0.0
        i = self.piece(t_ns)
        c0, c1, c2, c3 = self.coefficients[i].tolist()
        u = (t_ns - int(self.times_ns[i])) / NS
        return float(self._area[i]) + u * (c0 + u * (c1 / 2 + u * (c2 / 3 + u * c3 / 4)))

    def cut(self, t_ns: int) -> "Track":
        """Give this track, ended at `t_ns` with the position and velocity that it has there."""
        keep = int(np.searchsorted(self.times_ns, t_ns, side="left"))
        return Track(
            [*self.times_ns[:keep].tolist(), t_ns],
            [*self.positions[:keep].tolist(), self.position(t_ns)],
            [*self.velocities[:keep].tolist(), self.velocity(t_ns)],
        )

    def first(self, reached: Callable[[float], bool], *, near: float, start_ns: int, stop_ns: int) -> int | None:
        """Find the first whole nanosecond in [start_ns, stop_ns] within the track at which a position has been reached.

        Args:
            reached: Says of a position whether it is there; true on one side of a threshold, not yet at `start_ns`.
            near: The threshold, to find the pieces that come near it; exactness comes from `reached` alone.
            start_ns: First instant.
            stop_ns: Last instant.
        """
        first, last = self.piece(start_ns), self.piece(stop_ns)
        slack = 1e-9 * (1.0 + abs(near))
        low, high = self._hull_low[first : last + 1], self._hull_high[first : last + 1]
        touching = np.flatnonzero((low <= near + slack) & (high >= near - slack))
        for i in (touching + first).tolist():
            for a, b in self._stretches(i, start_ns, stop_ns):
                if reached(self.position(b)):
                    return _bisect(lambda t: reached(self.position(t)), a, b)
        return None

    def _stretches(self, i: int, start_ns: int, stop_ns: int) -> list[tuple[int, int]]:
        """Divide piece i, within [start, stop], where the velocity changes its sign: monotone at whole nanoseconds."""
        t0, t1 = int(self.times_ns[i]), int(self.times_ns[i + 1])
        # One nanosecond before the knot, so that a value first reached on the knot itself is bracketed.
        marks = {max(start_ns, t0 - 1), min(stop_ns, t1), t0}
        for u in _turning_points(*self.coefficients[i, 1:].tolist()):
            # The turning point lies between two whole nanoseconds: both are marks.
            turning = t0 + floor(min(max(u, -1.0), (t1 - t0) / NS + 1.0) * NS)
            marks.update((turning, turning + 1))
        inside = sorted(m for m in marks if max(start_ns, t0 - 1) <= m <= min(stop_ns, t1))
        return list(pairwise(inside))


def _bisect(reached: Callable[[int], bool], before: int, after: int) -> int:
    """Give the first t in (before, after] that has reached; `before` has not, `after` has, and it changes once."""
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (before, middle) if reached(middle) else (middle, after)
    return after


def _turning_points(c1: float, c2: float, c3: float) -> tuple[float, ...]:
    """Give the roots of c1 + 2·c2·u + 3·c3·u²: where a cubic's velocity is 0."""
    if c3 == 0.0:
        return () if c2 == 0.0 else (-c1 / (2 * c2),)
    discriminant = c2 * c2 - 3 * c1 * c3
    if discriminant < 0:
        return ()
    # The form that does not subtract nearly equal numbers.
    q = -(c2 + (sqrt(discriminant) if c2 >= 0 else -sqrt(discriminant)))
    return (q / (3 * c3),) if q == 0.0 else (q / (3 * c3), c1 / q)


class Axis:
    """An axis with an encoder: tracks in the order of their times, and rest between them.

    Args:
        name: What messages call it.
        position: Where it rests at first, in `units`.
        resolution: Units per encoder count, greater than 0.
        units: Engineering units.
    """

    def __init__(self, name: str, *, position: float = 0.0, resolution: float = 1e-4, units: str = "mm") -> None:
        self.name, self.resolution, self.units = name, resolution, units
        self._rest = position
        self._tracks: list[Track] = []

    @property
    def stop_ns(self) -> int:
        """The instant at which the last commanded motion ends; 0 if there was none."""
        return self._tracks[-1].stop_ns if self._tracks else 0

    def position(self, t_ns: int) -> float:
        """True position at `t_ns`, in units."""
        track = self._track_at(t_ns)
        return self._rest if track is None else track.position(t_ns)

    def velocity(self, t_ns: int) -> float:
        """True velocity at `t_ns`, in units per second."""
        track = self._track_at(t_ns)
        return 0.0 if track is None else track.velocity(t_ns)

    def counts(self, t_ns: int) -> int:
        """What the encoder reads at `t_ns`."""
        return self._quantise(self.position(t_ns))

    def measured(self, t_ns: int) -> float:
        """What the encoder reads at `t_ns`, in units."""
        return self.counts(t_ns) * self.resolution

    def first_time(self, counts: int, *, rising: bool, start_ns: int, stop_ns: int) -> int | None:
        """Find when the encoder first reads `counts` or beyond.

        Args:
            counts: The threshold.
            rising: True for counts or more, False for counts or less.
            start_ns: First instant that may be given; given at once if the encoder reads so already.
            stop_ns: The instant before which it must be; half-open.

        Returns:
            The first whole nanosecond, or None if there is none in [start_ns, stop_ns).
        """

        def reached(position: float) -> bool:
            return self._quantise(position) >= counts if rising else self._quantise(position) <= counts

        if start_ns >= stop_ns:
            return None
        if reached(self.position(start_ns)):
            return start_ns
        near = (counts + (-0.5 if rising else 0.5)) * self.resolution
        for track in self._tracks:
            start, stop = max(start_ns, track.start_ns), min(stop_ns - 1, track.stop_ns)
            if start > stop:
                continue
            if reached(track.position(start)):
                return start
            found = track.first(reached, near=near, start_ns=start, stop_ns=stop) if start < stop else None
            if found is not None:
                return found
        return None

    def mean(self, start_ns: int, stop_ns: int) -> float:
        """Mean of the encoder over [start_ns, stop_ns), in counts, before quantisation."""
        if stop_ns <= start_ns:
            return self.position(start_ns) / self.resolution
        # Relative to where it was at the start, so that a small motion at a large position keeps its digits.
        origin = self.position(start_ns)
        total, t = 0.0, start_ns
        for track in self._tracks:
            if track.stop_ns <= t:
                continue
            if track.start_ns >= stop_ns:
                break
            total += (self.position(t) - origin) * max(0, track.start_ns - t) / NS
            t0, t1 = max(t, track.start_ns), min(stop_ns, track.stop_ns)
            total += track.area(t1) - track.area(t0) - origin * (t1 - t0) / NS
            t = t1
        total += (self.position(t) - origin) * (stop_ns - t) / NS
        return (origin + total * NS / (stop_ns - start_ns)) / self.resolution

    def cut(self, t_ns: int) -> None:
        """Forget what is commanded from `t_ns` on; what the axis does until then stays."""
        while self._tracks and self._tracks[-1].start_ns >= t_ns:
            self._tracks.pop()
        if self._tracks and self._tracks[-1].stop_ns > t_ns:
            self._tracks[-1] = self._tracks[-1].cut(t_ns)

    def append(self, track: Track) -> None:
        """Put a motion after all that is commanded, and forget what is older than two minutes.

        Raises:
            TimelineError: The track begins before the last one ends.
        """
        if track.start_ns < self.stop_ns:
            msg = f"axis {self.name} is commanded until {self.stop_ns} ns: a track cannot begin at {track.start_ns} ns"
            raise TimelineError(msg)
        while self._tracks and self._tracks[0].stop_ns < track.start_ns - HISTORY_NS:
            self._rest = float(self._tracks.pop(0).positions[-1])
        self._tracks.append(track)

    def _track_at(self, t_ns: int) -> Track | None:
        """Give the track that decides where the axis is: the one running at `t_ns`, or the last before it."""
        for track in reversed(self._tracks):
            if track.start_ns <= t_ns:
                return track
        return None

    def _quantise(self, position: float) -> int:
        return floor(position / self.resolution + 0.5)


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
