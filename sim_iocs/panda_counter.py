"""COUNTER: counts edges of its trigger up or down by STEP while it is enabled.

Theory of operation. A rising ENABLE sets the count to START; a falling one halts. Beyond MAX (or below MIN) the count
rolls over and CARRY is high until the trigger falls or the counter is disabled; MIN = MAX = 0 means the whole int32.
In OUT_MODE On-Disable the output and CARRY are brought out only when ENABLE falls. Follows
counter_documentation.timing.ini of PandABlocks-FPGA.
"""

from collections.abc import Hashable
from typing import ClassVar

from .panda_block import Block, Outputs, chosen
from .panda_fabric import NEVER, Fabric

OUT_MODES = ("On-Change", "On-Disable")
_INT32 = (-(1 << 31), (1 << 31) - 1)


class Counter(Block):
    """One COUNTER block."""

    BITS = ("ENABLE", "TRIG", "DIR")
    OUT_BITS = ("CARRY",)
    OUT_POSITIONS = ("OUT",)
    LEAPS: ClassVar[bool] = True
    enable: int
    trig: int
    dir: int
    out: int
    carry: int

    def __init__(self, fabric: Fabric, outputs: Outputs | None = None) -> None:
        super().__init__(fabric, outputs)
        self.trig_edge = self.out_mode = 0
        self.start, self.step_size, self.min, self.max = 0, 1, 0, 0
        self.set: int | None = None
        self._count: int = 0
        self._overflowed = False
        self._was_enabled = self._was_trig = 0
        self._marked: int = 0
        self._travel: int = 0

    def step(self, tick: int) -> int:
        """Only input changes and settings move a counter."""
        on_change = self.out_mode == 0
        if self.set is not None:
            self._count, self.set = self.set, None
            self.show_position("OUT", self._count, tick)
        if self.enable != self._was_enabled:
            self._switch(tick, on_change=on_change)
        elif self.enable and self.trig != self._was_trig:
            self._edge(tick, on_change=on_change)
        self._was_trig = self.trig
        return NEVER

    def _switch(self, tick: int, *, on_change: bool) -> None:
        self._was_enabled = self.enable
        if self.enable:
            self._count, self._overflowed = self.start, False
            if on_change:
                self.show_position("OUT", self._count, tick)
        elif on_change:
            self.show("CARRY", 0)
        else:
            self.show_position("OUT", self._count, tick)
            self.show("CARRY", int(self._overflowed))

    def _edge(self, tick: int, *, on_change: bool) -> None:
        if chosen(self.trig_edge, self.trig):
            rolled = self._advance()
            self._overflowed |= rolled
            if on_change:
                self.show_position("OUT", self._count, tick)
                if rolled or self.carry:
                    self.show("CARRY", int(rolled))
        elif on_change and self.carry:
            self.show("CARRY", 0)

    @property
    def _limits(self) -> tuple[int, int]:
        return (self.min, self.max) if (self.min or self.max) else _INT32

    def _advance(self) -> bool:
        low, high = self._limits
        self._travel += self.step_size
        count = self._count - self.step_size if self.dir else self._count + self.step_size
        if count > high:
            self._count = low + (count - high - 1)
            return True
        if count < low:
            self._count = high - (low - count - 1)
            return True
        self._count = count
        return False

    def phase(self, tick: int) -> Hashable:
        """Inputs and carry; the count is counted."""
        del tick
        return self.enable, self._was_trig, self.dir, self.carry, self._overflowed

    def mark(self) -> None:
        """The count and its history."""
        self._marked, self._travel = self._count, 0
        self._outputs.positions["OUT"].mark()

    def room(self, tick: int, period: int) -> int:
        """Until it rolls over; none if somebody looks at the count, because that is not the same in every period."""
        del tick, period
        gain = self._count - self._marked
        low, high = self._limits
        up, down = high - self._count - self._travel, self._count - low - self._travel
        if self._outputs.positions["OUT"].wire.sinks or up < 0 or down < 0:
            return 0
        return (up if gain > 0 else down) // abs(gain) if gain else NEVER

    def leap(self, times: int, period: int) -> None:
        """Count on."""
        gain = self._count - self._marked
        self._count += times * gain
        out = self._outputs.positions["OUT"]
        before = out.at(NEVER)
        out.repeat(times, period=period, gain=gain)
        self.out += out.at(NEVER) - before
