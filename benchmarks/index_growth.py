"""One stream_datum taken into a run's index of 10⁵ datums, and `committed` and `good.size` asked for, as a reader does.

The peer is the same index at 10² datums: what a datum costs must not depend on how many came before it. In the case
"one range" the frames go on from datum to datum; in the case "a gap after each" one frame is lost after every datum,
so that there are as many ranges as datums, and nothing can be merged.
"""

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from .bench import SEED, SideResult, Which, digest_of

if TYPE_CHECKING:
    from wingbeat.stream_resource import RunIndex

NAME = "index_growth"
PEER = "ours at 10² datums"
SENSE = "at_most"
CASES = ("one range", "a gap after each")
GOAL = 1.2
UNIT = "µs/datum"
SCALE = 1e6
PACKAGES = ("event_model",)

DATUMS = {"ours": 100_000, "peer": 100}
TIMED = 20_000
BLOCK = 50
"""Datums made and then timed at once: so both sides take them from a warm cache."""
TIMED_OF_EACH = {"ours": TIMED, "peer": BLOCK}
"""The last datums of one large index, the second half of each of many small ones."""
KEY = {"source": "sim", "dtype": "array", "shape": [1, 8, 8], "dtype_numpy": "<u2", "external": "STREAM:"}
Datums = Iterator[dict[str, Any]]


def side(which: Which) -> dict[str, SideResult]:
    """Time the datums of each case; the digest holds by how much each of them moved `committed` and `good.size`."""
    return {case: _case(which, gap=gap) for gap, case in enumerate(CASES)}


def _case(which: Which, *, gap: int) -> SideResult:
    sizes = np.random.default_rng(SEED).integers(1, 50, TIMED).tolist()
    elapsed, steps, timed = 0.0, [], TIMED_OF_EACH[which]
    for begun in range(0, TIMED, timed):
        repeated = sizes[begun : begun + timed] * (DATUMS[which] // timed)
        index, datums = _filled(repeated, untimed=DATUMS[which] - timed, gap=gap)
        for _ in range(timed // BLOCK):
            seconds, seen = _taken(index, list(islice(datums, BLOCK)))
            elapsed += seconds
            steps.append(np.diff(np.array(seen), axis=0))
    return SideResult(seconds=elapsed / TIMED, digest=digest_of(np.concatenate(steps)))


def _filled(sizes: Iterable[int], *, untimed: int, gap: int) -> "tuple[RunIndex, Datums]":
    """An index that has taken the first datums, and those that follow."""
    from wingbeat.stream_resource import RunIndex

    index, datums = RunIndex(), _datums(sizes, gap=gap)
    resource = {"uid": "r", "data_key": "cam", "mimetype": "application/x-hdf5", "uri": "file://localhost/a.h5"}
    names = {"uid": "d", "run_start": "run", "name": "primary", "time": 0.0, "data_keys": {"cam": KEY}}
    index.apply("start", {"uid": "run", "time": 0.0})
    index.apply("descriptor", names | {"object_keys": {"cam": ["cam"]}, "configuration": {}, "hints": {}})
    index.apply("stream_resource", resource | {"run_start": "run", "parameters": {"join_method": "concat"}})
    for datum in islice(datums, untimed):
        index.apply("stream_datum", datum)
    return index, datums


def _datums(sizes: Iterable[int], *, gap: int) -> Datums:
    row, seq_num = 0, 1
    for number, size in enumerate(sizes):
        yield {
            "uid": f"r/{number}",
            "stream_resource": "r",
            "descriptor": "d",
            "indices": {"start": row, "stop": row + size},
            "seq_nums": {"start": seq_num, "stop": seq_num + size},
        }
        row, seq_num = row + size, seq_num + size + gap


def _taken(index: "RunIndex", datums: list[dict[str, Any]]) -> tuple[float, list[tuple[int, int]]]:
    array = index.streams["primary"].arrays["cam"]
    seen = [(array.committed, array.good.size)]
    begun = time.perf_counter()
    for datum in datums:
        index.apply("stream_datum", datum)
        seen.append((array.committed, array.good.size))
    return time.perf_counter() - begun, seen
