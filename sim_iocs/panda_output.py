"""The small blocks: TTLOUT (an output that the world sees), BITS (soft bits), CLOCK."""

from .panda_fabric import NEVER, Fabric, Wire


class TtlOut:
    """TTLOUT: follows `val` and keeps the ticks of its rising edges until they are taken.

    Waiting edges are bounded by `advance`: whoever advances the model takes them.
    """

    def __init__(self, fabric: Fabric, out: Wire) -> None:
        self.order = self.wake = self.due = 0
        self.val = self._was = 0
        self._rises: list[int] = []
        self._out, self._fabric = out, fabric
        fabric.adopt(self)

    def step(self, tick: int) -> int:
        """Record a rising edge."""
        if self.val != self._was:
            self._was = self.val
            if self.val:
                self._rises.append(tick)
            self._fabric.drive(self._out, self.val)
        return NEVER

    def take(self) -> list[int]:
        """Unix ns of the rising edges since the last call."""
        rises, self._rises = self._rises, []
        return [self._fabric.ns_of(tick) for tick in rises]


class Clock:
    """CLOCK: while enabled a square wave of `period` ticks (0 = off), high for `width` (0 = half), rising first."""

    def __init__(self, fabric: Fabric, out: Wire) -> None:
        self.order = self.wake = self.due = 0
        self.enable = self._out_value = 0
        self.period, self.width = 0, 0
        self._next = NEVER
        self._out, self._fabric = out, fabric
        fabric.adopt(self)

    def step(self, tick: int) -> int:
        """Toggle when due."""
        if not self.enable or self.period < 2:
            self._next = NEVER
            self._drive(0)
        elif self._next == NEVER or tick >= self._next:
            high = min(self.width or self.period // 2, self.period - 1)
            self._drive(1 - self._out_value)
            self._next = tick + (high if self._out_value else self.period - high)
        return self._next

    def _drive(self, value: int) -> None:
        if value != self._out_value:
            self._out_value = value
            self._fabric.drive(self._out, value)
