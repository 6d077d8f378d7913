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
other without a gap while it holds. Repeats of 0 mean for ever.

A streamed table is one that is continued by others (`more`): each is fetched while the one before runs, TABLE_LINE
counts on through all of them, REPEATS is not looked at, and once it has run, or was stopped, it is gone: UNREADY. If a
line is due that has not been fetched and more was promised, that is an underrun: outputs low, HEALTH 1, UNREADY. A
table that nobody expects (after the last one, or none was begun) is HEALTH 2. Follows seq_documentation.timing.ini of
PandABlocks-FPGA.
"""

from collections import deque
from collections.abc import Hashable
from enum import IntEnum
from typing import ClassVar

from .errors import RefusedPutError
from .panda_block import Block, Outputs
from .panda_fabric import NEVER, Fabric
from .panda_position import Position
from .panda_table import OUTPUTS, SeqLine

LOAD_TICKS = 11
MOST_QUEUED = 16_384
"""Lines that a streamed table may be ahead."""

LONG = 8
"""Repeats of a line that make it worth to look whether they are all alike."""

SEQ_STATES = ("UNREADY", "WAIT_ENABLE", "WAIT_TRIGGER", "PHASE1", "PHASE2")
SEQ_HEALTH = ("OK", "DMA underrun", "Not ready for table")
_NO_HOLD = (0, 0, -1)


class SeqState(IntEnum):
    """The sequencer's STATE register."""

    UNREADY = 0
    WAIT_ENABLE = 1
    WAIT_TRIGGER = 2
    PHASE1 = 3
    PHASE2 = 4


