r"""Rows of the trigger box's sequencer (PandA SEQ) for a whole scan.

A row waits for its trigger, then holds its outputs as in phase 1 for time1 and as in phase 2 for time2, and does all
that `repeats` times, looking at the trigger again at every repeat. Each window takes two rows or more:

    blind row   POSx <= start - margin   low, low    the axis is on the far side of the start: it will come through it
    live row    POSx >= start            high, low   repeats = frames; the condition stays true along the window
    live row    Immediate                high, low   further rows of the same window, where the durations differ

(for an axis that moves forward in counts; else with <= and >= exchanged). Without the blind row the end of one line
would fire the next at once.

Live time is centred in the frame: a frame of duration d with dead time e is triggered e/2 after its lower boundary,
so `start` is where the trajectory is e/2 after the window starts, and the last low phase ends e/2 after the window,
in the turnaround.

Which axis. The one that moves the most counts among those that the sequencer sees and that never turn in the window;
if all turn (a spiral), the fastest at the start, which then triggers the first frame alone, the others following by
time.

Is it right? Between two windows the axis may pass the start on its way out, so the margin is chosen from the
trajectory: the blind condition must not be true before the last pass in the wrong sense, and must be true in the
run-up. What remains:

    distance     start  ______/\__________________________/  live row fires here
                               \  earlier pass           /
                 blind  - - - - \- - - - - - - - - - - -/ - -  between the two depths
                                 \_ first dip           /
                                    \_____ run-up _____/
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .errors import InfeasibleScanError
from .rig import AxisWiring, RigSettings
from .scan import Scan
from .trajectory import Curve, Trajectory
from .window import TICKS_PER_SECOND, Floats, Ints, Window

MOST_ROWS = 4096
MOST_REPEATS = 65_535
MOST_TICKS = 2**32 - 1
LEAST_COUNTS = 4
"""Encoder counts between the blind condition and the start: a flickering count cannot pass both."""
GUARD_TICKS = 125
"""Added to a detector's dead time (1 µs): its clock is not the trigger box's."""
IMMEDIATE = "Immediate"
OUTPUTS = "abcdef"
SAMPLES = 16
"""Points per segment at which the way between two windows is looked at."""


class TriggerRow(NamedTuple):
    """One row of the sequencer's table; times in ticks of 8 ns."""

    repeats: int
    trigger: str
    position: int
    time1: int
    live: bool
    time2: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerTable:
    """All rows of a flight.

    Attributes:
        rows: In the order of the flight.
        output: The output that triggers, as OUTA.
        livetime: Seconds of the shortest exposure.
        deadtime: Seconds of the shortest pause between two exposures.
    """

    rows: tuple[TriggerRow, ...]
    output: str
    livetime: float
    deadtime: float

    @property
    def live(self) -> int:
        """Triggers that the table gives."""
        return sum(row.repeats for row in self.rows if row.live)

    def columns(self) -> dict[str, NDArray[np.generic]]:
        """Give the 17 columns of the sequencer's NTTable."""
        columns: dict[str, NDArray[np.generic]] = {
            "repeats": np.array([row.repeats for row in self.rows], dtype=np.uint16),
            "trigger": np.array([row.trigger for row in self.rows], dtype=np.str_),
            "position": np.array([row.position for row in self.rows], dtype=np.int32),
            "time1": np.array([row.time1 for row in self.rows], dtype=np.uint32),
        }
        live = np.array([row.live for row in self.rows], dtype=np.bool_)
        low = np.zeros_like(live)
        columns |= {f"out{letter}1": live if f"OUT{letter.upper()}" == self.output else low for letter in OUTPUTS}
        columns["time2"] = np.array([row.time2 for row in self.rows], dtype=np.uint32)
        return columns | {f"out{letter}2": low for letter in OUTPUTS}


class _Eye(NamedTuple):
    """An axis as the sequencer sees it."""

    name: str
    wiring: AxisWiring
    curve: Curve

    def counts(self, times_us: Floats) -> Floats:
        """Where the axis is, in counts, not rounded."""
        return (self.curve.at(times_us).position - self.wiring.offset) / self.wiring.scale


class _Choice(NamedTuple):
    """The axis that triggers a window, the sense in which its counts run, and whether it never turns in the window."""

    eye: _Eye
    sign: int
    steady: bool


