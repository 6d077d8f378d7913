"""PCAP: position capture, the block that turns triggers into rows.

Theory of operation. ARM raises ACTIVE; capture starts at the first tick at which ENABLE is high too, the start that
all time stamps are relative to. From there the ticks during which GATE is high are gathered as gates [start, stop).
On the chosen edge of TRIG a row is made of the gates (and the part of an open one) since the row before; a gate that
falls in the tick of the trigger belongs to the row. ENABLE falling, or DISARM, lowers ACTIVE. Two triggers closer
together than the 32-bit words of a row end the capture with HEALTH 1, four ticks later; more gated ticks in a row
than 32 bits can count (after SHIFT_SUM) end it with HEALTH 2.

The inner loop only notes ticks; `collect` turns them into columns, vectorised (panda_rows), while the positions' past
is at hand. Follows pcap_documentation.timing.ini of PandABlocks-FPGA, but for the pipeline between a trigger and its
words on the DMA stream, which nothing can see here.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import ClassVar

import numpy as np

from .panda_block import Block, Outputs, chosen
from .panda_fabric import NEVER, Fabric, Wire
from .panda_log import TickLog
from .panda_rows import CaptureBatch, Column, Rows

HEALTH = ("OK", "Capture events too close together", "Samples overflow")
OK, DISARMED, FRAMING_ERROR, DRIVER_OVERRUN = "Ok", "Disarmed", "Framing error", "Driver data overrun"
"""Why a capture ended, as the data port says it."""

_PIPELINE_TICKS = 4


class Pcap(Block):
    """The PCAP block.

    Args:
        fabric: where it lives.
        bus: the lines of the bit bus, of which BITS0 to BITS3 show 32 each.
        outputs: ACTIVE.

    Attributes:
        rows_made: since it was armed.
        traps: what is called, with the tick of the row, when so many rows have been made.
    """

    BITS = ("ENABLE", "GATE", "TRIG")
    OUT_BITS = ("ACTIVE",)
    LEAPS: ClassVar[bool] = True
    enable: int
    gate: int
    trig: int
    active: int

    def __init__(self, fabric: Fabric, bus: Sequence[Wire], outputs: Outputs | None = None) -> None:
        super().__init__(fabric, outputs)
        self.trig_edge = self.shift_sum = 0
        self.health = 0
        self.armed_tick = self.start_tick = -1
        self.rows_made = 0
        self.traps: Mapping[int, Sequence[Callable[[int], None]]] = {}
        self._columns: tuple[Column, ...] = ()
        self._words = 1
        self._with_bits = False
        self._request = 0
        self._ended: str | None = None
        self._fails_at = NEVER
        self._open, self._was_trig = -1, 0
        self._last = -NEVER
        self._gated = 0
        self._trigs, self._ends = TickLog(), TickLog()
        self._starts, self._stops = TickLog(), TickLog()
        self._bits = tuple(TickLog() for _ in range(4))
        self._marks = (0, 0, 0)
        self._bus = bus

    @property
    def busy(self) -> bool:
        """Whether it is armed."""
        return bool(self.active)

    @property
    def history_from(self) -> int:
        """The first tick of the past that a row to come may still ask for."""
        if not self.active:
            return self._fabric.stop
        if len(self._starts):
            return int(self._starts.array()[0])
        return self._open if self._open >= 0 else self._fabric.stop

    def arm(self, columns: tuple[Column, ...], *, words: int | None = None) -> None:
        """From outside `step`: become active and capture `columns` once enabled. Without effect while active.

        Args:
            columns: what to capture.
            words: 32-bit words of a row, the least spacing in ticks; that of the columns unless given.
        """
        if self.active:
            return
        self._columns, self._request = columns, 1
        self._words = words or max(1, sum(column.words for column in columns))
        self._with_bits = any(column.field.startswith("PCAP.BITS") for column in columns)
        self._fabric.nudge(self)

    def disarm(self) -> None:
        """From outside `step`: stop at the next tick."""
        self._request = -1
        self._fabric.nudge(self)

    def end(self, reason: str) -> None:
        """Inside a step of the fabric: be inactive from now on."""
        self.show("ACTIVE", 0)
        self._open = -1
        self._ended = reason

    def step(self, tick: int) -> int:
        """Follow enable, gate and trigger."""
        trig, was_trig = self.trig, self._was_trig
        self._was_trig = trig
        if self._request:
            self._obey(tick)
        if not self.active or not self._enabled(tick):
            return NEVER
        if self.gate:
            if self._open < 0:
                self._open = tick
        elif self._open >= 0:
            self._close(tick)
        if trig != was_trig and chosen(self.trig_edge, trig):
            self._capture(tick)
        return self._fails_at

    def collect(self) -> CaptureBatch | None:
        """The rows since the last call; None if there are none and the capture has not ended."""
        if not len(self._trigs) and self._ended is None:
            return None
        rows = self._rows()
        columns = {column.name: rows.column(column).astype(column.dtype) for column in self._columns}
        done = int(rows.ends[-1]) if len(rows.ends) else 0  # later gates are closed but belong to the next row
        for log in (self._trigs, self._ends, *self._bits):
            log.drop(len(log))
        self._starts.drop(done)
        self._stops.drop(done)
        fabric, end = self._fabric, self._ended
        self._ended = None
        times = rows.trigs * 8 + fabric.epoch_ns
        start = fabric.ns_of(self.start_tick if self.start_tick >= 0 else self.armed_tick)
        return CaptureBatch(fabric.ns_of(self.armed_tick), start, columns, len(rows.trigs), times, end)

    def _rows(self) -> Rows:
        ends = self._ends.array()
        last = int(ends[-1]) if len(ends) else 0
        begins = np.concatenate([[0], ends[:-1]]).astype(np.int64) if len(ends) else ends
        gates = self._starts.array()[:last], self._stops.array()[:last]
        bits = tuple(log.array() for log in self._bits)
        return Rows(self._trigs.array(), begins, ends, *gates, bits, self.start_tick, self.shift_sum)

    def _enabled(self, tick: int) -> bool:
        """Whether capture runs at `tick`: from ENABLE high until it falls, or until rows came too close together."""
        if tick >= self._fails_at:
            self.health = 1
            self.end(FRAMING_ERROR)
        elif self.start_tick < 0:
            if self.enable:
                self.start_tick = tick
        elif not self.enable:
            self.end(OK)
        return bool(self.active) and self.start_tick >= 0

    def _obey(self, tick: int) -> None:
        request, self._request = self._request, 0
        if request > 0 and not self.active:
            self.health, self.armed_tick, self.start_tick = 0, tick, -1
            self._open, self._last, self._fails_at = -1, -NEVER, NEVER
            self.rows_made = self._gated = 0
            self._ended = None
            self._starts, self._stops = TickLog(), TickLog()
            self.show("ACTIVE", 1)
        elif request < 0 and self.active:
            self.end(DISARMED)

    def _close(self, tick: int) -> None:
        if tick > self._open:
            self._starts.append(self._open)
            self._stops.append(tick)
            self._gated += tick - self._open
        self._open = -1

    def _capture(self, tick: int) -> None:
        if tick - self._last < self._words:
            self._fails_at = min(self._fails_at, tick + _PIPELINE_TICKS)
            return
        self._last = tick
        if self._open >= 0:
            self._close(tick)
            self._open = tick
        if self._gated >> self.shift_sum > 0xFFFFFFFF:
            self.health = 2
            self.end(DRIVER_OVERRUN)
            return
        self._gated = 0
        self._trigs.append(tick)
        self._ends.append(len(self._starts))
        if self._with_bits:
            self._note_bits()
        self.rows_made += 1
        if self.traps:
            for spring in self.traps.get(self.rows_made, ()):
                spring(tick)

    def _note_bits(self) -> None:
        lines = sum(wire.value << wire.index for wire in self._bus)
        for n, log in enumerate(self._bits):
            log.append(lines >> 32 * n & 0xFFFFFFFF)

    def phase(self, tick: int) -> Hashable:
        """Inputs, the open gate and how long ago the last row was; rows and gates are logged."""
        opened = self._open - tick if self._open >= 0 else 1
        last = max(self._last - tick, -self._words)
        state = self.active, self.start_tick >= 0, self._fails_at == NEVER, self._request, self._gated
        return self.enable, self.gate, self._was_trig, opened, last, state

    def mark(self) -> None:
        """Rows and gates are logged."""
        self._marks = len(self._trigs), len(self._starts), self.rows_made

    def room(self, tick: int, period: int) -> int:
        """Until the row of a trap."""
        del tick, period
        made = self.rows_made - self._marks[2]
        coming = [row for row in self.traps if row > self.rows_made]
        return (min(coming) - 1 - self.rows_made) // made if coming and made else NEVER

    def leap(self, times: int, period: int) -> None:
        """The same rows and gates again."""
        rows, gates, made = self._marks
        gain = len(self._starts) - gates
        self._trigs.repeat(rows, times, period)
        self._ends.repeat(rows, times, gain)
        self._starts.repeat(gates, times, period)
        self._stops.repeat(gates, times, period)
        for log in self._bits if self._with_bits else ():
            log.repeat(rows, times, 0)
        self.rows_made += times * (self.rows_made - made)
        self._last += times * period
        if self._open >= 0:
            self._open += times * period
