"""CLOCK: a square wave while it is enabled.

Theory of operation. The block registers its enable and its settings, so everything acts one tick after it is seen:
a rising ENABLE or a write of PERIOD or WIDTH begins the wave anew with a rise, while what was due in the tick of the
write still happens. PERIOD 0 means off, 1 is taken as 2; WIDTH 0 means half the period (rounded down); a PERIOD that
is not longer than WIDTH is taken as WIDTH + 1. Follows clock.timing.ini of PandABlocks-FPGA.
"""

from collections.abc import Hashable
from typing import ClassVar

from .panda_block import Block, Outputs
from .panda_fabric import NEVER, Fabric


class Clock(Block):
    """One CLOCK block; `period` and `width` in ticks."""

    BITS = ("ENABLE",)
    OUT_BITS = ("OUT",)
    LEAPS: ClassVar[bool] = True
    enable: int
    out: int

    def __init__(self, fabric: Fabric, outputs: Outputs | None = None) -> None:
        super().__init__(fabric, outputs)
        self.period = self.width = 0
        self._written = False
        self._restart = self._next = NEVER
        self._was_enabled = 0
        self._registered = (0, 0, 0)
        self._high = self._low = 0

    @property
    def busy(self) -> bool:
        """Whether it runs."""
        return self._next < NEVER or self._restart < NEVER

    def write(self, name: str, value: int) -> None:
        """Also the same number again begins anew."""
        super().write(name, value)
        self._written = True

    def step(self, tick: int) -> int:
        """Toggle when due; note what begins the wave anew in the next tick."""
        if tick >= self._restart:
            self._begin(tick)
        elif tick >= self._next:
            self._toggle(tick)
        if self._written or self.enable != self._was_enabled:
            self._written, self._was_enabled = False, self.enable
            self._registered = (self.enable, self.period, self.width)
            self._restart = tick + 1
        return min(self._restart, self._next)

    def _begin(self, tick: int) -> None:
        self._restart, self._next = NEVER, NEVER
        enable, period, width = self._registered
        period = max(period, 2, width + 1) if period else 0
        self._high = width or period // 2
        self._low = period - self._high
        if not (enable and period):
            self.show("OUT", 0)
            return
        self.show("OUT", 1)
        self._next = tick + self._high

    def _toggle(self, tick: int) -> None:
        self.show("OUT", 1 - self.out)
        if self.out:
            self._fabric.beat(self)
        self._next = tick + (self._high if self.out else self._low)

    def phase(self, tick: int) -> Hashable:
        """Output and when it changes."""
        return self.out, self._next - tick, self._restart == NEVER

    def leap(self, times: int, period: int) -> None:
        """Later by so much."""
        self._next += times * period
