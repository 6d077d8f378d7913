"""A heated stage: a ramp towards the set point, followed with a first-order lag.

Theory of operation. The controller's ramp is a straight line from where it stood to the set point, then level. The
stage lags behind it by a first-order system, for which the answer to a ramp is known in closed form; a new set point,
ramp rate or switching off begins a new segment at its instant from the temperature that the stage then has. The reading
adds noise that is a function of time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import exp
from typing import Any

import numpy as np

from .clock import NS
from .faults import Switch
from .noise import noise
from .point_settings import TemperatureSettings
from .pv import Kind
from .pv_group import PVGroup
from .world import World

STATES = ("Off", "Ramping", "Holding", "Fault")
POST_NS = NS // 10
ROOM = 295.0
CELL_NS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A ramp from one instant on.

    Attributes:
        start_ns: When it began.
        ramp: Where the controller's ramp began, in K.
        target: Where it goes.
        rate: How fast, in K/s; > 0.
        stage: Temperature of the stage at the start, in K.
        lag: Time constant in seconds.
    """

    start_ns: int
    ramp: float
    target: float
    rate: float
    stage: float
    lag: float

    def demand(self, t_ns: int) -> float:
        """The controller's ramp at an instant, in K."""
        way = self.rate * (t_ns - self.start_ns) / NS
        return min(self.ramp + way, self.target) if self.target >= self.ramp else max(self.ramp - way, self.target)

    def temperature(self, t_ns: int) -> float:
        """The stage's temperature at an instant, in K."""
        t, slope = (t_ns - self.start_ns) / NS, self.rate if self.target >= self.ramp else -self.rate
        ramping = min(t, abs(self.target - self.ramp) / self.rate)
        # Behind a ramp r + s·t a first-order lag settles to r + s·(t - lag).
        decay = exp(-ramping / self.lag)
        at_end = self.ramp + slope * (ramping - self.lag) + (self.stage - self.ramp + slope * self.lag) * decay
        return self.target + (at_end - self.target) * exp(-(t - ramping) / self.lag) if t > ramping else at_end


class TemperatureStage:
    """A heated stage with its PVs.

    Args:
        prefix: PV prefix, as SIM:TEMP:.
        settings: Start, ramp, lag, noise.
        world: Clock and seed.
    """

    def __init__(self, prefix: str, settings: TemperatureSettings, *, world: World) -> None:
        self._settings, self._world = settings, world
        start, ramp = settings.start, settings.ramp
        self._segment = Segment(
            start_ns=world.now_ns(), ramp=start, target=start, rate=1.0, stage=start, lag=settings.time_constant
        )
        self._broken = False
        self._posted_ns = 0
        kelvin: dict[str, Any] = {"units": "K", "precision": 3}
        self.pvs = PVGroup(prefix)
        self.pvs.add("SP", Kind.FLOAT, start, handler=self._put_target, **kelvin)
        self.pvs.add("SP_RBV", Kind.FLOAT, start, read_only=True, **kelvin)
        self.pvs.add("RBV", Kind.FLOAT, start, read_only=True, **kelvin)
        self.pvs.add("RAMP", Kind.FLOAT, ramp, handler=self._put_ramp, units="K/min", precision=2)
        self.pvs.add("RAMP_RBV", Kind.FLOAT, ramp, read_only=True, units="K/min", precision=2)
        self.pvs.enum("STAT", STATES, read_only=True)
        self.pvs.enum("ON", ("Off", "On"), handler=self._put_on)

    @property
    def busy(self) -> bool:
        """Never: its reading is posted at 10 Hz by a task of its own."""
        return False

    def groups(self) -> Iterable[PVGroup]:
        """Give its PVs."""
        return (self.pvs,)

    def switches(self) -> Iterable[Switch]:
        """Give its faults."""
        yield Switch(name="HeaterFault", kind=Kind.ENUM, default=0, apply=self._put_fault)

    def temperature(self, t_ns: int) -> float:
        """Temperature of the stage at an instant, in K."""
        return self._segment.temperature(t_ns)

    def reading(self, t_ns: int) -> float:
        """What the sensor reads at an instant, in K."""
        noisy = noise(np.array([t_ns // CELL_NS]), seed=self._world.seed + 1)[0]
        return self.temperature(t_ns) + self._settings.noise * float(noisy)

    def update(self, now_ns: int) -> None:
        """Post at 10 Hz."""
        if now_ns - self._posted_ns >= POST_NS:
            self._posted_ns = now_ns
            self.pvs["RBV"].post(self.reading(now_ns))
            self.pvs["STAT"].post_change(self._state(now_ns))

    async def run(self) -> None:
        """Post at 10 Hz for ever, whether anything else happens or not."""
        while True:
            self.update(self._world.settle_agenda())
            await self._world.clock.sleep(POST_NS / NS)

    def _state(self, now_ns: int) -> str:
        if self._broken:
            return "Fault"
        if not self.pvs["ON"].value:
            return "Off"
        return "Holding" if self._segment.demand(now_ns) == self._segment.target else "Ramping"

    def _turn(self) -> None:
        """Begin a segment from what is now: heated, or cooling down to the room."""
        t_ns = self._world.instant_ns()
        heated = bool(self.pvs["ON"].value) and not self._broken
        stage = self.temperature(t_ns)
        # Without power there is no ramp: the stage falls to the room's temperature with its lag.
        ramp, target = (stage, float(self.pvs["SP"].value)) if heated else (ROOM, ROOM)
        self._segment = Segment(
            start_ns=t_ns,
            ramp=ramp,
            target=target,
            rate=float(self.pvs["RAMP"].value) / 60,
            stage=stage,
            lag=self._settings.time_constant,
        )
        self._posted_ns = 0

    async def _put_target(self, kelvin: float) -> None:
        for suffix in ("SP", "SP_RBV"):
            self.pvs[suffix].post(max(kelvin, 0.0))
        self._turn()

    async def _put_ramp(self, per_minute: float) -> None:
        for suffix in ("RAMP", "RAMP_RBV"):
            self.pvs[suffix].post(max(per_minute, 1e-3))
        self._turn()

    async def _put_on(self, index: int) -> None:
        self.pvs["ON"].post(index)
        self._turn()

    def _put_fault(self, value: Any) -> None:
        self._broken = bool(value)
        self._turn()
