"""Which points of a profile reach the controller in time.

Theory of operation. The controller's memory has two halves; it moves through one while the driver fills the other. Both
are filled before the start. Afterwards the driver looks every `poll` whether the controller has entered the half that
was filled last; then the other one is free, and gets the next points, at most a half full of them. Points that the
client appends begin a half of their own, and cannot be filled in before the first look after they came. A half that is
not there when the controller has come to the end of what it has is an under-run: it stops there. All instants are known
beforehand, so under-runs are computed, never waited for.
"""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class HalfBuffers:
    """The driver's and the controller's shared memory during one execution.

    Args:
        start_ns: When the execution begins; the driver looks every `poll_ns` from then on.
        half: Points in each half.
        poll_ns: How often the driver looks.
    """

    def __init__(self, start_ns: int, *, half: int, poll_ns: int) -> None:
        self._start_ns, self._half, self._poll_ns = start_ns, half, poll_ns
        self._halves = 0
        # When the controller enters the half that was filled last, and when it leaves it.
        self._entered_ns = self._left_ns = start_ns

    def add(self, ends_ns: Ints, *, ready_ns: int) -> int:
        """Hand points to the driver.

        Args:
            ends_ns: Instants of the points, (n,), following the last point before.
            ready_ns: When the driver has them.

        Returns:
            How many of them the controller gets in time.
        """
        for first in range(0, len(ends_ns), self._half):
            # Both halves are filled before the start.
            filled_ns = self._look_after(max(ready_ns, self._entered_ns)) if self._halves >= 2 or first == 0 else 0
            if self._halves and filled_ns >= self._left_ns:
                return first
            last = min(first + self._half, len(ends_ns)) - 1
            self._entered_ns, self._left_ns = self._left_ns, int(ends_ns[last])
            self._halves += 1
        return len(ends_ns)

    def _look_after(self, t_ns: int) -> int:
        """Give the first instant at or after `t_ns` at which the driver looks."""
        looks = -((self._start_ns - t_ns) // self._poll_ns)
        return self._start_ns + looks * self._poll_ns
