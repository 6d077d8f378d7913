"""Logs of a block: numbers in the order in which they came, cheap to add one by one and cheap to read as an array.

Theory of operation. What a step adds goes to a list; reading, or copying a stretch of the log many times over (which
is how a train of equal periods is skipped), turns the list into an array and keeps both apart from then on.
"""

import numpy as np
from numpy.typing import NDArray

Ticks = NDArray[np.int64]


class TickLog:
    """An append-only log of int64, of which the front can be dropped.

    >>> log = TickLog()
    >>> log.append(3)
    >>> log.repeat(0, 2, 10)
    >>> log.array().tolist()
    [3, 13, 23]
    """

    def __init__(self) -> None:
        self._parts: list[Ticks] = []
        self._tail: list[int] = []
        self._stored = 0
        self.append = self._tail.append

    def __len__(self) -> int:
        """How many numbers there are."""
        return self._stored + len(self._tail)

    def array(self) -> Ticks:
        """All numbers, (n,)."""
        if self._tail:
            self._parts.append(np.array(self._tail, np.int64))
            self._stored += len(self._tail)
            self._tail.clear()
        if len(self._parts) != 1:
            self._parts = [np.concatenate(self._parts)] if self._parts else [np.zeros(0, np.int64)]
        return self._parts[0]

    def last(self) -> int:
        """The number that came last; there must be one."""
        return self._tail[-1] if self._tail else int(self._parts[-1][-1])

    def set_last(self, number: int) -> None:
        """Replace the number that came last."""
        if self._tail:
            self._tail[-1] = number
        else:
            self._parts[-1] = self._parts[-1].copy()
            self._parts[-1][-1] = number

    def repeat(self, mark: int, times: int, stride: int) -> None:
        """Add everything from index `mark` on `times` more, each time with `stride` more added to it."""
        whole = self.array()
        piece = whole[mark:]
        if len(piece):
            copies = piece + stride * np.arange(1, times + 1)[:, None]
            self._parts = [whole, copies.ravel()]
            self._stored += copies.size

    def drop(self, count: int) -> None:
        """Forget the first `count` numbers."""
        if count >= len(self):
            self._parts, self._stored = [], 0
            self._tail.clear()
        elif count:
            kept = self.array()[count:].copy()
            self._parts, self._stored = [kept], len(kept)
