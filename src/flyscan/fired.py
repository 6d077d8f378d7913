"""Which triggers were fired, and when: what the trigger box captured.

Trigger k (counted from 1) belongs to planned frame k - 1, for the sequencer gives one trigger per frame and the
counter counts the sequencer's output. The counter goes on when a sample of the capture is lost, so a number that was
seen proves that all before it were fired; the time of a lost sample is put between its neighbours in the same window.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..stream_resource.frames import FrameRange
from .window import Ints

UNKNOWN_NS = np.iinfo(np.int64).min


class FiredTriggers:
    """Times of the triggers by planned frame.

    Args:
        planned: Frames planned.
        windows: The frames of each window, in order.
        spacing_ns: Shortest time between two triggers; half of it is the tolerance of `nearest`.
    """

    def __init__(self, planned: int, *, windows: Sequence[FrameRange], spacing_ns: int) -> None:
        self.planned = planned
        self.fired = 0
        self.beyond = 0
        self.tolerance_ns = max(1, spacing_ns // 2)
        self._starts = np.array([window.start for window in windows] or [0], dtype=np.int64)
        self._times = np.full(planned, UNKNOWN_NS, dtype=np.int64)
        self._filled = 0

    def add(self, numbers: NDArray[np.integer], times_ns: Ints | None) -> None:
        """Take captured triggers.

        Args:
            numbers: Trigger numbers, counted from 1 since arming.
            times_ns: Unix nanoseconds of each; None when the trigger box gives no times.
        """
        frames = numbers.astype(np.int64) - 1
        inside = (frames >= 0) & (frames < self.planned)
        self.beyond += int((~inside).sum())
        if inside.any():
            self.fired = max(self.fired, int(frames[inside].max()) + 1)
        if times_ns is not None:
            self._times[frames[inside]] = times_ns[inside]

    def time_of(self, frame: int) -> int | None:
        """When the trigger of a frame was fired, if that is known (ns)."""
        self._fill()
        time = int(self._times[frame])
        return None if time == UNKNOWN_NS else time

    @property
    def known_until_ns(self) -> int:
        """A frame exposed before this can be matched: no later capture will tell of an earlier trigger."""
        if not self.fired:
            return UNKNOWN_NS
        if self.fired == self.planned:
            return np.iinfo(np.int64).max
        return int(self._times[: self.fired].max()) + self.tolerance_ns

    def nearest(self, times_ns: Ints) -> Ints:
        """Give for each time the frame whose trigger is nearest and within the tolerance, else -1."""
        self._fill()
        known = np.flatnonzero(self._times[: self.fired] != UNKNOWN_NS)
        if not len(known):
            return np.full(len(times_ns), -1, dtype=np.int64)
        triggers = self._times[known]
        after = np.clip(np.searchsorted(triggers, times_ns), 0, len(triggers) - 1)
        before = np.maximum(after - 1, 0)
        closer = np.where(np.abs(times_ns - triggers[before]) <= np.abs(times_ns - triggers[after]), before, after)
        near = np.abs(times_ns - triggers[closer]) <= self.tolerance_ns
        return np.where(near, known[closer], -1)

    def windows_near(self, times_ns: Ints) -> list[int]:
        """Give the windows whose triggers are nearest to these times."""
        known = np.flatnonzero(self._times[: self.fired] != UNKNOWN_NS)
        if not len(known) or not len(times_ns):
            return []
        edges = (self._times[known][1:] + self._times[known][:-1]) // 2
        frames = known[np.searchsorted(edges, times_ns)]
        windows: list[int] = np.unique(np.searchsorted(self._starts, frames, side="right") - 1).tolist()
        return windows

    def _fill(self) -> None:
        """Put a time to every trigger whose sample was lost between two of the same window."""
        frames = np.arange(self._filled, self.fired)
        lost = frames[self._times[self._filled : self.fired] == UNKNOWN_NS]
        self._filled = self.fired
        if not len(lost):
            return
        known = np.flatnonzero(self._times[: self.fired] != UNKNOWN_NS)
        place = np.searchsorted(known, lost)
        between = (place > 0) & (place < len(known))
        lost, place = lost[between], place[between]
        before, after = known[place - 1], known[place]
        together = np.searchsorted(self._starts, before, side="right") == np.searchsorted(
            self._starts, after, side="right"
        )
        lost, before, after = lost[together], before[together], after[together]
        step = (self._times[after] - self._times[before]) // (after - before)
        self._times[lost] = self._times[before] + step * (lost - before)
