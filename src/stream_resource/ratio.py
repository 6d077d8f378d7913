"""Which frames of a fast stream belong to which frames of a slow one.

Theory of operation. Two detectors run for the same time; while the slow one takes `slow` frames the fast one takes
`fast`. A fast frame belongs to the slow frame during which it begins; so each belongs to exactly one, whatever the
ratio::

    10 : 1    slow 0              slow 1                 fast frames of slow frame i     10i ... 10i + 9
    3 : 2     slow 0  1  2  3                            of 0: 0 1    of 1: 2    of 2: 3 4    of 3: 5
    1 : 2     slow 0  1  2  3                            of 0: 0      of 1: none of 2: 1      of 3: none

seq_nums count from 1, frames from 0; everything here is in seq_nums, as the documents have them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from .errors import FrameRangeError
from .frames import FrameRange
from .rowmap import RowMap
from .stretch import Stretch


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """How many frames a fast and a slow stream take in the same time.

    Example:
        >>> ratio = Ratio(fast=10)
        >>> ratio.fast_seq_nums(FrameRange(3, 4)), ratio.slow_seq_num(30)
        (FrameRange(start=21, stop=31), 3)

    Raises:
        FrameRangeError: A rate is below 1.
    """

    fast: int
    slow: int = 1

    def __post_init__(self) -> None:
        if min(self.fast, self.slow) < 1:
            msg = f"a ratio is of two whole numbers from 1, not {self.fast}:{self.slow}"
            raise FrameRangeError(msg)

    def fast_seq_nums(self, slow: FrameRange) -> FrameRange:
        """The fast stream's seq_nums that belong to these seq_nums of the slow one.

        Raises:
            FrameRangeError: A seq_num is below 1.
        """
        frames = FrameRange.of(*slow).shift(-1)
        start, stop = (-(-frame * self.fast // self.slow) for frame in frames)
        return FrameRange(start + 1, stop + 1)

    def slow_seq_num(self, fast: int) -> int:
        """The slow stream's seq_num that a seq_num of the fast one belongs to.

        Raises:
            FrameRangeError: The seq_num is below 1.
        """
        if fast < 1:
            msg = f"seq_nums count from 1, not {fast}"
            raise FrameRangeError(msg)
        return (fast - 1) * self.slow // self.fast + 1

    def fast_rows(self, rowmap: RowMap, slow: FrameRange) -> Iterator[Stretch]:
        """The newest rows of the fast stream that belong to these seq_nums of the slow one; lost ones are left out.

        Args:
            rowmap: Of a key of the fast stream.
            slow: seq_nums of the slow stream.
        """
        return rowmap.stretches(self.fast_seq_nums(slow))
