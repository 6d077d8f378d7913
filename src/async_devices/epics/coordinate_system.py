"""A coordinate system of a PMAC: several axes that start together and arrive together.

Which motor is which axis of which system is the controller's to say (`CsPort_RBV`, `CsAxis_RBV` of each motor); it is
read at every move, because a controller can be set up anew. A move:

    DeferMoves = 1 → demands are written → each is read back → DeferMoves = 0: all set off → each motor rests

What fails before the release must not move anything, and there is no way to withdraw a demand: so the demands are then
set to where the axes are, and released.
"""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple

from ...task_scope import together
from ..device import Device, DeviceVector
from ..errors import ReadbackError, WaitTimeoutError
from ..observation import Observation
from ..signals import signal_r, signal_rw
from ..status import Status
from ..verbs import status_verb
from .errors import AxisMapError, MoveRefusedError, TargetMissedError
from .motor import GRACE, Motor
from .motor_verdict import judge, same
from .pmac_profile import AXES

BEGIN_TIMEOUT = 5.0
"""Seconds within which axes must set off once they are released."""
COORDINATED_TOLERANCE = 10
"""Deadbands within which a coordinated move counts as arrived: the record does not retry what it did not command."""


class PmacMotor(Motor):
    """A motor record of a PMAC, which knows its place in a coordinate system."""

    def __init__(self, prefix: str, *, protocol: str = "ca", name: str = "") -> None:
        """Name a record.

        Args:
            prefix: The record, for example SIM:X; its place is at prefix + :CsPort_RBV and :CsAxis_RBV.
            protocol: ca or pva.
            name: Of the device.
        """
        self.cs_port = signal_r(str, f"{protocol}://{prefix}:CsPort_RBV")
        self.cs_axis = signal_r(str, f"{protocol}://{prefix}:CsAxis_RBV")
        super().__init__(prefix, protocol=protocol, name=name)


class AxisMap(NamedTuple):
    """Which letter each of some motors is.

    Attributes:
        port: Of their coordinate system.
        letters: By name of the motor.
    """

    port: str
    letters: dict[str, str]


def map_axes(places: Mapping[str, tuple[str, str]]) -> AxisMap:
    """One map of motors that say their (port, letter).

    Raises:
        AxisMapError: They are in several systems, or in none, or two of them are one letter.

    Examples:
        >>> map_axes({"x": ("CS1", "X"), "y": ("CS1", "Y")})
        AxisMap(port='CS1', letters={'x': 'X', 'y': 'Y'})
    """
    ports = sorted({port for port, _ in places.values()})
    letters = {name: letter for name, (_, letter) in places.items()}
    shown = ", ".join(f"{name} is {letter or 'no axis'} of {port or 'none'}" for name, (port, letter) in places.items())
    if len(ports) != 1 or not ports[0]:
        msg = f"motors of one coordinate system are expected; {shown}. Assign them to one, or move them one by one"
        raise AxisMapError(msg)
    if len(set(letters.values())) != len(letters) or not set(letters.values()) <= set(AXES):
        msg = f"each motor must be a letter of {AXES} of its own; {shown}"
        raise AxisMapError(msg)
    return AxisMap(ports[0], letters)


async def read_axis_map(motors: Iterable[PmacMotor]) -> AxisMap:
    """Ask motors for their places.

    Raises:
        AxisMapError: They do not belong to one coordinate system.
    """
    places: dict[str, tuple[str, str]] = {}
    for motor in motors:
        port, letter = await together(motor.cs_port.get_value(), motor.cs_axis.get_value())
        places[motor.name] = (port, letter)
    return map_axes(places)


