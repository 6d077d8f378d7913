"""The clocked fabric of the simulated PandA: wires, blocks and the event loop that steps them.

Theory of operation. Time is a grid of 8 ns ticks that starts at `epoch_ns` (Unix nanoseconds); every instant that the
model knows is a tick, so arm, enable and every edge lie on one grid and differences are exact integers. Nothing is
ticked: the fabric keeps the next tick at which something happens and jumps there.

    wake   a block asks to be stepped at a later tick (a phase of the sequencer ends, a position will be crossed)
    change a block has driven a wire; the change reaches the blocks that listen to the wire ONE TICK LATER

So a hop over the bit bus or the position bus costs one tick, as in the FPGA, and inside a block an output follows its
inputs in the same tick, which is what the FPGA's own timing vectors show. Because all changes of a tick are delivered
before any block is stepped, the order of the blocks cannot matter, and a loop in the wiring is harmless. The analytic
encoder positions are read without latency.

`run(stop)` handles all ticks < stop. A block that waits for a position searches only up to `stop` (beyond it the
axes' future may still change) and asks to be woken at `stop`, which is the first tick of the next call.

A block that repeats itself says so with `beat`, once per period; then panda_leap may skip many periods at once.
"""

from heapq import heappop, heappush
from typing import Protocol

TICK_NS = 8
"""Nanoseconds per tick of the 125 MHz clock."""

NEVER = 1 << 62
"""A tick that does not come."""


class Steppable(Protocol):
    """What the fabric needs of a block. `wake` and `due` belong to the fabric."""

    order: int
    wake: int
    due: int

    def step(self, tick: int) -> int:
        """React to the inputs as they are at `tick`; return the tick of the next own event, or NEVER."""
        ...


class Wire:
    """One line of the bit bus, or one stepped value of the position bus; `value` is what its listeners see now."""

    __slots__ = ("index", "name", "sinks", "value")

    def __init__(self, name: str, index: int, value: int = 0) -> None:
        self.name = name
        self.index = index
        self.value = value
        self.sinks: list[tuple[Steppable, str]] = []


class Leaper(Protocol):
    """What may skip periods."""

    def at_beat(self, block: Steppable, tick: int) -> None:
        """All of `tick` has been handled, and in it `block` began another period."""
        ...

    def disturb(self) -> None:
        """Something was changed from outside: what comes need not be like what was."""
        ...


class Fabric:
    """The event loop.

    Attributes:
        stop: The first tick that has not been handled yet.
        heap: Wakes as (tick, order, block); valid where the block's `wake` is that tick.
        changes: Wires with the values that they take at `changes_tick`.
        touched: Where to note the blocks that were stepped, if somebody wants to know.
    """

    def __init__(self, epoch_ns: int) -> None:
        self.epoch_ns = epoch_ns
        self.stop = 0
        self.heap: list[tuple[int, int, Steppable]] = []
        self.changes: list[tuple[Wire, int]] = []
        self.changes_tick = 0
        self.leaper: Leaper | None = None
        self.touched: set[Steppable] | None = None
        self._beat: Steppable | None = None
        self._blocks = 0
        self._tick = -1

    def adopt(self, block: Steppable) -> None:
        """Give a block its place; ties between wakes at one tick are stepped in the order of adoption."""
        block.order, block.wake, block.due = self._blocks, NEVER, -1
        self._blocks += 1

    def tick_at(self, t_ns: int) -> int:
        """The first tick at or after `t_ns`."""
        return -((self.epoch_ns - t_ns) // TICK_NS)

    def ns_of(self, tick: int) -> int:
        """Unix nanoseconds of a tick."""
        return self.epoch_ns + tick * TICK_NS

    def drive(self, wire: Wire, value: int) -> None:
        """Called by a block inside `step`: `wire` takes `value` one tick later."""
        self.changes_tick = self._tick + 1
        self.changes.append((wire, value))

    def force(self, wire: Wire, value: int) -> None:
        """Called from outside `run`: `wire` takes `value` at the first tick not handled yet."""
        self.disturb()
        self.changes_tick = self.stop
        self.changes.append((wire, value))

    def beat(self, block: Steppable) -> None:
        """Called by a block inside `step`: a period begins that may be like the one before."""
        self._beat = block

    def disturb(self) -> None:
        """Called from outside `run`: something changed."""
        if self.leaper is not None:
            self.leaper.disturb()

    def nudge(self, block: Steppable) -> None:
        """Called from outside `run`: step `block` at the first tick not handled yet, because its settings changed."""
        self.disturb()
        block.wake = self.stop
        heappush(self.heap, (self.stop, block.order, block))

    def alarm(self, block: Steppable, tick: int) -> None:
        """Called inside a step of another block: step `block` at `tick`, which is still to come."""
        block.wake = tick
        heappush(self.heap, (tick, block.order, block))

    def connect(self, wire: Wire, block: Steppable, field: str) -> None:
        """Let `block.field` follow `wire`, from the first tick not handled yet."""
        wire.sinks.append((block, field))
        setattr(block, field, wire.value)
        self.nudge(block)

    def disconnect(self, wire: Wire, block: Steppable, field: str) -> None:
        """Undo `connect`; the field keeps its last value."""
        self.disturb()
        wire.sinks.remove((block, field))

    def run(self, stop: int) -> None:
        """Handle every event at ticks < `stop`, in order of time."""
        heap = self.heap
        self.stop = max(stop, self.stop)
        while True:
            tick = heap[0][0] if heap else NEVER
            if self.changes and self.changes_tick < tick:
                tick = self.changes_tick
            if tick >= stop:
                return
            self._tick = tick
            for block in self._due(tick):
                wake = block.step(tick)
                if wake != block.wake:
                    block.wake = wake
                    if wake < NEVER:
                        heappush(heap, (wake, block.order, block))
            if self._beat is not None:
                block, self._beat = self._beat, None
                if self.leaper is not None:
                    self.leaper.at_beat(block, tick)

    def _due(self, tick: int) -> list[Steppable]:
        due: list[Steppable] = []
        if self.changes and self.changes_tick == tick:
            changes, self.changes = self.changes, []
            for wire, value in changes:
                wire.value = value
                for block, field in wire.sinks:
                    setattr(block, field, value)
                    if block.due != tick:
                        block.due = tick
                        due.append(block)
        heap = self.heap
        while heap and heap[0][0] == tick:
            block = heappop(heap)[2]
            if block.wake == tick:
                block.wake = -1
                if block.due != tick:
                    block.due = tick
                    due.append(block)
        if self.touched is not None:
            self.touched.update(due)
        return due
