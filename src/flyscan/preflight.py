"""Whether a scan can be flown, decided before anything moves.

`gather` (in facts.py) asks the hardware; `judge` decides from what it said, and is pure. Everything that speaks
against the flight is found at once: compiled, solved and encoded as far as possible, each stage adds its reasons
instead of ending at the first.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from .errors import InfeasibleScanError
from .rig import RigSettings
from .scan import Scan
from .solve import solve
from .timeline import Timeline
from .trajectory import AxisLimits, Trajectory
from .triggers import LEAST_COUNTS, MOST_ROWS, TriggerTable, encode, exposure_reasons

DISK_MARGIN = 1.05
"""What files need beside the frames: headers, indices, attributes."""
SCALE_TOLERANCE = 1e-6


class Travel(NamedTuple):
    """What a motor says of itself; `velocity` is its highest, 0 where it does not say."""

    low: float
    high: float
    velocity: float


class Scale(NamedTuple):
    """What the trigger box says of an encoder: position = counts * scale + offset."""

    scale: float
    offset: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the hardware said.

    Attributes:
        travel: Per axis.
        deadtimes: Per detector, seconds.
        frame_nbytes: Per detector, bytes per frame.
        routing: Per input of the trigger box, its source.
        scales: Per encoder.
        health: Per block of the trigger box, "OK" or what ails it.
        free_nbytes: Bytes free where the files go; None if that is not known here.
    """

    travel: Mapping[str, Travel]
    deadtimes: Mapping[str, float]
    frame_nbytes: Mapping[str, int]
    routing: Mapping[str, str]
    scales: Mapping[str, Scale]
    health: Mapping[str, str] = field(default_factory=dict[str, str])
    free_nbytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Preflight:
    """The report: what will be flown, or every reason why it cannot be.

    Attributes:
        scan: What was asked for.
        facts: What the hardware said.
        limits: Per axis, what it was solved with.
        reasons: Against flying; empty when it can be flown.
        trajectory: None if it cannot be solved.
        table: None if it cannot be encoded.
        timeline: None if there is no trajectory.
    """

    scan: Scan
    facts: Facts
    limits: Mapping[str, AxisLimits]
    reasons: tuple[str, ...]
    trajectory: Trajectory | None
    table: TriggerTable | None
    timeline: Timeline | None

    @property
    def ok(self) -> bool:
        """Whether it can be flown."""
        return not self.reasons

    def raise_if_refused(self) -> None:
        """Refuse what cannot be flown.

        Raises:
            InfeasibleScanError: With every reason.
        """
        if self.reasons:
            raise InfeasibleScanError(self.reasons)

    @property
    def nbytes(self) -> int:
        """Bytes that the frames of all detectors will take."""
        return self.scan.planned * sum(self.facts.frame_nbytes.values())

    def __str__(self) -> str:
        """Lay the numbers out as a table."""
        rows = [*self._size_rows(), *self._time_rows(), *self._axis_rows(), *self._disk_rows()]
        width = max(len(name) for name, _ in rows)
        verdict = "can be flown" if self.ok else f"CANNOT be flown, for {len(self.reasons)} reason(s):"
        lines = [f"{name:<{width}}  {value}" for name, value in rows] + [verdict]
        return "\n".join(lines + [f"  - {reason}" for reason in self.reasons])

    def _size_rows(self) -> Iterator[tuple[str, str]]:
        shape = " × ".join(map(str, self.scan.shape))
        yield "frames", f"{self.scan.planned} ({shape}; {', '.join(self.scan.axes)})"
        if self.table is not None:
            yield "trigger table", f"{len(self.table.rows)} rows of {MOST_ROWS}"
            yield "exposure", f"{self.table.livetime:.6g} s, then {self.table.deadtime:.3g} s dead"

    def _time_rows(self) -> Iterator[tuple[str, str]]:
        if self.timeline is None or self.trajectory is None:
            return
        timeline = self.timeline
        flown = float((timeline.stops - timeline.starts).sum())
        yield "duration", f"{timeline.duration:.3f} s in {len(timeline.starts)} windows"
        yield "duty cycle", f"{timeline.duty_cycle:.1%}"
        yield (
            "rate",
            f"{timeline.planned / flown:.6g} frames/s in windows, {timeline.planned / timeline.duration:.6g} overall",
        )
        rate = sum(self.facts.frame_nbytes.values()) * timeline.planned / flown / 1e6
        yield "data", f"{rate:.3g} MB/s in windows, {self.nbytes / 1e6:.4g} MB in all"
        yield "trajectory", f"{len(self.trajectory.times_us)} points"

    def _axis_rows(self) -> Iterator[tuple[str, str]]:
        if self.trajectory is None:
            return
        for axis in self.scan.axes:
            places, speeds, accelerations = self.trajectory.extremes(axis)
            limit = self.limits[axis]
            yield (
                f"axis {axis}",
                f"{places[:, 0].min():.4f} … {places[:, 1].max():.4f} (limits {limit.low:g} … {limit.high:g}), "
                f"speed {speeds.max():.4g} of {limit.velocity:g}, "
                f"acceleration {accelerations.max():.4g} of {limit.acceleration:g}",
            )

    def _disk_rows(self) -> Iterator[tuple[str, str]]:
        free = self.facts.free_nbytes
        yield "disk", "not known from here" if free is None else f"{free / 1e9:.3g} GB free"


