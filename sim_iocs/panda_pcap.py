"""PCAP: position capture, the block that turns triggers into rows.

Theory of operation. ARM raises ACTIVE; capture starts at the first tick at which ENABLE is high too, the start that
all time stamps are relative to. From there the ticks during which GATE is high are gathered as gates [start, stop).
On the chosen edge of TRIG a row is made of the gates (and the part of an open one) since the row before; a gate that
falls in the tick of the trigger belongs to the row. ENABLE falling, or DISARM, lowers ACTIVE. Two triggers closer
together than the 32-bit words of a row end the capture with HEALTH 1, four ticks later.

The inner loop only notes ticks; `collect` turns them into columns, vectorised, while the positions' past is at hand:
Value = counts at the trigger; Diff = counts gained within the gates; Sum = counts summed over the ticks of the gates;
Mean = Sum / ticks (NaN without a gate); Min, Max within the gates (the limits of int32 without one). Follows
pcap_documentation.timing.ini of PandABlocks-FPGA, but for the pipeline between a trigger and its words on the DMA
stream, which nothing can see here.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .panda_fabric import NEVER, TICK_NS, Fabric, Wire
from .panda_position import Floats, Position, Ticks

CAPTURE_MODES = {
    "No": (),
    "Value": ("Value",),
    "Diff": ("Diff",),
    "Sum": ("Sum",),
    "Mean": ("Mean",),
    "Min": ("Min",),
    "Max": ("Max",),
    "Min Max": ("Min", "Max"),
    "Min Max Mean": ("Min", "Max", "Mean"),
}
"""Capture choice of a position -> the statistics it captures."""

OWN_FIELDS = ("TS_START", "TS_END", "TS_TRIG", "GATE_DURATION", "BITS0", "BITS1", "BITS2", "BITS3")
"""What PCAP itself captures: seconds since the start (float64); gated ticks, 32 lines of the bit bus each (uint32)."""

HEALTH = ("OK", "Capture events too close together", "Samples overflow")
_WORDS = {"Sum": 2, "Mean": 3, "TS_START": 2, "TS_END": 2, "TS_TRIG": 2}
_PIPELINE_TICKS = 4
_EMPTY = {"Min": float((1 << 31) - 1), "Max": float(-(1 << 31))}


class Column(NamedTuple):
    """One captured column, for example INENC1.VAL, Mean; `position` is None for PCAP's own fields."""

    field: str
    statistic: str
    position: Position | None

    @property
    def name(self) -> str:
        """The column's name in files."""
        return f"{self.field}.{self.statistic}"

    @property
    def dtype(self) -> str:
        """Name of the numpy type in files."""
        return "uint32" if self.field.startswith(("PCAP.GATE", "PCAP.BITS")) else "float64"

    @property
    def words(self) -> int:
        """32-bit words per row, which is also the least number of ticks between rows that it asks for."""
        return _WORDS.get(self.field.removeprefix("PCAP."), _WORDS.get(self.statistic, 1))


class CaptureBatch(NamedTuple):
    """Rows of one arming: columns by name, all of one length; `start_ns` is what TS_* are relative to."""

    armed_ns: int
    start_ns: int
    columns: dict[str, NDArray[np.generic]]
    size: int


