"""What can go wrong with axes: a stuck drive, a limit switch, an encoder that slips or glitches, noise, lag.

The faults name axes, for one beamline has many; each acts at its instant. PVs of the world's imperfections stand
beside them: AxisNoise and AxisLag set, for the axis named in FaultAxis, what its settings say at start-up.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from .clock import NS
from .errors import RefusedPutError, TimelineError
from .faults import Switch, axis_named
from .motor import Motor
from .pv import Kind
from .pv_group import PVGroup
from .world import World

GLITCH_NS = 1_000_000


class MotorFaults:
    """Faults of the motors of one beamline.

    Args:
        motors: Motor records by axis name.
        world: For the instants at which faults act.
    """

    def __init__(self, motors: Mapping[str, Motor], *, world: World) -> None:
        self._motors, self._world = motors, world
        # The axis that numbers are meant for; the first one unless a name is put.
        self._axis = next(iter(motors), "")

    @property
    def busy(self) -> bool:
        """Never."""
        return False

    def update(self, now_ns: int) -> None:
        """Nothing is left to be posted."""

    def groups(self) -> Iterable[PVGroup]:
        """It has no PVs but the faults."""
        return ()

    def switches(self) -> Iterable[Switch]:
        """Give the faults of axes."""
        text: dict[str, Any] = {"kind": Kind.STRING, "default": ""}
        yield Switch(name="FaultAxis", kind=Kind.STRING, default=self._axis, apply=self._choose)
        yield Switch(name="MotorStall", apply=self._stall, **text)
        yield Switch(name="MotorLimit", apply=self._limit, **text)
        yield Switch(name="EncoderSlip", kind=Kind.INT, default=0, apply=self._slip, momentary=True)
        yield Switch(name="EncoderGlitch", kind=Kind.INT, default=0, apply=self._glitch, momentary=True)
        yield Switch(name="AxisNoise", kind=Kind.FLOAT, default=0.0, apply=self._noise)
        yield Switch(name="AxisLag", kind=Kind.FLOAT, default=0.0, apply=self._lag)
        yield Switch(name="PutNotifyQueues", kind=Kind.ENUM, default=0, apply=self._queue)

    @property
    def _motor(self) -> Motor:
        return self._motors[self._axis]

    def _choose(self, name: str) -> None:
        self._axis = axis_named(name, self._motors) or self._axis

    def _stall(self, name: str) -> None:
        stuck, t_ns = axis_named(name, self._motors), self._world.instant_ns()
        for axis, motor in self._motors.items():
            was, motor.condition.stuck = motor.condition.stuck, axis == stuck
            if motor.condition.stuck and not was:
                motor.condition.problem = t_ns < motor.axis.stop_ns
                motor.halt(t_ns)

    def _limit(self, name: str) -> None:
        """Hit the switch ahead of a moving axis, or the high one of a resting axis; the empty name frees all."""
        hit, t_ns = axis_named(name, self._motors), self._world.instant_ns()
        for axis, motor in self._motors.items():
            if axis == hit:
                forward = motor.axis.velocity(t_ns) >= 0
                motor.condition.high, motor.condition.low = forward, not forward
                motor.halt(t_ns)
            elif motor.condition.high or motor.condition.low:
                motor.condition.high = motor.condition.low = False
                motor.halt(t_ns)

    def _slip(self, counts: int) -> None:
        if counts:
            self._motor.axis.errors.slip(self._world.instant_ns(), counts)
            self._motor.show_position()

    def _glitch(self, counts: int) -> None:
        if counts:
            self._motor.axis.errors.glitch(self._world.instant_ns(), counts, duration_ns=GLITCH_NS)

    def _noise(self, counts: float) -> None:
        self._motor.axis.errors.set_noise(self._world.instant_ns(), max(counts, 0.0))

    def _lag(self, seconds: float) -> None:
        try:
            self._motor.axis.follow_later(round(max(seconds, 0.0) * NS), now_ns=self._world.instant_ns())
        except TimelineError as error:
            raise RefusedPutError(str(error)) from error

    def _queue(self, value: Any) -> None:
        for motor in self._motors.values():
            motor.record.queues = bool(value)
