"""A PMAC trajectory controller: builds, runs, appends to and aborts profiles in one of its coordinate systems.

Theory of operation. States: Done → (ProfileExecute = 1) → Executing → Done. Execution puts one track per axis on the
timelines at once; nothing runs beside them. The pump calls `update`: every poll of the driver it advances
TotalPoints_RBV, and at the end of the profile posts status and message, then the state, and then completes the put on
ProfileExecute. A profile must be built again for every execution.

What reaches the controller in time is `HalfBuffers`' to say. Points that do not are an under-run: the profile ends
before them, and if the last point that came has a velocity, the axes ramp down behind it; the status says so. The put
on ProfileAppend may succeed and the execution fail, as on a real driver: the driver took the points, and was too late.
Abort cuts the timelines at now and ramps every axis down. User programmes set outputs at their points (`gpio`).
Positions are the axes' own, before the motor records' offsets.
"""

import asyncio
from collections.abc import Iterable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .clock import NS
from .coordinate_system import LETTERS, CoordinateSystem
from .faults import Switch
from .gpio import LINES, Gpio
from .half_buffer import HalfBuffers
from .motor import Motor
from .motor_settings import PmacSettings
from .profile import AxisLimits, Profile, make_profile
from .profile_pvs import add_profile_pvs
from .pv import Handler, Kind
from .pv_group import PVGroup
from .track import Track, ramp_down
from .world import World

AT_REST = 1e-9


