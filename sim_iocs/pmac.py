"""A PMAC trajectory controller with one coordinate system: builds, runs, appends to and aborts profiles.

Theory of operation. States: Done → (ProfileExecute = 1) → Executing → Done. Execution puts one track per axis on the
timelines at once; nothing runs beside them. The pump calls `update`: it advances TotalPoints_RBV, and at the end of
the profile posts status and message, then the state, and then completes the put on ProfileExecute. A profile must be
built again for every execution. If the last point has a velocity, the axes ramp down behind it: that is what is left
of an under-run, and the status says so. Abort cuts the timelines at now and ramps every axis down. Demands on single
axes (DirectDemand) start at once, or together when DeferMoves goes back to 0; then they take equally long, as
coordinated moves do.
"""

import asyncio
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .axis import Track, ramp_down, trapezoid
from .motor import Motor
from .profile import MAX_POINTS, AxisLimits, Profile, make_profile
from .pv import Kind
from .pv_group import PVGroup
from .settings import PmacSettings
from .world import Plan, World

LETTERS = "ABCUVWXYZ"
STATUSES = ("Undefined", "Success", "Failure")
AT_REST = 1e-9


class Pmac:
    """A trajectory controller.

    Args:
        prefix: PV prefix, with the colon.
        settings: Its port name and wiring.
        world: Clock and axes.
        motors: Motor records by name.
    """

    def __init__(self, prefix: str, settings: PmacSettings, *, world: World, motors: dict[str, Motor]) -> None:
        self.pvs = PVGroup(prefix)
        self._world, self._settings = world, settings
        self._motors = {letter: motors[name] for letter, name in settings.axes.items()}
        self._built: Profile | None = None
        self._running: dict[str, Motor] = {}
        self._points_ns: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._end: tuple[str, str] | None = None
        self._deferred: dict[str, float] = {}
        self._released = asyncio.Event()
        self._released.set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._add_profile_pvs()
        self._add_coordinate_system_pvs()
        for motor in self._motors.values():
            motor.on_stop = partial(self._stop_motor, motor)

    @property
    def busy(self) -> bool:
        """Whether a profile is executing."""
        return not self._idle.is_set()

    def update(self, now_ns: int) -> None:
        """Post progress, and end the profile when its time has come; called by the pump after the motors'."""
        if self._idle.is_set():
            return
        self.pvs["TotalPoints_RBV"].post_change(int(np.searchsorted(self._points_ns, now_ns, side="right")))
        resting = all(now_ns >= motor.axis.stop_ns and not motor.busy for motor in self._running.values())
        if self._end is not None or now_ns >= self._points_ns[-1]:
            if self._end is None and not resting:
                last = len(self._points_ns)
                message = f"Scan failed, unable to fill buffers in time ({last}/{last}): the last point is not at rest"
                self._end = ("Failure", message)
            if resting:
                self._finish(*(self._end or ("Success", "Profile done")))

    def _finish(self, status: str, message: str) -> None:
        for motor in self._running.values():
            motor.claimed_by = None
        self._running = {}
        self._end = None
        self._post_result("Execute", status, message)
        self.pvs["ProfileExecuteState_RBV"].post(0)
        self.pvs["ProfileExecute"].post(0)
        self._idle.set()

    def _post_result(self, verb: str, status: str, message: str) -> None:
        self.pvs[f"Profile{verb}Message_RBV"].post(message)
        self.pvs[f"Profile{verb}Status_RBV"].post(status)

    def _read_arrays(self) -> Profile | str:
        if self.pvs["ProfileCsName"].value not in ("", self._settings.port):
            return f"no coordinate system {self.pvs['ProfileCsName'].value!r}: there is {self._settings.port}"
        used = [letter for letter in LETTERS if self.pvs[f"{letter}:UseAxis"].value]
        if unassigned := [letter for letter in used if letter not in self._motors]:
            return f"axis {unassigned[0]} has no motor in {self._settings.port}"
        return make_profile(
            self.pvs["ProfilePointsToBuild"].value,
            self.pvs["ProfileTimeArray"].value,
            axes={
                letter: (self.pvs[f"{letter}:Positions"].value, self.pvs[f"{letter}:Velocities"].value)
                for letter in used
            },
            calculate_velocities=bool(self.pvs["ProfileCalcVel"].value),
        )

    def _limits(self, profile: Profile) -> dict[str, AxisLimits]:
        now_ns = self._world.now_ns()
        limits: dict[str, AxisLimits] = {}
        for letter in profile.positions:
            motor = self._motors[letter]
            low, high = (motor.dial(limit) for limit in motor.limits)
            limits[letter] = AxisLimits(
                low=low, high=high, max_velocity=motor.max_velocity, position=motor.axis.position(now_ns)
            )
        return limits

    async def _build(self, value: int) -> None:
        if value:
            self._built = None
            self.pvs["ProfileBuild"].post(1)
            self._post_result("Build", "Undefined", "")
            self.pvs["TotalPoints_RBV"].post(0)
            profile = self._read_arrays()
            fault = profile if isinstance(profile, str) else profile.fault(self._limits(profile))
            if not isinstance(profile, str) and not fault:
                self._built = profile
            self._post_result("Build", "Failure" if fault else "Success", fault or "Profile built")
        self.pvs["ProfileBuild"].post(0)

    async def _execute(self, value: int) -> None:
        if not value:
            # Only the end of the profile, or ProfileAbort, resets a busy ProfileExecute.
            return
        if self.busy:
            self._post_result("Execute", "Failure", "a profile is executing; abort it first")
            return
        fault = self._start_fault()
        if fault or self._built is None:
            self._post_result("Execute", "Failure", fault or "no profile is built; build one for every execution")
            self.pvs["ProfileExecute"].post(0)
            return
        self._start(self._built)
        await self._idle.wait()

    def _start_fault(self) -> str:
        if self._built is None:
            return ""
        moving = [letter for letter in self._built.positions if self._motors[letter].busy]
        if moving:
            return f"axis {moving[0]} is moving: wait for it or stop it"
        return self._built.fault(self._limits(self._built))

    def _start(self, profile: Profile) -> None:
        now_ns = self._world.settle()
        self._built = None
        self._idle.clear()
        self._points_ns = now_ns + profile.ends_ns()
        self.pvs["ProfileExecute"].post(1)
        self._post_result("Execute", "Undefined", "")
        self.pvs["TotalPoints_RBV"].post(0)
        self.pvs["ProfileExecuteState_RBV"].post("Executing")
        self._running = {letter: self._motors[letter] for letter in profile.positions}
        for letter, motor in self._running.items():
            motor.claimed_by = self.pvs.prefix
            position = motor.axis.position(now_ns)
            self._commit(motor, profile.track(letter, start_ns=now_ns, position=position, velocity=0.0))

    def _commit(self, motor: Motor, track: Track) -> None:
        motor.axis.append(track)
        position, velocity = float(track.positions[-1]), float(track.velocities[-1])
        if abs(velocity) > AT_REST:
            motor.axis.append(ramp_down(track.stop_ns, position, velocity=velocity, acceleration=motor.acceleration))
        motor.follow()

    async def _append(self, value: int) -> None:
        if value:
            self._post_result("Append", "Undefined", "")
            fault = self._appended_fault()
            self._post_result("Append", "Failure" if fault else "Success", fault or "Profile appended")
        self.pvs["ProfileAppend"].post(0)

    def _appended_fault(self) -> str:
        profile = self._read_arrays()
        if isinstance(profile, str):
            return profile
        now_ns = self._world.settle()
        if self._idle.is_set() or self._end is not None or now_ns >= self._points_ns[-1]:
            return "no profile is executing that could be continued"
        if profile.positions.keys() != self._running.keys():
            return (
                f"the executing profile moves {','.join(self._running)}, the appended one {','.join(profile.positions)}"
            )
        fault = profile.fault(self._limits(profile), appended=True)
        if fault:
            return fault
        end_ns = int(self._points_ns[-1])
        for letter, motor in self._running.items():
            # At the last point itself the velocity is the next track's; a nanosecond earlier it is still this one's.
            velocity, position = motor.axis.velocity(end_ns), motor.axis.position(end_ns)
            motor.axis.cut(end_ns)
            self._commit(motor, profile.track(letter, start_ns=end_ns, position=position, velocity=velocity))
        self._points_ns = np.concatenate([self._points_ns, end_ns + profile.ends_ns()])
        return ""

    async def _abort(self, value: int) -> None:
        if value and self.busy:
            self._halt("Aborted")
            await self._idle.wait()
        self.pvs["ProfileAbort"].post(0)

    def _halt(self, message: str) -> None:
        self._world.command(*((motor.axis, motor.brake) for motor in self._running.values()))
        for motor in self._running.values():
            motor.follow()
        self._end = ("Failure", message)

    def _stop_motor(self, motor: Motor) -> None:
        if motor in self._running.values() and self._end is None:
            self._halt(f"motor {motor.name} was stopped")

    async def _demand(self, letter: str, position: float) -> None:
        pv = self.pvs[f"{self._settings.port}:M{LETTERS.index(letter) + 1}:DirectDemand"]
        pv.post(position)
        motor = self._motors.get(letter)
        if motor is None:
            return
        if not self.pvs[f"{self._settings.port}:DeferMoves"].value:
            self._move_together({letter: position})
            await motor.at_rest()
            return
        self._deferred[letter] = position
        await self._released.wait()
        await motor.at_rest()

    async def _defer(self, value: int) -> None:
        self.pvs[f"{self._settings.port}:DeferMoves"].post(value)
        if value:
            self._released.clear()
            return
        targets, self._deferred = self._deferred, {}
        self._move_together(targets)
        self._released.set()

    def _move_together(self, targets: dict[str, float]) -> None:
        now_ns = self._world.settle()
        moves = {
            self._motors[letter]: self._motors[letter].dial(target)
            for letter, target in targets.items()
            if self._motors[letter].claimed_by is None and self._motors[letter].inside(target)
        }
        alone = {motor: _coordinated(motor, target, scale=1.0) for motor, target in moves.items()}
        durations = {
            motor: plan(now_ns, motor.axis.position(now_ns), motor.axis.velocity(now_ns)).stop_ns - now_ns
            for motor, plan in alone.items()
        }
        longest = max(durations.values(), default=0)
        plans = {
            motor: _coordinated(motor, target, scale=durations[motor] / longest if longest else 1.0)
            for motor, target in moves.items()
        }
        self._world.command(*((motor.axis, plan) for motor, plan in plans.items()))
        for motor in plans:
            motor.follow()

    def _add_profile_pvs(self) -> None:
        add = self.pvs.add
        add("ProfileTimeArray", Kind.FLOATS, [0.0], length=MAX_POINTS, units="us")
        add("UserArray", Kind.INTS, [0], length=MAX_POINTS)
        for letter in LETTERS:
            add(f"{letter}:Positions", Kind.FLOATS, [0.0], length=MAX_POINTS)
            add(f"{letter}:Velocities", Kind.FLOATS, [0.0], length=MAX_POINTS)
            self.pvs.enum(f"{letter}:UseAxis", ("No", "Yes"))
        add("TotalPoints_RBV", Kind.INT, 0, read_only=True)
        add("ProfilePointsToBuild", Kind.INT, 1)
        add("ProfileNumPoints", Kind.INT, MAX_POINTS, read_only=True)
        handlers = {"Build": self._build, "Append": self._append, "Execute": self._execute}
        for verb, handler in handlers.items():
            self.pvs.enum(f"Profile{verb}", ("Done", verb), handler=handler)
            self.pvs.enum(
                f"Profile{verb}State_RBV", ("Done", "Busy" if verb != "Execute" else "Executing"), read_only=True
            )
            self.pvs.enum(f"Profile{verb}Status_RBV", STATUSES, read_only=True)
            self.pvs.text(f"Profile{verb}Message_RBV", "", read_only=True)
        self.pvs.enum("ProfileAbort", ("Done", "Abort"), handler=self._abort)
        add("ProfileCsName", Kind.STRING, self._settings.port)
        self.pvs.enum("ProfileCalcVel", ("No", "Yes"))

    def _add_coordinate_system_pvs(self) -> None:
        port = self._settings.port
        self.pvs.add(f"{port}:Port", Kind.STRING, port, read_only=True)
        self.pvs.enum(f"{port}:DeferMoves", ("No", "Yes"), handler=self._defer)
        for number, letter in enumerate(LETTERS, start=1):
            self.pvs.add(
                f"{port}:M{number}:DirectDemand", Kind.FLOAT, 0.0, handler=partial(self._demand, letter), precision=4
            )
        for letter, motor in self._motors.items():
            motor.pvs.add(":CsAxis_RBV", Kind.STRING, letter, read_only=True)
            motor.pvs.add(":CsPort_RBV", Kind.STRING, port, read_only=True)
            motor.pvs.add(":CsRaw_RBV", Kind.INT, int("".join(c for c in port if c.isdigit()) or 1), read_only=True)


def _coordinated(motor: Motor, target: float, *, scale: float) -> Plan:
    """Plan a move that takes 1/scale times as long as the motor needs alone; from rest, exactly."""
    # Speed × k and acceleration × k² stretch a move in time by 1/k.
    k = scale or 1.0

    def plan(t_ns: int, position: float, velocity: float) -> Track:
        speed, acceleration = motor.velocity * k, motor.acceleration * k * k
        return trapezoid(t_ns, position, velocity=velocity, target=target, speed=speed, acceleration=acceleration)

    return plan
