"""INENC: encoder inputs, whose counts are the beamline's functions of time, shifted, homed, or lost.

Theory of operation. What the encoder says (`EncoderSource`) is a function of time; what the block makes of it changes
only at ticks that the block chooses: a set point or a reference mark shifts it, a loss of the signal freezes it. So
the value is described by stretches [tick, next): live ones are source - shift, dead ones a constant. Almost always
there is one stretch, and everything is asked of the source directly, many instants at once where it can answer that.

The reference mark (Z) stands where the source reads `MARK` counts. With RST_ON_Z the passing of the mark, in either
direction, sets the count to 0 and HOMED. A lost signal clears HOMED and CONN and shows HEALTH 1 until it is back.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .panda_block import Block
from .panda_fabric import NEVER, TICK_NS, Fabric, Wire
from .panda_position import Floats, Position, Ticks, moments_of, sampled

INENC_HEALTH = (
    "OK",
    "Linkup error (=not CONN)",
    "Timeout error (for BISS, SSI)",
    "CRC error (for BISS)",
    "Error bit active (for BISS)",
    "ENDAT not implemented",
    "Protocol readback error",
)
MARK = 0


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


@runtime_checkable
class ManyInstants(Protocol):
    """A source that answers for many instants at once, the same as one by one."""

    def readings(self, times_ns: Ticks) -> NDArray[np.int64]:
        """Counts at each instant, (n,)."""
        ...

    def means(self, starts_ns: Ticks, stops_ns: Ticks) -> Floats:
        """Mean counts over each interval, (n,)."""
        ...


class Stretch(NamedTuple):
    """From `start` on the value is source - shift while live, else `shift` itself."""

    start: int
    live: bool
    shift: int


class EncoderPosition:
    """INENCn.VAL: an `EncoderSource` on the tick grid."""

    def __init__(self, source: EncoderSource, fabric: Fabric) -> None:
        self._source, self._fabric = source, fabric
        self._many = source if isinstance(source, ManyInstants) else None
        self.scale, self.offset, self.units = source.resolution, 0.0, source.units
        self.wire = Wire("INENC", -1)
        self._stretches = [Stretch(-NEVER, True, 0)]

    @property
    def wires(self) -> Sequence[Wire]:
        """Its own, which tells of a new stretch."""
        return (self.wire,)

    @property
    def sources(self) -> Sequence[Position]:
        """None."""
        return ()

    @property
    def live(self) -> bool:
        """Whether it follows the source now."""
        return self._stretches[-1].live

    def change(self, tick: int, *, live: bool, shift: int) -> None:
        """From `tick` on be source - shift (live) or the constant `shift`; nothing later may have been asked yet."""
        self._stretches = [stretch for stretch in self._stretches if stretch.start < tick]
        self._stretches.append(Stretch(tick, live, shift))

    def source_counts(self, tick: int) -> int:
        """What the encoder itself says at a tick."""
        return self._source.counts(self._fabric.ns_of(tick))

    def source_reaches(self, counts: int, *, rising: bool, start: int, stop: int) -> int | None:
        """First tick in [start, stop) at which the encoder itself is at `counts` or beyond, if there is one."""
        ns_of = self._fabric.ns_of
        last = ns_of(stop) - TICK_NS + 1
        found = self._source.first_time(counts, rising=rising, start_ns=ns_of(start), stop_ns=last)
        return None if found is None else max(start, self._fabric.tick_at(found))

    def at(self, tick: int) -> int:
        """Counts at a tick."""
        for start, live, shift in reversed(self._stretches):
            if start <= tick:
                return self.source_counts(tick) - shift if live else shift
        return 0

    def first_tick(self, counts: int, *, rising: bool, start: int, stop: int) -> int:
        """The crossing, rounded up to the tick that sees it; only of the last stretch, which is the present one."""
        _, live, shift = self._stretches[-1]
        if not live:
            return start if (shift >= counts if rising else shift <= counts) else NEVER
        found = self.source_reaches(counts + shift, rising=rising, start=start, stop=stop)
        return stop if found is None else found

    def values(self, ticks: Ticks) -> Floats:
        """Counts at each tick."""
        out = np.zeros(len(ticks))
        for stretch, chosen in self._parts(ticks):
            out[chosen] = self._readings(ticks[chosen]) - stretch.shift if stretch.live else stretch.shift
        return out

    def sums(self, starts: Ticks, stops: Ticks) -> Floats:
        """Mean over the gate times its ticks: the FPGA's sum in the limit of motion that is slow against a tick."""
        if len(self._stretches) == 1 and self.live:
            return (self._means(starts, stops) - self._stretches[0].shift) * (stops - starts)
        out = np.zeros(len(starts))
        ends = [stretch.start for stretch in self._stretches[1:]] + [NEVER]
        for stretch, end in zip(self._stretches, ends, strict=True):
            a, b = np.maximum(starts, stretch.start), np.minimum(stops, end)
            inside = a < b
            mean = self._means(a[inside], b[inside]) - stretch.shift if stretch.live else stretch.shift
            out[inside] += mean * (b - a)[inside]
        return out

    def moments(self, start: int, stop: int, *, origin: int = 0) -> tuple[int, int]:
        """From readings at up to SAMPLES ticks of the gate; exact if it has no more."""
        return moments_of(self.values(sampled(start, stop)), stop - start, origin=origin)

    def extreme(self, start: int, stop: int, *, largest: bool) -> int:
        """Found exactly by bisection on `first_time`, from the larger (smaller) of the two ends outwards."""
        if len(self._stretches) > 1 and self._stretches[-1].start > start:
            values = self.values(sampled(start, stop))
            return int(values.max() if largest else values.min())
        sign = 1 if largest else -1
        best = max(sign * self.at(start), sign * self.at(stop - 1)) * sign
        if not self.live:
            return best
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
        """The beamline keeps the axes' past itself; stretches that are over go."""
        while len(self._stretches) > 1 and self._stretches[1].start <= tick:
            self._stretches.pop(0)

    def _reaches(self, counts: int, start: int, stop: int, *, largest: bool) -> bool:
        shift = self._stretches[-1].shift
        return self.source_reaches(counts + shift, rising=largest, start=start, stop=stop) is not None

    def _parts(self, ticks: Ticks) -> list[tuple[Stretch, NDArray[np.bool_] | slice]]:
        if len(self._stretches) == 1:
            return [(self._stretches[0], slice(None))]
        begins = np.array([stretch.start for stretch in self._stretches])
        index = np.searchsorted(begins, ticks, side="right") - 1
        return [(stretch, index == n) for n, stretch in enumerate(self._stretches)]

    def _readings(self, ticks: Ticks) -> NDArray[np.int64]:
        times = self._fabric.epoch_ns + ticks * TICK_NS
        if self._many is not None:
            return self._many.readings(times)
        return np.array([self._source.counts(t) for t in times.tolist()], np.int64)

    def _means(self, starts: Ticks, stops: Ticks) -> Floats:
        epoch = self._fabric.epoch_ns
        if self._many is not None:
            return self._many.means(epoch + starts * TICK_NS, epoch + stops * TICK_NS)
        pairs = zip((epoch + starts * TICK_NS).tolist(), (epoch + stops * TICK_NS).tolist(), strict=True)
        return np.array([self._source.mean(a, b) for a, b in pairs], np.float64)


