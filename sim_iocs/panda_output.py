"""The connectors: TTLOUT and LVDSOUT, of which the world sees the edges; TTLIN and LVDSIN, which the world drives."""

from collections import deque
from collections.abc import Hashable, Iterable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from .panda_block import Block, Outputs
from .panda_fabric import NEVER, TICK_NS, Fabric
from .panda_log import TickLog


class Output(Block):
    """TTLOUT or LVDSOUT: follows `val` and keeps its edges until they are taken.

    Waiting edges are bounded by `advance`: whoever advances the model takes them.
    """

    BITS = ("VAL",)
    LEAPS: ClassVar[bool] = True
    val: int

    def __init__(self, fabric: Fabric, outputs: Outputs | None = None) -> None:
        super().__init__(fabric, outputs)
        self._was = 0
        self._edges = TickLog()
        self._rises_first = 1
        self._mark = 0

    def step(self, tick: int) -> int:
        """Record an edge."""
        if self.val != self._was:
            if not len(self._edges):
                self._rises_first = self.val
            self._was = self.val
            self._edges.append(tick)
        return NEVER

    def take(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Unix ns of the edges since the last call, and whether each is a rise; every other one is."""
        ticks = self._edges.array()
        if len(ticks):
            self._edges = TickLog()
            self._fabric.disturb()
        rises = (np.arange(len(ticks)) + self._rises_first) % 2 == 1
        return ticks * TICK_NS + self._fabric.epoch_ns, rises

    def phase(self, tick: int) -> Hashable:
        """Its level."""
        del tick
        return self._was

    def mark(self) -> None:
        """Edges are logged."""
        self._mark = len(self._edges)

    def leap(self, times: int, period: int) -> None:
        """The same edges again."""
        self._edges.repeat(self._mark, times, period)


class Input(Block):
    """TTLIN or LVDSIN: shows on the bit bus what is driven from outside.

    Attributes:
        term: termination; without effect.
    """

    OUT_BITS = ("VAL",)
    val: int

    def __init__(self, fabric: Fabric, outputs: Outputs | None = None) -> None:
        super().__init__(fabric, outputs)
        self.term = 0
        self._level = 0
        self._coming: deque[tuple[int, int]] = deque()

    @property
    def busy(self) -> bool:
        """Whether edges are to come."""
        return bool(self._coming)

    def schedule(self, edges: Iterable[tuple[int, int]]) -> None:
        """From outside `step`: these (tick, level) are to come as well, in order."""
        self._coming.extend(edges)
        self._fabric.nudge(self)

    def step(self, tick: int) -> int:
        """Show the level."""
        while self._coming and self._coming[0][0] <= tick:
            self._level = self._coming.popleft()[1]
        self.show("VAL", int(bool(self._level)))
        return self._coming[0][0] if self._coming else NEVER
