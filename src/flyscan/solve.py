"""From windows and limits to a trajectory.

The order: what every window asks of the axes is checked first, so that all reasons against it can be named at once;
then the points are laid; then the whole trajectory, run-up, turnarounds and curved windows included, is checked
against speed, acceleration and travel by the closed-form extremes of its segments.

Curved windows get a point at every boundary. The velocity there is that of the parabola through the boundary and its
neighbours, which is exact for motion of constant acceleration and keeps the path through the boundaries at the times
of the triggers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .errors import InfeasibleScanError
from .scan import Scan
from .trajectory import AxisLimits, Trajectory
from .turnaround import MARGIN, US, Leg, evaluate, solve_turnaround
from .window import BLOCK, Floats, Ints, Window, in_seconds

SEGMENT_US = 4_000_000
"""Longest segment: a PMAC counts 24 bits of microseconds, and driver authors keep to 4 s."""
SETTLE_US = 20_000
"""First segment, at rest: takes up what the motors' own positioning left over."""
LEAST_US = 2_000
"""Shortest turnaround and run-up, as Malcolm has it: a trajectory controller takes points at a limited rate."""
STRAIGHT = 1e-3
"""A window is straight when no boundary is further than this part of a frame from a constant velocity's."""
SLACK = 1e-6
"""Part of a limit that a check leaves to floating point."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Path:
    """A window as points: edges_us after its start the axes are at positions with velocities, (points, axes)."""

    window: Window
    edges_us: Ints
    positions: Floats
    velocities: Floats


@dataclass(slots=True)
class _Points:
    """A trajectory in the making; positions and velocities are (axes,) per point."""

    start: Floats
    times_us: list[int] = field(default_factory=list[int])
    positions: list[Floats] = field(default_factory=list[Floats])
    velocities: list[Floats] = field(default_factory=list[Floats])

    def add(self, time_us: int, position: Floats, velocity: Floats) -> None:
        """Add a segment; a long one is cut into parts, each on the same cubic."""
        parts = -(-time_us // SEGMENT_US)
        p0 = self.positions[-1] if self.positions else self.start
        v0 = self.velocities[-1] if self.velocities else np.zeros_like(self.start)
        done = 0
        for part in range(1, parts):
            until = time_us * part // parts
            self._append(until - done, *_hermite(p0, v0, position, velocity, span=(time_us, until)))
            done = until
        self._append(time_us - done, position, velocity)

    def _append(self, time_us: int, position: Floats, velocity: Floats) -> None:
        self.times_us.append(time_us)
        self.positions.append(position)
        self.velocities.append(velocity)


def _hermite(p0: Floats, v0: Floats, p1: Floats, v1: Floats, *, span: tuple[int, int]) -> tuple[Floats, Floats]:
    """Position and velocity at span[1] µs of the cubic that goes from (p0, v0) to (p1, v1) in span[0] µs."""
    h, t = span[0] * US, span[1] * US
    slope = (p1 - p0) / h
    c2, c3 = (3 * slope - 2 * v0 - v1) / h, (v0 + v1 - 2 * slope) / h**2
    return p0 + t * (v0 + t * (c2 + t * c3)), v0 + t * (2 * c2 + 3 * t * c3)


def solve(scan: Scan, limits: Mapping[str, AxisLimits]) -> Trajectory:
    """Lay the whole flight as points.

    Args:
        scan: What to fly.
        limits: Of every axis of the scan.

    Raises:
        InfeasibleScanError: With every reason: speed and acceleration asked for in windows, travel with run-up and
        turnarounds.
    """
    axes = scan.axes
    if unknown := [axis for axis in axes if axis not in limits]:
        reasons = [f"axis {axis!r} is not one of the rig's ({', '.join(limits)})" for axis in unknown]
        raise InfeasibleScanError(reasons)
    paths = [_path(window) for window in scan.windows]
    used = [limits[axis] for axis in axes]
    if reasons := [
        reason for index in range(len(axes)) for reason in _window_reasons(paths, axes[index], index, used[index])
    ]:
        raise InfeasibleScanError(reasons)
    trajectory = _lay(paths, axes, used)
    if reasons := [reason for axis in axes for reason in _flight_reasons(trajectory, axis, limits[axis])]:
        raise InfeasibleScanError(reasons)
    return trajectory


def _path(window: Window) -> _Path:
    boundaries = np.column_stack(list(window.boundaries.values()))
    elapsed = np.concatenate(([0], np.cumsum(window.ticks)))
    way = boundaries[-1] - boundaries[0]
    line = boundaries[0] + way * (elapsed / elapsed[-1])[:, None]
    edges_us = window.edges_us
    allowed = np.abs(way) * (
        STRAIGHT / len(window.ticks) + BLOCK / 3 / elapsed[-1]
    )  # BLOCK / 4: what the ticks may stray
    if (np.abs(boundaries - line) <= allowed + 1e-12).all():
        edges_us, boundaries = edges_us[[0, -1]], boundaries[[0, -1]]
    return _Path(
        window=window, edges_us=edges_us, positions=boundaries, velocities=_velocities(in_seconds(edges_us), boundaries)
    )


def _velocities(times: Floats, positions: Floats) -> Floats:
    """Velocity at every point of the parabola through it and its neighbours; (points, axes)."""
    h = np.diff(times)[:, None]
    slopes = np.diff(positions, axis=0) / h
    if len(slopes) == 1:
        return np.repeat(slopes, 2, axis=0)
    inner = (h[1:] * slopes[:-1] + h[:-1] * slopes[1:]) / (h[1:] + h[:-1])
    return np.concatenate((2 * slopes[:1] - inner[:1], inner, 2 * slopes[-1:] - inner[-1:]))


def _window_reasons(paths: Sequence[_Path], axis: str, index: int, limit: AxisLimits) -> list[str]:
    """Name the worst frame of an axis that is to go faster than it can."""
    peaks = [float(np.abs(path.velocities[:, index]).max()) for path in paths]
    worst = int(np.argmax(peaks))
    if peaks[worst] <= limit.velocity * (1 + SLACK):
        return []
    path = paths[worst]
    point = int(np.abs(path.velocities[:, index]).argmax())
    frame = path.window.first_frame + min(point, len(path.window.ticks) - 1)
    ratio = peaks[worst] / limit.velocity
    longest = float(path.window.ticks.max()) * 8e-9 * ratio
    return [
        f"axis {axis}: frame {frame} needs a speed of {peaks[worst]:g}, the limit is {limit.velocity:g}; "
        f"feasible with frames of at least {longest:.6g} s"
    ]


def _lay(paths: Sequence[_Path], axes: tuple[str, ...], limits: Sequence[AxisLimits]) -> Trajectory:
    first, last = paths[0], paths[-1]
    place, velocity, _ = _entry(first, limits)
    up_us = _ramp_us(velocity, limits)
    points = _Points(place - velocity * (up_us * US / 2))
    points.add(SETTLE_US, points.start, np.zeros_like(velocity))
    points.add(up_us, place, velocity)
    starts: list[int] = []
    stops: list[int] = []
    for number, path in enumerate(paths):
        if number:
            _turn(points, path, axes=axes, limits=limits)
        starts.append(_enter(points, path, limits))
        for time_us, place, velocity in zip(
            np.diff(path.edges_us), path.positions[1:], path.velocities[1:], strict=True
        ):
            points.add(int(time_us), place, velocity)
        stops.append(len(points.times_us) - 1)
    velocity = last.velocities[-1]
    down_us = _ramp_us(velocity, limits)
    points.add(down_us, last.positions[-1] + velocity * (down_us * US / 2), np.zeros_like(velocity))
    return _trajectory(points, axes, starts, stops)


def _trajectory(points: _Points, axes: tuple[str, ...], starts: list[int], stops: list[int]) -> Trajectory:
    positions, velocities = np.array(points.positions), np.array(points.velocities)
    return Trajectory(
        start={axis: float(points.start[index]) for index, axis in enumerate(axes)},
        times_us=np.array(points.times_us, dtype=np.int64),
        positions={axis: np.ascontiguousarray(positions[:, index]) for index, axis in enumerate(axes)},
        velocities={axis: np.ascontiguousarray(velocities[:, index]) for index, axis in enumerate(axes)},
        window_start=np.array(starts, dtype=np.int64),
        window_stop=np.array(stops, dtype=np.int64),
    )


def _ramp_us(velocity: Floats, limits: Sequence[AxisLimits]) -> int:
    """Time from rest to this velocity (or back) that suits every axis."""
    times = [abs(v) / (limit.acceleration * (1 - MARGIN)) for v, limit in zip(velocity, limits, strict=True)]
    return max(LEAST_US, math.ceil(max(times) / US))


def _entry(path: _Path, limits: Sequence[AxisLimits]) -> tuple[Floats, Floats, int]:
    """Where the lead-in of a window begins, its velocity, and how long it is (µs).

    The axis that needs the shortest time for its lead-in is the one that moves the most counts, which will be the
    trigger.
    """
    velocity = path.velocities[0]
    times = [limit.lead_in / abs(v) for v, limit in zip(velocity, limits, strict=True) if limit.lead_in and v]
    lead_us = math.ceil(min(times, default=0.0) / US)
    return path.positions[0] - velocity * (lead_us * US), velocity, lead_us


def _enter(points: _Points, path: _Path, limits: Sequence[AxisLimits]) -> int:
    _, velocity, lead_us = _entry(path, limits)
    if lead_us:
        points.add(lead_us, path.positions[0], velocity)
    return len(points.times_us) - 1


def _turn(points: _Points, path: _Path, *, axes: tuple[str, ...], limits: Sequence[AxisLimits]) -> None:
    """From where the points end to the lead-in of the next window."""
    place, velocity, _ = _entry(path, limits)
    before, leaving = points.positions[-1], points.velocities[-1]
    legs = {
        axis: Leg(
            float(leaving[i]),
            float(velocity[i]),
            float(place[i] - before[i]),
            limits[i].velocity,
            limits[i].acceleration,
        )
        for i, axis in enumerate(axes)
    }
    turn = solve_turnaround(legs, least_us=LEAST_US)
    knots = turn.knots_us()
    ways = [evaluate(leg, turn.ramps[axis], turn.time_us, at_us=knots) for axis, leg in legs.items()]
    done = 0
    for number, knot in enumerate(knots[:-1]):
        way = np.array([points_of_axis[number] for points_of_axis in ways])
        points.add(knot - done, before + way[:, 0], way[:, 1])
        done = knot
    points.add(turn.time_us - done, place, velocity)


def _flight_reasons(trajectory: Trajectory, axis: str, limit: AxisLimits) -> list[str]:
    """Check every segment of an axis against its limits."""
    places, speeds, accelerations = trajectory.extremes(axis)
    reasons: list[str] = []
    low, high = float(places[:, 0].min()), float(places[:, 1].max())
    reach = SLACK * (high - low)
    if low < limit.low - reach:
        reasons.append(
            f"axis {axis}: run-up and turnarounds included it goes down to {low:g}, the limit is {limit.low:g}; "
            f"feasible when the scan is moved up by {limit.low - low:g}"
        )
    if high > limit.high + reach:
        reasons.append(
            f"axis {axis}: run-up and turnarounds included it goes up to {high:g}, the limit is {limit.high:g}; "
            f"feasible when the scan is moved down by {high - limit.high:g}"
        )
    if (peak := float(speeds.max())) > limit.velocity * (1 + SLACK):
        reasons.append(
            f"axis {axis}: a curve needs a speed of {peak:g}, the limit is {limit.velocity:g}; take longer frames"
        )
    if (peak := float(accelerations.max())) > limit.acceleration * (1 + SLACK):
        factor = math.sqrt(peak / limit.acceleration)
        reasons.append(
            f"axis {axis}: a curve needs an acceleration of {peak:g}, the limit is {limit.acceleration:g}; "
            f"feasible with frames {factor:.3g} times as long"
        )
    return reasons
