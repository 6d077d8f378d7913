"""When a noisy encoder first reads a value: cell by cell of the noise.

Theory of operation. Within one cell of the noise the reading differs from a monotone path only by a constant, so
between two marks of the path in one cell it is monotone, too. The instants looked at are the first and the last
nanosecond of each cell and the path's own marks; at the first of them that has reached the value the answer lies
between it and the instant before it, if both are in one cell, or is that instant itself, the cell's first.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .path import NEVER, Path, Query

Ints = NDArray[np.int64]
CELLS_AT_ONCE = 8192


def first_noisy_time(path: Path, query: Query, read: Callable[[Ints], NDArray[Any]], *, cell_ns: int) -> int:
    """Give the first whole nanosecond at which a noisy encoder has reached one threshold; NEVER if it has not.

    Args:
        path: For its marks.
        query: One threshold.
        read: Gives the readings, in counts, at instants.
        cell_ns: Duration of one cell of the noise.
    """
    threshold, start, stop = int(query.counts[0]), int(query.starts_ns[0]), int(query.stops_ns[0])

    def reached(times_ns: Ints) -> NDArray[np.bool_]:
        return read(times_ns) >= threshold if query.rising else read(times_ns) <= threshold

    first, last = start // cell_ns, (stop - 1) // cell_ns
    for begin in range(first, last + 1, CELLS_AT_ONCE):
        cells = np.arange(begin, min(begin + CELLS_AT_ONCE, last + 1), dtype=np.int64) * cell_ns
        low, high = max(start, int(cells[0])), min(stop, int(cells[-1]) + cell_ns)
        times = np.unique(np.concatenate([cells, cells + cell_ns - 1, path.marks_within(low, high), [low, high - 1]]))
        times = times[(times >= low) & (times < high)]
        hits = np.flatnonzero(reached(times))
        if len(hits):
            return _within(times, int(hits[0]), reached, cell_ns=cell_ns)
    return NEVER


def _within(times: Ints, hit: int, reached: Callable[[Ints], NDArray[np.bool_]], *, cell_ns: int) -> int:
    after = int(times[hit])
    if hit == 0 or times[hit - 1] // cell_ns != after // cell_ns:
        return after
    # At most a cell: every nanosecond is looked at.
    between = np.arange(int(times[hit - 1]) + 1, after + 1, dtype=np.int64)
    return int(between[np.argmax(reached(between))])