class Pmac:
    """A trajectory controller.

    Args:
        prefix: PV prefix, with the colon.
        settings: Its coordinate systems and buffers.
        world: Clock and axes.
        motors: Motor records by name.
    """

    def __init__(self, prefix: str, settings: PmacSettings, *, world: World, motors: dict[str, Motor]) -> None:
        self.pvs = PVGroup(prefix)
        self._world, self._settings = world, settings
        self._gpio = Gpio()
        self._built: Profile | None = None
        self._running: dict[str, Motor] = {}
        self._buffers: HalfBuffers | None = None
        self._points_ns: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._sent = 0
        self._end: tuple[str, str] | None = None
        self._late = False
        self._polled_ns = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._systems = {
            port: CoordinateSystem(
                port, self.pvs, world=world, motors={letter: motors[name] for letter, name in axes.items()}
            )
            for port, axes in settings.coordinate_systems.items()
        }
        puts: dict[str, Handler] = {"Build": self._build, "Append": self._append, "Execute": self._execute}
        add_profile_pvs(self.pvs, puts, abort=self._abort, system=next(iter(self._systems), ""))
        for system in self._systems.values():
            for motor in system.motors.values():
                motor.on_stop = partial(self._stop_motor, motor)

    @property
    def busy(self) -> bool:
        """Whether a profile is executing."""
        return not self._idle.is_set()

    def groups(self) -> Iterable[PVGroup]:
        """Give its PVs."""
        return (self.pvs,)

    def switches(self) -> Iterable[Switch]:
        """Give its faults."""
        yield Switch(name="TableUnderrun", kind=Kind.ENUM, default=0, apply=self._put_late)

    def take_edges(self, line: str, until_ns: int, *, reader: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Give the changes of an output (GPIO1 to GPIO3) until an instant that this reader has not seen."""
        return self._gpio.take_edges(line, until_ns, reader=reader)

    def update(self, now_ns: int) -> None:
        """Post progress, and end the profile when its time has come; called by the pump after the motors'."""
        if self._idle.is_set():
            return
        self._post_progress(now_ns)
        resting = all(now_ns >= motor.axis.stop_ns and not motor.busy for motor in self._running.values())
        if self._end is None and now_ns >= self._end_ns and (self._sent < len(self._points_ns) or not resting):
            self._end = ("Failure", self._under_run())
        if resting and (self._end is not None or now_ns >= self._end_ns):
            self._finish(now_ns, *(self._end or ("Success", "Profile done")))

    @property
    def _end_ns(self) -> int:
        """The instant of the last point that reaches the controller."""
        return int(self._points_ns[self._sent - 1])

    def _under_run(self) -> str:
        total = len(self._points_ns)
        why = "" if self._sent < total else ": the last point is not at rest"
        return f"Scan failed, unable to fill buffers in time ({self._sent}/{total}){why}"

    def _post_progress(self, now_ns: int) -> None:
        poll_ns = round(self._settings.poll * NS)
        if now_ns - self._polled_ns >= poll_ns or self._end is not None or now_ns >= self._end_ns:
            self._polled_ns += (now_ns - self._polled_ns) // poll_ns * poll_ns
            passed = int(np.searchsorted(self._points_ns[: self._sent], now_ns, side="right"))
            if self._end is None:
                self.pvs["TotalPoints_RBV"].post_change(passed)
            for line in LINES:
                self.pvs[f"{line}_RBV"].post_change(int(self._gpio.level(line, now_ns)))

    def _finish(self, now_ns: int, status: str, message: str) -> None:
        for motor in self._running.values():
            motor.claimed_by = None
        self._running = {}
        self._end = None
        for line in LINES:
            self.pvs[f"{line}_RBV"].post_change(int(self._gpio.level(line, now_ns)))
        self._post_result("Execute", status, message)
        self.pvs["ProfileExecuteState_RBV"].post(0)
        self.pvs["ProfileExecute"].post(0)
        self._idle.set()

    def _post_result(self, verb: str, status: str, message: str) -> None:
        self.pvs[f"Profile{verb}Message_RBV"].post(message)
        self.pvs[f"Profile{verb}Status_RBV"].post(status)

    def _system(self) -> CoordinateSystem | None:
        name = self.pvs["ProfileCsName"].value or next(iter(self._systems), "")
        return self._systems.get(name)

    def _read_arrays(self) -> Profile | str:
        system = self._system()
        if system is None:
            known = ", ".join(self._systems)
            return f"no coordinate system {self.pvs['ProfileCsName'].value!r}: there is {known}"
        used = [letter for letter in LETTERS if self.pvs[f"{letter}:UseAxis"].value]
        if unassigned := [letter for letter in used if letter not in system.motors]:
            return f"axis {unassigned[0]} has no motor in {system.port}"
        return make_profile(
            self.pvs["ProfilePointsToBuild"].value,
            self.pvs["ProfileTimeArray"].value,
            axes={
                letter: (self.pvs[f"{letter}:Positions"].value, self.pvs[f"{letter}:Velocities"].value)
                for letter in used
            },
            programmes=self.pvs["UserArray"].value,
            calculate_velocities=bool(self.pvs["ProfileCalcVel"].value),
        )

    def _motors_of(self, profile: Profile) -> dict[str, Motor]:
        system = self._system()
        return {letter: system.motors[letter] for letter in profile.positions} if system else {}

    def _limits(self, profile: Profile) -> dict[str, AxisLimits]:
        now_ns = self._world.now_ns()
        limits: dict[str, AxisLimits] = {}
        for letter, motor in self._motors_of(profile).items():
            low, high = motor.axis_limits
            limits[letter] = AxisLimits(
                low=low, high=high, max_velocity=motor.max_velocity, position=motor.axis.demand(now_ns)
            )
        return limits

    async def _build(self, value: int) -> None:
        if value:
            self._built = None
            self.pvs["ProfileBuild"].post(1)
            self.pvs["ProfileBuildState_RBV"].post(1)
            self._post_result("Build", "Undefined", "")
            self.pvs["TotalPoints_RBV"].post(0)
            profile = self._read_arrays()
            # How far the axes are from the first point counts when it is executed: clients build while they go there.
            fault = profile if isinstance(profile, str) else profile.fault(self._limits(profile), anywhere=True)
            if not isinstance(profile, str) and not fault:
                self._built = profile
            self._post_result("Build", "Failure" if fault else "Success", fault or "Profile built")
            self.pvs["ProfileBuildState_RBV"].post(0)
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
        for letter, motor in self._motors_of(self._built).items():
            if motor.busy:
                return f"axis {letter} is moving: wait for it or stop it"
            if motor.claimed_by is not None:
                return f"axis {letter} belongs to {motor.claimed_by}"
            if motor.condition.stuck or motor.condition.problem:
                return f"axis {letter}: the drive of {motor.name} is in trouble"
        return self._built.fault(self._limits(self._built))

    def _start(self, profile: Profile) -> None:
        now_ns = self._world.settle()
        self._built = None
        self._idle.clear()
        settings = self._settings
        self._buffers = HalfBuffers(now_ns, half=settings.half_buffer, poll_ns=round(settings.poll * NS))
        self._points_ns = np.empty(0, np.int64)
        self._sent, self._polled_ns = 0, now_ns
        self.pvs["ProfileExecute"].post(1)
        self._post_result("Execute", "Undefined", "")
        self.pvs["TotalPoints_RBV"].post(0)
        self.pvs["ProfileExecuteState_RBV"].post("Executing")
        self._running = self._motors_of(profile)
        for motor in self._running.values():
            motor.claimed_by = self.pvs.prefix
        self._send(profile, begin_ns=now_ns, ready_ns=now_ns)

    def _send(self, profile: Profile, *, begin_ns: int, ready_ns: int) -> None:
        """Put on the timelines what reaches the controller in time, from `begin_ns` on."""
        ends_ns = begin_ns + profile.ends_ns()
        in_time = self._buffers.add(ends_ns, ready_ns=ready_ns) if self._buffers else 0
        if self._late and len(self._points_ns):
            in_time = 0
        self._points_ns = np.concatenate([self._points_ns, ends_ns])
        self._sent += in_time
        if in_time == 0:
            return
        part = profile.head(in_time)
        self._gpio.run(ends_ns[:in_time], part.programmes)
        for letter, motor in self._running.items():
            # At the last point itself the velocity is the next track's; a nanosecond earlier it is still this one's.
            velocity, position = motor.axis.demand_velocity(begin_ns), motor.axis.demand(begin_ns)
            motor.axis.cut(begin_ns)
            self._commit(motor, part.track(letter, start_ns=begin_ns, position=position, velocity=velocity))

    def _commit(self, motor: Motor, track: Track) -> None:
        position, velocity = float(track.positions[-1]), float(track.velocities[-1])
        tracks = [track]
        if abs(velocity) > AT_REST:
            tracks.append(ramp_down(track.stop_ns, position, velocity=velocity, acceleration=motor.acceleration))
        motor.axis.extend(tracks)
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
        if self._idle.is_set() or self._end is not None or now_ns >= self._end_ns:
            return "no profile is executing that could be continued"
        if self._sent < len(self._points_ns):
            return "the buffers were not filled in time: the executing profile ends before what is appended"
        if profile.positions.keys() != self._running.keys():
            return (
                f"the executing profile moves {','.join(self._running)}, the appended one {','.join(profile.positions)}"
            )
        fault = profile.fault(self._limits(profile), anywhere=True)
        if not fault:
            self._send(profile, begin_ns=self._end_ns, ready_ns=now_ns)
        return fault

    async def _abort(self, value: int) -> None:
        if value and self.busy:
            self._halt("Aborted")
            await self._idle.wait()
        self.pvs["ProfileAbort"].post(0)

    def _halt(self, message: str) -> None:
        now_ns = self._world.settle()
        self._end = ("Failure", message)
        self._gpio.cut(now_ns)
        moving = [motor for motor in self._running.values() if not motor.condition.stuck]
        self._world.command(*((motor.axis, motor.brake) for motor in moving))
        for motor in self._running.values():
            motor.follow()

    def _stop_motor(self, motor: Motor) -> None:
        if motor not in self._running.values() or self._end is not None:
            return
        condition = motor.condition
        if condition.stuck:
            self._halt(f"motor {motor.name}: following error, the drive has given up")
        elif condition.high or condition.low:
            self._halt(f"motor {motor.name}: {'high' if condition.high else 'low'} limit switch hit")
        else:
            self._halt(f"motor {motor.name} was stopped")

    def _put_late(self, value: int) -> None:
        # What is appended from now on comes too late, as by a driver that is held up.
        self._late = bool(value)