class Pcap:
    """The PCAP block; `enable`, `gate`, `trig` follow the bit bus."""

    def __init__(self, fabric: Fabric, active: Wire, bus: list[Wire]) -> None:
        self.order = self.wake = self.due = 0
        self.enable = self.gate = self.trig = 0
        self.trig_edge = self.shift_sum = 0
        self.active = self.health = 0
        self.armed_tick = self.start_tick = -1
        self._columns: tuple[Column, ...] = ()
        self._words = 1
        self._with_bits = False
        self._request = 0
        self._fails_at = NEVER
        self._open, self._was_trig = -1, 0
        self._last = -NEVER
        self._rows: list[tuple[int, int]] = []
        self._bits: list[int] = []
        self._starts: list[int] = []
        self._stops: list[int] = []
        self._active, self._bus, self._fabric = active, bus, fabric
        fabric.adopt(self)

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
        if trig != was_trig and (self.trig_edge == 2 or trig == 1 - self.trig_edge):
            self._capture(tick)
        return self._fails_at

    def collect(self) -> CaptureBatch | None:
        """The rows since the last call, or None."""
        if not self._rows:
            return None
        rows = _Rows.of(self._rows, self._starts, self._stops)
        columns: dict[str, NDArray[np.generic]] = {}
        for column in self._columns:
            values = self._own(column.field, rows) if column.position is None else self._statistic(column, rows)
            columns[column.name] = values.astype(column.dtype)
        done = len(rows.starts)  # gates that are closed but belong to the next row stay
        self._rows, self._bits, self._starts, self._stops = [], [], self._starts[done:], self._stops[done:]
        ns_of = self._fabric.ns_of
        return CaptureBatch(ns_of(self.armed_tick), ns_of(self.start_tick), columns, len(rows.trigs))

    @property
    def history_from(self) -> int:
        """The first tick of the past that a row to come may still ask for."""
        if not self.active:
            return self._fabric.stop
        return self._starts[0] if self._starts else (self._open if self._open >= 0 else self._fabric.stop)

    def _enabled(self, tick: int) -> bool:
        """Whether capture runs at `tick`: from ENABLE high until it falls, or until rows came too close together."""
        if tick >= self._fails_at:
            self.health = 1
            self._stop()
        elif self.start_tick < 0:
            if self.enable:
                self.start_tick = tick
        elif not self.enable:
            self._stop()
        return bool(self.active) and self.start_tick >= 0

    def _obey(self, tick: int) -> None:
        request, self._request = self._request, 0
        if request > 0 and not self.active:
            self.active, self.health, self.armed_tick, self.start_tick = 1, 0, tick, -1
            self._open, self._last, self._fails_at = -1, -NEVER, NEVER
            self._starts, self._stops = [], []
            self._fabric.drive(self._active, 1)
        elif request < 0 and self.active:
            self._stop()

    def _stop(self) -> None:
        self.active = 0
        self._open = -1
        self._fabric.drive(self._active, 0)

    def _close(self, tick: int) -> None:
        if tick > self._open:
            self._starts.append(self._open)
            self._stops.append(tick)
        self._open = -1

    def _capture(self, tick: int) -> None:
        if tick - self._last < self._words:
            self._fails_at = min(self._fails_at, tick + _PIPELINE_TICKS)
            return
        self._last = tick
        if self._open >= 0:
            self._close(tick)
            self._open = tick
        self._rows.append((tick, len(self._starts)))
        if self._with_bits:
            self._bits.append(sum(wire.value << wire.index for wire in self._bus))

    def _own(self, field: str, rows: "_Rows") -> NDArray[np.generic]:
        match field:
            case "PCAP.TS_TRIG":
                return self._seconds(rows.trigs - self.start_tick)
            case "PCAP.TS_START":
                return self._seconds(rows.first(rows.starts) - self.start_tick, rows.gated)
            case "PCAP.TS_END":
                return self._seconds(rows.last(rows.stops) - self.start_tick, rows.gated)
            case "PCAP.GATE_DURATION":
                return rows.total((rows.stops - rows.starts).astype(np.float64)).astype(np.int64) >> self.shift_sum
            case _:
                shift = 32 * int(field[-1])
                return np.array([bits >> shift & 0xFFFFFFFF for bits in self._bits], np.uint32)

    def _seconds(self, ticks: Ticks, gated: NDArray[np.bool_] | None = None) -> Floats:
        shown = ticks if gated is None else np.where(gated, ticks, -1)
        return shown * TICK_NS / 1e9

    def _statistic(self, column: Column, rows: "_Rows") -> Floats:
        position = column.position
        if position is None:
            return np.zeros(len(rows.trigs))
        scale, offset = position.scale, position.offset
        match column.statistic:
            case "Value":
                return position.values(rows.trigs) * scale + offset
            case "Diff":
                return rows.total(position.values(rows.stops) - position.values(rows.starts)) * scale
            case "Sum":
                total = np.floor(rows.total(position.sums(rows.starts, rows.stops)) / (1 << self.shift_sum))
                return total * scale + offset * rows.ticks
            case "Mean":
                with np.errstate(invalid="ignore"):
                    return rows.total(position.sums(rows.starts, rows.stops)) / rows.ticks * scale + offset
            case _:
                return _extremes(position, column.statistic, rows) * scale + offset


class _Rows(NamedTuple):
    """Rows as arrays: `trigs` per row; `starts`, `stops` per gate; row r has the gates [begins[r], ends[r])."""

    trigs: Ticks
    begins: Ticks
    ends: Ticks
    starts: Ticks
    stops: Ticks

    @classmethod
    def of(cls, rows: list[tuple[int, int]], starts: list[int], stops: list[int]) -> "_Rows":
        table = np.array(rows, np.int64)
        ends = table[:, 1]
        begins = np.concatenate([[0], ends[:-1]])
        last = int(ends[-1])
        return cls(table[:, 0], begins, ends, np.array(starts[:last], np.int64), np.array(stops[:last], np.int64))

    @property
    def gated(self) -> NDArray[np.bool_]:
        return self.ends > self.begins

    @property
    def ticks(self) -> Floats:
        return self.total((self.stops - self.starts).astype(np.float64))

    def total(self, per_gate: Floats) -> Floats:
        if len(per_gate) == len(self.trigs) and self.gated.all():
            return per_gate
        out = np.zeros(len(self.trigs))
        if len(per_gate):
            # reduceat sums from each index to the next: gateless rows are left out, so the next index is the row's end.
            out[self.gated] = np.add.reduceat(per_gate, self.begins[self.gated])
        return out

    def first(self, per_gate: Ticks) -> Ticks:
        return self._pick(per_gate, self.begins)

    def last(self, per_gate: Ticks) -> Ticks:
        return self._pick(per_gate, self.ends - 1)

    def _pick(self, per_gate: Ticks, index: Ticks) -> Ticks:
        out = np.zeros(len(self.trigs), np.int64)
        out[self.gated] = per_gate[index[self.gated]]
        return out


def _extremes(position: Position, statistic: str, rows: _Rows) -> Floats:
    largest = statistic == "Max"
    gates = zip(rows.starts.tolist(), rows.stops.tolist(), strict=True)
    per_gate = np.array([position.extreme(a, b, largest=largest) for a, b in gates], np.float64)
    out = np.full(len(rows.trigs), _EMPTY[statistic])
    if len(per_gate):
        best = np.maximum if largest else np.minimum
        out[rows.gated] = best.reduceat(per_gate, rows.begins[rows.gated])
    return out
