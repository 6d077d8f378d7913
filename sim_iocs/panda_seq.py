"""SEQ: the sequencer, a table of lines each of which waits for a trigger, then drives six outputs through two phases.

Theory of operation. States and what leaves them:

    UNREADY       no table, or one being fetched (11 ticks by DMA); -> WAIT_ENABLE when a non-empty table is in
    WAIT_ENABLE   -> WAIT_TRIGGER on a rising ENABLE: line 1, line repeat 1, table repeat 1
    WAIT_TRIGGER  -> PHASE1 when the line's condition holds, or PHASE2 at once if TIME1 is 0; the outputs stay meanwhile
    PHASE1        -> PHASE2 after TIME1 prescaled ticks
    PHASE2        -> WAIT_TRIGGER after TIME2 (0 means 1) prescaled ticks, for the next repeat of the line, the next
                     line, the next repeat of the table; -> WAIT_ENABLE after the last one, all outputs low
    any active    -> WAIT_ENABLE when ENABLE falls, all outputs low

The condition is evaluated at EVERY repeat, in the tick in which the phase before ends, so that repeats follow each
other without a gap while it holds. Repeats of 0 mean for ever. Follows seq_documentation.timing.ini of
PandABlocks-FPGA; tables are fixed, not streamed.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from .errors import RefusedPutError
from .panda_fabric import NEVER, Fabric, Wire
from .panda_position import Position

TRIGGERS = (
    "Immediate",
    *(f"BIT{bit}={value}" for bit in "ABC" for value in (0, 1)),
    *(f"POS{position}{sign}POSITION" for position in "ABC" for sign in (">=", "<=")),
)
"""The 13 conditions, in the order of their numbers."""

MAX_LINES = 4096
LOAD_TICKS = 11
OUTPUTS = "ABCDEF"

COLUMNS: dict[str, type[np.generic] | None] = {
    "repeats": np.uint16,
    "trigger": None,
    "position": np.int32,
    "time1": np.uint32,
    **{f"out{o}1": np.bool_ for o in OUTPUTS.lower()},
    "time2": np.uint32,
    **{f"out{o}2": np.bool_ for o in OUTPUTS.lower()},
}
"""Columns of the table in order, with their types; the trigger column holds strings."""


class SeqState(IntEnum):
    """The sequencer's STATE register."""

    UNREADY = 0
    WAIT_ENABLE = 1
    WAIT_TRIGGER = 2
    PHASE1 = 3
    PHASE2 = 4


class SeqLine(NamedTuple):
    """One line of the table; times in prescaled ticks, outputs as bits 0..5 for A..F."""

    repeats: int
    trigger: int
    position: int
    time1: int
    outs1: int
    time2: int
    outs2: int

    @classmethod
    def table(cls, columns: Mapping[str, Any]) -> list[Self]:
        """Lines from the 17 columns, each a sequence of the table's length.

        Raises:
            RefusedPutError: a column is missing or of another length, a trigger is unknown, or the table is too long.
        """
        lengths = {name: len(columns[name]) for name in COLUMNS if name in columns}
        if set(lengths) != set(COLUMNS) or len(set(lengths.values())) > 1:
            raise RefusedPutError(
                f"sequencer table: expected {len(COLUMNS)} columns of one length, seen {lengths}; send them all"
            )
        count = lengths["repeats"]
        if count > MAX_LINES:
            raise RefusedPutError(
                f"sequencer table: at most {MAX_LINES} lines, seen {count}; use repeats or split the scan"
            )
        triggers = [_trigger_number(name, line) for line, name in enumerate(columns["trigger"])]
        outs = [_bits(columns, phase) for phase in "12"]
        names = ("repeats", "position", "time1", "time2")
        repeats, position, time1, time2 = (np.asarray(columns[name]).tolist() for name in names)
        rows = zip(repeats, triggers, position, time1, outs[0], time2, outs[1], strict=True)
        return [cls(*(int(value) for value in row)) for row in rows]


def _trigger_number(name: str, line: int) -> int:
    if name not in TRIGGERS:
        raise RefusedPutError(f"sequencer table line {line + 1}: trigger {name!r} is none of {', '.join(TRIGGERS)}")
    return TRIGGERS.index(name)


def _bits(columns: Mapping[str, Any], phase: str) -> list[int]:
    bits: NDArray[np.int64] = np.zeros(len(columns["repeats"]), np.int64)
    for n, output in enumerate(OUTPUTS.lower()):
        bits |= np.asarray(columns[f"out{output}{phase}"], np.bool_).astype(np.int64) << n
    return bits.tolist()


