"""A motor record on an axis.

Theory of operation. VAL is checked against the limits, then a trapezoid is put on the axis' timeline from where the
axis is and as fast as it moves, so that a new target needs no stop. Every put on VAL that waits is complete when the
record is at rest: a first put that was overtaken ends with the second, as on a real record. The pump calls `update`,
which posts RBV at 10 Hz while the axis moves, whoever moves it; a motion that the record did not command (a profile)
shows as MOVN = 1 and DMOV = 0, and VAL follows at its end. User and dial coordinates differ by OFF. The axis is the
dial.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from .axis import Axis, Track, ramp_down, trapezoid
from .clock import NS
from .pv import Kind, SimPV
from .pv_group import PVGroup
from .settings import MotorSettings
from .world import World

POLL_NS = NS // 10


class Motor:
    """A motor record.

    Args:
        name: PV name of the record.
        settings: Limits, speeds, resolution.
        world: Clock and faults.
        axis: The axis that it moves.
    """

    def __init__(self, name: str, settings: MotorSettings, *, world: World, axis: Axis) -> None:
        self.name, self.axis, self._world, self._settings = name, axis, world, settings
        self.pvs = PVGroup(name)
        self.claimed_by: str | None = None
        self.on_stop: Callable[[], None] | None = None
        self._moving = False
        self._commanded = False
        self._last_poll_ns = 0
        self._rest = asyncio.Event()
        self._rest.set()
        self._add_position_fields()
        self._add_speed_fields()
        self._add_constant_fields()

    @property
    def busy(self) -> bool:
        """Whether the axis moves, or its end has not been posted yet."""
        return self._moving or self._world.now_ns() < self.axis.stop_ns

    @property
    def limits(self) -> tuple[float, float]:
        """User limits (low, high); equal when there are none."""
        return self._get(".LLM"), self._get(".HLM")

    @property
    def velocity(self) -> float:
        """VELO in units per second."""
        return self._get(".VELO")

    @property
    def acceleration(self) -> float:
        """Units per second²: VELO reached in ACCL seconds."""
        return self._get(".VELO") / max(self._get(".ACCL"), 1e-3)

    @property
    def max_velocity(self) -> float:
        """VMAX in units per second; infinite when the field is 0."""
        return self._get(".VMAX") or float("inf")

    def dial(self, user: float) -> float:
        """Convert a user position to the axis' own."""
        return user - self._get(".OFF")

    def inside(self, user: float) -> bool:
        """Whether the soft limits allow a user position."""
        low, high = self.limits
        return low == high or low <= user <= high

    def update(self, now_ns: int) -> None:
        """Post what has changed until now; called by the pump."""
        moving = now_ns < self.axis.stop_ns
        if moving and not self._moving:
            self._begin()
        if not self._moving:
            return
        if moving and now_ns - self._last_poll_ns >= POLL_NS:
            self._last_poll_ns = now_ns
            self._post_readback(now_ns)
        if not moving:
            self._end(now_ns)

    def move(self, target: float) -> None:
        """Start a move to a user position from whatever the axis does now."""
        plan = partial(trapezoid, target=self.dial(target), speed=self._get(".VELO"), acceleration=self.acceleration)
        self._world.command((self.axis, lambda t, p, v: plan(t, p, velocity=v)))
        self._begin()
        self._commanded = True

    def brake(self, t_ns: int, position: float, velocity: float) -> Track:
        """Plan the controlled stop from a state of the axis."""
        return ramp_down(t_ns, position, velocity=velocity, acceleration=self.acceleration)

    def follow(self) -> None:
        """Show a motion that somebody else has just put on the axis."""
        self._commanded = False
        self._begin()

    async def at_rest(self) -> None:
        """Wait until the axis rests and the record says so."""
        await self._rest.wait()

    def stop(self) -> None:
        """Ramp down from whatever the axis does now."""
        if self.on_stop is not None:
            self.on_stop()
        if self._world.now_ns() < self.axis.stop_ns:
            self._world.command((self.axis, self.brake))
            self._commanded = False

    def _get(self, field: str) -> float:
        return float(self.pvs[field].value)

    def _begin(self) -> None:
        if not self._moving:
            self._moving = True
            self._rest.clear()
            self.pvs[".DMOV"].post(0)
            self.pvs[".MOVN"].post(1)

    def _end(self, now_ns: int) -> None:
        self._moving = False
        self._post_readback(now_ns)
        if not self._commanded:
            self._post_value(self._get(".RBV"))
        self._commanded = False
        self.pvs[".MOVN"].post(0)
        self.pvs[".DMOV"].post(1)
        self._rest.set()

    def _post_readback(self, now_ns: int) -> None:
        dial = self.axis.measured(now_ns)
        self.pvs[".DRBV"].post(dial)
        self.pvs[".RBV"].post(dial + self._get(".OFF"))
        self.pvs[".RRBV"].post(self.axis.counts(now_ns))

    def _post_value(self, user: float) -> None:
        for field in ("", ".VAL"):
            self.pvs[field].post(user)
        self.pvs[".DVAL"].post(self.dial(user))

    async def _put_value(self, user: float) -> None:
        if self.pvs[".SET"].label == "Set":
            self._redefine(user)
            return
        if not self.inside(user) or self.claimed_by is not None or self.pvs[".SPMG"].label in ("Stop", "Pause"):
            # The put succeeds, VAL goes back and DMOV never drops: only LVIO tells. So does the record.
            self.pvs[".LVIO"].post(int(not self.inside(user)))
            self._post_value(self._get(".VAL"))
            return
        self.pvs[".LVIO"].post_change(0)
        self._post_value(user)
        if self._moving or abs(user - self._get(".RBV")) >= self._get(".RDBD"):
            self.move(user)
            await self.at_rest()

    async def _put_dial(self, dial: float) -> None:
        await self._put_value(dial + self._get(".OFF"))

    async def _tweak(self, sign: int, _: Any) -> None:
        await self._put_value(self._get(".VAL") + sign * self._get(".TWV"))

    def _redefine(self, user: float) -> None:
        now_ns = self._world.now_ns()
        self.pvs[".OFF"].post(user - self.axis.measured(now_ns))
        self._post_readback(now_ns)
        self._post_value(user)
        self._share_limits()

    async def _put_offset(self, offset: float) -> None:
        self.pvs[".OFF"].post(offset)
        self._post_readback(self._world.now_ns())
        self._post_value(self._get(".RBV"))
        self._share_limits()

    def _share_limits(self) -> None:
        offset = self._get(".OFF")
        self._post_limits(self._get(".DLLM") + offset, self._get(".DHLM") + offset)

    async def _put_limit(self, field: str, value: float) -> None:
        self.pvs[field].post(value)
        offset = self._get(".OFF")
        if field in (".LLM", ".HLM"):
            self.pvs[".D" + field[1:]].post(value - offset)
        else:
            self.pvs["." + field[2:]].post(value + offset)
        self._post_limits(*self.limits)

    def _post_limits(self, low: float, high: float) -> None:
        self.pvs[".LLM"].post_change(low)
        self.pvs[".HLM"].post_change(high)
        for field in ("", ".VAL", ".RBV"):
            self.pvs[field].set_limits(low, high)

    async def _put_velocity(self, velocity: float) -> None:
        self.pvs[".VELO"].post(min(max(abs(velocity), self._get(".VBAS"), 1e-6), self.max_velocity))

    async def _put_stop(self, value: int) -> None:
        if value:
            self.stop()
        self.pvs[".STOP"].post(0)

    async def _put_spmg(self, index: int) -> None:
        self.pvs[".SPMG"].post(index)
        if self.pvs[".SPMG"].label in ("Stop", "Pause"):
            self.stop()

    def _float(self, field: str, value: float, **options: Any) -> SimPV:
        shown: dict[str, Any] = {"units": self._settings.units, "precision": self._settings.precision}
        return self.pvs.add(field, Kind.FLOAT, value, **(shown | options))

    def _add_position_fields(self) -> None:
        s, now_ns = self._settings, self._world.now_ns()
        dial, limits = self.axis.measured(now_ns), {"limits": (s.low_limit, s.high_limit)}
        for field in ("", ".VAL"):
            self._float(field, dial, handler=self._put_value, **limits)
        self._float(".DVAL", dial, handler=self._put_dial)
        self._float(".RBV", dial, read_only=True, **limits)
        self._float(".DRBV", dial, read_only=True)
        self.pvs.add(".RRBV", Kind.INT, self.axis.counts(now_ns), read_only=True)
        self._float(".OFF", 0.0, handler=self._put_offset)
        for field, value in ((".LLM", s.low_limit), (".HLM", s.high_limit)):
            self._float(field, value, handler=partial(self._put_limit, field))
            self._float(".D" + field[1:], value, handler=partial(self._put_limit, ".D" + field[1:]))
        self.pvs.add(".STOP", Kind.SHORT, 0, handler=self._put_stop)
        self.pvs.enum(".SPMG", ("Stop", "Pause", "Move", "Go"), value=3, handler=self._put_spmg)
        self.pvs.enum(".SET", ("Use", "Set"))
        self.pvs.enum(".FOFF", ("Variable", "Frozen"))
        self._float(".TWV", 1.0)
        self.pvs.add(".TWF", Kind.SHORT, 0, handler=partial(self._tweak, 1))
        self.pvs.add(".TWR", Kind.SHORT, 0, handler=partial(self._tweak, -1))
        for field, value in ((".DMOV", 1), (".MOVN", 0), (".HLS", 0), (".LLS", 0), (".LVIO", 0), (".MISS", 0)):
            self.pvs.add(field, Kind.SHORT, value, read_only=True)

    def _add_speed_fields(self) -> None:
        s = self._settings
        per_second = {"units": f"{s.units}/s"}
        self._float(".VELO", s.velocity, handler=self._put_velocity, **per_second)
        self._float(".VBAS", 0.0, **per_second)
        self._float(".VMAX", s.max_velocity, **per_second)
        self._float(".JVEL", s.velocity, **per_second)
        self._float(".ACCL", s.acceleration_time, units="s")
        self._float(".BDST", 0.0)
        self._float(".RDBD", s.resolution)

    def _add_constant_fields(self) -> None:
        s = self._settings
        for field, value in ((".MRES", s.resolution), (".ERES", s.resolution), (".UREV", s.resolution * 200)):
            self._float(field, value, precision=7)
        self.pvs.add(".SREV", Kind.INT, 200)
        self.pvs.add(".PREC", Kind.SHORT, s.precision)
        self.pvs.add(".EGU", Kind.STRING, s.units)
        self.pvs.add(".DESC", Kind.STRING, f"simulated motor {self.axis.name}")
        self.pvs.add(".RTYP", Kind.STRING, "motor", read_only=True)
        self.pvs.add(".OUT", Kind.STRING, "@sim", read_only=True)
        self.pvs.add(".MSTA", Kind.INT, 2, read_only=True)
        self.pvs.enum(".DIR", ("Pos", "Neg"), read_only=True)
        self.pvs.enum(".STAT", ("NO_ALARM", "READ", "WRITE", "SOFT"), read_only=True)
        self.pvs.enum(".SEVR", ("NO_ALARM", "MINOR", "MAJOR", "INVALID"), read_only=True)
