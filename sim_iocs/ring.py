"""A storage ring: a current that decays and is topped up, and whatever ends it.

Theory of operation. Top-ups begin every `period` seconds from the first one on and last `fill` seconds; the current
rises in a straight line to its full value, then decays exponentially until the next. Nothing is ticked: each segment
is kept with its start, and current, countdown and filling are functions of time. A demanded top-up or a dump begins a
new segment at its instant. The mean of the current over exposures is computed for many at once.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .clock import NS
from .faults import Switch
from .point_settings import RingSettings
from .pv import Kind
from .pv_group import PVGroup
from .world import World

MODES = ("Shutdown", "Injection", "No Beam", "Mach. Dev.", "User", "Special", "BL Startup")
POST_NS = NS // 10
KEPT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Era:
    """A time between two fills, or after a dump.

    Attributes:
        start_ns: Begin of the fill, or the instant of the dump.
        before: Current just before, in mA.
        full: Current at the end of the fill; 0 after a dump.
        fill: Duration of the fill in seconds; 0 after a dump.
        lifetime: In which the current falls to 1/e, in seconds.
    """

    start_ns: int
    before: float
    full: float
    fill: float
    lifetime: float

    def current(self, t_ns: int) -> float:
        """Current at an instant within, in mA."""
        t = (t_ns - self.start_ns) / NS
        if t < self.fill:
            return self.before + (self.full - self.before) * t / self.fill
        return self.full * float(np.exp(-(t - self.fill) / self.lifetime))


class Ring:
    """A storage ring with its PVs.

    Args:
        prefix: PV prefix, as SIM:SR:.
        settings: Current, lifetime, top-up.
        world: Clock.
    """

    def __init__(self, prefix: str, settings: RingSettings, *, world: World) -> None:
        self.settings, self._world = settings, world
        now_ns = world.now_ns()
        # The first fill was complete at the start; the next begins a period after its begin.
        self._eras = [self._fill_at(now_ns - round(settings.fill * NS), before=0.0)]
        self._next_ns = self._eras[0].start_ns + round(settings.period * NS)
        self._posted_ns = 0
        self._timer = 0
        self.pvs = PVGroup(prefix)
        self.pvs.add("CURRENT", Kind.FLOAT, settings.current, read_only=True, units="mA", precision=3)
        self.pvs.add("COUNTDOWN", Kind.FLOAT, settings.period, read_only=True, units="s", precision=1)
        self.pvs.enum("FILLING", ("No", "Yes"), read_only=True)
        self.pvs.enum("MODE", MODES, value=MODES.index("User"), read_only=True)
        self._wait_for_fill()

    @property
    def busy(self) -> bool:
        """Never: its PVs are posted at 10 Hz by a task of its own."""
        return False

    def groups(self) -> Iterable[PVGroup]:
        """Give its PVs."""
        return (self.pvs,)

    def switches(self) -> Iterable[Switch]:
        """Give its faults."""
        yield Switch(name="BeamDump", kind=Kind.ENUM, default=0, apply=self._put_dump)
        yield Switch(name="TopUp", kind=Kind.ENUM, default=0, apply=self._put_top_up, momentary=True)

    @property
    def dumped(self) -> bool:
        """Whether there is no beam."""
        return self._eras[-1].full == 0.0

    def dump(self, t_ns: int) -> None:
        """Lose the beam at an instant; no top-up comes until it is injected again."""
        self._timer += 1
        self._begin(Era(start_ns=t_ns, before=0.0, full=0.0, fill=0.0, lifetime=self.settings.lifetime))

    def top_up(self, t_ns: int) -> None:
        """Begin a fill at an instant; the next comes a period later."""
        self._begin(self._fill_at(t_ns, before=self.current(t_ns)))
        self._next_ns = t_ns + round(self.settings.period * NS)
        self._wait_for_fill()

    def current(self, t_ns: int) -> float:
        """Current at an instant, in mA."""
        starts = [era.start_ns for era in self._eras]
        return self._eras[max(bisect_right(starts, t_ns) - 1, 0)].current(t_ns)

    def intensity(self, starts_ns: NDArray[np.int64], stops_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Mean current over intervals [start, stop), (n,), as a part of the full one."""
        # Within an interval the decay is straight enough for Simpson's rule, unless a dump or a fill cuts it in two.
        ends = [era.start_ns + round(era.fill * NS) for era in self._eras]
        edges = np.sort(np.array([*(era.start_ns for era in self._eras), *ends]))
        cut = np.searchsorted(edges, starts_ns, side="right") != np.searchsorted(edges, stops_ns, side="left")
        middles = (starts_ns + stops_ns) // 2
        means = (self._currents(starts_ns) + 4 * self._currents(middles) + self._currents(stops_ns - 1)) / 6
        for i in np.flatnonzero(cut).tolist():
            means[i] = self._mean_across(int(starts_ns[i]), int(stops_ns[i]), edges)
        return means / self.settings.current

    def _mean_across(self, start_ns: int, stop_ns: int, edges: NDArray[np.int64]) -> float:
        """Give the mean over an interval that a dump or a fill divides, part by part."""
        inside = edges[(edges > start_ns) & (edges < stop_ns)]
        times = np.unique(np.concatenate([[start_ns], inside, [stop_ns]]))
        a, b = times[:-1], times[1:]
        parts = (self._currents(a) + 4 * self._currents((a + b) // 2) + self._currents(b - 1)) / 6
        return float((parts * (b - a)).sum() / (stop_ns - start_ns))

    def _currents(self, times_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        starts = np.array([era.start_ns for era in self._eras])
        which = np.maximum(np.searchsorted(starts, times_ns, side="right") - 1, 0)
        columns = ("before", "full", "fill", "lifetime")
        before, full, fill, lifetime = (np.array([getattr(era, name) for era in self._eras])[which] for name in columns)
        t = (times_ns - starts[which]) / NS
        rising = before + (full - before) * t / np.maximum(fill, 1e-12)
        return np.where(t < fill, rising, full * np.exp(-np.maximum(t - fill, 0.0) / lifetime))

    def update(self, now_ns: int) -> None:
        """Post at 10 Hz."""
        if now_ns - self._posted_ns < POST_NS:
            return
        self._posted_ns = now_ns
        era = self._eras[-1]
        filling = not self.dumped and (now_ns - era.start_ns) / NS < era.fill
        countdown = 0.0 if filling or self.dumped else max(0.0, (self._next_ns - now_ns) / NS)
        self.pvs["CURRENT"].post(self.current(now_ns))
        self.pvs["COUNTDOWN"].post_change(countdown)
        self.pvs["FILLING"].post_change(int(filling))
        self.pvs["MODE"].post_change("No Beam" if self.dumped else "User")

    async def run(self) -> None:
        """Post at 10 Hz for ever, whether anything else happens or not."""
        while True:
            self.update(self._world.settle_agenda())
            await self._world.clock.sleep(POST_NS / NS)

    def _fill_at(self, t_ns: int, *, before: float) -> Era:
        s = self.settings
        return Era(start_ns=t_ns, before=before, full=s.current, fill=s.fill, lifetime=s.lifetime)

    def _begin(self, era: Era) -> None:
        self._eras.append(era)
        del self._eras[:-KEPT]
        self._posted_ns = 0

    def _wait_for_fill(self) -> None:
        self._timer += 1
        timer = self._timer

        def due(t_ns: int) -> None:
            # A dump or a demanded top-up has made this one void.
            if timer == self._timer:
                self.top_up(t_ns)

        self._world.at(self._next_ns, due)

    def _put_dump(self, value: Any) -> None:
        t_ns = self._world.instant_ns()
        if value and not self.dumped:
            self.dump(t_ns)
        elif not value and self.dumped:
            self.top_up(t_ns)

    def _put_top_up(self, value: Any) -> None:
        if value and not self.dumped:
            self.top_up(self._world.instant_ns())
