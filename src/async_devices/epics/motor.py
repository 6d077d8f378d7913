"""Motor: an axis behind an EPICS motor record.

What the record does that a client must know:

- A put to `.VAL` with a callback completes when the motion has ended, *wherever* it has ended. Beyond a soft limit
  it completes at once, `.LVIO` is 1 and `.VAL` goes back. So a move is checked before (limits, SPMG) and judged after
  (motor_verdict).
- `.STOP` with a callback would queue behind the move that it is to stop. It is written without one.
- `.VMAX` = 0 and `.LLM` = `.HLM` mean that there is no limit.
- `.VAL` is anybody's. While a move runs it is watched: the moment it is no longer the target, the move has failed, and
  whether it followed the readback (a stop) or leads it (another target) tells what somebody did. A callback could not
  tell: it comes when the *last* motion has ended.
- Frozen or dead, the server is noticed by the signals (their circuit closes, or they do not answer a probe).
"""

import asyncio
from typing import Any

from ...task_scope import task_scope, together
from ..errors import MoveFailedError, SetpointOutsideLimitsError, WaitTimeoutError
from ..protocols import Location
from ..status import Progress, Report, Status
from ..verbs import async_verb, status_verb
from .errors import MoveRedirectedError, MoveRefusedError
from .motor_flight import FlyMotorInfo, MotorFlight
from .motor_hand import HandControl
from .motor_record import MotorRecord, MotorStatus, check_taken
from .motor_verdict import MotorState, Verdict, foreign, judge, same

NO_LIMITS = (float("-inf"), float("inf"))
GRACE = 10.0
"""Seconds that a move may take beyond what distance and velocity make it."""


