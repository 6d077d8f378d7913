"""Where `tune_centroid` goes next: closer and closer around the centre of mass of a signal; pure.

Theory of operation. The range is gone through in `num` points. Its centre of mass is Σ position·signal / Σ signal; the
next pass covers a range around it that is shorter by `step_factor`, within the first one. It ends when the step is
below `min_step`, or when a pass has seen no signal at all.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np


@dataclass(slots=True, kw_only=True)
class CentroidSearch:
    """Positions of the passes, each to be followed by `learn`.

    Attributes:
        start: First position, in the axis' own units.
        stop: Last position of the first pass.
        min_step: The step below which it ends.
        num: Points of a pass.
        step_factor: By how much each pass is shorter.
        snake: Whether each pass goes the other way.
        peak: The centre of mass of the last whole pass; None before, or if there was no signal.

    Raises:
        ValueError: min_step is not above 0, or step_factor not above 1.
    """

    start: float
    stop: float
    min_step: float
    num: int = 10
    step_factor: float = 3.0
    snake: bool = False
    peak: float | None = field(init=False, default=None)
    _limits: tuple[float, float] = field(init=False)
    _next: float = field(init=False)
    _step: float = field(init=False)
    _mass: float = field(init=False, default=0.0)
    _moment: float = field(init=False, default=0.0)
    _dark: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        if self.min_step <= 0:
            msg = f"min_step must be above 0, seen {self.min_step}"
            raise ValueError(msg)
        if self.step_factor <= 1:
            msg = f"step_factor must be above 1, seen {self.step_factor}"
            raise ValueError(msg)
        self._limits = min(self.start, self.stop), max(self.start, self.stop)
        self._begin()

    def _begin(self) -> None:
        self._next = self.start
        self._step = (self.stop - self.start) / (self.num - 1)

    @property
    def found(self) -> float | None:
        """Where the search has ended: the last centre of mass; None if the last pass saw no signal."""
        return None if self._dark else self.peak

    def __iter__(self) -> Iterator[float]:
        low, high = self._limits
        while not self._dark and abs(self._step) >= self.min_step and low <= self._next <= high:
            yield self._next

    def learn(self, position: float, value: float) -> None:
        """Take in what was measured, and where that was."""
        self._mass += value
        self._moment += position * value
        self._next += self._step
        if min(self.start, self.stop) <= self._next <= max(self.start, self.stop):
            return
        if self._mass == 0:
            self._dark = True
            return
        self._close_in(self._moment / self._mass)

    def _close_in(self, peak: float) -> None:
        self.peak = peak
        self._mass = self._moment = 0.0
        half = (self.stop - self.start) / self.step_factor / 2
        start, stop = (float(np.clip(peak + side, *self._limits)) for side in (-half, half))
        self.start, self.stop = (stop, start) if self.snake else (start, stop)
        self._begin()