def judge(scan: Scan, rig: RigSettings, *, facts: Facts, exposure: float | None = None) -> Preflight:
    """Decide whether a scan can be flown, and how.

    Args:
        scan: What to fly.
        rig: The wiring.
        facts: What the hardware said.
        exposure: Seconds of exposure; each frame's duration less the dead time, unless given.
    """
    limits = {axis: _limits(rig, facts, axis) for axis in rig.axes}
    reasons = [*_rig_reasons(scan, rig, facts), *_disk_reasons(scan, facts)]
    trajectory: Trajectory | None = None
    table: TriggerTable | None = None
    deadtime = max(facts.deadtimes.values(), default=0.0)
    try:
        trajectory = solve(scan, limits)
        table = encode(scan, trajectory, rig=rig, deadtime=deadtime, exposure=exposure)
    except InfeasibleScanError as error:
        reasons += error.reasons
        if trajectory is None:
            reasons += exposure_reasons(scan, deadtime=deadtime, exposure=exposure)
    return Preflight(
        scan=scan,
        facts=facts,
        limits=limits,
        reasons=tuple(reasons),
        trajectory=trajectory,
        table=table,
        timeline=None if trajectory is None else Timeline.of(scan, trajectory),
    )


def _limits(rig: RigSettings, facts: Facts, axis: str) -> AxisLimits:
    wiring, travel = rig.axes[axis], facts.travel.get(axis)
    if travel is None:
        return AxisLimits(velocity=wiring.max_velocity, acceleration=wiring.max_acceleration)
    # A motor record with equal limits has none.
    bounded = travel.low < travel.high
    return AxisLimits(
        velocity=min(wiring.max_velocity, travel.velocity or wiring.max_velocity),
        acceleration=wiring.max_acceleration,
        low=travel.low if bounded else float("-inf"),
        high=travel.high if bounded else float("inf"),
        lead_in=3 * LEAST_COUNTS * abs(wiring.scale) if wiring.input else 0.0,
    )


def _rig_reasons(scan: Scan, rig: RigSettings, facts: Facts) -> Iterator[str]:
    for difference in rig.check_routing(facts.routing):
        yield f"{rig.trigger_box.device}: {difference}; wire it so or correct the rig file"
    for block, health in facts.health.items():
        if health != "OK":
            yield f"{rig.trigger_box.device}: {block} reports {health!r}; expected 'OK'"
    for axis in scan.axes:
        wiring = rig.axes.get(axis)
        seen = facts.scales.get(wiring.encoder) if wiring and wiring.encoder else None
        if wiring and seen and not _same(seen, Scale(wiring.scale, wiring.offset)):
            yield (
                f"axis {axis}: the rig says {wiring.scale:g} per count {wiring.offset:+g}, "
                f"{wiring.encoder} of the trigger box says {seen.scale:g} {seen.offset:+g}; correct whichever is wrong"
            )


def _same(seen: Scale, said: Scale) -> bool:
    steps = abs(said.scale)
    return abs(seen.scale - said.scale) <= SCALE_TOLERANCE * steps and abs(seen.offset - said.offset) <= steps


def _disk_reasons(scan: Scan, facts: Facts) -> Iterator[str]:
    each = sum(facts.frame_nbytes.values()) * DISK_MARGIN
    if facts.free_nbytes is None or scan.planned * each <= facts.free_nbytes:
        return
    yield (
        f"the frames need {scan.planned * each / 1e9:.3g} GB, {facts.free_nbytes / 1e9:.3g} GB are free where they go; "
        f"feasible with at most {int(facts.free_nbytes / each)} frames"
    )
