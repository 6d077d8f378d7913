"""A flight of one motor at constant velocity, timed by its own record.

    run-up start        start                     end        run-down end
         |-- accelerates --|==== at velocity v ====|-- decelerates --|
         prepare           kickoff done                       complete

The record ramps from VBAS in ACCL seconds, whatever the speed, so the run-up is (v + VBAS) * ACCL / 2 long. The
velocity that an operator had set is put back when the flight ends, however it ends; if the server was gone then, at the
next thing that the motor is asked to do.
"""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...task_scope import task_scope, together
from ..errors import MoveFailedError
from ..status import Report, Status
from .motor_record import check_speed, check_taken

if TYPE_CHECKING:
    from .motor import Motor

GRACE = 10.0
"""Seconds that a flight may take beyond what it should."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlyMotorInfo:
    """A flight of one motor.

    Attributes:
        start_position: Where it is at its velocity, in the motor's units.
        end_position: Up to where it is.
        time_for_move: Seconds between the two.
    """

    start_position: float
    end_position: float
    time_for_move: float

    @property
    def velocity(self) -> float:
        """Units per second, with sign."""
        return (self.end_position - self.start_position) / self.time_for_move

    def run_up(self, acceleration_time: float, base_velocity: float = 0.0) -> tuple[float, float]:
        """Where the motor begins and where it ends, so that it is at its velocity from start to end.

        Examples:
            >>> FlyMotorInfo(start_position=0.0, end_position=10.0, time_for_move=5.0).run_up(0.5)
            (-0.5, 10.5)
        """
        speed = abs(self.velocity)
        length = (speed + base_velocity) * acceleration_time / 2
        sign = 1 if self.velocity > 0 else -1
        return self.start_position - sign * length, self.end_position + sign * length


class MotorFlight:
    """The flight of a motor, from prepare to complete."""

    def __init__(self, motor: "Motor") -> None:
        self._motor = motor
        self._info: FlyMotorInfo | None = None
        self._end = 0.0
        self._flying: Status | None = None
        self._velocity_before: float | None = None

    async def prepare(self, info: FlyMotorInfo, report: Report) -> None:
        """Check everything, move to the run-up's start, set the velocity."""
        motor, speed = self._motor, abs(info.velocity)
        await self.restore_velocity()
        await check_speed(motor, speed)
        acceleration_time, base = await together(motor.acceleration_time.get_value(), motor.base_velocity.get_value())
        begin, end = info.run_up(acceleration_time, base)
        await motor.check_value(begin)
        await motor.check_value(end)
        await motor.move(begin, report)
        self._velocity_before = await motor.velocity.get_value()
        self._info, self._end = info, end
        try:
            await motor.velocity.put(speed)
            await check_taken(motor, motor.velocity, speed)
        except BaseException:
            await self.restore_velocity()
            raise

    async def kickoff(self) -> None:
        """Start the move and wait until it passes the start."""
        motor, info = self._motor, self._info
        if info is None:
            msg = f"{motor.name}: no flight is prepared; prepare it with a FlyMotorInfo"
            raise MoveFailedError(msg)
        self._info = None
        sign = 1 if info.velocity > 0 else -1
        seconds = abs(self._end - info.start_position) / abs(info.velocity) + GRACE
        self._flying = Status.reporting(lambda report: self._fly(seconds, report), name="fly", owner=motor.tasks)
        async with task_scope() as group:
            passing = group.create_task(self._pass(info.start_position, sign))
            self._flying.add_callback(lambda _: _cancel(passing))
        if self._flying.done:
            await self._flying

    async def _pass(self, start: float, sign: int) -> None:
        async for position in self._motor.user_readback.observe():
            if sign * (position - start) >= 0:
                return

    async def _fly(self, seconds: float, report: Report) -> None:
        try:
            await self._motor.travel(self._end, report, timeout=seconds)
        finally:
            await self.restore_velocity()

    async def complete(self, report: Report) -> None:
        """Wait until the move has ended."""
        flying = self._flying
        if flying is None:
            msg = f"{self._motor.name}: does not fly; kick it off first"
            raise MoveFailedError(msg)

        def passed_on(**progress: object) -> None:
            if flying.progress is not None:
                report(flying.progress)

        flying.watch(passed_on)
        await flying
        self._flying = None

    async def restore_velocity(self) -> None:
        """Put back the velocity from before the flight, if one is owed."""
        if self._velocity_before is not None:
            await self._motor.velocity.put(self._velocity_before)
            self._velocity_before = None


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
