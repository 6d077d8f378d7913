"""How a move ended: from what the record shows at rest to the error that says it, or to none.

The worst comes first: a controller in trouble explains a hit switch, a hit switch explains a missed target, and only a
record that is content can have been stopped or sent elsewhere by somebody.
"""

from typing import NamedTuple

from ..errors import MoveFailedError
from .errors import (
    LimitSwitchError,
    LimitViolationError,
    MotorFaultError,
    MoveRedirectedError,
    MoveStoppedError,
    TargetMissedError,
)
from .motor_record import MotorStatus


class MotorState(NamedTuple):
    """What a record shows.

    Attributes:
        setpoint: VAL.
        readback: RBV.
        violated: LVIO.
        missed: MISS.
        high_switch: HLS.
        low_switch: LLS.
        status: MSTA.
        tolerance: Units within which two positions are one: the larger of RDBD and MRES.
    """

    setpoint: float
    readback: float
    violated: bool
    missed: bool
    high_switch: bool
    low_switch: bool
    status: MotorStatus
    tolerance: float


class Verdict(NamedTuple):
    """What is wrong with a move."""

    error: type[MoveFailedError]
    reason: str


def same(a: float, b: float, *, tolerance: float) -> bool:
    """Whether two positions are one.

    Examples:
        >>> same(1.0, 1.00005, tolerance=1e-4)
        True
    """
    return abs(a - b) <= tolerance + 1e-9 * max(abs(a), abs(b))


def foreign(setpoint: float, state: MotorState) -> Verdict:
    """Who changed VAL during a move: a record at rest that follows its readback was stopped, any other was sent."""
    if same(setpoint, state.readback, tolerance=max(10 * state.tolerance, 1e-6)):
        return Verdict(MoveStoppedError, "somebody else stopped it")
    return Verdict(MoveRedirectedError, f"somebody else sent it to {setpoint:g}")


def judge(state: MotorState, target: float) -> Verdict | None:
    """What is wrong with a move to `target` that has ended in `state`; None if nothing is.

    Examples:
        >>> at_rest = MotorState(2.0, 2.0, False, False, False, False, MotorStatus(0), 1e-3)
        >>> judge(at_rest, 2.0) is None
        True
        >>> judge(at_rest._replace(high_switch=True, readback=1.5), 2.0).reason
        'it is on its high limit switch'
        >>> judge(at_rest._replace(setpoint=1.0, readback=1.0), 2.0).reason
        'somebody else stopped it'
    """
    if faults := state.status.faults:
        return Verdict(MotorFaultError, "; ".join(faults))
    arrived = same(state.readback, target, tolerance=state.tolerance)
    if not arrived and state.high_switch and target > state.readback:
        return Verdict(LimitSwitchError, "it is on its high limit switch")
    if not arrived and state.low_switch and target < state.readback:
        return Verdict(LimitSwitchError, "it is on its low limit switch")
    if state.violated:
        return Verdict(LimitViolationError, "the record reports a limit violation (LVIO)")
    if not same(state.setpoint, target, tolerance=state.tolerance / 2):
        return foreign(state.setpoint, state)
    if state.missed:
        return Verdict(TargetMissedError, "the record gave up after its retries (MISS)")
    return None
