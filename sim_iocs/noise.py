"""Noise as a function of time: the same instant always gives the same value, in whatever order it is asked for.

Time is divided into cells; the value of a cell is a hash of seed and cell number, near enough to a normal
distribution: the sum of four uniform numbers, with standard deviation 1 and never beyond `BOUND`. Nothing is drawn in
sequence, so two queries that overlap agree, and a run repeated with the same seed repeats its noise.
"""

import numpy as np
from numpy.typing import NDArray

# Four uniform numbers on [-1/2, 1/2] have the variance 4/12.
_SCALE = 3.0**0.5
BOUND = 2 * _SCALE
CELLS_AT_ONCE = 1 << 18


def noise(cells: NDArray[np.int64], *, seed: int) -> NDArray[np.float64]:
    """Give the noise of cells, (n,): mean 0, standard deviation 1, within ±BOUND.

    >>> bool(np.all(noise(np.arange(5), seed=1) == noise(np.arange(5), seed=1)))
    True
    >>> abs(float(noise(np.arange(100_000), seed=1).std()) - 1) < 0.01
    True
    """
    bits = _mix(cells.astype(np.uint64) + _mix(np.array([seed], np.int64).astype(np.uint64)))
    parts = bits.view(np.uint16).reshape(-1, 4)
    return (parts.sum(axis=1, dtype=np.float64) / 65_536 - 2 + 2 / 65_536) * _SCALE


def mean_noise(
    starts_ns: NDArray[np.int64], stops_ns: NDArray[np.int64], *, cell_ns: int, seed: int
) -> NDArray[np.float64]:
    """Give the mean of the noise over intervals [start, stop), (n,); exact, cell by cell."""
    return np.array(
        [
            _mean(int(a), int(b), cell_ns=cell_ns, seed=seed)
            for a, b in zip(starts_ns.tolist(), stops_ns.tolist(), strict=True)
        ],
        np.float64,
    )


def _mean(start_ns: int, stop_ns: int, *, cell_ns: int, seed: int) -> float:
    stop_ns, total = max(stop_ns, start_ns + 1), 0.0
    first, last = start_ns // cell_ns, (stop_ns - 1) // cell_ns
    for begin in range(first, last + 1, CELLS_AT_ONCE):
        cells = np.arange(begin, min(begin + CELLS_AT_ONCE, last + 1), dtype=np.int64)
        a, b = np.maximum(cells * cell_ns, start_ns), np.minimum((cells + 1) * cell_ns, stop_ns)
        total += float(noise(cells, seed=seed) @ (b - a).astype(np.float64))
    return total / (stop_ns - start_ns)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Stir 64 bits (the finaliser of SplitMix64)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
