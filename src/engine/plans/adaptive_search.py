"""Where an adaptive scan goes next: from what was measured, pure.

Theory of operation. The step is made such that the signal changes by `target_delta` from one point to the next. From
the change over the last step comes the slope, from the slope the step that is wanted, clipped to [min_step, max_step].
If it is much shorter than the last step (`threshold`), a feature was stepped over: with `backstep` the scan goes back
and takes it in short steps. Otherwise the step follows what is wanted slowly, by a fifth of the way each time.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

WEIGHT = 0.2
"""How much of a step is what the last slope wants; the rest is the step before."""

GROWTH = 1.1
"""By how much a step grows where the signal is flat."""


@dataclass(slots=True, kw_only=True)
class AdaptiveSearch:
    """Positions of an adaptive scan, each to be followed by `learn`.

    Attributes:
        start: The first position, in the axis' own units.
        stop: Where it ends; no position reaches it.
        min_step: The shortest step, above 0.
        max_step: The longest.
        target_delta: By how much the signal is to change from point to point.
        backstep: Whether to go back where it has changed too much.
        threshold: Of the last step: a wanted step below this part of it makes the scan go back.

    Raises:
        ValueError: The steps are not 0 < min_step < max_step.
    """

    start: float
    stop: float
    min_step: float
    max_step: float
    target_delta: float
    backstep: bool
    threshold: float | None = 0.8
    _next: float = field(init=False)
    _step: float = field(init=False)
    _sign: int = field(init=False)
    _past: float | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if not 0 < self.min_step < self.max_step:
            msg = f"expected 0 < min_step < max_step, seen min_step={self.min_step} and max_step={self.max_step}"
            raise ValueError(msg)
        self._next = self.start
        self._step = (self.max_step - self.min_step) / 2
        self._sign = 1 if self.stop >= self.start else -1

    def __iter__(self) -> Iterator[float]:
        while self._next * self._sign < self.stop * self._sign:
            yield self._next

    def learn(self, value: float) -> None:
        """Take in what was measured at the last position."""
        if self._past is None:
            self._past = value
            self._next += self._step * self._sign
            return
        wanted = self._wanted(abs(value - self._past) / self._step)
        if self.backstep and wanted < self._step * (self.threshold or 0.0):
            # As in bluesky, towards smaller positions whichever way the scan goes.
            self._next -= self._step
            self._step = wanted
        else:
            self._past = value
            self._step = WEIGHT * wanted + (1 - WEIGHT) * self._step
        self._next += self._step * self._sign

    def _wanted(self, slope: float) -> float:
        if slope:
            return float(np.clip(self.target_delta / slope, self.min_step, self.max_step))
        return min(self._step * GROWTH, self.max_step)
