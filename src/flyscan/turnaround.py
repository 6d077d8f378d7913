r"""The way from one velocity to another over a given distance, for many axes in one common time.

One axis. With acceleration ±a and cruise velocity c it goes v0 → c → v1 and has covered the distance D(c, T) after T:

    v
    c      ________            T >= |c - v0|/a + |v1 - c|/a
          /        \           D grows with c, so for a given T the distances that can be
    v0 __/          \__ v1      reached are an interval [Dmin(T), Dmax(T)]

The highest c is min(vmax, (v0 + v1 + a T)/2), and dDmax/dT = c: Dmax(T) is a parabola followed by a straight line,
convex. Dmin(T) is its mirror image. So {T: Dmin <= d <= Dmax} = [t1, t2] ∪ [t3, ∞): going straight on to a near
target is possible in a short time, and in a long one by turning back, but not in between. Hence the time of the
slowest axis is not always possible for the others. But the smallest T that is possible for all is the left end of an
interval of some axis; all left ends are roots of quadratics; they are tried in rising order, and beyond the largest
every T is possible. So this always ends.

Whole microseconds. A trajectory controller takes times in µs. The ramps of each axis are therefore given whole
microseconds (one more than needed) in which they are a little gentler than a; for fixed ramps and T the cruise
velocity is the solution of a linear equation. Every knot is then on the µs grid, and a cubic Hermite curve through
the knots is the motion itself, not nearly so.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

US = 1e-6
MARGIN = 1e-3
"""Part of a limit that is kept back for the rounding to microseconds."""


class Leg(NamedTuple):
    """What one axis has to do: leave at v0, arrive at v1, a distance d further on, within its limits."""

    v0: float
    v1: float
    distance: float
    velocity: float
    acceleration: float


class Ramp(NamedTuple):
    """How one axis does it: from v0 to cruise in `up_us`, from cruise to v1 in the last `down_us`."""

    up_us: int
    cruise: float
    down_us: int


class Turnaround(NamedTuple):
    """A common time and the ramps of every axis.

    Attributes:
        time_us: The common time.
        ramps: Per axis.
    """

    time_us: int
    ramps: dict[str, Ramp]

    def knots_us(self) -> list[int]:
        """Times at which some axis changes its acceleration, rising, the end included."""
        knots = {self.time_us}
        for ramp in self.ramps.values():
            knots |= {ramp.up_us, self.time_us - ramp.down_us}
        return sorted(knots - {0})


def solve_turnaround(legs: Mapping[str, Leg], *, least_us: int) -> Turnaround:
    """Find the shortest common time, at least `least_us`, in which every axis can do its leg.

    Args:
        legs: Per axis; |v0| and |v1| must be within the velocity limit.
        least_us: Shortest time wanted.

    >>> solve_turnaround({"x": Leg(1.0, -1.0, 0.0, 10.0, 10.0)}, least_us=0).time_us
    200204
    """
    eased = {axis: leg._replace(acceleration=leg.acceleration * (1 - MARGIN)) for axis, leg in legs.items()}
    starts = {float(least_us)} | {time / US for leg in eased.values() for time in _interval_starts(leg)}
    candidates = sorted(math.ceil(start) for start in starts if start >= least_us)
    for candidate in candidates[:-1]:
        for time_us in range(candidate, candidate + 4):
            if (ramps := _ramps(eased, time_us)) is not None:
                return Turnaround(time_us, ramps)
    return _last_resort(eased, candidates[-1])


def _last_resort(legs: Mapping[str, Leg], time_us: int) -> Turnaround:
    """Beyond the largest left end every time is possible; leave room for the rounding."""
    room = 1
    while (ramps := _ramps(legs, time_us)) is None:
        time_us, room = time_us + room, room * 2
    return Turnaround(time_us, ramps)


def _ramps(legs: Mapping[str, Leg], time_us: int) -> dict[str, Ramp] | None:
    ramps: dict[str, Ramp] = {}
    for axis, leg in legs.items():
        ramp = fit_ramp(leg, time_us)
        if ramp is None:
            return None
        ramps[axis] = ramp
    return ramps


def _interval_starts(leg: Leg) -> Iterator[float]:
    """Left ends of the intervals of times in which this leg can be done."""
    yield abs(leg.v1 - leg.v0) / leg.acceleration
    yield from _upper_roots(leg)
    yield from _upper_roots(leg._replace(v0=-leg.v0, v1=-leg.v1, distance=-leg.distance))


def _upper_roots(leg: Leg) -> Iterator[float]:
    """Times from which on Dmax(T) >= d: the larger root of its parabola, or the root of its straight line."""
    v0, v1, distance, velocity, acceleration = leg
    square = acceleration * distance + (v0 * v0 + v1 * v1) / 2
    if square >= 0:
        yield (2 * math.sqrt(square) - v0 - v1) / acceleration
    saturated = (2 * velocity - v0 - v1) / acceleration
    yield saturated + (distance - (2 * velocity * velocity - v0 * v0 - v1 * v1) / (2 * acceleration)) / velocity


def cruise_velocity(leg: Leg, time: float) -> float | None:
    """Solve D(c, T) = d for c in closed form; None when no c within the limits does it.

    D is quadratic in c above max(v0, v1) and below min(v0, v1), linear in between.
    """
    v0, v1, distance, velocity, acceleration = leg
    spare = time - abs(v1 - v0) / acceleration
    if spare < 0:
        return None
    ramp = (v0 + v1) / 2 * abs(v1 - v0) / acceleration
    low, high = min(v0, v1), max(v0, v1)
    if ramp + low * spare <= distance <= ramp + high * spare:
        return low if spare == 0 else (distance - ramp) / spare
    sign = 1 if distance > ramp + high * spare else -1
    # With the signs turned so that c is the highest: c²/a - c (T + (v0 + v1)/a) + (v0² + v1²)/2a + d = 0, smaller root.
    half = (acceleration * time + sign * (v0 + v1)) / 2
    square = half * half - (v0 * v0 + v1 * v1) / 2 - acceleration * sign * distance
    if square < 0:
        return None
    cruise = sign * (half - math.sqrt(square))
    return cruise if abs(cruise) <= velocity else None


def fit_ramp(leg: Leg, time_us: int) -> Ramp | None:
    """Give ramps of whole microseconds for this leg in this time, or None when there is no room for them."""
    if leg.v0 == leg.v1 and math.isclose(leg.distance, leg.v0 * time_us * US, rel_tol=1e-12, abs_tol=1e-15):
        return Ramp(0, leg.v0, 0)
    cruise = cruise_velocity(leg, time_us * US)
    if cruise is None:
        return None
    up_us, down_us = (_whole(abs(cruise - end) / leg.acceleration) for end in (leg.v0, leg.v1))
    if up_us + down_us > time_us:
        return None
    straight = (time_us - (up_us + down_us) / 2) * US
    cruise = (leg.distance - (leg.v0 * up_us + leg.v1 * down_us) * US / 2) / straight
    fastest = leg.acceleration * (1 + MARGIN / 2)
    gentle = abs(cruise - leg.v0) <= fastest * up_us * US and abs(cruise - leg.v1) <= fastest * down_us * US
    return Ramp(up_us, cruise, down_us) if gentle and abs(cruise) <= leg.velocity else None


def _whole(seconds: float) -> int:
    return math.ceil(seconds / US) + 1


def evaluate(leg: Leg, ramp: Ramp, time_us: int, *, at_us: Sequence[int]) -> list[tuple[float, float]]:
    """Give (distance, velocity) of one axis at each of the times `at_us` since the turnaround began."""
    points: list[tuple[float, float]] = []
    for at in at_us:
        up = min(at, ramp.up_us) * US
        flat = max(0, min(at, time_us - ramp.down_us) - ramp.up_us) * US
        down = max(0, at - (time_us - ramp.down_us)) * US
        rise = (ramp.cruise - leg.v0) / (ramp.up_us * US) if ramp.up_us else 0.0
        fall = (leg.v1 - ramp.cruise) / (ramp.down_us * US) if ramp.down_us else 0.0
        distance = leg.v0 * up + rise * up * up / 2 + ramp.cruise * flat + ramp.cruise * down + fall * down * down / 2
        if down:
            velocity = ramp.cruise + fall * down
        elif at < ramp.up_us:
            velocity = leg.v0 + rise * up
        else:
            velocity = ramp.cruise
        points.append((distance, velocity))
    return points
