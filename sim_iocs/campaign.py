"""Triggers by the million in virtual time: a raster whose every trigger is a crossing, computed and then checked.

Theory of operation. The fast axis sweeps to and fro in lines of trapezoids with run-up; the slow axis steps in the
turns. On each line the trigger of frame k is the first nanosecond at which the encoder has reached k pitches: all of a
line are asked for at once. Each is checked against the encoder itself: it has reached the count then, and had not a
nanosecond before; instants grow, and every frame has one. What a detector takes from the world comes along: mean
encoder counts over each exposure and the true position at its middle. Nothing waits for a clock: an hour of beamline
time takes as long as its triggers need to be computed.
"""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .axis import Axis, Track
from .clock import NS
from .encoder import EncoderErrors
from .errors import TimelineError

START_NS = 1_700_000_000 * NS
PITCH_COUNTS = 100
RESOLUTION = 1e-4
RUN_UP = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """What a campaign did.

    Attributes:
        triggers: Found, each checked.
        lines: Of the raster.
        virtual_seconds: Of beamline time.
        seconds: Of the computer's time.
        fingerprint: Of all trigger times; the same for the same seed and number.
    """

    triggers: int
    lines: int
    virtual_seconds: float
    seconds: float
    fingerprint: int

    @property
    def rate(self) -> float:
        """Triggers per second of the computer's time."""
        return self.triggers / self.seconds


def fly_triggers(triggers: int, *, per_line: int = 10_000, period: float = 1e-3, seed: int = 0) -> Campaign:
    """Run a raster of position triggers in virtual time.

    Args:
        triggers: How many; the last line may be short.
        per_line: Triggers on each line.
        period: Seconds between triggers.
        seed: Of the raster's speed variations and the encoder's slips.

    Raises:
        TimelineError: A trigger was not at its crossing: a defect of the world.

    Examples:
        >>> fly_triggers(1000, per_line=100).triggers
        1000
    """
    begun = time.perf_counter()
    random = np.random.default_rng(seed)
    axis = Axis("x", position=-1.0, resolution=RESOLUTION, errors=EncoderErrors(seed=seed))
    now_ns, done, lines, fingerprint = START_NS, 0, 0, 0
    while done < triggers:
        count = min(per_line, triggers - done)
        track = _line(now_ns, axis, forward=lines % 2 == 0, count=per_line, speed=_speed(period, random))
        axis.append(track)
        times = _triggers(axis, track, forward=lines % 2 == 0, count=per_line)[:count]
        _expose(axis, times, exposure_ns=round(period * NS * 0.9))
        fingerprint = (fingerprint * 1_000_003 + int(np.bitwise_xor.reduce(times))) % (1 << 61)
        now_ns, done, lines = axis.stop_ns, done + count, lines + 1
        axis.forget(now_ns)
    seconds = time.perf_counter() - begun
    virtual = (now_ns - START_NS) / NS
    return Campaign(triggers=done, lines=lines, virtual_seconds=virtual, seconds=seconds, fingerprint=fingerprint)


def _speed(period: float, random: np.random.Generator) -> float:
    return PITCH_COUNTS * RESOLUTION / period * float(random.uniform(0.9, 1.1))


def _line(start_ns: int, axis: Axis, *, forward: bool, count: int, speed: float) -> Track:
    """Plan a line: to the start, run-up, the frames at constant speed, and to rest."""
    sign = 1 if forward else -1
    length, ramp = count * PITCH_COUNTS * RESOLUTION, 2 * RUN_UP / speed
    here = axis.position(start_ns)
    first = 0.0 if forward else length
    points = [here, first - sign * RUN_UP, first, first + sign * length, first + sign * (length + RUN_UP)]
    durations = np.cumsum([0.0, 1.0, ramp, length / speed, ramp])
    return Track(
        [start_ns + round(t * NS) for t in durations.tolist()], points, [0.0, 0.0, sign * speed, sign * speed, 0.0]
    )


def _triggers(axis: Axis, track: Track, *, forward: bool, count: int) -> NDArray[np.int64]:
    start_ns, stop_ns = int(track.times_ns[1]), int(track.times_ns[-1])
    frames = np.arange(count, dtype=np.int64)
    counts = (frames if forward else count - frames) * PITCH_COUNTS
    times = axis.first_times(counts, rising=forward, start_ns=start_ns, stop_ns=stop_ns)
    at, before = axis.readings(times), axis.readings(times - 1)
    reached = (at >= counts) & (before < counts) if forward else (at <= counts) & (before > counts)
    if not (reached.all() and np.all(np.diff(times) > 0)):
        wrong = int(np.argmin(reached))
        expected = f"expected counts {counts[wrong]}, the encoder reads {at[wrong]}"
        msg = f"trigger {wrong} of the line at {start_ns} ns: {expected}"
        raise TimelineError(msg)
    return times


def _expose(axis: Axis, times: NDArray[np.int64], *, exposure_ns: int) -> None:
    """Take what a detector and a capture take: they must lie where the motion is."""
    means = axis.means(times, times + exposure_ns)
    middles = axis.positions(times + exposure_ns // 2) / axis.resolution
    # At constant speed the mean is the middle's; in the ramp at the end it is near it.
    if not np.allclose(means[:-1], middles[:-1], atol=1.0):
        msg = f"means over exposures differ from the middles' positions by {np.abs(means - middles).max():g} counts"
        raise TimelineError(msg)
