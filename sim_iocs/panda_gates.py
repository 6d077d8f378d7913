"""The blocks of logic: SRGATE, LUT, DIV, BITS, and the delay of an input.

Each follows its inputs in the tick in which it sees them, as srgate, lut, div and bits.timing.ini of PandABlocks-FPGA
show.
"""

from collections import deque
from collections.abc import Hashable
from typing import ClassVar

from .panda_block import Block, Outputs, chosen
from .panda_fabric import NEVER, Fabric, Wire

WHEN_DISABLED = ("Set output low", "Set output high", "Keep current output")
LUT_TYPES = ("Input-Level", "Pulse-On-Rising-Edge", "Pulse-On-Falling-Edge", "Pulse-On-Either-Edge")
FIRST_PULSES = ("OutN", "OutD")


class SrGate(Block):
    """SRGATE: set and reset by edges, while enabled; forced by writes, a reset before a set."""

    BITS = ("ENABLE", "SET", "RST")
    OUT_BITS = ("OUT",)
    LEAPS: ClassVar[bool] = True
    enable: int
    set: int
    rst: int
    out: int

    def __init__(self, fabric: Fabric, outputs: Outputs | None = None) -> None:
        super().__init__(fabric, outputs)
        self.when_disabled = self.set_edge = self.rst_edge = 0
        self.force_set = self.force_rst = 0
        self._forced: str | None = None
        self._was = (0, 0)

    def write(self, name: str, value: int) -> None:
        """FORCE_SET and FORCE_RST act when they are written."""
        super().write(name, value)
        if name in ("force_set", "force_rst") and self._forced != "force_rst":
            self._forced = name

    def step(self, tick: int) -> int:
        """Follow the inputs."""
        del tick
        set_edge = self.set != self._was[0] and chosen(self.set_edge, self.set)
        rst_edge = self.rst != self._was[1] and chosen(self.rst_edge, self.rst)
        self._was = (self.set, self.rst)
        forced, self._forced = self._forced, None
        if not self.enable:
            self.show("OUT", (0, 1, self.out)[self.when_disabled])
        elif forced is not None:
            self.show("OUT", int(forced == "force_set"))
        elif rst_edge or set_edge:
            self.show("OUT", int(not rst_edge))
        return NEVER

    def phase(self, tick: int) -> Hashable:
        """Inputs and output."""
        del tick
        return self.enable, self._was, self.out


class Lut(Block):
    """LUT: a function of five inputs, or of pulses of one tick at their edges.

    Attributes:
        func: 32 bits; input A is the highest bit of the index, E the lowest.
    """

    BITS = ("INPA", "INPB", "INPC", "INPD", "INPE")
    OUT_BITS = ("OUT",)
    LEAPS: ClassVar[bool] = True
    out: int

    def __init__(self, fabric: Fabric, outputs: Outputs | None = None) -> None:
        super().__init__(fabric, outputs)
        self.func = 0
        self.typea = self.typeb = self.typec = self.typed = self.typee = 0
        self._was = [0] * 5

    def step(self, tick: int) -> int:
        """Look up the output; one tick later again if an edge was a pulse."""
        index, pulse = 0, False
        for n, letter in enumerate("abcde"):
            now, kind = getattr(self, f"inp{letter}"), getattr(self, f"type{letter}")
            if kind:
                now, edge = int(now != self._was[n] and chosen(kind - 1, now)), now
                pulse |= bool(now)
                self._was[n] = edge
            else:
                self._was[n] = now
            index = index * 2 + now
        self.show("OUT", self.func >> index & 1)
        return tick + 1 if pulse else NEVER

    def phase(self, tick: int) -> Hashable:
        """Inputs and output."""
        del tick
        return tuple(self._was), self.out


class Div(Block):
    """DIV: every DIVISOR-th pulse goes to OUTD, the others to OUTN."""

    BITS = ("ENABLE", "INP")
    OUT_BITS = ("OUTD", "OUTN")
    LEAPS: ClassVar[bool] = True
    enable: int
    inp: int
    outd: int
    outn: int

    def __init__(self, fabric: Fabric, outputs: Outputs | None = None) -> None:
        super().__init__(fabric, outputs)
        self.divisor = self.first_pulse = self.count = 0
        self._was_enabled = self._was = 0

    def write(self, name: str, value: int) -> None:
        """A new DIVISOR or FIRST_PULSE begins the count anew."""
        super().write(name, value)
        self._reset()

    def step(self, tick: int) -> int:
        """Send a pulse one way or the other."""
        del tick
        rose, fell = self.inp > self._was, self.inp < self._was
        self._was = self.inp
        if self.enable != self._was_enabled:
            self._was_enabled = self.enable
            self._reset()
            self._send(0, 0)
        elif self.enable and rose:
            divided = self.count + 1 >= self.divisor
            self.count = 0 if divided else self.count + 1
            self._send(int(divided), int(not divided))
        elif fell:
            self._send(0, 0)
        return NEVER

    def _reset(self) -> None:
        self.count = max(self.divisor - 1, 0) if self.first_pulse else 0

    def _send(self, outd: int, outn: int) -> None:
        self.show("OUTD", outd)
        self.show("OUTN", outn)

    def phase(self, tick: int) -> Hashable:
        """Inputs, outputs and the count, which comes back by itself."""
        del tick
        return self.enable, self._was, self.count, self.outd, self.outn


class Bits(Block):
    """BITS: four outputs that follow registers."""

    OUT_BITS = ("OUTA", "OUTB", "OUTC", "OUTD")

    def __init__(self, fabric: Fabric, outputs: Outputs | None = None) -> None:
        super().__init__(fabric, outputs)
        self.a = self.b = self.c = self.d = 0

    def step(self, tick: int) -> int:
        """Show the registers."""
        del tick
        for letter in "ABCD":
            self.show(f"OUT{letter}", int(getattr(self, letter.lower())))
        return NEVER


class DelayLine(Block):
    """The *_DELAY of a bit input: its listeners see every change `ticks` later."""

    BITS = ("INP",)
    LEAPS: ClassVar[bool] = True
    inp: int

    def __init__(self, fabric: Fabric, out: Wire, *, ticks: int) -> None:
        super().__init__(fabric)
        self.out_wire, self._ticks = out, ticks
        self._coming: deque[tuple[int, int]] = deque()
        self._was = out.value

    def step(self, tick: int) -> int:
        """Take a change in; let one out, which the fabric delivers one tick later."""
        if self.inp != self._was:
            self._was = self.inp
            self._coming.append((tick + self._ticks - 1, self.inp))
        while self._coming and self._coming[0][0] <= tick:
            self._fabric.drive(self.out_wire, self._coming.popleft()[1])
        return self._coming[0][0] if self._coming else NEVER

    def phase(self, tick: int) -> Hashable:
        """What is on its way."""
        return self._was, tuple((at - tick, value) for at, value in self._coming)

    def leap(self, times: int, period: int) -> None:
        """Move what is on its way."""
        self._coming = deque((at + times * period, value) for at, value in self._coming)
