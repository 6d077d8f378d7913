"""Leaps: many equal periods of a train of triggers are worked out at once.

Theory of operation. The model is deterministic: what follows depends on the state of the blocks, the wires, the
changes on their way and the wakes, all relative to the present tick, and on settings. A block that repeats itself (a
sequencer at each repeat of a line, a clock at each rise) beats. At a beat

    1. every block stepped since the beat before is noted,
    2. at the next one their states, relative to the tick, are compared with those of one period ago.

If all are equal, and no other block has anything to do, then the period to come must be like the one that has passed,
and so must those after it, up to the first of: the end of `run`, a wake of another block, a limit that one of the
blocks knows (repeats left, a counter's roll-over, the encoder leaving a condition). So many periods are skipped: each
block copies what it logged in the last period with the ticks moved on, adds its counts so many times, and all wakes
and changes on their way move. The result is that of the plain events, to the last tick; tests hold that. Whatever is
done from outside throws away what is known.

A beat costs a comparison, so after one in vain the next ones are let pass, twice as many each time.
"""

from collections.abc import Hashable
from heapq import heapify

from .panda_block import Block
from .panda_fabric import NEVER, Fabric, Steppable

WORTH = 4
"""The least number of periods to skip."""

PATIENCE = 64
"""The most beats to let pass after one in vain."""

_Phase = tuple[Hashable, ...]


class PeriodLeaper:
    """Skips periods of one fabric."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._block: Steppable | None = None
        self._since = -1
        self._blocks: list[Block] = []
        self._before: _Phase | None = None
        self._pass = self._patience = 0
        self.leapt = 0

    def disturb(self) -> None:
        """Forget the period that was watched."""
        self._block = self._before = None
        self._fabric.touched = None
        self._pass = self._patience = 0

    def at_beat(self, block: Steppable, tick: int) -> None:
        """Compare with one period ago, and leap if it was the same."""
        if self._pass:
            self._pass -= 1
        elif block is not self._block:
            self._watch(block, tick)
        elif self._before is None:
            self._remember(tick)
        else:
            self._judge(tick)

    def _watch(self, block: Steppable, tick: int) -> None:
        self._block, self._since, self._before = block, tick, None
        self._fabric.touched = set()

    def _remember(self, tick: int) -> None:
        touched = self._fabric.touched or set()
        blocks = [block for block in touched if isinstance(block, Block) and block.LEAPS]
        if len(blocks) < len(touched):
            self._give_up()
            return
        self._blocks, self._since = sorted(blocks, key=lambda block: block.order), tick
        self._fabric.touched = set()
        self._before = self._phase(tick)
        for block in self._blocks:
            block.mark()

    def _judge(self, tick: int) -> None:
        alike = (self._fabric.touched or set()) <= set(self._blocks) and self._phase(tick) == self._before
        times = self._room(tick) if alike else 0
        if times < WORTH:
            self._give_up()
            return
        period = tick - self._since
        self._leap(times, period)
        self.leapt += times
        self._pass = self._patience = 0
        self._watch(self._block or self._blocks[0], tick + times * period)

    def _give_up(self) -> None:
        self._patience = min(PATIENCE, 2 * self._patience + 1)
        self._pass = self._patience
        self._block = self._before = None
        self._fabric.touched = None

    def _phase(self, tick: int) -> _Phase:
        fabric = self._fabric
        coming = tuple((wire.name, wire.index, value) for wire, value in fabric.changes)
        due = fabric.changes_tick - tick if coming else 0
        wakes = (block.wake - tick if 0 <= block.wake < NEVER else block.wake for block in self._blocks)
        return (coming, due, *wakes, *(block.phase(tick) for block in self._blocks))

    def _room(self, tick: int) -> int:
        """How many periods can be skipped."""
        fabric, mine = self._fabric, set(self._blocks)
        others = (at for at, _, block in fabric.heap if block.wake == at and block not in mine)
        end = min(fabric.stop - 1, min(others, default=NEVER) - 1)
        period = tick - self._since
        room = min((block.room(tick, period) for block in self._blocks), default=0)
        return min(room, (end - tick) // period)

    def _leap(self, times: int, period: int) -> None:
        fabric, span = self._fabric, times * period
        for block in self._blocks:
            block.leap(times, period)
            if 0 <= block.wake < NEVER:
                block.wake += span
        fabric.changes_tick += span
        mine = set(self._blocks)
        kept = [entry for entry in fabric.heap if entry[2] not in mine and entry[2].wake == entry[0]]
        kept += [(block.wake, block.order, block) for block in self._blocks if 0 <= block.wake < NEVER]
        fabric.heap[:] = kept
        heapify(fabric.heap)
