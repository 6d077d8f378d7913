"""What an encoder adds to the truth: noise, slips, glitches; each from an instant on, so that the past stays."""

from bisect import bisect_right
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .noise import mean_noise, noise
from .path import BEGINNING

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Stretch(NamedTuple):
    """A time in which the errors are described by constants.

    Attributes:
        start_ns: First instant.
        stop_ns: The instant after the last one.
        offset: Counts added to the reading.
        rms: Standard deviation of the noise, in counts.
    """

    start_ns: int
    stop_ns: int
    offset: int
    rms: float


class EncoderErrors:
    """Errors of one encoder as functions of time.

    Args:
        rms: Standard deviation of the noise, in counts; 0 = none.
        seed: Of the noise.
        cell_ns: How long one value of the noise lasts: the encoder's sampling period.
    """

    def __init__(self, rms: float = 0.0, *, seed: int = 0, cell_ns: int = 1000) -> None:
        self.seed, self.cell_ns = seed, cell_ns
        self._times = [BEGINNING]
        self._offsets, self._rms = [0], [rms]

    @property
    def plain(self) -> bool:
        """Whether there never was an error."""
        return len(self._times) == 1 and not self._rms[0]

    @property
    def rms(self) -> float:
        """Standard deviation of the noise from the last change on, in counts."""
        return self._rms[-1]

    def slip(self, t_ns: int, counts: int) -> None:
        """Add `counts` to every reading from `t_ns` on."""
        first = self._split(t_ns)
        self._offsets[first:] = [offset + counts for offset in self._offsets[first:]]

    def glitch(self, t_ns: int, counts: int, *, duration_ns: int) -> None:
        """Add `counts` to the readings in [t_ns, t_ns + duration_ns)."""
        first, last = self._split(t_ns), self._split(t_ns + duration_ns)
        self._offsets[first:last] = [offset + counts for offset in self._offsets[first:last]]

    def set_noise(self, t_ns: int, rms: float) -> None:
        """Have noise of this standard deviation, in counts, from `t_ns` on."""
        first = self._split(t_ns)
        self._rms[first:] = [rms] * (len(self._rms) - first)

    def _split(self, t_ns: int) -> int:
        i = bisect_right(self._times, t_ns)
        if self._times[i - 1] == t_ns:
            return i - 1
        self._times.insert(i, t_ns)
        self._offsets.insert(i, self._offsets[i - 1])
        self._rms.insert(i, self._rms[i - 1])
        return i

    def stretches(self, start_ns: int, stop_ns: int) -> list[Stretch]:
        """Divide [start, stop) where a constant changes."""
        first, last = bisect_right(self._times, start_ns) - 1, bisect_right(self._times, stop_ns - 1)
        edges = [start_ns, *self._times[first + 1 : last], stop_ns]
        constants = zip(self._offsets[first:last], self._rms[first:last], strict=True)
        return [Stretch(a, b, *c) for a, b, c in zip(edges[:-1], edges[1:], constants, strict=True)]

    def offsets(self, times_ns: Ints) -> Ints:
        """Counts added by slips and glitches at instants, (n,)."""
        return np.array(self._offsets, np.int64)[self._index(times_ns)]

    def noises(self, times_ns: Ints) -> Floats:
        """Noise at instants, (n,), in counts, before quantisation."""
        rms = np.array(self._rms)[self._index(times_ns)]
        return rms * noise(times_ns // self.cell_ns, seed=self.seed) if rms.any() else rms

    def _index(self, times_ns: Ints) -> Ints:
        return np.searchsorted(np.array(self._times), times_ns, side="right") - 1

    def means(self, starts_ns: Ints, stops_ns: Ints) -> Floats:
        """Mean of everything added, over intervals [start, stop), (n,), in counts."""
        stops_ns = np.maximum(stops_ns, starts_ns + 1)
        pairs = zip(starts_ns.tolist(), stops_ns.tolist(), strict=True)
        return np.array([self._mean(start, stop) for start, stop in pairs], np.float64)

    def _mean(self, start_ns: int, stop_ns: int) -> float:
        total = 0.0
        for a, b, offset, rms in self.stretches(start_ns, stop_ns):
            span = np.array([a]), np.array([b])
            added = rms * float(mean_noise(*span, cell_ns=self.cell_ns, seed=self.seed)[0]) if rms else 0.0
            total += (offset + added) * (b - a)
        return total / (stop_ns - start_ns)