class CoordinateSystem(Device):
    """One coordinate system of a PMAC."""

    def __init__(self, prefix: str, *, protocol: str = "ca", name: str = "") -> None:
        """Name a coordinate system.

        Args:
            prefix: With the colon, as SIM:PMAC:CS1:.
            protocol: ca or pva.
            name: Of the device.
        """
        pv = f"{protocol}://{prefix}"
        self.port = signal_r(str, f"{pv}Port")
        self.defer = signal_rw(bool, f"{pv}DeferMoves")
        self.demands = DeviceVector(
            {letter: signal_rw(float, f"{pv}M{number}:DirectDemand") for number, letter in enumerate(AXES, start=1)}
        )
        super().__init__(name)

    @status_verb
    def move(self, targets: Mapping[PmacMotor, float]) -> Status:
        """Move several axes so that they start together; done when all rest where they were sent.

        Raises:
            AxisMapError: Through the Status: not all are axes of this system; nothing has moved.
            SetpointOutsideLimitsError: Through the Status; nothing has moved.
            MoveFailedError: Through the Status: an axis did not begin, or rests elsewhere.
        """
        return Status(self._move(dict(targets)), name=f"{self.name} move", owner=self.tasks)

    async def _move(self, targets: Mapping[PmacMotor, float]) -> None:
        letters = await self._letters(targets)
        seconds = GRACE
        for motor, target in targets.items():
            await motor.check_value(target)
            await motor.check_go()
            position, velocity = await together(motor.user_readback.get_value(), motor.velocity.get_value())
            seconds = max(seconds, GRACE + await motor.travel_time(target - position, velocity))
        with ExitStack() as stack:
            rests = {motor: stack.enter_context(motor.done_moving.observe()) for motor in targets}
            await self._send_together({letters[motor.name]: (motor, target) for motor, target in targets.items()})
            await together(*(_arrive(motor, targets[motor], rest, seconds) for motor, rest in rests.items()))

    async def _letters(self, targets: Mapping[PmacMotor, float]) -> dict[str, str]:
        axis_map, port = await read_axis_map(targets), await self.port.get_value()
        if axis_map.port != port:
            msg = f"{self.name}: is {port}; {sorted(axis_map.letters)} are axes of {axis_map.port}; nothing has moved"
            raise AxisMapError(msg)
        return axis_map.letters

    async def _send_together(self, targets: Mapping[str, tuple[PmacMotor, float]]) -> None:
        try:
            await self.defer.put(True)
            for letter, (_, target) in targets.items():
                await self._demand(letter, target)
        except BaseException:
            for letter, (motor, _) in targets.items():
                await self.demands[letter].put(await motor.user_readback.get_value(), wait=False)
            await self.defer.put(False)
            raise
        await self.defer.put(False)

    async def _demand(self, letter: str, target: float) -> None:
        """Write one demand; without a callback, which would come when the axis has arrived."""
        demand = self.demands[letter]
        await demand.put(target, wait=False)
        try:
            await demand.wait_for_value(lambda seen: same(seen, target, tolerance=1e-9), timeout=BEGIN_TIMEOUT)
        except WaitTimeoutError as error:
            msg = f"{self.name}: the demand of axis {letter} is not {target:g} after it was written; nothing has moved"
            raise ReadbackError(msg) from error

    async def stop(self, success: bool = True) -> Any:  # noqa: FBT001, FBT002  # bluesky's signature
        """Release what is deferred. Stopping an axis is its motor's business."""
        del success
        await self.defer.put(False, wait=False)


async def _arrive(motor: PmacMotor, target: float, rests: Observation[bool], seconds: float) -> None:
    """Wait until a motor that has been released rests, and see where."""
    tolerance = COORDINATED_TOLERANCE * await motor.tolerance()
    if not same(await motor.user_readback.get_value(), target, tolerance=tolerance):
        await _rest(motor, target, rests, seconds)
    state = await motor.state()
    verdict = judge(state._replace(setpoint=target, missed=False), target)
    if verdict is not None:
        msg = f"{motor.name}: sent to {target:g}, came to rest at {state.readback:g}: {verdict.reason}"
        raise verdict.error(msg)
    if not same(state.readback, target, tolerance=tolerance):
        msg = f"{motor.name}: sent to {target:g}, came to rest at {state.readback:g}: it was stopped or sent elsewhere"
        raise TargetMissedError(msg)


async def _rest(motor: PmacMotor, target: float, rests: Observation[bool], seconds: float) -> None:
    moved, limit = False, BEGIN_TIMEOUT
    try:
        async with asyncio.timeout(limit) as deadline:
            async for at_rest in rests:
                if moved and at_rest:
                    return
                if not moved and not at_rest:
                    moved, limit = True, seconds
                    deadline.reschedule(asyncio.get_running_loop().time() + seconds)
    except TimeoutError:
        what = "still moves" if moved else "has not begun to move"
        msg = f"{motor.name}: {what} {limit:.1f} s after it was sent to {target:g}; stop it"
        raise (WaitTimeoutError if moved else MoveRefusedError)(msg) from None
