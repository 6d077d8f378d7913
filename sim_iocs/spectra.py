"""Spectra of a multi-channel analyser, as functions of the frame's number and the light."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Centre (of 4096 channels) and part of all photons of each line.
LINES = ((640, 0.20), (1056, 0.35), (1480, 0.08), (2100, 0.25))
BACKGROUND, DECAY, WIDTH = 0.12, 1500.0, 18.0
CHANNELS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectra:
    """What frames look like, as a file plugin must know it (`Scenery`).

    Attributes:
        seed: Of the counting statistics.
        elements: Rows of a frame.
        channels: Columns of a frame.
        rate: Photons per second and element in the full beam.
        dead_time: Seconds for which a photon blinds an element.
        exposure: Seconds of each frame.
    """

    seed: int
    elements: int
    channels: int
    rate: float
    dead_time: float
    exposure: float

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Elements, channels."""
        return self.elements, self.channels

    @property
    def frame_dtype(self) -> np.dtype[np.generic]:
        """32-bit counts."""
        return np.dtype(np.uint32)

    @property
    def nbytes(self) -> int:
        """Of a frame."""
        return self.elements * self.channels * 4

    @property
    def distinct(self) -> int:
        """Every frame is different."""
        return 0

    def alive(self, light: float) -> float:
        """Part of the time in which an element sees photons."""
        return 1.0 / (1.0 + self.rate * light * self.dead_time)

    def painter(self) -> Callable[[float, float, int, float], NDArray[np.generic]]:
        """Give what draws the frame of a number; the sample's position does not matter."""
        expected = _shape(self.channels) * self.rate * self.exposure

        def paint(x: float, y: float, number: int, light: float) -> NDArray[np.generic]:
            del x, y
            mean = expected * (light * self.alive(light))
            rows = [np.random.default_rng([self.seed, row, number]).poisson(mean) for row in range(self.elements)]
            return np.array(rows, np.uint32)

        return paint


def _shape(channels: int) -> NDArray[np.float64]:
    """Give the part of the photons in each channel, (channels,); it sums to 1."""
    at = np.arange(channels) * (CHANNELS / channels)
    shape = BACKGROUND * np.exp(-at / DECAY) / DECAY
    for centre, part in LINES:
        shape += part * np.exp(-((at - centre) ** 2) / (2 * WIDTH**2)) / (WIDTH * np.sqrt(2 * np.pi))
    return np.asarray(shape / shape.sum(), np.float64)
