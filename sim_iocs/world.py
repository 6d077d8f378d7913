"""The world: one clock, the axes, the beam, and the rule under which the future may be changed.

Theory of operation. Nothing happens by itself: whoever needs the present settles the world, and then everything until
now is computed. Observers (trigger boxes, which hand their edges to cameras) compute what happened; the agenda holds
actions at instants of the future (a fault at a time, a top-up). Settling runs both in the order of the times: up to an
action's instant, the action, and on from there. So an action takes effect at exactly its nanosecond, whenever it is
computed, and the result does not depend on how often the world was settled.
"""

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import numpy as np
from numpy.typing import NDArray

from .axis import Axis, Track
from .clock import NS, Clock

Plan = Callable[[int, float, float], Track]
Action = Callable[[int], None]
Intensity = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64]]

FORGET_NS = 10 * NS
AGENDA_STEP_NS = NS // 20


@dataclass(slots=True)
class World:
    """What all devices of the beamline share.

    Attributes:
        clock: The time of everything.
        axes: Axes by motor name.
        seed: Of everything that is drawn at random.
        awake: Set while something moves or is armed: the pump runs.
        planned: Set while the agenda holds something.
        observers: Called with an instant before the future beyond it is changed, to compute what happened until then.
        beam: What detectors see of the beam: factors of the mean intensity over intervals, 1 = full beam.
    """

    clock: Clock
    axes: dict[str, Axis]
    seed: int = 0
    awake: asyncio.Event = field(default_factory=asyncio.Event)
    planned: asyncio.Event = field(default_factory=asyncio.Event)
    observers: list[Action] = field(default_factory=list[Action])
    beam: list[Intensity] = field(default_factory=list[Intensity])
    _agenda: list[tuple[int, int, Action]] = field(default_factory=list[tuple[int, int, Action]])
    _numbers: "count[int]" = field(default_factory=count)
    _forgotten_ns: int = 0
    _acting_ns: int | None = None

    def now_ns(self) -> int:
        """Give the present instant in Unix nanoseconds."""
        return self.clock.now_ns()

    @property
    def next_ns(self) -> int | None:
        """The instant of the next action of the agenda, if there is one."""
        return self._agenda[0][0] if self._agenda else None

    def instant_ns(self) -> int:
        """Give the instant at which a change takes effect: that of the action being run, or else the present."""
        return self.settle() if self._acting_ns is None else self._acting_ns

    def at(self, t_ns: int, action: Action) -> None:
        """Have `action` called with `t_ns` when everything before that instant has been computed."""
        heapq.heappush(self._agenda, (t_ns, next(self._numbers), action))
        self.planned.set()

    def settle(self) -> int:
        """Compute everything up to now, wake the pump, and give now.

        While an action of the agenda is being run, that action's instant is now.
        """
        if self._acting_ns is not None:
            return self._acting_ns
        now_ns = self.clock.now_ns()
        while self._agenda and self._agenda[0][0] <= now_ns:
            self._act(*heapq.heappop(self._agenda))
        self._observe(now_ns)
        if now_ns - self._forgotten_ns > FORGET_NS:
            self._forgotten_ns = now_ns
            for axis in self.axes.values():
                axis.forget(now_ns)
        self.awake.set()
        return now_ns

    def settle_agenda(self) -> int:
        """Run the actions that are due, waking the pump only then; give now."""
        now_ns = self.clock.now_ns()
        if self._agenda and self._agenda[0][0] <= now_ns:
            self.settle()
        return now_ns

    async def keep_agenda(self) -> None:
        """Have actions run when their instants have come, also while nothing else happens; until cancelled."""
        while True:
            await self.planned.wait()
            if self.next_ns is None:
                self.planned.clear()
                continue
            # In steps, for an earlier action may be put on the agenda meanwhile.
            wait_ns = min(max(self.next_ns - self.clock.now_ns(), 0), AGENDA_STEP_NS)
            await self.clock.sleep(wait_ns / NS)
            self.settle_agenda()

    def _act(self, t_ns: int, _: int, action: Action) -> None:
        self._observe(t_ns)
        self._acting_ns = t_ns
        try:
            action(t_ns)
        finally:
            self._acting_ns = None

    def _observe(self, t_ns: int) -> None:
        for observe in self.observers:
            observe(t_ns)

    def command(self, *plans: tuple[Axis, Plan]) -> None:
        """Replace the futures of some axes, all from the same instant on.

        Args:
            plans: Axes, each with what gives its new motion from (now in ns, position, velocity).
        """
        now_ns = self.settle()
        for axis, plan in plans:
            position, velocity = axis.demand(now_ns), axis.demand_velocity(now_ns)
            axis.cut(now_ns)
            axis.append(plan(now_ns, position, velocity))

    def intensity(self, starts_ns: NDArray[np.int64], stops_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give the mean intensity of the beam over intervals [start, stop), (n,): 1 = full, 0 = none."""
        whole = np.ones(len(starts_ns))
        for factor in self.beam:
            whole = whole * factor(starts_ns, stops_ns)
        return whole
