"""PGEN: puts out the positions of a table, one per trigger.

Theory of operation. A table is fetched in 8 ticks: UNREADY -> WAIT_ENABLE. A rising ENABLE -> RUNNING; each rising
TRIG puts out the next position, after the last one the first again until the table has been through REPEATS times (0:
for ever); the last one of all ends it, as a falling ENABLE does. Follows pgen.timing.ini of PandABlocks-FPGA.
"""

from .panda_block import Block, Outputs
from .panda_fabric import NEVER, Fabric

PGEN_STATES = ("UNREADY", "WAIT_ENABLE", "RUNNING")
FETCH_TICKS = 8


class Pgen(Block):
    """One PGEN block."""

    BITS = ("ENABLE", "TRIG")
    OUT_BITS = ("ACTIVE",)
    OUT_POSITIONS = ("OUT",)
    enable: int
    trig: int
    active: int
    out: int

    def __init__(self, fabric: Fabric, outputs: Outputs | None = None) -> None:
        super().__init__(fabric, outputs)
        self.repeats = 1
        self.state = self.health = 0
        self._table: list[int] = []
        self._ready = NEVER
        self._loaded = False
        self._made = 0
        self._was_enabled = self._was = 0

    @property
    def busy(self) -> bool:
        """Whether it fetches; running it waits for triggers."""
        return self._ready < NEVER

    def load(self, positions: list[int]) -> None:
        """Take a new table, from outside `step`; a running block stops."""
        self._table, self._loaded = positions, True
        self._fabric.nudge(self)

    def step(self, tick: int) -> int:
        """Follow enable and trigger."""
        rose, self._was = self.trig > self._was, self.trig
        if self._loaded:
            self._loaded, self.state = False, 0
            self.show("ACTIVE", 0)
            self._ready = tick + FETCH_TICKS if self._table else NEVER
        elif tick >= self._ready:
            self._ready, self.state = NEVER, 1
        if self.enable != self._was_enabled:
            self._switch()
        elif rose and self.state == 2:
            self._produce(tick)
        return self._ready

    def _switch(self) -> None:
        self._was_enabled = self.enable
        if self.enable and self.state == 1:
            self.state, self._made = 2, 0
            self.show("ACTIVE", 1)
        elif not self.enable and self.state == 2:
            self._end()

    def _produce(self, tick: int) -> None:
        self.show_position("OUT", self._table[self._made % len(self._table)], tick)
        self._made += 1
        if self._made == self.repeats * len(self._table):
            self._end()

    def _end(self) -> None:
        self.state = 1
        self.show("ACTIVE", 0)
