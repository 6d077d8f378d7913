"""The queue in front of a plugin, computed for instants that have passed. Pure.

Theory of operation. Arrays arrive at known instants; the plugin works on one after the other, each for `seconds_for`
of its size. An array that finds the queue full is dropped. The array in work counts as queued until it is done, so an
empty queue means that everything has been dealt with. With no time per array nothing is ever queued or dropped: all
arrays are done when they arrive. How arrays are handed over, one by one or in batches, changes nothing.
"""

from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .clock import NS
from .scenery import Scenery
from .shots import Shots


class Batch(NamedTuple):
    """Arrays of one layout.

    Attributes:
        scenery: What they look like.
        shots: The arrays.
        tag: Of the capture that was going on when they arrived.
        done_ns: When the plugin is done with each.
    """

    scenery: Scenery
    shots: Shots
    tag: int
    done_ns: NDArray[np.int64]


class PluginQueue:
    """What waits in front of a plugin.

    Attributes:
        size: Arrays that may wait.
        rate: Bytes per second that the plugin gets through; 0 = any number.
        seconds: Time per array on top.
    """

    def __init__(self, size: int) -> None:
        self.size, self.rate, self.seconds = size, 0.0, 0.0
        self._batches: deque[Batch] = deque()
        self._done: deque[int] = deque()
        self._last_done_ns = 0

    def __len__(self) -> int:
        """Arrays queued or in work at the last `take`."""
        return sum(batch.shots.size for batch in self._batches)

    def cost_ns(self, nbytes: int) -> int:
        """How long the plugin works on an array of so many bytes."""
        return round((self.seconds + (nbytes / self.rate if self.rate else 0.0)) * NS)

    def offer(self, scenery: Scenery, shots: Shots, *, tag: int = 0, bounded: bool = True) -> int:
        """Queue arrays in the order of their arrival, and give the number of those dropped.

        Args:
            scenery: What they look like.
            shots: The arrays.
            tag: Kept with them.
            bounded: False: the driver waits for the plugin instead of queueing, so nothing is dropped.
        """
        cost_ns = self.cost_ns(scenery.nbytes)
        if not cost_ns:
            self._batches.append(Batch(scenery, shots, tag, shots.arrival_ns))
            return 0
        kept, done = self._admit(shots.arrival_ns, cost_ns, bounded=bounded)
        if done:
            self._batches.append(Batch(scenery, shots.rows(kept), tag, np.array(done, dtype=np.int64)))
        return int((~kept).sum())

    def _admit(
        self, arrivals: NDArray[np.int64], cost_ns: int, *, bounded: bool
    ) -> tuple[NDArray[np.bool_], list[int]]:
        kept, times = np.ones(arrivals.size, dtype=bool), list[int]()
        for k, t_ns in enumerate(arrivals.tolist()):
            while self._done and self._done[0] <= t_ns:
                self._done.popleft()
            if bounded and len(self._done) >= self.size:
                kept[k] = False
                continue
            self._last_done_ns = max(self._last_done_ns, t_ns) + cost_ns
            self._done.append(self._last_done_ns)
            times.append(self._last_done_ns)
        return kept, times

    def take(self, now_ns: int) -> list[Batch]:
        """Give the arrays that the plugin is done with by now."""
        taken: list[Batch] = []
        while self._batches:
            batch = self._batches.popleft()
            n = int(np.searchsorted(batch.done_ns, now_ns, side="right"))
            if n:
                taken.append(batch._replace(shots=batch.shots.rows(slice(n)), done_ns=batch.done_ns[:n]))
            if n < batch.shots.size:
                rest = batch._replace(shots=batch.shots.rows(slice(n, None)), done_ns=batch.done_ns[n:])
                self._batches.appendleft(rest)
                break
        return taken

    def clear(self) -> None:
        """Forget what is queued."""
        self._batches.clear()
        self._done.clear()
        self._last_done_ns = 0
