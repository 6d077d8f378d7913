"""A motor at hand: jog, home and tweak, as an operator's console has them.

JOGF, JOGR, HOMF and HOMR are buttons. Written with a callback they would complete when the motion has ended; written
without one, a stop is never queued behind them. That they had an effect shows in DMOV.
"""

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from ..errors import WaitTimeoutError
from .errors import LimitSwitchError, MotorFaultError, MoveRefusedError, TargetMissedError
from .motor_record import MotorStatus, check_speed
from .motor_verdict import MotorState

if TYPE_CHECKING:
    from .motor import Motor

BEGIN_TIMEOUT = 5.0
"""Seconds within which a jog or a search for home must begin."""


class HandControl:
    """What an operator does with a motor."""

    def __init__(self, motor: "Motor") -> None:
        self._motor = motor

    async def jog(self, velocity: float) -> None:
        """Move at a velocity until something ends it."""
        motor, console = self._motor, self._motor.console
        button = console.jog_forward if velocity > 0 else console.jog_reverse
        await console.ready(button, console.jog_velocity)
        await check_speed(motor, abs(velocity))
        await motor.check_go()
        await console.jog_velocity.put(abs(velocity))
        await self._run(button.put(1, wait=False), timeout=None)
        self._check(await motor.state(), "jogged")

    async def home(self, *, forward: bool, timeout: float) -> None:
        """Search for home."""
        motor, console = self._motor, self._motor.console
        button = console.home_forward if forward else console.home_reverse
        await console.ready(button)
        await motor.check_go()
        await self._run(button.put(1, wait=False), timeout=timeout)
        state = await motor.state()
        if MotorStatus.HOMED in state.status and not state.status.faults:
            return
        self._check(state, "homed")
        if motor.stopped_well is not True:
            msg = f"{motor.name}: rests at {state.readback:g} and has not found home (MSTA bit 14); home it again"
            raise TargetMissedError(msg)

    async def tweak(self, distance: float | None) -> None:
        """Move by a step."""
        motor = self._motor
        if distance is None:
            await motor.console.ready(motor.console.tweak_step)
            distance = await motor.console.tweak_step.get_value()
        await motor.set(await motor.user_setpoint.get_value() + distance)

    async def _run(self, pressing: Coroutine[Any, Any, None], *, timeout: float | None) -> None:
        """Press a button and wait until the motion that it begins has ended."""
        motor = self._motor
        motor.stopped_well = None
        with motor.done_moving.observe() as at_rest:
            await pressing
            if not await _until(at_rest, False, timeout=BEGIN_TIMEOUT):
                msg = f"{motor.name}: does not move {BEGIN_TIMEOUT:g} s after it was told to; is it on a limit?"
                raise MoveRefusedError(msg)
            if not await _until(at_rest, True, timeout=timeout):
                msg = f"{motor.name}: still searches for home after {timeout:g} s; it goes on: stop it"
                raise WaitTimeoutError(msg)

    def _check(self, state: MotorState, what: str) -> None:
        name, place = self._motor.name, f"it is at {state.readback:g}"
        if faults := state.status.faults:
            msg = f"{name}: {what}: {'; '.join(faults)}; {place}"
            raise MotorFaultError(msg)
        if self._motor.stopped_well is not True and (state.high_switch or state.low_switch):
            msg = f"{name}: {what} into its {'high' if state.high_switch else 'low'} limit switch; {place}"
            raise LimitSwitchError(msg)


async def _until(values: Any, wanted: bool, *, timeout: float | None) -> bool:  # noqa: FBT001  # a value, not a switch
    try:
        async with asyncio.timeout(timeout):
            async for value in values:
                if value is wanted:
                    return True
    except TimeoutError:
        pass
    return False
