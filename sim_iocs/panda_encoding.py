"""POSENC and QDEC: a position as quadrature (or steps and a direction), and quadrature as a position.

Theory of operation. POSENC follows INP by single steps, at most one per PERIOD (at least 2 ticks), at the ticks of a
prescaler that began with the write of PERIOD: at write + 1 + n x PERIOD, and not in the tick in which INP moved away.
In Step/Direction A is high for one tick per step, and B says the direction (1: down, or nothing to do), which after
ENABLE it knows one tick late if INP is above 0. QDEC counts each transition of (A, B), two ticks after it; a
transition that comes before the one before was counted takes its place in the sequence without being counted of its
own. SETP sets the count at once; with RST_ON_Z a high Z holds it at 0; both make it HOMED, until the link is lost.
Follow posenc_ and qdec_documentation.timing.ini of PandABlocks-FPGA.
"""

from .panda_block import Block, Outputs
from .panda_fabric import NEVER, Fabric
from .panda_position import Position

PROTOCOLS = ("Quadrature", "Step/Direction")
POSENC_STATES = ("Disabled", "At position", "Slewing")
GRAY = ((0, 0), (1, 0), (1, 1), (0, 1))
"""(A, B) in the order in which they come when the position rises."""


class PosEnc(Block):
    """One POSENC block; `period` in ticks."""

    BITS = ("ENABLE",)
    POSITIONS = ("INP",)
    OUT_BITS = ("A", "B")
    enable: int
    inp: Position
    a: int
    b: int

    def __init__(self, fabric: Fabric, outputs: Outputs | None = None) -> None:
        super().__init__(fabric, outputs)
        self.period = self.protocol = self.state = 0
        self._written = False
        self._grid = 0
        self._was_enabled = 0
        self._at = self._quarter = 0
        self._moved_at = -1
        self._fall = self._late = NEVER

    @property
    def busy(self) -> bool:
        """Whether it follows a position."""
        return bool(self.enable)

    def write(self, name: str, value: int) -> None:
        """A write of PERIOD begins the prescaler anew."""
        super().write(name, value)
        self._written |= name == "period"

    def step(self, tick: int) -> int:
        """Follow the position."""
        if self._written:
            self._written, self._grid = False, tick + 1
        if self.enable != self._was_enabled:
            self._switch(tick)
        elif self.enable:
            self._follow(tick)
        return self._next(tick) if self.enable else NEVER

    def _switch(self, tick: int) -> None:
        self._was_enabled = self.enable
        self._quarter, self._fall, self._late = 0, NEVER, NEVER
        self.state = int(bool(self.enable))
        self.show("A", 0)
        if self.enable:
            self._at = self.inp.at(tick)
            late = self.protocol == 1 and self._at > 0
            self._late = tick + 1 if late else NEVER
            self.show("B", int(self.protocol == 1 and not late))
        else:
            self.show("B", 0)

    def _follow(self, tick: int) -> None:
        now = self.inp.at(tick)
        if self.state == 1 and now != self._at:
            self.state, self._moved_at = 2, tick
        if tick >= self._fall:
            self.show("A", 0)
            self._fall = NEVER
        if now != self._at and tick > self._moved_at and self._on_grid(tick):
            self._move(tick, up=now > self._at)
        if now == self._at:
            self.state = 1
        if self.protocol == 1:
            self._late = NEVER
            self.show("B", int(now <= self._at))

    def _move(self, tick: int, *, up: bool) -> None:
        self._at += 1 if up else -1
        if self.protocol == 1:
            self.show("A", 1)
            self._fall = tick + 1
            return
        self._quarter = (self._quarter + (1 if up else -1)) % 4
        a, b = GRAY[self._quarter]
        self.show("A", a)
        self.show("B", b)

    @property
    def _pace(self) -> int:
        return max(self.period, 2)

    def _on_grid(self, tick: int) -> bool:
        return (tick - self._grid) % self._pace == 0

    def _next(self, tick: int) -> int:
        if self.state == 2:
            wait = tick + self._pace - (tick - self._grid) % self._pace
        else:
            stop = self._fabric.stop
            up = self.inp.first_tick(self._at + 1, rising=True, start=tick + 1, stop=stop)
            down = self.inp.first_tick(self._at - 1, rising=False, start=tick + 1, stop=stop)
            wait = max(min(up, down), tick + 1)
        return min(wait, self._fall, self._late)


class Qdec(Block):
    """One QDEC block."""

    BITS = ("A", "B", "Z")
    OUT_POSITIONS = ("OUT",)
    a: int
    b: int
    z: int
    out: int

    def __init__(self, fabric: Fabric, outputs: Outputs | None = None) -> None:
        super().__init__(fabric, outputs)
        self.linkup_incr = 1
        self.rst_on_z = self.setp = self.homed = 0
        self._set = False
        self._state = self._new = 0
        self._turn = 0
        self._since = NEVER

    def write(self, name: str, value: int) -> None:
        """A set point acts when it is written, also with the same number again."""
        super().write(name, value)
        self._set |= name == "setp"

    def step(self, tick: int) -> int:
        """Follow the lines."""
        if not self.linkup_incr:
            self.homed = 0
        if self._set:
            self._home(self.setp, tick)
            self._set, self._since = False, NEVER
            self._state = self._new = GRAY.index((self.a, self.b))
            return NEVER
        if self.rst_on_z and self.z:
            self._home(0, tick)
        elif self._since < NEVER:
            self._decode(tick)
        self._new = GRAY.index((self.a, self.b))
        if self._new != self._state and self._since == NEVER:
            self._since = tick
        return tick + 1 if self._since < NEVER else NEVER

    def _home(self, count: int, tick: int) -> None:
        self.homed = int(bool(self.linkup_incr))
        self.show_position("OUT", count, tick)

    def _decode(self, tick: int) -> None:
        if self._new != self._state:
            self._turn = {1: 1, 3: -1}.get((self._new - self._state) % 4, 0)
            self._state = self._new
        if tick >= self._since + 2:
            self._since = NEVER
            self.show_position("OUT", self.out + self._turn, tick)