class Sequencer:
    """One SEQ block; `enable`, `bita`..`bitc` follow the bit bus, `posa`..`posc` are entries of the position bus.

    Attributes:
        moved: set by the fabric when a stepped position changed; its value has no meaning here.
    """

    def __init__(self, fabric: Fabric, active: Wire, outputs: tuple[Wire, ...], ground: Position) -> None:
        self.order = self.wake = self.due = 0
        self.enable = self.bita = self.bitb = self.bitc = self.moved = 0
        self.posa = self.posb = self.posc = ground
        self.prescale, self.repeats = 1, 1
        self.state = SeqState.UNREADY
        self.active = self.outs = self.health = 0
        self.table_line = self.line_repeat = self.table_repeat = 0
        self._lines: list[SeqLine] = []
        self._line = SeqLine(1, 0, 0, 0, 0, 0, 0)
        self._end = NEVER
        self._was_enabled = 0
        self._holds: tuple[int, int, int] = (0, 0, -1)
        self._active, self._outputs, self._fabric = active, outputs, fabric
        fabric.adopt(self)

    def load(self, lines: list[SeqLine]) -> None:
        """Take a new table, from outside `step`; a running sequencer stops and waits for the next rising ENABLE."""
        self._lines = lines
        self._fabric.nudge(self)
        self.state, self._end = SeqState.UNREADY, -1

    def rewire(self) -> None:
        """Forget what is known of the positions, because a position input was switched."""
        self._holds = (0, 0, -1)

    def step(self, tick: int) -> int:
        """One transition at most per tick; the end of a phase and the trigger that follows it are one."""
        if self.enable != self._was_enabled:
            self._was_enabled = self.enable
            self._switch()
        state = self.state
        if state == SeqState.PHASE1:
            return self._end if tick < self._end else self._second(tick)
        if state == SeqState.PHASE2:
            if tick < self._end:
                return self._end
            return self._trigger(tick) if self._next() else self._finish()
        if state == SeqState.WAIT_TRIGGER:
            return self._trigger(tick)
        return self._fetch(tick) if state == SeqState.UNREADY else NEVER

    def _switch(self) -> None:
        if not self.enable:
            if self.active:
                self._finish()
        elif self.state == SeqState.WAIT_ENABLE:
            self.state = SeqState.WAIT_TRIGGER
            self._line = self._lines[0]
            self.table_line = self.line_repeat = self.table_repeat = 1
            self._show_active(1)

    def _fetch(self, tick: int) -> int:
        if self.active:
            self._finish()
            self.state = SeqState.UNREADY
        if not self._lines:
            return NEVER
        if self._end < 0:
            self._end = tick + LOAD_TICKS
        if tick < self._end:
            return self._end
        self.state = SeqState.WAIT_ENABLE
        return NEVER

    def _trigger(self, tick: int) -> int:
        line = self._line
        when = tick if line.trigger == 0 else self._holds_at(line.trigger, line.position, tick)
        if when > tick:
            self.state = SeqState.WAIT_TRIGGER
            return when
        if line.time1 == 0:
            return self._second(tick)
        self.state = SeqState.PHASE1
        if line.outs1 != self.outs:
            self._show(line.outs1)
        self._end = end = tick + line.time1 * self.prescale
        return end

    def _second(self, tick: int) -> int:
        line = self._line
        self.state = SeqState.PHASE2
        if line.outs2 != self.outs:
            self._show(line.outs2)
        self._end = end = tick + (line.time2 or 1) * self.prescale
        return end

    def _next(self) -> bool:
        if self._line.repeats == 0 or self.line_repeat < self._line.repeats:
            self.line_repeat += 1
            return True
        if self.table_line < len(self._lines):
            self.table_line += 1
        elif self.repeats == 0 or self.table_repeat < self.repeats:
            self.table_line = 1
            self.table_repeat += 1
        else:
            return False
        self.line_repeat = 1
        self._line = self._lines[self.table_line - 1]
        return True

    def _holds_at(self, trigger: int, position: int, tick: int) -> int:
        """The tick itself if the condition holds, else when to look again (NEVER: a change of input will say so)."""
        if trigger <= 6:
            bit = (self.bita, self.bitb, self.bitc)[(trigger - 1) // 2]
            return tick if bit == (trigger - 1) % 2 else NEVER
        if self._holds[:2] == (trigger, position) and tick < self._holds[2]:
            return tick
        source = (self.posa, self.posb, self.posc)[(trigger - 7) // 2]
        rising, stop = trigger % 2 == 1, self._fabric.stop
        first = source.first_tick(position, rising=rising, start=tick, stop=stop)
        if first == tick:
            beyond = position - 1 if rising else position + 1
            until = source.first_tick(beyond, rising=not rising, start=tick, stop=stop)
            # Within [tick, until) the condition cannot fail, so the repeats in there need not ask.
            self._holds = (trigger, position, until if until < NEVER else tick + 1)
        return first

    def _show(self, outs: int) -> None:
        changed = outs ^ self.outs
        self.outs = outs
        drive = self._fabric.drive
        for n, wire in enumerate(self._outputs):
            if changed >> n & 1:
                drive(wire, outs >> n & 1)

    def _show_active(self, value: int) -> None:
        self.active = value
        self._fabric.drive(self._active, value)

    def _finish(self) -> int:
        if self.outs:
            self._show(0)
        if self.active:
            self._show_active(0)
        self.state = SeqState.WAIT_ENABLE
        return NEVER
