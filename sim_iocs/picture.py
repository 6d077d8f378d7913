"""The sample: a picture that moves with the axes, so that a shifted or swapped frame is seen at once.

Theory of operation. A `Scene` says what frames of a camera, or of a plugin behind it, look like: a few numbers, which
can be sent to the process that writes them. A `View` is a scene ready to be drawn: the sample's pattern, periodic with
PERIOD pixels, in the scene's type and long enough that every frame is one slice of it. What plugins do to frames
(regions, binning, scaling) is part of the scene, in the order in which it is applied, so a frame is drawn only where
somebody looks at it or writes it.

Pixels [0, 0:4] of what the camera makes carry the trigger's number as digits to the base of 10 000, low first, as real
cameras stamp; in colour, all three components do.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .scenery import Painter, Pixels

Color = Literal["Mono", "RGB1"]

PERIOD = 1024
PIXELS_PER_UNIT = 100.0
DIGITS, BASE = 4, 10_000
# A pool's pictures differ by so many units of both axes.
POOL_STEP = 0.37
COARSE = np.uint16(0xFF00)


class Region(NamedTuple):
    """What a region-of-interest plugin leaves of a frame, in pixels of its input."""

    left: int
    top: int
    width: int
    height: int
    bin_x: int = 1
    bin_y: int = 1

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of what is left."""
        return self.height // self.bin_y, self.width // self.bin_x


class Scaling(NamedTuple):
    """What a process plugin does to every pixel: (pixel + offset) × scale, clipped to the type's range."""

    offset: float
    scale: float
    dtype: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What frames look like.

    Attributes:
        seed: Of the sample's grains.
        shape: (height, width) of the sensor.
        dtype: Pixel type of the sensor, numpy's name.
        color: Mono, or RGB1 for (height, width, 3).
        pool: Pictures used in turn instead of what lies at the axes' positions; 0 = none.
        steps: What plugins do, in order.
    """

    seed: int
    shape: tuple[int, int]
    dtype: str
    color: Color = "Mono"
    pool: int = 0
    steps: tuple[Region | Scaling, ...] = ()

    def then(self, step: Region | Scaling) -> "Scene":
        """The same, seen through one more plugin."""
        return replace(self, steps=(*self.steps, step))

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """(height, width) or (height, width, 3) of a frame."""
        shape = self.shape
        for step in self.steps:
            shape = step.shape if isinstance(step, Region) else shape
        return (*shape, 3) if self.color == "RGB1" else shape

    @property
    def frame_dtype(self) -> np.dtype[np.generic]:
        """Pixel type of a frame."""
        scalings = [step for step in self.steps if isinstance(step, Scaling)]
        return np.dtype(scalings[-1].dtype if scalings else self.dtype)

    @property
    def nbytes(self) -> int:
        """Of a frame."""
        return int(np.prod(self.frame_shape)) * self.frame_dtype.itemsize

    @property
    def distinct(self) -> int:
        """How many different frames there are; 0 = no limit."""
        return self.pool

    def painter(self) -> Painter:
        """Give what draws its frames; drawing the sample takes 0.2 s once."""
        return view_of(self).frame


class View:
    """A scene that can be drawn.

    Args:
        scene: What frames look like.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        pattern = _pattern(scene.seed)
        dtype = np.dtype(scene.dtype)
        period = pattern // {"int8": 512, "uint8": 256, "int16": 2}.get(dtype.name, 1)
        rows, columns = (np.arange(PERIOD + n) % PERIOD for n in scene.shape)
        if scene.pool and dtype.itemsize > 1:
            period = period & COARSE
        ground = period[np.ix_(rows, columns)].astype(dtype)
        if scene.color == "RGB1":
            # Three samples in one: each colour sees another part.
            ground = np.stack([np.roll(ground, shift, axis=1) for shift in (0, 100, 200)], axis=-1)
        self._pattern: Pixels = np.ascontiguousarray(ground)
        # A byte cannot hold a digit to the base of 10 000: such frames carry no trigger number.
        self._stamped = dtype.itemsize > 1 and scene.shape[1] >= DIGITS

    def frame(self, x: float, y: float, trigger: int, light: float = 1.0) -> Pixels:  # a Painter
        """Draw the frame, (height, width) or (height, width, 3), taken with the axes at (x, y).

        Args:
            x: Horizontal position, in units.
            y: Vertical position, in units.
            trigger: Written to the sensor's pixels [0, 0:4] as digits to the base of 10 000, low first.
            light: Factor on every pixel but those.
        """
        if pool := self.scene.pool:
            # Their grey levels are coarse, so that they pack as well as a photon-counting detector's.
            k = (trigger - 1) % pool
            x, y, trigger, light = k * POOL_STEP, k * POOL_STEP, k + 1, 1.0
        top, left = round(y * PIXELS_PER_UNIT) % PERIOD, round(x * PIXELS_PER_UNIT) % PERIOD
        height, width = self.scene.shape
        image = self._pattern[top : top + height, left : left + width].copy()
        if light != 1.0:
            image = (image.astype(np.float64) * light).astype(image.dtype)
        if self._stamped:
            digits = [trigger // BASE**k % BASE for k in range(DIGITS)]
            image[0, :DIGITS] = digits if image.ndim == 2 else np.repeat(digits, 3).reshape(-1, 3)
        for step in self.scene.steps:
            image = _cropped(image, step) if isinstance(step, Region) else _scaled(image, step)
        return image


@lru_cache(maxsize=8)
def view_of(scene: Scene) -> View:
    """Give the view of a scene; drawing its pattern takes time once."""
    return View(scene)


def _cropped(image: Pixels, region: Region) -> Pixels:
    height, width = region.shape
    bin_y, bin_x = region.bin_y, region.bin_x
    part = image[region.top : region.top + height * bin_y, region.left : region.left + width * bin_x]
    if bin_x == bin_y == 1:
        return np.ascontiguousarray(part)
    blocks = part.reshape(height, bin_y, width, bin_x, *image.shape[2:])
    return np.asarray(blocks.sum(axis=(1, 3), dtype=np.float64)).astype(image.dtype)


def _scaled(image: Pixels, scaling: Scaling) -> Pixels:
    values = (image.astype(np.float64) + scaling.offset) * scaling.scale
    dtype = np.dtype(scaling.dtype)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    return values.astype(dtype)


@lru_cache(maxsize=4)
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


def read_trigger(image: Pixels) -> int:
    """Read the trigger number that a frame carries in its first pixels.

    >>> view = View(Scene(seed=0, shape=(8, 8), dtype="uint16"))
    >>> read_trigger(view.frame(0.0, 0.0, 123_456))
    123456
    """
    digits = image[0, :DIGITS] if image.ndim == 2 else image[0, :DIGITS, 0]
    return sum(int(digit) * BASE**k for k, digit in enumerate(digits.tolist()))
