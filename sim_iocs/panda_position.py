"""What the position bus carries: encoders, known as functions of time, and values that step when a block changes them.

Sequencer, position compare and position capture see both through `Position`: a value at a tick, the first tick at
which a value is reached, and sums over gates [start, stop). Encoders answer analytically (panda_encoder), in whole
counts at instants; stepped values answer from their history.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .panda_fabric import NEVER, Fabric, Wire
from .panda_log import TickLog

Floats = NDArray[np.float64]
Ticks = NDArray[np.int64]

SAMPLES = 512
"""Instants at which a gate is looked at where no formula is at hand: squares of encoders, scaled sums."""


class Position(Protocol):
    """One entry of the position bus; `wires` bring the changes that nobody can foresee."""

    scale: float
    offset: float
    units: str

    @property
    def wires(self) -> Sequence[Wire]:
        """Who reads this position is stepped when one of these changes."""
        ...

    @property
    def sources(self) -> "Sequence[Position]":
        """The positions that this one is made of; empty for all but calculated ones."""
        ...

    def at(self, tick: int) -> int:
        """Counts at a tick that has been reached."""
        ...

    def first_tick(self, counts: int, *, rising: bool, start: int, stop: int) -> int:
        """First tick in [start, stop) at which counts >= (rising) or <= `counts`.

        Without one: `stop`, where to ask again, or NEVER where a change will be told over a wire.
        """
        ...

    def values(self, ticks: Ticks) -> Floats:
        """Counts at each tick."""
        ...

    def sums(self, starts: Ticks, stops: Ticks) -> Floats:
        """Sum of the counts over the ticks of each gate [start, stop)."""
        ...

    def moments(self, start: int, stop: int, *, origin: int = 0) -> tuple[int, int]:
        """Sum of (counts - origin), and of its square, over the ticks of one gate [start, stop)."""
        ...

    def extreme(self, start: int, stop: int, *, largest: bool) -> int:
        """Smallest or largest counts within the ticks [start, stop), which are at least one."""
        ...

    def forget(self, tick: int) -> None:
        """History before `tick` will not be asked for again."""
        ...


class SteppedPosition:
    """COUNTERn.OUT, ZERO: a value that a block sets. `wire` brings its changes to the blocks that look at it."""

    def __init__(self, name: str, fabric: Fabric) -> None:
        self.name, self.wire = name, Wire(name, -1)
        self.scale, self.offset, self.units = 1.0, 0.0, ""
        self._fabric = fabric
        self._ticks, self._values = TickLog(), TickLog()
        self._last_tick, self._last_value = -NEVER, 0
        self._ticks.append(-NEVER)
        self._values.append(0)
        self._mark = 0

    @property
    def wires(self) -> Sequence[Wire]:
        """Its own."""
        return (self.wire,)

    @property
    def sources(self) -> Sequence[Position]:
        """None."""
        return ()

    def drive(self, value: int, tick: int) -> None:
        """Inside a step at `tick`: listeners see `value` one tick later."""
        self._last_value = value
        if self._last_tick == tick + 1:
            self._values.set_last(value)
        else:
            self._last_tick = tick + 1
            self._ticks.append(tick + 1)
            self._values.append(value)
        if self.wire.sinks:
            self._fabric.drive(self.wire, value)

    def at(self, tick: int) -> int:
        """The value that listeners see at `tick`."""
        if tick >= self._last_tick:
            return self._last_value
        return int(self._values.array()[self._index(np.array([tick]))[0]])

    def first_tick(self, counts: int, *, rising: bool, start: int, stop: int) -> int:
        """Only the present counts: a later change arrives over the wire and asks again."""
        del stop
        now = self.at(start)
        return start if (now >= counts if rising else now <= counts) else NEVER

    def values(self, ticks: Ticks) -> Floats:
        """The value that listeners see at each tick."""
        return self._values.array()[self._index(ticks)].astype(np.float64)

    def sums(self, starts: Ticks, stops: Ticks) -> Floats:
        """Exact: the integral of the steps."""
        if not len(starts):
            return np.zeros(0)
        first = int(self._index(starts[:1])[0])
        values = self._values.array()[first:].astype(np.float64)
        edges = np.concatenate([starts[:1], self._ticks.array()[first + 1 :]])
        area = np.concatenate([[0.0], np.cumsum(values[:-1] * np.diff(edges))])

        def integral(ticks: Ticks) -> Floats:
            index = np.searchsorted(edges, ticks, side="right") - 1
            return area[index] + values[index] * (ticks - edges[index])

        return integral(stops) - integral(starts)

    def moments(self, start: int, stop: int, *, origin: int = 0) -> tuple[int, int]:
        """Exact, in whole numbers of any size."""
        edges, values = self._steps(start, stop)
        parts = [(value - origin, b - a) for value, a, b in zip(values, edges[:-1], edges[1:], strict=True)]
        return sum(value * ticks for value, ticks in parts), sum(value * value * ticks for value, ticks in parts)

    def extreme(self, start: int, stop: int, *, largest: bool) -> int:
        """Smallest or largest value held within the gate."""
        _, values = self._steps(start, stop)
        return max(values) if largest else min(values)

    def forget(self, tick: int) -> None:
        """Drop all steps but the last one at or before `tick`."""
        first = int(self._index(np.array([tick]))[0])
        self._ticks.drop(first)
        self._values.drop(first)

    def mark(self) -> None:
        """A period begins that may be copied."""
        self._mark = len(self._ticks)

    def repeat(self, times: int, *, period: int, gain: int) -> None:
        """Add the steps since `mark` `times` more, each time `period` later and `gain` higher."""
        if len(self._ticks) > self._mark:
            self._ticks.repeat(self._mark, times, period)
            self._values.repeat(self._mark, times, gain)
            self._last_tick, self._last_value = self._ticks.last(), self._values.last()

    def _index(self, ticks: Ticks) -> Ticks:
        return np.searchsorted(self._ticks.array(), ticks, side="right") - 1

    def _steps(self, start: int, stop: int) -> tuple[list[int], list[int]]:
        first, last = (int(i) for i in self._index(np.array([start, stop - 1])))
        edges = self._ticks.array()[first + 1 : last + 1].tolist()
        return [start, *edges, stop], self._values.array()[first : last + 1].tolist()


def sampled(start: int, stop: int) -> Ticks:
    """Ticks within [start, stop), at most SAMPLES, evenly spread; all of them if there are no more.

    >>> sampled(10, 14).tolist()
    [10, 11, 12, 13]
    """
    count = min(stop - start, SAMPLES)
    return start + (np.arange(count) * (stop - start) + (stop - start) // 2) // max(count, 1)


def one(sums: Callable[[Ticks, Ticks], Floats], start: int, stop: int) -> float:
    """The sum over a single gate."""
    return float(sums(np.array([start]), np.array([stop]))[0])


def moments_of(samples: Floats, ticks: int, *, origin: int) -> tuple[int, int]:
    """The moments of a gate of `ticks` from samples that stand for all of it."""
    away = samples - origin
    return round(float(np.mean(away)) * ticks), round(float(np.mean(away * away)) * ticks)