class InputEncoder(Block):
    """INENC: sets, homes and loses an `EncoderPosition`."""

    def __init__(self, fabric: Fabric, position: EncoderPosition, conn: Wire) -> None:
        super().__init__(fabric)
        self.rst_on_z = 0
        self.setp = 0
        self.homed = self.health = 0
        self.lost = 0
        self.conn = 1
        self._set = False
        self._side = 0
        self._looked = -1
        self._position, self._conn = position, conn
        conn.value = 1

    @property
    def busy(self) -> bool:
        """Whether the mark may be passed unseen."""
        return bool(self.rst_on_z)

    def write(self, name: str, value: int) -> None:
        """A set point acts when it is written, also with the same number again."""
        setattr(self, name, value)
        self._set |= name == "setp"
        if name == "rst_on_z":
            self._looked = -1

    def step(self, tick: int) -> int:
        """Follow the writes and, with RST_ON_Z, the mark."""
        if self.lost != 1 - self.conn:
            self._link(tick)
        if self._set:
            self._set = False
            if self.conn:
                self._count_from(tick, self.setp)
        return self._watch(tick) if self.rst_on_z and self.conn else NEVER

    def _link(self, tick: int) -> None:
        self.conn = 1 - self.lost
        self.health = self.lost
        self._fabric.drive(self._conn, self.conn)
        held = self._position.at(tick)
        if self.lost:
            self.homed = 0
            self._change(tick, live=False, shift=held)
        else:
            self._change(tick, live=True, shift=self._position.source_counts(tick) - held)
            self._looked = -1

    def _watch(self, tick: int) -> int:
        position = self._position
        if self._looked < 0:
            self._side = 1 if position.source_counts(tick) >= MARK else 0
        elif (
            position.source_reaches(
                MARK if not self._side else MARK - 1, rising=not self._side, start=tick, stop=tick + 1
            )
            is not None
        ):
            self._side = 1 - self._side
            self._count_from(tick, 0)
        self._looked = tick
        rising = not self._side
        stop = self._fabric.stop
        found = position.source_reaches(MARK if rising else MARK - 1, rising=rising, start=tick + 1, stop=stop)
        return stop if found is None else found

    def _count_from(self, tick: int, value: int) -> None:
        self.homed = 1
        self._change(tick, live=True, shift=self._position.source_counts(tick) - value)

    def _change(self, tick: int, *, live: bool, shift: int) -> None:
        self._position.change(tick, live=live, shift=shift)
        if self._position.wire.sinks:
            self._fabric.drive(self._position.wire, tick)