class Motor(MotorRecord):
    """A motor record that moves, jogs, goes home and flies at constant velocity."""

    def __init__(self, prefix: str, *, protocol: str = "ca", name: str = "") -> None:
        """Name a record.

        Args:
            prefix: The record, for example SIM:X.
            protocol: ca or pva.
            name: Of the device.
        """
        super().__init__(prefix, protocol=protocol, name=name)
        self._target: float | None = None
        self.stopped_well: bool | None = None
        self._flight = MotorFlight(self)
        self._hand = HandControl(self)

    async def limits(self) -> tuple[float, float]:
        """The ends of its travel, in its units; infinite where there is none."""
        low, high = await together(self.low_limit.get_value(), self.high_limit.get_value())
        return (low, high) if low < high else NO_LIMITS

    async def max_velocity(self) -> float:
        """Its highest speed, units per second; 0 if the record does not say (VMAX = 0 means no limit)."""
        return await self.maximum_velocity.get_value()

    async def check_value(self, value: float) -> None:
        """Refuse a target that the record would refuse.

        Raises:
            SetpointOutsideLimitsError: Naming both limits.
        """
        low, high = await self.limits()
        if not low <= value <= high:
            units = await self.units.get_value()
            msg = (
                f"{self.name}: {value:g} {units} is outside its soft limits {low:g} to {high:g} {units}; "
                "nothing has moved. Choose a target between them, or move them "
                f"({self.low_limit.source}, {self.high_limit.source})"
            )
            raise SetpointOutsideLimitsError(msg)

    @status_verb
    def set(self, value: float, *, timeout: float | None = None) -> Status:
        """Move to `value`; done when it is there. A set during a move sends it elsewhere, and the first one fails.

        Args:
            value: In its units.
            timeout: Seconds; by default what distance, velocity, acceleration and backlash make it, and ten more.

        Raises:
            SetpointOutsideLimitsError: Through the Status; nothing has moved.
            MoveFailedError: Through the Status: it ended, or goes, somewhere else; each cause has its type.
            WaitTimeoutError: Through the Status: it still moves.
        """
        return Status.reporting(
            lambda report: self.move(float(value), report, timeout=timeout), name=f"{self.name} set", owner=self.tasks
        )

    async def move(self, target: float, report: Report, *, timeout: float | None = None) -> None:
        """As `set`, with a function that is told how far it is."""
        await self._flight.restore_velocity()
        await self.check_value(target)
        await self.travel(target, report, timeout=timeout)

    async def travel(self, target: float, report: Report, *, timeout: float | None) -> None:
        """Move at the velocity that the record has now, to a target that has been checked."""
        await self.check_go()
        initial, velocity = await together(self.user_readback.get_value(), self.velocity.get_value())
        if timeout is None:
            timeout = await self.travel_time(target - initial, velocity) + GRACE
        self._target, self.stopped_well = target, None
        try:
            async with task_scope() as group:
                beside = (
                    group.create_task(self._report_progress(initial, target, velocity, report)),
                    group.create_task(self._watch_setpoint(target)),
                )
                await self.user_setpoint.put(target, wait=True, timeout=timeout)
                for task in beside:
                    task.cancel()
        except WaitTimeoutError as error:
            position = await self.user_readback.get_value()
            msg = f"{self.name}: after {timeout:.1f} s at {position:g}, not at {target:g}; it may still move: stop it"
            raise WaitTimeoutError(msg) from error
        await self._check_arrived(target)

    async def travel_time(self, distance: float, velocity: float) -> float:
        """Seconds that the record needs for `distance` at `velocity`, its backlash included; 0 if it has no speed."""
        acceleration_time, backlash = await together(self.acceleration_time.get_value(), self.backlash.get_value())
        seconds = 2 * acceleration_time + (abs(distance) / velocity if velocity > 0 else 0.0)
        if backlash:
            slow, ramp = self.console.backlash_velocity, self.console.backlash_acceleration_time
            await self.console.ready(slow, ramp)
            speed, ramp_time = await together(slow.get_value(), ramp.get_value())
            seconds += 2 * ramp_time + abs(backlash) / (speed or velocity or 1.0)
        return seconds

    async def check_go(self) -> None:
        """Refuse to move a record that is set to Stop or Pause.

        Raises:
            MoveRefusedError: Nothing has moved.
        """
        if (mode := await self.go.get_value()) in ("Stop", "Pause"):
            msg = (
                f"{self.name}: the record is set to {mode!r} ({self.go.source}), it would not move; nothing has moved. "
                "Set it to 'Go'"
            )
            raise MoveRefusedError(msg)

    async def _watch_setpoint(self, target: float) -> None:
        """Fail as soon as VAL, once it has been the target, is another."""
        tolerance = await self.tolerance() / 2
        sent = False
        async for setpoint in self.user_setpoint.observe():
            if same(setpoint, target, tolerance=tolerance):
                sent = True
            elif sent and self.stopped_well is None:
                raise self._failure(target, await self._who_changed(setpoint))

    async def _who_changed(self, setpoint: float) -> Verdict:
        state = await self.state()
        if self._target is not None and same(setpoint, self._target, tolerance=state.tolerance / 2):
            return Verdict(MoveRedirectedError, f"another set sent it to {setpoint:g} meanwhile")
        return foreign(setpoint, state)

    async def tolerance(self) -> float:
        """Units within which two of its positions are one."""
        deadband, resolution = await together(self.deadband.get_value(), self.resolution.get_value())
        return max(deadband, abs(resolution))

    async def state(self) -> MotorState:
        """What the record shows now."""
        setpoint, readback, tolerance = await together(
            self.user_setpoint.get_value(), self.user_readback.get_value(), self.tolerance()
        )
        violated, missed, bits = await together(
            self.limit_violation.get_value(), self.missed.get_value(), self.status_bits.get_value()
        )
        high, low = await together(self.high_switch.get_value(), self.low_switch.get_value())
        status = MotorStatus(bits & sum(MotorStatus))
        return MotorState(setpoint, readback, bool(violated), bool(missed), high, low, status, tolerance)

    async def _check_arrived(self, target: float) -> None:
        if self.stopped_well:
            return
        verdict = judge(await self.state(), target)
        if self.stopped_well is False:
            verdict = Verdict(MoveFailedError, "it was stopped")
        elif self._target != target and verdict is not None:
            verdict = Verdict(MoveRedirectedError, f"another set sent it to {self._target:g} meanwhile")
        if verdict is not None:
            position = await self.user_readback.get_value()
            raise self._failure(target, verdict, position)

    def _failure(self, target: float, verdict: Verdict, position: float | None = None) -> MoveFailedError:
        ended = "" if position is None else f", came to rest at {position:g}"
        return verdict.error(f"{self.name}: sent to {target:g}{ended}: {verdict.reason}")

    async def _report_progress(self, initial: float, target: float, velocity: float, report: Report) -> None:
        units, precision = await self.units.get_value(), await self.precision.get_value()
        loop = asyncio.get_running_loop()
        begun, distance = loop.time(), abs(target - initial)
        async for position in self.user_readback.observe():
            left = abs(target - position)
            report(
                Progress(
                    name=self.name,
                    current=position,
                    initial=initial,
                    target=target,
                    unit=units,
                    precision=precision,
                    fraction=1.0 - min(left / distance, 1.0) if distance else 1.0,
                    time_elapsed=loop.time() - begun,
                    time_remaining=left / velocity if velocity > 0 else None,
                )
            )

    @async_verb
    async def stop(self, success: bool = True) -> None:  # noqa: FBT001, FBT002  # bluesky's signature
        """Stop now, in control. What is under way ends: well if `success`, else with MoveFailedError."""
        self.stopped_well = success
        await self.stop_signal.put(1, wait=False)

    @async_verb
    async def locate(self) -> Location[Any]:
        """Where it was sent and where it is."""
        setpoint, readback = await together(self.user_setpoint.get_value(), self.user_readback.get_value())
        return {"setpoint": setpoint, "readback": readback}

    @status_verb
    def prepare(self, value: FlyMotorInfo) -> Status:
        """Go to where a flight's run-up begins and take on its velocity; done when it is there.

        Raises:
            SetpointOutsideLimitsError: Through the Status: velocity, run-up or run-down is beyond what it may.
            ReadbackError: Through the Status: the record took another velocity.
        """
        return Status.reporting(
            lambda report: self._flight.prepare(value, report), name=f"{self.name} prepare", owner=self.tasks
        )

    @status_verb
    def kickoff(self) -> Status:
        """Set off; done once it passes the start of the flight, at its velocity."""
        return Status(self._flight.kickoff(), name=f"{self.name} kickoff", owner=self.tasks)

    @status_verb
    def complete(self) -> Status:
        """Done when it rests behind the end of the flight; its velocity is what it was before."""
        return Status.reporting(self._flight.complete, name=f"{self.name} complete", owner=self.tasks)

    @status_verb
    def jog(self, velocity: float) -> Status:
        """Move at `velocity` (its sign is the direction) until `stop`, or until a soft limit ends it.

        Raises:
            LimitSwitchError: Through the Status: it ran into a limit switch.
            SetpointOutsideLimitsError: Through the Status: faster than the record may.
        """
        return Status(self._hand.jog(velocity), name=f"{self.name} jog", owner=self.tasks)

    @status_verb
    def home(self, *, forward: bool = True, timeout: float = 600.0) -> Status:
        """Search for home; done when the controller has found it.

        Raises:
            TargetMissedError: Through the Status: it rests and does not say that it has been homed.
            MoveFailedError: Through the Status: a limit switch or a fault ended it.
            WaitTimeoutError: Through the Status: it still searches.
        """
        return Status(self._hand.home(forward=forward, timeout=timeout), name=f"{self.name} home", owner=self.tasks)

    async def tweak(self, distance: float | None = None) -> None:
        """Move by a step from where it was sent last.

        Args:
            distance: In its units, with sign; None takes the record's own step (TWV).
        """
        await self._hand.tweak(distance)

    async def set_position(self, value: float) -> None:
        """Call the place where it is `value`: the offset changes, nothing moves, and the soft limits move along.

        Raises:
            MoveRefusedError: It moves.
            ReadbackError: The record did not take the offset.
        """
        # Written to OFF, not through SET: a lost SET would turn the new name of the place into a move to another.
        await self.set_offset(await self.offset.get_value() + value - await self.user_readback.get_value())

    async def set_offset(self, offset: float) -> None:
        """Set the difference between user and dial positions.

        Raises:
            MoveRefusedError: It moves.
            ReadbackError: The record did not take it.
        """
        if not await self.done_moving.get_value():
            msg = f"{self.name}: moves; its offset may change only at rest"
            raise MoveRefusedError(msg)
        await self.offset.put(offset)
        await check_taken(self, self.offset, offset)
