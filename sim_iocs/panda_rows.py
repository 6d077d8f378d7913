"""Rows of captured data as arrays: from the ticks that PCAP noted to the numbers in the columns.

A row has a trigger and gates [start, stop), none, one or several. Value = counts at the trigger; Diff = counts gained
within the gates; Sum = counts summed over the ticks of the gates; Mean = Sum / ticks (NaN without a gate); Min, Max
within the gates (the limits of int32 without one); StdDev = the root of the mean square less the square of the mean
(NaN without a gate).
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .panda_fabric import TICK_NS
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
    "StdDev": ("StdDev",),
}
"""Capture choice of a position -> the statistics it captures."""

OWN_FIELDS = ("TS_START", "TS_END", "TS_TRIG", "GATE_DURATION", "BITS0", "BITS1", "BITS2", "BITS3")
"""What PCAP itself captures: seconds since the start (float64); gated ticks, 32 lines of the bit bus each (uint32)."""

_WORDS = {"Sum": 2, "Mean": 3, "StdDev": 6, "Sum2": 3, "TS_START": 2, "TS_END": 2, "TS_TRIG": 2}
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
        if self.statistic == "Sum2":
            return "object"  # never in files: 96 bits, for who asks the block itself
        return "uint32" if self.field.startswith(("PCAP.GATE", "PCAP.BITS")) else "float64"

    @property
    def words(self) -> int:
        """32-bit words per row, which is also the least number of ticks between rows that it asks for."""
        return _WORDS.get(self.field.removeprefix("PCAP."), _WORDS.get(self.statistic, 1))


class CaptureBatch(NamedTuple):
    """Rows of one arming, in order.

    Attributes:
        armed_ns: when PCAP was armed, Unix ns.
        start_ns: when capture began, Unix ns; what TS_* are relative to.
        columns: by name, all of length `size`.
        size: number of rows, which may be 0.
        times_ns: when each row was made, Unix ns; None if unknown.
        end: why the arming ended, if no more rows of it can come; None while it goes on.
        torn: values, (1,), of the columns of a row after these that has been delivered in part.
    """

    armed_ns: int
    start_ns: int
    columns: dict[str, NDArray[np.generic]]
    size: int
    times_ns: Ticks | None = None
    end: str | None = None
    torn: Mapping[str, NDArray[np.generic]] = {}

    def rows(self, start: int, stop: int) -> "CaptureBatch":
        """Only the rows [start, stop)."""
        columns = {name: values[start:stop] for name, values in self.columns.items()}
        times = None if self.times_ns is None else self.times_ns[start:stop]
        return self._replace(columns=columns, times_ns=times, size=max(0, min(stop, self.size) - start))


class Rows(NamedTuple):
    """`trigs` per row; `starts`, `stops` per gate; row r has the gates [begins[r], ends[r]); `bits` by word."""

    trigs: Ticks
    begins: Ticks
    ends: Ticks
    starts: Ticks
    stops: Ticks
    bits: tuple[Ticks, ...]
    start_tick: int
    shift_sum: int

    @property
    def gated(self) -> NDArray[np.bool_]:
        """Which rows have a gate."""
        return self.ends > self.begins

    @property
    def ticks(self) -> Floats:
        """Gated ticks of each row."""
        return self.total((self.stops - self.starts).astype(np.float64))

    def column(self, column: Column) -> NDArray[np.generic]:
        """The values of a column."""
        if column.position is None:
            return self._own(column.field)
        return self._statistic(column.position, column.statistic)

    def _own(self, field: str) -> NDArray[np.generic]:
        match field:
            case "PCAP.TS_TRIG":
                return self._seconds(self.trigs - self.start_tick)
            case "PCAP.TS_START":
                return self._seconds(self._pick(self.starts, self.begins) - self.start_tick, self.gated)
            case "PCAP.TS_END":
                return self._seconds(self._pick(self.stops, self.ends - 1) - self.start_tick, self.gated)
            case "PCAP.GATE_DURATION":
                return self.ticks.astype(np.int64) >> self.shift_sum
            case _:
                return self.bits[int(field[-1])]

    def _seconds(self, ticks: Ticks, gated: NDArray[np.bool_] | None = None) -> Floats:
        shown = ticks if gated is None else np.where(gated, ticks, -1)
        return shown * TICK_NS / 1e9

    def _statistic(self, position: Position, statistic: str) -> NDArray[np.generic]:
        scale, offset = position.scale, position.offset
        match statistic:
            case "Value":
                return position.values(self.trigs) * scale + offset
            case "Diff":
                return self.total(position.values(self.stops) - position.values(self.starts)) * scale
            case "Sum":
                total = np.floor(self.total(position.sums(self.starts, self.stops)) / (1 << self.shift_sum))
                return total * scale + offset * self.ticks
            case "Mean":
                return self._mean(position) * scale + offset
            case "Sum2":
                return np.array([square >> self.shift_sum for square in self._squares(position)], object)
            case "StdDev":
                return self._deviation(position) * abs(scale)
            case _:
                return self._extremes(position, statistic) * scale + offset

    def _mean(self, position: Position) -> Floats:
        with np.errstate(invalid="ignore"):
            return self.total(position.sums(self.starts, self.stops)) / self.ticks

    def _squares(self, position: Position) -> list[int]:
        gates = zip(self.starts.tolist(), self.stops.tolist(), strict=True)
        each = [position.moments(a, b)[1] for a, b in gates]
        return [sum(each[a:b]) for a, b in zip(self.begins.tolist(), self.ends.tolist(), strict=True)]

    def _deviation(self, position: Position) -> Floats:
        """From both moments of the same samples, about the value at the row's first tick: no digits are lost."""
        out = np.full(len(self.trigs), np.nan)
        for row, (begin, end) in enumerate(zip(self.begins.tolist(), self.ends.tolist(), strict=True)):
            gates = list(zip(self.starts[begin:end].tolist(), self.stops[begin:end].tolist(), strict=True))
            if gates:
                origin, ticks = position.at(gates[0][0]), sum(b - a for a, b in gates)
                first, second = np.sum([position.moments(a, b, origin=origin) for a, b in gates], axis=0) / ticks
                out[row] = max(second - first * first, 0.0) ** 0.5
        return out

    def _extremes(self, position: Position, statistic: str) -> Floats:
        largest = statistic == "Max"
        gates = zip(self.starts.tolist(), self.stops.tolist(), strict=True)
        per_gate = np.array([position.extreme(a, b, largest=largest) for a, b in gates], np.float64)
        return self._gather(per_gate, np.maximum if largest else np.minimum, empty=_EMPTY[statistic])

    def total(self, per_gate: Floats) -> Floats:
        """Sum of a number of each gate over the gates of each row."""
        return self._gather(per_gate, np.add, empty=0.0)

    def _gather(self, per_gate: Floats, how: np.ufunc, *, empty: float) -> Floats:
        gated = self.gated
        if len(per_gate) == len(self.trigs) and gated.all():
            return per_gate
        out = np.full(len(self.trigs), empty)
        if len(per_gate):
            # reduceat goes from each index to the next: gateless rows are left out, so the next is the row's end.
            out[gated] = how.reduceat(per_gate, self.begins[gated])
        return out

    def _pick(self, per_gate: Ticks, index: Ticks) -> Ticks:
        out = np.zeros(len(self.trigs), np.int64)
        out[self.gated] = per_gate[index[self.gated]]
        return out
