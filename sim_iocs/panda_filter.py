"""FILTER: the difference, or the average, of a position between triggers.

Theory of operation. Difference: at a rising TRIG, OUT = INP - what INP was at the trigger before (or at the rising
ENABLE), and READY is high for one tick. Average: INP is summed over the ticks after the rising ENABLE; at a rising
TRIG the sum is divided by their number, rounded towards 0, which takes the hardware's divider 35 ticks. A trigger
while it divides is an error: HEALTH 2 two ticks later, and nothing comes out until the next rising ENABLE. A sum that
needs more than 62 bits is HEALTH 1. Follows filter_documentation.timing.ini of PandABlocks-FPGA.
"""

from .panda_block import Block, Outputs
from .panda_fabric import NEVER, Fabric
from .panda_position import Position, one

MODES = ("difference", "average")
FILTER_HEALTH = ("OK", "Accumulator overflow", "Divider retrigger")
DIVISION = 35
_MOST = 1 << 62


class Filter(Block):
    """One FILTER block."""

    BITS = ("ENABLE", "TRIG")
    POSITIONS = ("INP",)
    OUT_BITS = ("READY",)
    OUT_POSITIONS = ("OUT",)
    enable: int
    trig: int
    inp: Position
    ready: int
    out: int

    def __init__(self, fabric: Fabric, outputs: Outputs | None = None) -> None:
        super().__init__(fabric, outputs)
        self.mode = self.health = 0
        self._was_enabled = self._was = 0
        self._latch = 0
        self._sum, self._ticks, self._summed_to = 0.0, 0, -1
        self._done, self._result = NEVER, 0
        self._fails = NEVER
        self._stopped = False

    @property
    def busy(self) -> bool:
        """Whether it divides."""
        return self._done < NEVER or self._fails < NEVER

    @property
    def history_from(self) -> int:
        """What has not been summed yet."""
        return self._summed_to if self._was_enabled and self.mode == 1 else self._fabric.stop

    def step(self, tick: int) -> int:
        """Follow enable and trigger."""
        self._settle(tick)
        rose, self._was = self.trig > self._was, self.trig
        if self.enable != self._was_enabled:
            self._switch(tick)
        elif rose:
            self._trigger(tick)
        return min(self._done, self._fails)

    def _settle(self, tick: int) -> None:
        """Sum up to `tick`, and let out what is due."""
        if self.ready and tick >= self._done:
            self.show("READY", 0)
            self._done = NEVER
        if self._was_enabled and self.mode == 1 and tick > self._summed_to:
            self._sum += one(self.inp.sums, self._summed_to, tick)
            self._ticks += tick - self._summed_to
            self._summed_to = tick
            if abs(self._sum) >= _MOST:
                self.health, self._stopped = 1, True
        if tick >= self._fails:
            self._fails, self.health, self._stopped = NEVER, 2, True
            self._done = NEVER
        if self.mode == 1 and tick >= self._done:
            self._answer(self._result, tick)

    def _switch(self, tick: int) -> None:
        self._was_enabled = self.enable
        if self.enable:
            self.health, self._stopped = 0, False
            self._latch = self.inp.at(tick)
            self._sum, self._ticks, self._summed_to = 0.0, 0, tick + 1

    def _trigger(self, tick: int) -> None:
        if self.mode == 0:
            now = self.inp.at(tick)
            if not self._stopped:
                self._answer(now - self._latch, tick)
            self._latch = now
        elif self.enable and not self._stopped:
            if self._done < NEVER and not self.ready:
                self._fails = tick + 2
            else:
                self._result = int(self._sum / self._ticks) if self._ticks else 0
                self._done = tick + DIVISION

    def _answer(self, result: int, tick: int) -> None:
        self.show_position("OUT", result, tick)
        self.show("READY", 1)
        self._done = tick + 1
