"""A motor record on an axis.

Theory of operation. A put on VAL becomes legs, one after the other: the move itself, with backlash a second leg from
the far side, then as many retries as RTRY allows while the read-back is further from VAL than RDBD. A leg is a track
on the axis' timeline, planned from where the axis is and as fast as it moves, so that a new target needs no stop.
Whoever moves the axis, the pump calls `update`, which posts the read-backs at 10 Hz while it moves and, when it rests,
starts the next leg or ends the motion: MOVN = 0, then DMOV = 1, then all puts that wait are complete. A first put that
was overtaken ends with the second, as on a real record. A motion that the record did not command (a profile) shows as
MOVN = 1 and DMOV = 0, and VAL follows at its end.

Coordinates are `MotorFrame`'s. The axis is commanded at its own position + `_bias`: what retries have added because the
encoder says something else than the axis was told.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial

from .axis import Axis
from .clock import NS
from .motor_alarm import Alarm, Condition, judge
from .motor_fields import add_motor_fields
from .motor_frame import MotorFrame
from .motor_puts import MotorPuts
from .motor_settings import MotorSettings
from .motor_speeds import MotorSpeeds
from .pv_group import PVGroup
from .record import Record
from .track import Track, ramp_down, ramp_to_speed, trapezoid
from .world import World

POLL_NS = NS // 10
JOG_SECONDS = 3600.0
Leg = Callable[[], None]


class Motor:
    """A motor record.

    Args:
        name: PV name of the record.
        settings: Limits, speeds, resolution.
        world: Clock and faults.
        axis: The axis that it moves.

    Attributes:
        pvs: Its fields, by their suffixes.
        frame: Its coordinates.
        claimed_by: Who else moves the axis now, and has to be asked first.
        on_stop: Called when the motor is stopped, whoever moves it.
        record: Holds puts with completion back where the beamline is told to (a trap of real records).
    """

    def __init__(self, name: str, settings: MotorSettings, *, world: World, axis: Axis) -> None:
        self.name, self.axis, self.settings, self._world = name, axis, settings, world
        self.claimed_by: str | None = None
        self.on_stop: Callable[[], None] | None = None
        self.condition = Condition(travel=settings.travel)
        self.record = Record()
        self._bias = 0.0
        self._moving = self._commanded = self._stopping = False
        self._legs: deque[Leg] = deque()
        self._last_poll_ns = 0
        self._rest = asyncio.Event()
        self._rest.set()
        self.pvs = add_motor_fields(name, settings, position=axis.measured(world.now_ns()))
        self.frame, self._speeds = MotorFrame(self.pvs, axis, world=world), MotorSpeeds(self.pvs)
        handlers = self.frame.handlers() | self._speeds.handlers() | MotorPuts(self).handlers()
        for field, handler in handlers.items():
            self.pvs[field].handler = handler
        for pv in self.pvs.pvs.values():
            pv.record = self.record

    def groups(self) -> Iterable[PVGroup]:
        """Give its PVs."""
        return (self.pvs,)

    @property
    def busy(self) -> bool:
        """Whether the axis moves, or its end has not been posted yet."""
        return self._moving or self._world.now_ns() < self.axis.stop_ns

    @property
    def moving(self) -> bool:
        """What MOVN says."""
        return self._moving

    @property
    def velocity(self) -> float:
        """VELO in units per second."""
        return self._speeds.speed(".VELO")

    @property
    def acceleration(self) -> float:
        """Units per second²: VELO reached in ACCL seconds."""
        return self._speeds.ramp(".VELO", ".ACCL")

    @property
    def max_velocity(self) -> float:
        """VMAX in units per second; infinite when the field is 0."""
        return self._speeds.most

    @property
    def axis_limits(self) -> tuple[float, float]:
        """Limits in the axis' own coordinates (low, high); equal when there are none."""
        return self.frame.axis_limits

    def reachable(self, position: float) -> bool:
        """Whether the soft limits allow a position in the axis' own coordinates."""
        low, high = self.axis_limits
        return low == high or low <= position <= high

    def show_position(self) -> None:
        """Post the read-backs although the axis rests: the encoder says something else than before."""
        self.frame.post_readback(self._world.instant_ns())

    def update(self, now_ns: int) -> None:
        """Post what has changed until now; called by the pump."""
        moving = now_ns < self.axis.stop_ns
        if moving and not self._moving:
            self._begin()
        if not self._moving:
            return
        if moving and now_ns - self._last_poll_ns >= POLL_NS:
            self._last_poll_ns = now_ns
            self.frame.post_readback(now_ns)
        if not moving:
            self._come_to_rest(now_ns)

    def move(self, target: float) -> None:
        """Start a move to a user position from whatever the axis does now."""
        self._legs.clear()
        self._stopping = False
        self._post_counts(".RCNT", 0)
        self._bias = 0.0
        dial, backlash = self.frame.dial(target), self.frame.get(".BDST")
        slow = partial(self._leg, dial, self.frame.get(".BVEL"), self._speeds.ramp(".BVEL", ".BACC"))
        fast = partial(self._leg, speed=self.frame.get(".VELO"), acceleration=self.acceleration)
        if not self.frame.has_backlash:
            self._legs.append(partial(fast, dial))
        elif self.frame.needs_far_side(dial):
            self._legs += [partial(fast, dial - backlash), slow]
        else:
            self._legs.append(slow)
        self._start()

    def _start(self) -> None:
        """Start the first leg of a motion of the record's own."""
        self._begin()
        self._commanded = True
        self._legs.popleft()()

    def _leg(self, dial: float, speed: float, acceleration: float) -> None:
        target = self._reachable(dial - self.frame.zero + self._bias)

        def plan(t_ns: int, position: float, velocity: float) -> Track:
            return trapezoid(t_ns, position, velocity=velocity, target=target, speed=speed, acceleration=acceleration)

        self._go(plan)

    def _go(self, plan: Callable[[int, float, float], Track]) -> None:
        now_ns = self._world.settle()
        if self.condition.stuck or self.pvs[".CNEN"].label == "Disable":
            self.condition.problem = True
            self._legs.clear()
            return
        position = self.axis.demand(now_ns)
        track = plan(now_ns, position, self.axis.demand_velocity(now_ns))
        towards = float(track.positions[-1]) - position
        if self.condition.blocks(towards):
            self._legs.clear()
            return
        self.condition.left(towards)
        self._post_counts(".TDIR", int(towards >= 0))
        # The world is settled until now_ns: the future from there on may be replaced.
        self.axis.cut(now_ns)
        self.axis.append(track)

    def _reachable(self, target: float) -> float:
        low, high = self.settings.travel or (target, target)
        return min(max(target, low), high)

    def brake(self, t_ns: int, position: float, velocity: float) -> Track:
        """Plan the controlled stop from a state of the axis."""
        return ramp_down(t_ns, position, velocity=velocity, acceleration=self.acceleration)

    def follow(self) -> None:
        """Show a motion that somebody else has just put on the axis."""
        self._legs.clear()
        self._commanded = False
        self._begin()

    async def at_rest(self) -> None:
        """Wait until the axis rests and the record says so."""
        await self._rest.wait()

    def stop(self) -> None:
        """Ramp down from whatever the axis does now; what was to come after is forgotten, and VAL follows."""
        if self.on_stop is not None:
            self.on_stop()
        self._legs.clear()
        self._release_buttons()
        self._stopping = True
        if self._world.now_ns() < self.axis.stop_ns:
            self._world.command((self.axis, self.brake))
            self._commanded = False

    def halt(self, t_ns: int) -> None:
        """Stand still at once, because of a fault at `t_ns`; whoever moves the axis is told as by a stop."""
        moving = t_ns < self.axis.stop_ns
        self.axis.freeze(t_ns)
        if moving and self.on_stop is not None:
            self.on_stop()
        self._legs.clear()
        self._commanded = False
        self.show_alarm()
        self._world.awake.set()

    def _post_counts(self, field: str, value: int) -> None:
        self.pvs[field].post_change(value)

    def _begin(self) -> None:
        if not self._moving:
            self._moving = True
            self._rest.clear()
            self.pvs[".MISS"].post_change(0)
            self.pvs[".DMOV"].post(0)
            self.pvs[".MOVN"].post(1)
            self.show_alarm()

    def _come_to_rest(self, now_ns: int) -> None:
        if self._legs:
            self.frame.post_readback(now_ns)
            self._legs.popleft()()
            return
        if self._commanded and not self._stopping and self._retried(now_ns):
            return
        self._end(now_ns)

    def _retried(self, now_ns: int) -> bool:
        missing = self.frame.get(".DVAL") - self.axis.measured(now_ns) - self.frame.zero
        done = self.frame.get(".RCNT")
        if abs(missing) <= max(self.frame.get(".RDBD"), self.axis.resolution) or self.condition.problem:
            return False
        if done >= self.frame.get(".RTRY"):
            self.pvs[".MISS"].post(1)
            return False
        self.pvs[".RCNT"].post(int(done) + 1)
        if self.pvs[".UEIP"].label == "Yes":
            self._bias += missing * self.frame.get(".FRAC")
        self._leg(self.frame.get(".DVAL"), self.frame.get(".VELO"), self.acceleration)
        return True

    def _end(self, now_ns: int) -> None:
        self._moving = False
        self.condition.reach(self.axis.position(now_ns), self.axis.resolution)
        self.frame.post_readback(now_ns)
        paused = self.pvs[".SPMG"].label == "Pause"
        if not self._commanded and not paused:
            self.frame.post_value(self.frame.get(".RBV"))
        if self._commanded and self.condition.problem:
            self.pvs[".MISS"].post_change(1)
        self._commanded = self._stopping = False
        self._release_buttons()
        self.show_alarm()
        self.pvs[".MOVN"].post(0)
        self.pvs[".DMOV"].post(1)
        self._rest.set()
        if self.pvs[".SPMG"].label == "Move":
            self.pvs[".SPMG"].post("Pause")

    def _release_buttons(self) -> None:
        for button in (".JOGF", ".JOGR", ".HOMF", ".HOMR"):
            self._post_counts(button, 0)

    def show_alarm(self) -> None:
        """Post the alarm, the limit switches and MSTA as they are now."""
        alarm: Alarm = judge(self.condition, severity=int(self.pvs[".HLSV"].value))
        sign = self.frame.sign
        self._post_counts(".HLS", int(self.condition.high if sign > 0 else self.condition.low))
        self._post_counts(".LLS", int(self.condition.low if sign > 0 else self.condition.high))
        self._post_counts(".STAT", alarm.status)
        self._post_counts(".SEVR", alarm.severity)
        for field in ("", ".VAL", ".RBV"):
            self.pvs[field].set_alarm(alarm.status, alarm.severity)
        enabled = self.pvs[".CNEN"].label == "Enable"
        forward = self.pvs[".TDIR"].value == 1
        status = self.condition.status(moving=self._moving, forward=forward, enabled=enabled)
        self.pvs[".MSTA"].post_change(status)

    def jog(self, sign: int) -> None:
        """Go on at JVEL in a user direction (1 or -1), to the soft limit if there is one."""
        self._legs.clear()
        self._stopping = False
        self._begin()
        self._commanded = False
        speed, acceleration = sign * self.frame.sign * self.frame.get(".JVEL"), self.frame.get(".JAR")
        low, high = self.axis_limits
        if low == high:
            self._world.command((self.axis, partial(_endless, speed=speed, acceleration=acceleration)))
        else:
            # A jog ends at the soft limit.
            self._leg((high if speed > 0 else low) + self.frame.zero, abs(speed), acceleration)

    def end_jog(self) -> None:
        """Ramp down at JAR."""
        if self._world.now_ns() < self.axis.stop_ns:
            acceleration = self.frame.get(".JAR")
            self._world.command((self.axis, lambda t, p, v: ramp_down(t, p, velocity=v, acceleration=acceleration)))

    def home(self) -> None:
        """Go to the home switch at HVEL."""
        self._legs.clear()
        self._stopping = False
        self._bias = 0.0
        speed = self.frame.get(".HVEL")
        # The last leg has no way to go: it notes that the switch was found.
        self._legs += [
            partial(self._leg, self.settings.home + self.frame.zero, speed, self.acceleration),
            self._note_home,
        ]
        self._start()
        self._commanded = False

    def _note_home(self) -> None:
        self.condition.homed = True
        self.pvs[".ATHM"].post(1)


def _endless(t_ns: int, position: float, velocity: float, *, speed: float, acceleration: float) -> Track:
    """Plan a jog without limits: an hour of it."""
    ramp = ramp_to_speed(t_ns, position, velocity=velocity, speed=speed, acceleration=acceleration)
    stop_ns = ramp.stop_ns + round(JOG_SECONDS * NS)
    return Track(
        [*ramp.times_ns.tolist(), stop_ns],
        [*ramp.positions.tolist(), float(ramp.positions[-1]) + speed * JOG_SECONDS],
        [*ramp.velocities.tolist(), speed],
    )
