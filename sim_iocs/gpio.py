"""The outputs that a trajectory controller's user programmes set at the points of a profile.

Programme 1 marks a live frame (outputs 1, 0, 0), 2 a dead one (0, 1, 0), 4 the middle of a frame (0, 0, 1), 8 clears
all three; 0 and every other number do nothing. Levels are functions of time: each change is kept with its instant, so
that a trigger box wired to an output sees edges that are exact.
"""

import numpy as np
from numpy.typing import NDArray

LINES = ("GPIO1", "GPIO2", "GPIO3")
PROGRAMMES = {1: 0b001, 2: 0b010, 4: 0b100, 8: 0b000}
UNCHANGED = -1
FORGET_AT = 1 << 16

Ints = NDArray[np.int64]


class Gpio:
    """Three outputs over time."""

    def __init__(self) -> None:
        self._times: Ints = np.empty(0, np.int64)
        self._states: Ints = np.empty(0, np.int64)
        self._before = 0
        self._seen: dict[tuple[str, str], int] = {}

    def run(self, times_ns: Ints, programmes: Ints) -> None:
        """Have programmes run at instants, (n,) each, in order and after all that were given before."""
        known = np.array([PROGRAMMES.get(number, UNCHANGED) for number in range(16)])
        states = np.where((programmes >= 0) & (programmes < 16), known[programmes % 16], UNCHANGED)
        acting = states != UNCHANGED
        self._times = np.concatenate([self._times, times_ns[acting]])
        self._states = np.concatenate([self._states, states[acting]])

    def cut(self, t_ns: int) -> None:
        """Forget what would happen from `t_ns` on; the outputs stay as they are then."""
        kept = int(np.searchsorted(self._times, t_ns, side="left"))
        self._times, self._states = self._times[:kept], self._states[:kept]

    def level(self, line: str, t_ns: int) -> bool:
        """Level of an output at an instant."""
        i = int(np.searchsorted(self._times, t_ns, side="right")) - 1
        state = int(self._states[i]) if i >= 0 else self._before
        return bool(state >> LINES.index(line) & 1)

    def take_edges(self, line: str, until_ns: int, *, reader: str) -> tuple[Ints, NDArray[np.bool_]]:
        """Give an output's changes up to and at `until_ns` that this reader has not seen: instants and levels."""
        since = self._seen.get((reader, line), -1)
        self._seen[reader, line] = until_ns
        low, high = np.searchsorted(self._times, [since, until_ns], side="right").tolist()
        levels = (self._states >> LINES.index(line) & 1).astype(bool)
        was = np.concatenate([[self._state_before(low, line)], levels[low:high]])
        changed = np.flatnonzero(was[1:] != was[:-1])
        edges = self._times[low:high][changed], levels[low:high][changed]
        self._forget()
        return edges

    def _state_before(self, i: int, line: str) -> bool:
        state = int(self._states[i - 1]) if i else self._before
        return bool(state >> LINES.index(line) & 1)

    def _forget(self) -> None:
        """Drop what all readers have seen, once there is much of it."""
        if len(self._times) < FORGET_AT:
            return
        old = int(np.searchsorted(self._times, min(self._seen.values()), side="right"))
        if old:
            self._before = int(self._states[old - 1])
            self._times, self._states = self._times[old:], self._states[old:]
