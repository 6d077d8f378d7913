"""One stretch of a scan that is flown without a pause.

Frame i of a window lies between boundaries i and i + 1 of every axis; n frames have n + 1 boundaries:

    boundaries   b0      b1      b2      b3
    frames        |  f0   |  f1   |  f2   |

Time is counted in ticks of 8 ns, the clock of the trigger box. A duration in seconds is rarely a whole number of ticks;
rounding each one would let the triggers drift away from the motion (a 10 000-frame line by up to 5 000 ticks), so the
cumulative time is rounded instead: the error is carried. Were it carried from frame to frame, a duration of 41 666.67
ticks would give ticks that change at every frame, and a row of the trigger table for each. So equal durations are
rounded block by block, in a block first the longer ones and then the shorter: at most two rows a block, right at its
ends and never wrong by 0.5 µs within.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..stream_resource.frames import FrameRange

TICK_NS = 8
TICKS_PER_SECOND = 125_000_000

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def in_seconds(times_us: Ints) -> Floats:
    """Turn microseconds into seconds."""
    return times_us.astype(np.float64) * 1e-6


BLOCK = 248
"""Frames of equal duration that share one correction: the triggers then stray by at most BLOCK / 4 ticks (0.5 µs)."""


def quantise(durations: ArrayLike) -> Ints:
    """Turn durations (s) into ticks of 8 ns with the rounding error carried.

    Returns:
        int64 array of the same length; its sum is the rounded sum of what was asked for.

    >>> quantise([1.4e-8, 1.4e-8, 1.4e-8, 1.4e-8]).tolist()  # 1.75 ticks each: 7 in all
    [2, 2, 2, 1]
    >>> quantise([1.0e-8, 2.2e-8, 2.2e-8]).tolist()  # 1.25, 2.75, 2.75: 6.75 in all
    [1, 3, 3]
    """
    seconds = np.asarray(durations, dtype=np.float64)
    edges = np.concatenate(([0.0], np.cumsum(seconds))) * TICKS_PER_SECOND
    number = np.arange(len(seconds))
    new_run = np.concatenate(([True], seconds[1:] != seconds[:-1]))
    in_run = number - np.maximum.accumulate(np.where(new_run, number, 0))
    starts = np.flatnonzero(in_run % BLOCK == 0)
    stops = np.append(starts[1:], len(seconds))
    block = np.cumsum(in_run % BLOCK == 0) - 1
    rounded = np.rint(edges).astype(np.int64)
    each, more = np.divmod(rounded[stops] - rounded[starts], stops - starts)
    return each[block] + (number - starts[block] < more[block])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Window:
    """Frames that are flown without a pause.

    Attributes:
        first_frame: Planned index of its first frame.
        boundaries: Per axis the n + 1 positions between which the frames lie.
        midpoints: Per axis the n positions in the middle of the frames.
        ticks: int64, n durations in ticks of 8 ns.
    """

    first_frame: int
    boundaries: Mapping[str, Floats]
    midpoints: Mapping[str, Floats]
    ticks: Ints

    @property
    def frames(self) -> FrameRange:
        """The planned frames of this window."""
        return FrameRange(self.first_frame, self.first_frame + len(self.ticks))

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes, slowest first."""
        return tuple(self.boundaries)

    @property
    def duration(self) -> float:
        """Seconds from the first boundary to the last."""
        return float(self.ticks.sum()) / TICKS_PER_SECOND

    @property
    def edges_us(self) -> Ints:
        """Time of each boundary since the first one, in whole microseconds, each rounded by itself."""
        ticks = np.concatenate(([0], np.cumsum(self.ticks)))
        return np.rint(ticks * (TICK_NS / 1000)).astype(np.int64)

    def reversed(self) -> "Window":
        """Give the same frames flown from the end to the start."""
        return Window(
            first_frame=self.first_frame,
            boundaries={axis: values[::-1] for axis, values in self.boundaries.items()},
            midpoints={axis: values[::-1] for axis, values in self.midpoints.items()},
            ticks=self.ticks[::-1],
        )