class Sequencer(Block):
    """One SEQ block.

    Attributes:
        underrun_at: fault: the line, counted from 1 since ENABLE rose, that does not come in time; 0 = none.
    """

    BITS = ("ENABLE", "BITA", "BITB", "BITC")
    POSITIONS = ("POSA", "POSB", "POSC")
    OUT_BITS = ("ACTIVE", *(f"OUT{output}" for output in OUTPUTS))
    LEAPS: ClassVar[bool] = True
    enable: int
    bita: int
    bitb: int
    bitc: int
    posa: Position
    posb: Position
    posc: Position
    active: int

    def __init__(self, fabric: Fabric, outputs: Outputs | None = None) -> None:
        super().__init__(fabric, outputs)
        self.prescale, self.repeats = 1, 1
        self.underrun_at = 0
        self.state = SeqState.UNREADY
        self.outs = self.health = 0
        self.table_line = self.line_repeat = self.table_repeat = 0
        self._lines: deque[SeqLine] = deque()
        self._table: list[SeqLine] = []
        self._fetching: deque[tuple[int, list[SeqLine], bool]] = deque()
        self._streaming = self._more = False
        self._line = SeqLine(1, 0, 0, 0, 0, 0, 0)
        self._end = NEVER
        self._begun = 0
        self._was_enabled = self._was_moved = 0
        self._holds: tuple[int, int, int] = _NO_HOLD
        self._marked = (0, 0, 0)
        self._wires = tuple(self._outputs.bits[f"OUT{output}"] for output in OUTPUTS)

    @property
    def busy(self) -> bool:
        """Whether it runs or fetches."""
        return bool(self.active or self._fetching)

    @property
    def queued_lines(self) -> int:
        """Lines of a streamed table that have not begun."""
        return len(self._lines) + sum(len(lines) for _, lines, _ in self._fetching)

    def load(self, lines: list[SeqLine], *, more: bool = False) -> None:
        """Take a new table, from outside `step`; a running sequencer stops and waits for the next rising ENABLE.

        Args:
            lines: its lines.
            more: others will continue it.
        """
        self._lines.clear()
        self._table = []
        self._streaming = self._more = more
        self._fetching = deque([(-1, lines, more)] if lines else [])
        self.state, self._end = SeqState.UNREADY, NEVER
        self.health = 0
        self._fabric.nudge(self)

    def append(self, lines: list[SeqLine], *, more: bool) -> None:
        """Continue a streamed table, or begin one where there is none, from outside `step`.

        Raises:
            RefusedPutError: the table would be too far ahead.
        """
        if self.queued_lines + len(lines) > MOST_QUEUED:
            raise RefusedPutError(
                f"sequencer table: at most {MOST_QUEUED} lines ahead, {self.queued_lines} wait and {len(lines)} came;"
                " wait until lines have run"
            )
        if self._more:
            self._more = more
            self._fetching.append((-1, lines, more))
            self._fabric.nudge(self)
        elif self.state == SeqState.UNREADY and not self._fetching:
            self._streaming_over()
            self.load(lines, more=True)
            self._more = more
        else:
            self.load([])
            self.health = 2

    def rewire(self) -> None:
        """Forget what is known of the positions, because a position input was switched."""
        self._holds = _NO_HOLD

    def step(self, tick: int) -> int:
        """One transition at most per tick; the end of a phase and the trigger that follows it are one."""
        wake = self._work(tick)
        return min(wake, self._fetch(tick)) if self._fetching or self.state == SeqState.UNREADY else wake

    def _work(self, tick: int) -> int:
        if self.enable != self._was_enabled:
            self._was_enabled = self.enable
            self._switch()
        if self.moved != self._was_moved:
            self._was_moved, self._holds = self.moved, _NO_HOLD
        state = self.state
        if state == SeqState.PHASE1:
            return self._end if tick < self._end else self._second(tick)
        if state == SeqState.PHASE2:
            if tick < self._end:
                return self._end
            return self._trigger(tick) if self._next() else self._finish()
        return self._trigger(tick) if state == SeqState.WAIT_TRIGGER else NEVER

    def _switch(self) -> None:
        if not self.enable:
            if self.active:
                self._streaming_over()
                self._finish()
        elif self.state == SeqState.WAIT_ENABLE:
            self.health = 0
            self.table_line = self.line_repeat = self.table_repeat = self._begun = 0
            self.table_repeat = 1
            self.show("ACTIVE", 1)
            self.state = SeqState.WAIT_TRIGGER
            self._take_line()

    def _fetch(self, tick: int) -> int:
        if self.state == SeqState.UNREADY and self.active:
            self._finish()
            self.state = SeqState.UNREADY
        self._fetching = deque(
            (tick + LOAD_TICKS if due < 0 else due, lines, more) for due, lines, more in self._fetching
        )
        while self._fetching and self._fetching[0][0] <= tick:
            _, lines, _ = self._fetching.popleft()
            if self._streaming:
                self._lines.extend(lines)
            else:
                self._table = lines
            if self.state == SeqState.UNREADY:
                self.state = SeqState.WAIT_ENABLE
        return self._fetching[0][0] if self._fetching else NEVER

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
        """Go on to the next repeat or line; False if there is none, by plan or because it did not come in time."""
        if self._line.repeats == 0 or self.line_repeat < self._line.repeats:
            self.line_repeat += 1
            if self._line.repeats == 0 or self._line.repeats - self.line_repeat > LONG:
                self._fabric.beat(self)
            return True
        if self._streaming:
            return (self._more or bool(self.queued_lines)) and self._take_line()
        if self.table_line >= len(self._table):
            if self.repeats and self.table_repeat >= self.repeats:
                return False
            self.table_line = 0
            self.table_repeat += 1
            self._fabric.beat(self)
        return self._take_line()

    def _take_line(self) -> bool:
        self._begun += 1
        if self._begun == self.underrun_at or (self._streaming and not self._lines):
            self.health = 1
            self._fetching.clear()
            self._streaming_over()
            self._table = []
            if self._begun == 1:
                self._finish()
            return False
        self.table_line += 1
        self.line_repeat = 1
        self._line = self._lines.popleft() if self._streaming else self._table[self.table_line - 1]
        return True

    def _streaming_over(self) -> None:
        if self._streaming:
            self._lines.clear()
            self._fetching.clear()
            self._streaming = self._more = False
            self._table = []

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
        for n, wire in enumerate(self._wires):
            if changed >> n & 1:
                drive(wire, outs >> n & 1)

    def _finish(self) -> int:
        if self.outs:
            self._show(0)
        self.show("ACTIVE", 0)
        if self._streaming and not self.queued_lines:
            self._streaming_over()
        self.state = SeqState.WAIT_ENABLE if self._table else SeqState.UNREADY
        return NEVER

    def phase(self, tick: int) -> Hashable:
        """State, inputs and outputs; the repeats are counted."""
        ends = self._end - tick if self.state in (SeqState.PHASE1, SeqState.PHASE2) else 0
        bits = self.enable, self.bita, self.bitb, self.bitc
        return self.state, self.table_line, self.outs, ends, bits, self._line, len(self._lines), len(self._fetching)

    def mark(self) -> None:
        """Repeats are counted."""
        self._marked = (self.line_repeat, self.table_repeat, self._begun)

    def room(self, tick: int, period: int) -> int:
        """Repeats left, and how long the condition is known to hold."""
        lines, tables = self.line_repeat - self._marked[0], self.table_repeat - self._marked[1]
        if self.underrun_at or (lines and tables) or lines < 0:
            return 0
        line, room = self._line, NEVER
        if lines and line.repeats:
            room = (line.repeats - self.line_repeat) // lines
        if tables and self.repeats:
            room = (self.repeats - self.table_repeat) // tables
        if tables and any(other.trigger > 6 for other in self._table):
            return 0
        if line.trigger > 6:
            room = min(room, (self._holds[2] - 1 - tick) // period)
        return max(room, 0)

    def leap(self, times: int, period: int) -> None:
        """Count the repeats."""
        lines, tables, begun = self._marked
        self.line_repeat += times * (self.line_repeat - lines)
        self.table_repeat += times * (self.table_repeat - tables)
        self._begun += times * (self._begun - begun)
        self._end += times * period
