"""A PandA model on a bench: encoders with straight paths, tables in short form, flights in steps."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from wingbeat.sim_iocs.panda_model import PandaModel
from wingbeat.sim_iocs.panda_table import COLUMNS

EPOCH = 1_800_000_000_000_000_000
MS = 1_000_000


class Broken:
    """An encoder that moves along straight pieces between whole-nanosecond knots; counts rounded down."""

    resolution, units = 1e-4, "mm"

    def __init__(self, *knots: tuple[int, int]) -> None:
        self.times = [EPOCH + t for t, _ in knots]
        self.values = [value for _, value in knots]

    def counts(self, t_ns: int) -> int:
        for t0, t1, a, b in self.pieces():
            if t0 <= t_ns < t1:
                return a + (b - a) * (t_ns - t0) // (t1 - t0)
        return self.values[0] if t_ns < self.times[0] else self.values[-1]

    def first_time(self, counts: int, *, rising: bool, start_ns: int, stop_ns: int) -> int | None:
        marks = [start_ns, *(t for t in self.times if start_ns < t < stop_ns), stop_ns - 1]
        for low, high in pairwise(marks):
            if self.met(low, counts, rising=rising):
                return low
            if self.met(high - 1, counts, rising=rising) and high - 1 > low:
                return self.bisect(low, high - 1, counts, rising=rising)
        return marks[-1] if self.met(marks[-1], counts, rising=rising) else None

    def mean(self, start_ns: int, stop_ns: int) -> float:
        marks = [start_ns, *(t for t in self.times if start_ns < t < stop_ns), stop_ns]
        area = sum((b - a) * (self.exact(a) + self.exact(b)) / 2 for a, b in pairwise(marks))
        return area / (stop_ns - start_ns)

    def exact(self, t_ns: int) -> float:
        return float(np.interp(t_ns - EPOCH, np.array(self.times) - EPOCH, self.values))

    def pieces(self) -> list[tuple[int, int, int, int]]:
        knots = zip(self.times, self.values, strict=True)
        return [(t0, t1, a, b) for (t0, a), (t1, b) in pairwise(knots)]

    def met(self, t_ns: int, counts: int, *, rising: bool) -> bool:
        return self.counts(t_ns) >= counts if rising else self.counts(t_ns) <= counts

    def bisect(self, low: int, high: int, counts: int, *, rising: bool) -> int:
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.met(middle, counts, rising=rising) else (middle, high)
        return high


def still(counts: int = 0) -> Broken:
    """An encoder that does not move."""
    return Broken((0, counts), (1, counts))


def table(*rows: tuple[int, str, int, int, int]) -> dict[str, Any]:
    """Rows of (repeats, trigger, position, time1, time2), output A high in phase 1 when time1 is not 0."""
    columns: dict[str, Any] = {name: [0] * len(rows) for name in COLUMNS}
    for n, name in enumerate(("repeats", "trigger", "position", "time1", "time2")):
        columns[name] = [row[n] for row in rows]
    columns["outa1"] = [row[3] > 0 for row in rows]
    return columns


def model(x: Broken, rows: Mapping[str, Any], *, repeats: int = 1, prescale: int = 1) -> PandaModel:
    """Armed and enabled at the epoch, in the power-on wiring."""
    made = PandaModel({"INENC1": x, "INENC2": still()}, epoch_ns=EPOCH)
    made.configure("SEQ1", repeats=repeats, prescale=prescale)
    made.load_table(1, rows)
    made.advance(EPOCH + 200)
    made.arm()
    made.route("SEQ1.ENABLE", "ONE")
    return made


def fly(made: PandaModel, until: int, *, step: int = 10 * MS) -> tuple[list[int], dict[str, np.ndarray]]:
    """Edges of TTLOUT1 since the epoch and the captured columns, advanced in steps."""
    edges: list[int] = []
    batches = []
    for t in range(step, until + step, step):
        made.advance(EPOCH + t)
        edges += [edge - EPOCH for edge in made.take_edges("TTLOUT1")]
        batches += made.take_batches()
    names = batches[0].columns if batches else {}
    return edges, {name: np.concatenate([batch.columns[name] for batch in batches]) for name in names}
