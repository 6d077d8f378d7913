"""PULSE: delays and stretches pulses, or makes a train of pulses of each trigger.

Theory of operation. With WIDTH = 0 the block is a delay line: every edge of TRIG comes out DELAY later (at once
without DELAY). Otherwise the chosen edge of TRIG begins, DELAY later, a train of PULSES (0 means 1) pulses of WIDTH,
STEP from rise to rise; STEP is at least WIDTH + 1. A trigger within PULSES x STEP of the one before would overlap it:
it is dropped and counted in DROPPED, and so is one that finds the queue full. QUEUED counts what waits or comes out,
from one tick after the trigger on. Delays below 5 ticks (but 0) are 5, and so are widths if there is no delay: the
queue's latency. A write of a setting, or a falling ENABLE, throws everything away; a rising ENABLE clears DROPPED.
Follows pulse.timing.ini of PandABlocks-FPGA.
"""

from collections import deque
from collections.abc import Hashable
from typing import ClassVar

from .panda_block import Block, Outputs, chosen
from .panda_fabric import NEVER, Fabric

LATENCY = 5
QUEUE = 1023


class Pulse(Block):
    """One PULSE block; `delay`, `width`, `step_time` in ticks."""

    BITS = ("ENABLE", "TRIG")
    OUT_BITS = ("OUT",)
    LEAPS: ClassVar[bool] = True
    enable: int
    trig: int
    out: int

    def __init__(self, fabric: Fabric, outputs: Outputs | None = None) -> None:
        super().__init__(fabric, outputs)
        self.delay = self.width = self.step_time = self.pulses = 0
        self.trig_edge = 0
        self.queued = self.dropped = 0
        self._coming: deque[int] = deque()
        self._edges: deque[tuple[int, int]] = deque()
        self._train: tuple[int, int] | None = None
        self._allowed = -NEVER
        self._reset = False
        self._was_enabled = self._was = 0
        self._marked = 0

    @property
    def busy(self) -> bool:
        """Whether something waits or comes out."""
        return bool(self.queued or self._coming or self._edges or self._train)

    def write(self, name: str, value: int) -> None:
        """Every write begins anew."""
        super().write(name, value)
        self._reset = True

    def step(self, tick: int) -> int:
        """Take a trigger in, let edges out."""
        trig, self._was = self.trig != self._was, self.trig
        if self._reset or self.enable != self._was_enabled:
            self._clear()
        elif self.enable:
            self._let_out(tick)
            if trig:
                self._take_in(tick)
        return self._next()

    def _clear(self) -> None:
        if self.enable:
            self.dropped = 0
        self._reset, self._was_enabled = False, self.enable
        self._coming.clear()
        self._edges.clear()
        self._train, self._allowed, self.queued = None, -NEVER, 0
        self.show("OUT", 0)

    @property
    def _delay(self) -> int:
        return max(self.delay, LATENCY) if self.delay else 0

    @property
    def _width(self) -> int:
        return self.width if self.delay or not self.width else max(self.width, LATENCY)

    def _take_in(self, tick: int) -> None:
        delay, width = self._delay, self._width
        if not width and not delay:
            self.show("OUT", self.trig)
            return
        if width and not chosen(self.trig_edge, self.trig):
            return
        if (width and tick < self._allowed) or self.queued + len(self._coming) >= QUEUE:
            self.dropped += 1
            return
        self._coming.append(tick + 1)
        self._edges.append((tick + delay, self.trig))
        if width:
            self._allowed = tick + max(self.pulses, 1) * max(self.step_time, width + 1)
            if not delay:
                self._let_out(tick)

    def _let_out(self, tick: int) -> None:
        while self._coming and self._coming[0] <= tick:
            self._coming.popleft()
            self.queued += 1
        if self._train is not None and self._train[0] <= tick:
            self._toggle(tick)
        if self._train is None and self._edges and self._edges[0][0] <= tick:
            _, value = self._edges.popleft()
            if self._width:
                self._train = (tick + self._width, 2 * max(self.pulses, 1) - 1)
                self.show("OUT", 1)
            else:
                self.queued -= 1
                self.show("OUT", value)

    def _toggle(self, tick: int) -> None:
        _, left = self._train or (0, 1)
        width = self._width
        self.show("OUT", 1 - self.out)
        if left == 1:
            self._train = None
            self.queued -= 1
        else:
            low = max(self.step_time, width + 1) - width
            self._train = (tick + (width if self.out else low), left - 1)

    def _next(self) -> int:
        coming = self._coming[0] if self._coming else NEVER
        if self._train is not None:
            return min(coming, self._train[0])
        return min(coming, self._edges[0][0] if self._edges else NEVER)

    def phase(self, tick: int) -> Hashable:
        """Inputs, output and all that waits."""
        train = self._train and (self._train[0] - tick, self._train[1])
        waiting = tuple(at - tick for at in self._coming), tuple((at - tick, value) for at, value in self._edges)
        allowed = max(self._allowed - tick, 0)
        return self.enable, self._was, self.out, self.queued, train, waiting, allowed

    def mark(self) -> None:
        """Dropped triggers are counted."""
        self._marked = self.dropped

    def leap(self, times: int, period: int) -> None:
        """All that waits is later by so much."""
        span = times * period
        self.dropped += times * (self.dropped - self._marked)
        self._coming = deque(at + span for at in self._coming)
        self._edges = deque((at + span, value) for at, value in self._edges)
        self._train = self._train and (self._train[0] + span, self._train[1])
        self._allowed += span
