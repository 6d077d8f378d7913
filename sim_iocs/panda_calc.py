"""CALC: the sum of up to four positions, each as it is or negated, shifted right by SHIFT; its OUT is a position.

Theory of operation. The sum of functions of time is a function of time, so nothing is ticked: OUT answers from its
inputs, one tick later than they, which is the block's hop. A threshold is found exactly, without knowing the paths: if
the sum lacks d counts, then at least one of the k inputs has to move by d / k or more before it can be reached; the
first instant at which one of them has is the next place to look.

The shift rounds down, tick by tick; where a sum over a gate is asked for and SHIFT is not 0, the gate is looked at at
up to SAMPLES of its ticks. Follows calc.timing.ini of PandABlocks-FPGA.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from .panda_block import Block, Outputs
from .panda_fabric import NEVER, Fabric, Wire
from .panda_position import Floats, Position, Ticks, moments_of, sampled

SIGNS = ("Value", "-Value")


class Calc(Block):
    """The block: its settings, and what they make of its inputs."""

    POSITIONS = ("INPA", "INPB", "INPC", "INPD")
    LEAPS: ClassVar[bool] = False

    def __init__(self, fabric: Fabric, outputs: Outputs | None = None) -> None:
        super().__init__(fabric, outputs)
        self.typea = self.typeb = self.typec = self.typed = 0
        self.shift = 0
        self.result = CalcPosition(self)

    @property
    def out(self) -> int:
        """OUT in the last tick that was handled."""
        return self.value(self._fabric.stop - 1)

    def terms(self) -> list[tuple[int, Position]]:
        """Sign and input of each term that is not grounded."""
        signs = (self.typea, self.typeb, self.typec, self.typed)
        pairs = zip(signs, self.inputs(), strict=True)
        return [(-1 if sign else 1, position) for sign, position in pairs]

    def value(self, tick: int) -> int:
        """OUT at a tick."""
        return sum(sign * position.at(tick) for sign, position in self.terms()) >> self.shift


class CalcPosition:
    """CALCn.OUT on the position bus."""

    def __init__(self, calc: Calc) -> None:
        self._calc = calc
        self.scale, self.offset, self.units = 1.0, 0.0, ""

    @property
    def sources(self) -> Sequence[Position]:
        """What it is made of."""
        return [position for _, position in self._calc.terms()]

    @property
    def wires(self) -> Sequence[Wire]:
        """Those of its inputs."""
        return [wire for position in self.sources for wire in position.wires]

    def at(self, tick: int) -> int:
        """The result of the tick before."""
        return self._calc.value(tick - 1)

    def first_tick(self, counts: int, *, rising: bool, start: int, stop: int) -> int:
        """Exact; see the theory of operation."""
        shift = self._calc.shift
        wanted = counts << shift if rising else (counts << shift) + (1 << shift) - 1
        tick = start
        while tick < stop:
            total = sum(sign * position.at(tick - 1) for sign, position in self._calc.terms())
            lacking = wanted - total if rising else total - wanted
            if lacking <= 0:
                return tick
            tick = self._next_move(tick, stop, lacking=lacking, rising=rising)
        return tick

    def _next_move(self, tick: int, stop: int, *, lacking: int, rising: bool) -> int:
        """The first tick after `tick` at which one input has done its share; `stop` or NEVER if none does."""
        terms = self._calc.terms()
        share = -(-lacking // len(terms))
        found = NEVER
        for sign, position in terms:
            up = rising == (sign > 0)
            goal = position.at(tick - 1) + (share if up else -share)
            at = position.first_tick(goal, rising=up, start=tick, stop=max(stop - 1, tick + 1))
            found = min(found, at)
        return min(max(found + 1, tick + 1), stop) if found < NEVER else NEVER

    def values(self, ticks: Ticks) -> Floats:
        """The results."""
        total = np.zeros(len(ticks))
        for sign, position in self._calc.terms():
            total += sign * position.values(ticks - 1)
        return np.floor(total / (1 << self._calc.shift))

    def sums(self, starts: Ticks, stops: Ticks) -> Floats:
        """The sum of the inputs' sums, or sampled where the shift rounds."""
        if self._calc.shift:
            pairs = zip(starts.tolist(), stops.tolist(), strict=True)
            return np.array([self.values(sampled(a, b)).mean() * (b - a) for a, b in pairs], np.float64)
        total = np.zeros(len(starts))
        for sign, position in self._calc.terms():
            total += sign * position.sums(starts - 1, stops - 1)
        return total

    def moments(self, start: int, stop: int, *, origin: int = 0) -> tuple[int, int]:
        """From the results at up to SAMPLES ticks of the gate."""
        return moments_of(self.values(sampled(start, stop)), stop - start, origin=origin)

    def extreme(self, start: int, stop: int, *, largest: bool) -> int:
        """Exact: the farthest that `first_tick` still finds."""
        sign = 1 if largest else -1
        best, reach = self.at(start), 1
        while self.first_tick(best + sign * reach, rising=largest, start=start, stop=stop) < stop:
            best, reach = best + sign * reach, reach * 2
        while reach > 1:
            reach //= 2
            if self.first_tick(best + sign * reach, rising=largest, start=start, stop=stop) < stop:
                best += sign * reach
        return best

    def forget(self, tick: int) -> None:
        """Its inputs forget by themselves."""
