"""A shutter or a valve in the manner of Diamond: CON opens, closes and resets; STA tells.

Theory of operation. Closed → Opening → Open and back, each way in the time of travel; a move can be reversed on its
way. The transmission is a step at the end of opening and at the begin of closing, kept by instants, so that exposures
know how much of them was lit. A lost interlock closes it and shows Fault until Reset.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .clock import NS
from .faults import Switch
from .path import BEGINNING
from .point_settings import ShutterSettings
from .pv import Kind
from .pv_group import PVGroup
from .world import World

STATES = ("Fault", "Open", "Opening", "Closed", "Closing")
INTERLOCKS = ("OK", "Run ilks ok", "Failed")


class Shutter:
    """A shutter or a valve.

    Args:
        prefix: PV prefix, as SIM:SHTR:.
        settings: Travel time, first state.
        world: Clock.
    """

    def __init__(self, prefix: str, settings: ShutterSettings, *, world: World) -> None:
        self._settings, self._world = settings, world
        self._steps: list[tuple[int, float]] = [(BEGINNING, 1.0 if settings.start == "Open" else 0.0)]
        self._arrival_ns: int | None = None
        self._rest = asyncio.Event()
        self._rest.set()
        self.pvs = PVGroup(prefix)
        self.pvs.enum("CON", ("Open", "Close", "Reset"), value=0 if settings.start == "Open" else 1, handler=self._put)
        self.pvs.enum("STA", STATES, value=STATES.index(settings.start), read_only=True)
        self.pvs.enum("ILKSTA", INTERLOCKS, read_only=True)

    @property
    def busy(self) -> bool:
        """Whether it moves."""
        return self._arrival_ns is not None

    def groups(self) -> Iterable[PVGroup]:
        """Give its PVs."""
        return (self.pvs,)

    def switches(self) -> Iterable[Switch]:
        """Give its faults."""
        yield Switch(name="Interlock", kind=Kind.ENUM, default=0, apply=self._put_interlock)

    def intensity(self, starts_ns: NDArray[np.int64], stops_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Part of intervals [start, stop), (n,), in which it is open."""
        times = np.array([t for t, _ in self._steps])
        level = np.array([value for _, value in self._steps])
        # Open time from the first step on, at each step.
        lit = np.concatenate([[0.0], np.cumsum(np.diff(times) * level[:-1])])

        def until(t: NDArray[np.int64]) -> NDArray[np.float64]:
            i = np.searchsorted(times, t, side="right") - 1
            return np.asarray(lit[i] + (t - times[i]) * level[i], np.float64)

        here = level[np.searchsorted(times, starts_ns, side="right") - 1]
        same = np.searchsorted(times, starts_ns, side="right") == np.searchsorted(times, stops_ns - 1, side="right")
        length = np.maximum(stops_ns - starts_ns, 1)
        return np.where(same, here, (until(stops_ns) - until(starts_ns)) / length)

    def is_open(self, t_ns: int) -> bool:
        """Whether light passes at an instant."""
        return self._steps[bisect_right(self._steps, (t_ns, 2.0)) - 1][1] > 0

    def update(self, now_ns: int) -> None:
        """Post its arrival."""
        if self._arrival_ns is not None and now_ns >= self._arrival_ns:
            opening = self.pvs["STA"].label == "Opening"
            if opening:
                self._steps.append((self._arrival_ns, 1.0))
            self._arrival_ns = None
            self.pvs["STA"].post("Open" if opening else "Closed")
            self._rest.set()

    async def _put(self, index: int) -> None:
        now_ns = self._world.settle()
        self.update(now_ns)
        command = self.pvs["CON"].meta.choices[index]
        if command == "Reset":
            if self.pvs["ILKSTA"].label != "Failed" and self.pvs["STA"].label == "Fault":
                self.pvs["STA"].post("Closed")
            return
        if self.pvs["STA"].label == "Fault":
            return
        self.pvs["CON"].post(index)
        self._go(now_ns, opening=command == "Open")
        await self._rest.wait()

    def _go(self, now_ns: int, *, opening: bool) -> None:
        done, on_the_way = ("Open", "Opening") if opening else ("Closed", "Closing")
        if self.pvs["STA"].label in (done, on_the_way):
            return
        travel_ns = round(self._settings.travel * NS)
        # Turned round on the way, it has as far to go back as it had come.
        came_ns = travel_ns - max(0, self._arrival_ns - now_ns) if self._arrival_ns is not None else travel_ns
        self._arrival_ns = now_ns + came_ns
        self._rest.clear()
        if not opening and self.is_open(now_ns):
            self._steps.append((now_ns, 0.0))
        self.pvs["STA"].post(on_the_way)
        self._world.awake.set()

    def _put_interlock(self, value: Any) -> None:
        self.pvs["ILKSTA"].post("Failed" if value else "OK")
        if not value:
            return
        t_ns = self._world.instant_ns()
        self.update(t_ns)
        self._arrival_ns = None
        if self.is_open(t_ns):
            self._steps.append((t_ns, 0.0))
        self.pvs["STA"].post("Fault")
        self._rest.set()
