"""What the position bus carries: encoders, known as functions of time, and values that step when a block changes them.

Sequencer and position capture see both through `Position`: a value at a tick, the first tick at which a value is
reached, and sums over gates [start, stop). Encoders answer analytically (`EncoderSource`), in whole counts at
instants; stepped values answer from their history.
"""

from bisect import bisect_right
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .panda_fabric import NEVER, TICK_NS, Fabric, Wire

Floats = NDArray[np.float64]
Ticks = NDArray[np.int64]


class EncoderSource(Protocol):
    """An encoder as the beamline knows it: its counts are a function of time, certain up to the present.

    Attributes:
        resolution: units per count.
        units: the unit's name, for example "mm".
    """

    resolution: float
    units: str

    def counts(self, t_ns: int) -> int:
        """Counts at the instant `t_ns` (Unix nanoseconds)."""
        ...

    def first_time(self, counts: int, *, rising: bool, start_ns: int, stop_ns: int) -> int | None:
        """First instant in [start_ns, stop_ns) with counts >= (rising) or <= `counts`; `start_ns` if already so."""
        ...

    def mean(self, start_ns: int, stop_ns: int) -> float:
        """Mean counts over the interval."""
        ...


class Position(Protocol):
    """One entry of the position bus."""

    scale: float
    offset: float
    units: str

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

    def extreme(self, start: int, stop: int, *, largest: bool) -> int:
        """Smallest or largest counts within the ticks [start, stop), which are at least one."""
        ...

    def forget(self, tick: int) -> None:
        """History before `tick` will not be asked for again."""
        ...


class EncoderPosition:
    """INENCn.VAL: an `EncoderSource` on the tick grid."""

    def __init__(self, source: EncoderSource, fabric: Fabric) -> None:
        self._source = source
        self._fabric = fabric
        self.scale = source.resolution
        self.offset = 0.0
        self.units = source.units

    def at(self, tick: int) -> int:
        """Counts at a tick."""
        return self._source.counts(self._fabric.ns_of(tick))

    def first_tick(self, counts: int, *, rising: bool, start: int, stop: int) -> int:
        """The crossing, rounded up to the tick that sees it."""
        ns_of = self._fabric.ns_of
        found = self._source.first_time(counts, rising=rising, start_ns=ns_of(start), stop_ns=ns_of(stop))
        return stop if found is None else max(start, self._fabric.tick_at(found))

    def values(self, ticks: Ticks) -> Floats:
        """Counts at each tick."""
        counts, ns_of = self._source.counts, self._fabric.ns_of
        return np.array([counts(ns_of(tick)) for tick in ticks.tolist()], np.float64)

    def sums(self, starts: Ticks, stops: Ticks) -> Floats:
        """Mean over the gate times its ticks: the FPGA's sum in the limit of motion that is slow against a tick."""
        mean, ns_of = self._source.mean, self._fabric.ns_of
        pairs = zip(starts.tolist(), stops.tolist(), strict=True)
        return np.array([mean(ns_of(a), ns_of(b)) for a, b in pairs], np.float64) * (stops - starts)

    def extreme(self, start: int, stop: int, *, largest: bool) -> int:
        """Found exactly by bisection on `first_time`, from the larger (smaller) of the two ends outwards."""
        sign = 1 if largest else -1
        best = max(sign * self.at(start), sign * self.at(stop - 1)) * sign
        reach = 1
        while self._reaches(best + sign * reach, start, stop, largest=largest):
            reach *= 2
        reached, missed = reach // 2, reach
        while missed - reached > 1:
            middle = (reached + missed) // 2
            if self._reaches(best + sign * middle, start, stop, largest=largest):
                reached = middle
            else:
                missed = middle
        return best + sign * reached

    def forget(self, tick: int) -> None:
        """The beamline keeps the axes' past itself."""

    def _reaches(self, counts: int, start: int, stop: int, *, largest: bool) -> bool:
        ns_of = self._fabric.ns_of
        last = ns_of(stop) - TICK_NS + 1
        return self._source.first_time(counts, rising=largest, start_ns=ns_of(start), stop_ns=last) is not None


class SteppedPosition:
    """COUNTERn.OUT, ZERO: a value that a block sets. `wire` brings its changes to the blocks that look at it."""

    def __init__(self, name: str, fabric: Fabric) -> None:
        self.wire = Wire(name, -1)
        self.scale, self.offset, self.units = 1.0, 0.0, ""
        self._fabric = fabric
        self._ticks: list[int] = [-NEVER]
        self._values: list[int] = [0]

    def drive(self, value: int, tick: int) -> None:
        """Inside a step at `tick`: listeners see `value` one tick later."""
        if self._ticks[-1] == tick + 1:
            self._values[-1] = value
        else:
            self._ticks.append(tick + 1)
            self._values.append(value)
        if self.wire.sinks:
            self._fabric.drive(self.wire, value)

    def at(self, tick: int) -> int:
        """The value that listeners see at `tick`."""
        if tick >= self._ticks[-1]:
            return self._values[-1]
        return self._values[bisect_right(self._ticks, tick) - 1]

    def first_tick(self, counts: int, *, rising: bool, start: int, stop: int) -> int:
        """Only the present counts: a later change arrives over the wire and asks again."""
        now = self.at(start)
        return start if (now >= counts if rising else now <= counts) else NEVER

    def values(self, ticks: Ticks) -> Floats:
        """The value that listeners see at each tick."""
        index = np.searchsorted(np.array(self._ticks), ticks, side="right") - 1
        return np.array(self._values, np.float64)[index]

    def sums(self, starts: Ticks, stops: Ticks) -> Floats:
        """Exact: the integral of the steps."""
        return self._per_gate(starts, stops, _integral)

    def extreme(self, start: int, stop: int, *, largest: bool) -> int:
        """Smallest or largest value held within the gate."""
        _, values = self._steps(start, stop)
        return max(values) if largest else min(values)

    def forget(self, tick: int) -> None:
        """Drop all steps but the last one at or before `tick`."""
        first = bisect_right(self._ticks, tick) - 1
        del self._ticks[:first], self._values[:first]

    def _steps(self, start: int, stop: int) -> tuple[list[int], list[int]]:
        first = bisect_right(self._ticks, start) - 1
        last = bisect_right(self._ticks, stop - 1)
        return [start, *self._ticks[first + 1 : last], stop], self._values[first:last]

    def _per_gate(self, starts: Ticks, stops: Ticks, f: Callable[[list[int], list[int]], int]) -> Floats:
        pairs = zip(starts.tolist(), stops.tolist(), strict=True)
        return np.array([f(*self._steps(a, b)) for a, b in pairs], np.float64)


def _integral(edges: list[int], values: list[int]) -> int:
    return sum(value * (b - a) for value, a, b in zip(values, edges[:-1], edges[1:], strict=True))
