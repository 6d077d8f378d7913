"""COUNTER: counts edges of its trigger up or down by STEP while it is enabled.

Theory of operation. A rising ENABLE sets the count to START; a falling one halts. Beyond MAX (or below MIN) the count
rolls over and CARRY is high until the trigger falls or the counter is disabled; MIN = MAX = 0 means the whole int32.
In OUT_MODE On-Disable the output and CARRY are brought out only when ENABLE falls. Follows
counter_documentation.timing.ini of PandABlocks-FPGA.
"""

from .panda_fabric import NEVER, Fabric, Wire
from .panda_position import SteppedPosition

EDGES = ("Rising", "Falling", "Either")
OUT_MODES = ("On-Change", "On-Disable")
_INT32 = (-(1 << 31), (1 << 31) - 1)


class Counter:
    """One COUNTER block; inputs `enable`, `trig`, `dir` follow the bit bus."""

    def __init__(self, fabric: Fabric, out: SteppedPosition, carry: Wire) -> None:
        self.order = self.wake = self.due = 0
        self.enable = self.trig = self.dir = 0
        self.trig_edge = self.out_mode = 0
        self.start, self.step_size, self.min, self.max = 0, 1, 0, 0
        self.set: int | None = None
        self.value = self.carried = 0
        self._count = 0
        self._overflowed = False
        self._was_enabled = self._was_trig = 0
        self._fabric, self._out, self._carry = fabric, out, carry
        fabric.adopt(self)

    def step(self, tick: int) -> int:
        """Only input changes and settings move a counter."""
        on_change = self.out_mode == 0
        if self.set is not None:
            self._count, self.set = self.set, None
            self._show(self._count, tick)
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
                self._show(self._count, tick)
        elif on_change:
            self._show_carry(0)
        else:
            self._show(self._count, tick)
            self._show_carry(int(self._overflowed))

    def _edge(self, tick: int, *, on_change: bool) -> None:
        counts = self.trig_edge == 2 or self.trig == 1 - self.trig_edge
        if counts:
            rolled = self._advance()
            self._overflowed |= rolled
            if on_change:
                self._show(self._count, tick)
                if rolled or self.carried:
                    self._show_carry(int(rolled))
        elif on_change and self.carried:
            self._show_carry(0)

    def _advance(self) -> bool:
        low, high = (self.min, self.max) if (self.min or self.max) else _INT32
        count = self._count - self.step_size if self.dir else self._count + self.step_size
        if count > high:
            self._count = low + (count - high - 1)
            return True
        if count < low:
            self._count = high - (low - count - 1)
            return True
        self._count = count
        return False

    def _show(self, value: int, tick: int) -> None:
        if value != self.value:
            self.value = value
            self._out.drive(value, tick)

    def _show_carry(self, value: int) -> None:
        if value != self.carried:
            self.carried = value
            self._fabric.drive(self._carry, value)
