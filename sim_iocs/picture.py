"""The sample: a picture that moves with the axes, so that a shifted or swapped frame is seen at once."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

PERIOD = 1024
PIXELS_PER_UNIT = 100.0
DIGITS, BASE = 4, 10_000


class Sample:
    """What the cameras look at.

    Args:
        seed: Of the sample's grains.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    @cached_property
    def pattern(self) -> NDArray[np.uint16]:
        """One period of it, (PERIOD, PERIOD); drawn when first asked for, which takes 0.2 s."""
        return _pattern(self._seed)


class View:
    """A sample as a camera sees it: cropped at the axes' positions.

    Args:
        sample: What is looked at.
        shape: (height, width) of a frame.
        dtype: Pixel type.
    """

    def __init__(self, sample: Sample, *, shape: tuple[int, int], dtype: np.dtype[np.generic]) -> None:
        self._shape = shape
        period = sample.pattern // 256 if dtype.itemsize == 1 else sample.pattern
        rows, columns = (np.arange(PERIOD + n) % PERIOD for n in shape)
        self._pattern: NDArray[np.generic] = np.ascontiguousarray(period[np.ix_(rows, columns)].astype(dtype))
        # A byte cannot hold a digit to the base of 10 000: such frames carry no trigger number.
        self._stamped = dtype.itemsize > 1 and shape[1] >= DIGITS

    def frame(self, x: float, y: float, trigger: int) -> NDArray[np.generic]:
        """Give the frame, (height, width), taken with the axes at (x, y).

        Args:
            x: Horizontal position, in units.
            y: Vertical position, in units.
            trigger: Written to pixels [0, 0:4] as digits to the base of 10 000, low first.
        """
        top, left = round(y * PIXELS_PER_UNIT) % PERIOD, round(x * PIXELS_PER_UNIT) % PERIOD
        image = self._pattern[top : top + self._shape[0], left : left + self._shape[1]].copy()
        if self._stamped:
            image[0, :DIGITS] = [trigger // BASE**k % BASE for k in range(DIGITS)]
        return image


def _pattern(seed: int) -> NDArray[np.uint16]:
    """Draw grains on a wavy ground, (PERIOD, PERIOD), periodic, 0 to 60 000."""
    random = np.random.default_rng(seed)
    phase = np.arange(PERIOD) * (2 * np.pi / PERIOD)
    ground = np.outer(1 + np.sin(3 * phase), 1 + np.cos(2 * phase)) / 4
    distance = np.minimum(np.arange(PERIOD), PERIOD - np.arange(PERIOD))
    for _ in range(40):
        width, height = random.uniform(8, 40), random.uniform(0.2, 1.0)
        grain = np.exp(-((distance / width) ** 2))
        rows, columns = random.integers(0, PERIOD, 2)
        ground = np.maximum(ground, height * np.outer(np.roll(grain, rows), np.roll(grain, columns)))
    return (ground / ground.max() * 60_000).astype(np.uint16)


def read_trigger(image: NDArray[np.generic]) -> int:
    """Read the trigger number that a frame carries in its first pixels.

    >>> view = View(Sample(seed=0), shape=(8, 8), dtype=np.dtype("uint16"))
    >>> read_trigger(view.frame(0.0, 0.0, 123_456))
    123456
    """
    return sum(int(digit) * BASE**k for k, digit in enumerate(image[0, :DIGITS].tolist()))