def encode(
    scan: Scan, trajectory: Trajectory, *, rig: RigSettings, deadtime: float, exposure: float | None = None
) -> TriggerTable:
    """Turn a scan and its trajectory into rows of the sequencer.

    Args:
        scan: What is flown.
        trajectory: How.
        rig: Which axis the sequencer sees where.
        deadtime: Seconds that the slowest detector needs between two exposures.
        exposure: Seconds of exposure; the duration of each frame less the dead time, unless given.

    Raises:
        InfeasibleScanError: With every reason: frames too short for the exposure, axes that cannot trigger, limits of
        the table.
    """
    curves = {axis: trajectory.curve(axis) for axis in scan.axes}
    eyes = [_Eye(axis, wiring, curves[axis]) for axis, wiring in rig.axes.items() if axis in curves and wiring.input]
    points_us = trajectory.points_us
    ends_us = [0, *points_us[trajectory.window_stop].tolist()]
    rows: list[TriggerRow] = []
    reasons: list[str] = []
    shortest = MOST_TICKS
    pauses = MOST_TICKS
    for number, window in enumerate(scan.windows):
        try:
            live = live_ticks(window, deadtime=deadtime, exposure=exposure)
            span = ends_us[number], int(points_us[trajectory.window_start[number]])
            rows += _window_rows(window, live, eyes, span=span)
        except InfeasibleScanError as error:
            reasons += error.reasons
            continue
        shortest, pauses = min(shortest, int(live.min())), min(pauses, int((window.ticks - live).min()))
    reasons += _table_reasons(rows)
    if reasons:
        raise InfeasibleScanError(_first_of_each(reasons))
    return TriggerTable(
        rows=tuple(rows),
        output=rig.trigger_box.output,
        livetime=shortest / TICKS_PER_SECOND,
        deadtime=pauses / TICKS_PER_SECOND,
    )


def live_ticks(window: Window, *, deadtime: float, exposure: float | None) -> Ints:
    """Give the ticks for which the trigger is high in every frame of a window.

    Raises:
        InfeasibleScanError: A frame is shorter than exposure and dead time.
    """
    dead = math.ceil(deadtime * TICKS_PER_SECOND) + GUARD_TICKS
    wanted = 1 if exposure is None else round(exposure * TICKS_PER_SECOND)
    shortest = int(window.ticks.min())
    if shortest < wanted + dead or wanted < 1:
        what = "some exposure" if exposure is None else f"an exposure of {exposure:g} s"
        least = (max(wanted, 1) + dead) / TICKS_PER_SECOND
        frame = window.first_frame + int(window.ticks.argmin())
        reason = (
            f"frame {frame} lasts {shortest / TICKS_PER_SECOND:g} s: {what} and a dead time of {deadtime:g} s "
            f"need at least {least:.9g} s"
        )
        raise InfeasibleScanError([reason])
    return window.ticks - dead if exposure is None else np.full_like(window.ticks, wanted)


def exposure_reasons(scan: Scan, *, deadtime: float, exposure: float | None) -> list[str]:
    """Give what speaks against the exposure in any window; `encode` says it too, but needs a trajectory."""
    reasons: list[str] = []
    for window in scan.windows:
        try:
            live_ticks(window, deadtime=deadtime, exposure=exposure)
        except InfeasibleScanError as error:
            reasons += error.reasons
    return _first_of_each(reasons)


def _first_of_each(reasons: list[str]) -> list[str]:
    """A thousand lines that fail alike are one reason: keep the first three, count the others."""
    shown = reasons[:3]
    return [*shown, f"… and {len(reasons) - 3} more like these"] if len(reasons) > 3 else shown


def _window_rows(window: Window, live: Ints, eyes: list[_Eye], *, span: tuple[int, int]) -> list[TriggerRow]:
    choice = _choose(window, eyes, start_us=span[1])
    sense, back = (">=", "<=") if choice.sign > 0 else ("<=", ">=")
    delay_us = float(window.ticks[0] - live[0]) / 2 * 0.008
    start = round(float(choice.eye.counts(np.array([span[1] + delay_us]))[0]))
    margin = _margin(window, choice, start, span=span)
    source = choice.eye.wiring.input
    blind = TriggerRow(1, f"{source}{back}POSITION", start - choice.sign * margin, 0, live=False, time2=1)
    return [blind, *_live_rows(window, live, f"{source}{sense}POSITION", start, steady=choice.steady)]


