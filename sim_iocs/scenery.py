"""What a file plugin must know of the frames it is given: how large they are, and how they are drawn."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.generic]
"""A frame, or some."""

Painter = Callable[[float, float, int, float], Pixels]
"""Draws a frame for (x in units, y in units, trigger number, light)."""


class Scenery(Protocol):
    """What frames look like; sent to the process that writes them, so it can be pickled, hashed and compared."""

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Of a frame, rows first."""
        ...

    @property
    def frame_dtype(self) -> np.dtype[np.generic]:
        """Pixel type."""
        ...

    @property
    def nbytes(self) -> int:
        """Of a frame."""
        ...

    @property
    def distinct(self) -> int:
        """How many different frames there are, drawn in turn for triggers 1, 2, ...; 0 = no limit."""
        ...

    def painter(self) -> Painter:
        """Give what draws; may take a moment."""
        ...
