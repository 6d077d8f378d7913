"""PCOMP: position compare, pulses at positions.

Theory of operation. States, one transition per tick at most:

    WAIT_ENABLE      -> WAIT_DIR (DIR Either) or WAIT_PRE_START on a rising ENABLE; relative positions count from here
    WAIT_DIR         absolute: as soon as INP is not at START, the direction is that towards START -> WAIT_PRE_START;
                     relative: once INP is START + PRE_START away. With PRE_START the direction is back -> the same;
                     without, INP is at START now: a pulse begins -> WAIT_FALLING. If both are 0 nothing can be
                     guessed: HEALTH 2
    WAIT_PRE_START   -> WAIT_RISING when INP is more than PRE_START before START
    WAIT_RISING      -> WAIT_FALLING at the next crossing: OUT rises, PRODUCED counts
    WAIT_FALLING     -> WAIT_RISING when INP is WIDTH beyond, OUT falls; -> WAIT_ENABLE after the last of PULSES
    any              -> WAIT_ENABLE when ENABLE falls; HEALTH 1 when INP has jumped over a whole STEP

A crossing has a direction of its own, from the crossing before: so a negative WIDTH makes a Schmitt trigger, and STEP
0 a comparator that works both ways. A start relative to where INP is now (START and PRE_START both 0, direction given)
needs no approach: the first pulse begins with ENABLE. Follows pcomp.timing.ini of PandABlocks-FPGA.
"""

from enum import IntEnum

from .panda_block import Block, Outputs
from .panda_fabric import NEVER, Fabric
from .panda_position import Position

DIRECTIONS = ("Positive", "Negative", "Either")
RELATIVE = ("Absolute", "Relative")
PCOMP_HEALTH = (
    "OK",
    "Position jumped by more than STEP",
    "Can't guess DIR when RELATIVE and PRE_START=0 and START=0",
)


class PcompState(IntEnum):
    """The STATE register."""

    WAIT_ENABLE = 0
    WAIT_DIR = 1
    WAIT_PRE_START = 2
    WAIT_RISING = 3
    WAIT_FALLING = 4


class Pcomp(Block):
    """One PCOMP block; positions in counts."""

    BITS = ("ENABLE",)
    POSITIONS = ("INP",)
    OUT_BITS = ("ACTIVE", "OUT")
    enable: int
    inp: Position
    active: int
    out: int

    def __init__(self, fabric: Fabric, outputs: Outputs | None = None) -> None:
        super().__init__(fabric, outputs)
        self.pre_start = self.start = self.width = self.step_size = self.pulses = 0
        self.relative = self.dir = 0
        self.health = self.produced = 0
        self.state = PcompState.WAIT_ENABLE
        self._was_enabled = 0
        self._zero = 0
        self._sign = 1
        self._last = self._next = 0

    @property
    def busy(self) -> bool:
        """Whether it waits for a position."""
        return bool(self.active)

    def step(self, tick: int) -> int:
        """One transition, if its condition holds; otherwise the tick at which to look again."""
        if self.enable != self._was_enabled:
            self._was_enabled = self.enable
            if not self.enable:
                self._stop()
            elif self.state == PcompState.WAIT_ENABLE:
                self._begin(tick)
            return tick + 1 if self.active else NEVER
        match self.state:
            case PcompState.WAIT_ENABLE:
                return NEVER
            case PcompState.WAIT_DIR:
                when = self._guess(tick)
            case PcompState.WAIT_PRE_START:
                when = self._approach(tick)
            case _:
                when = self._cross(tick)
        return when if self.active else NEVER

    def _begin(self, tick: int) -> None:
        self.show("ACTIVE", 1)
        self.health = self.produced = 0
        self._zero = self.inp.at(tick) if self.relative else 0
        self._sign = -1 if self.dir == 1 else 1
        if self.dir == 2:
            self.state = PcompState.WAIT_DIR
        elif self.relative and not self.start and not self.pre_start:
            self._rise(0)
        else:
            self.state = PcompState.WAIT_PRE_START

    def _stop(self, health: int | None = None) -> None:
        self.show("OUT", 0)
        self.show("ACTIVE", 0)
        self.state = PcompState.WAIT_ENABLE
        self.health = self.health if health is None else health

    def _guess(self, tick: int) -> int:
        away = self.start + self.pre_start if self.relative else 1
        if away <= 0:
            self._stop(2)
            return NEVER
        middle = 0 if self.relative else self.start
        when = min(
            self._when(middle + away, rising=True, tick=tick), self._when(middle - away, rising=False, tick=tick)
        )
        if when > tick:
            return when
        above = self.inp.at(tick) - self._zero > middle
        if not self.relative or self.pre_start > 0:
            self._sign = -1 if above else 1
            self.state = PcompState.WAIT_PRE_START
        else:
            self._sign = 1 if above else -1
            self._rise(self._start)
        return tick + 1

    @property
    def _start(self) -> int:
        return self.start * self._sign if self.relative else self.start

    def _approach(self, tick: int) -> int:
        limit = self._start - self._sign * (self.pre_start + 1)
        when = self._when(limit, rising=self._sign < 0, tick=tick)
        if when > tick:
            return when
        self._last, self._next = self._start - self._sign, self._start
        self.state = PcompState.WAIT_RISING
        return tick + 1

    def _cross(self, tick: int) -> int:
        when = self._when(self._next, rising=self._next >= self._last, tick=tick)
        if when > tick:
            return when
        if self.state == PcompState.WAIT_FALLING:
            self._fall(tick)
        elif self._jumped(tick):
            self._stop(1)
        else:
            self._rise(self._next)
        return tick + 1

    def _rise(self, at: int) -> None:
        self.show("OUT", 1)
        self.produced += 1
        self._last, self._next = at, at + self._sign * self.width
        self.state = PcompState.WAIT_FALLING

    def _fall(self, tick: int) -> None:
        self.show("OUT", 0)
        if self.produced == self.pulses:
            self._stop()
        elif self._jumped(tick):
            self._stop(1)
        else:
            self._last, self._next = self._next, self._last + self._sign * self.step_size
            self.state = PcompState.WAIT_RISING

    def _jumped(self, tick: int) -> bool:
        beyond, now = self._last + self._sign * self.step_size, self.inp.at(tick) - self._zero
        return self._last <= self._next <= beyond <= now or self._last >= self._next >= beyond >= now

    def _when(self, counts: int, *, rising: bool, tick: int) -> int:
        stop = self._fabric.stop
        return self.inp.first_tick(counts + self._zero, rising=rising, start=tick, stop=stop)