def _choose(window: Window, eyes: list[_Eye], *, start_us: int) -> _Choice:
    best: tuple[bool, float] | None = None
    choice: _Choice | None = None
    for eye in eyes:
        counts = window.boundaries[eye.name] / eye.wiring.scale
        speed = float(eye.curve.at(np.array([start_us])).velocity[0]) / eye.wiring.scale
        steady = bool((np.diff(counts) * np.sign(speed) > 0).all())
        rank = steady, abs(counts[-1] - counts[0]) if steady else abs(speed)
        if speed and (best is None or rank > best):
            best, choice = rank, _Choice(eye, 1 if speed > 0 else -1, steady)
    if choice is None:
        seen = ", ".join(eye.name for eye in eyes) or "none"
        reason = (
            f"frame {window.first_frame}: no axis that the trigger box sees ({seen}) moves at the start of its window"
        )
        raise InfeasibleScanError([reason])
    return choice


def _margin(window: Window, choice: _Choice, start: int, *, span: tuple[int, int]) -> int:
    """Counts between blind condition and start: half of the run-up, but deeper than a dip before an earlier pass."""
    curve = choice.eye.curve
    first, last = np.searchsorted(curve.ends_us, span, side="right")
    edges = np.unique(np.concatenate(([span[0]], curve.ends_us[first:last], [span[1]])))
    times = np.linspace(edges[:-1], edges[1:], SAMPLES, axis=1).ravel()
    depth = choice.sign * (start - choice.eye.counts(times))
    # The very end of the way, which goes through the start, is no earlier pass.
    coming = len(depth) - int(np.argmax(depth[::-1] >= LEAST_COUNTS)) if (depth >= LEAST_COUNTS).any() else 0
    passes = np.flatnonzero(depth[:coming] < 1)
    last_pass = int(passes[-1]) + 1 if len(passes) else 0
    run_up = float(depth[last_pass:].max(initial=0.0))
    dip = float(depth[:last_pass].max(initial=0.0))
    margin = math.floor(max(run_up / 2, (dip + run_up) / 2 if dip >= LEAST_COUNTS else 0.0))
    if margin < LEAST_COUNTS or margin > run_up - 1 or margin < dip + 1:
        reason = (
            f"frame {window.first_frame}: axis {choice.eye.name} comes to the start of its window from {run_up:.0f} "
            f"encoder counts away, after a dip of {dip:.0f}: the trigger box needs at least "
            f"{2 * LEAST_COUNTS} counts and a dip less deep; feasible with a lead-in or a longer turnaround"
        )
        raise InfeasibleScanError([reason])
    return margin


def _live_rows(window: Window, live: Ints, trigger: str, start: int, *, steady: bool) -> list[TriggerRow]:
    """One row per run of equal times; the first waits for the position, for one frame only if the axis turns later."""
    change = np.flatnonzero((np.diff(window.ticks) != 0) | (np.diff(live) != 0)) + 1
    edges = [0, *change.tolist(), len(live)]
    if not steady and 1 not in edges:
        edges.insert(1, 1)
    rows: list[TriggerRow] = []
    for begin, end in pairwise(edges):
        for piece in range(begin, end, MOST_REPEATS):
            repeats = min(MOST_REPEATS, end - piece)
            high, low = int(live[begin]), int(window.ticks[begin] - live[begin])
            waits = (trigger, start) if not rows else (IMMEDIATE, 0)
            rows.append(TriggerRow(repeats, *waits, time1=high, live=True, time2=low))
    return rows


def _table_reasons(rows: list[TriggerRow]) -> list[str]:
    reasons: list[str] = []
    if len(rows) > MOST_ROWS:
        reasons.append(
            f"the trigger table would have {len(rows)} rows, the sequencer holds {MOST_ROWS}; feasible with fewer "
            "lines, or with durations that are equal within a line"
        )
    if (longest := max((max(row.time1, row.time2) for row in rows), default=0)) > MOST_TICKS:
        reasons.append(
            f"a phase of {longest * 8e-9:g} s is longer than the sequencer can count; "
            f"feasible below {MOST_TICKS * 8e-9:.4g} s"
        )
    if (far := max((abs(row.position) for row in rows), default=0)) >= 2**31:
        reasons.append(
            f"a start position of {far} counts does not fit into the sequencer's 32 bits; "
            "look at the rig's scale and offset"
        )
    return reasons
