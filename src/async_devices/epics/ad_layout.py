"""What a frame looks like in the file: shape, type and order of its colours. Pure.

An NDArray counts its dimensions from the fastest, a file from the slowest, so the HDF5 plug-in turns them round:

    ColorMode   NDArray           in the file          dims
    Mono        [x, y]            (y, x)               y, x
    Bayer       [x, y]            (y, x)               y, x         raw mosaic: colours are not apart yet
    RGB1        [color, x, y]     (y, x, 3)            y, x, color
    RGB2        [x, color, y]     (y, 3, x)            y, color, x
    RGB3        [x, y, color]     (3, y, x)            color, y, x

The YUV modes pack colours into bytes in ways that differ between cameras: their layout is not known here.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np

from ..errors import FrameLayoutError

COLORS = 3
AUTOMATIC = "Automatic"
"""What a plug-in's DataTypeOut says when it leaves the type as it is."""


class ColorMode(StrEnum):
    """Orders of colours that are known."""

    MONO = "Mono"
    BAYER = "Bayer"
    RGB1 = "RGB1"
    RGB2 = "RGB2"
    RGB3 = "RGB3"


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameLayout:
    """One frame.

    Attributes:
        width: Pixels along x.
        height: Pixels along y.
        color: Order of its colours.
        dtype: Of one element.

    Example:
        >>> layout = FrameLayout(width=640, height=480, color=ColorMode.RGB2, dtype=np.dtype("u1"))
        >>> layout.shape, layout.dims
        ((480, 3, 640), ('y', 'color', 'x'))
    """

    width: int
    height: int
    color: ColorMode
    dtype: "np.dtype[Any]"

    @classmethod
    def of(cls, size: tuple[int, int], color: str, data_type: str) -> "FrameLayout":
        """From what areaDetector says.

        Args:
            size: (width, height).
            color: ColorMode_RBV.
            data_type: DataType_RBV, as "UInt16".

        Raises:
            FrameLayoutError: A colour mode or a type whose form in the file is not known, or no size.
        """
        known = list(map(str, ColorMode))
        if color not in known:
            msg = f"ColorMode is {color!r}; expected one of {known}, whose order in the file is known"
            raise FrameLayoutError(msg)
        try:
            dtype = np.dtype(data_type.lower())
        except TypeError as error:
            msg = f"DataType is {data_type!r}; expected a number's, as UInt16 or Float64"
            raise FrameLayoutError(msg) from error
        if min(size) < 1:
            msg = f"frames of {size[0]} × {size[1]} pixels: the camera has made none yet, or its size is not set"
            raise FrameLayoutError(msg)
        return cls(width=size[0], height=size[1], color=ColorMode(color), dtype=dtype)

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of its dimensions in the file."""
        match self.color:
            case ColorMode.MONO | ColorMode.BAYER:
                return ("y", "x")
            case ColorMode.RGB1:
                return ("y", "x", "color")
            case ColorMode.RGB2:
                return ("y", "color", "x")
            case ColorMode.RGB3:
                return ("color", "y", "x")

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one frame in the file."""
        lengths = {"y": self.height, "x": self.width, "color": COLORS}
        return tuple(lengths[dim] for dim in self.dims)

    def converted(self, data_type: str) -> "FrameLayout":
        """The same as elements of another type; "Automatic" leaves them as they are."""
        if data_type == AUTOMATIC:
            return self
        return FrameLayout.of((self.width, self.height), self.color, data_type)

    def cut(self, x: "Cut", y: "Cut") -> "FrameLayout":
        """What a region of interest leaves of it."""
        return replace(self, width=x.length(self.width), height=y.length(self.height))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What a region of interest does along one axis.

    Attributes:
        enabled: Whether it cuts at all.
        whole: Whether its size follows the input's (AutoSize).
        start: First pixel.
        size: Pixels, before binning.
        binning: Pixels that become one.

    Example:
        >>> Cut(enabled=True, whole=False, start=10, size=100, binning=2).length(64)
        27
    """

    enabled: bool
    whole: bool
    start: int
    size: int
    binning: int

    def length(self, available: int) -> int:
        """Pixels that it leaves of so many; as the plug-in does, it is clipped to what there is."""
        if not self.enabled:
            return available
        start = min(max(self.start, 0), available - 1)
        size = available if self.whole else self.size
        size = min(max(size, 1), available - start)
        return max(1, size // min(max(self.binning, 1), size))
