"""What a put to a motor record's fields does, but for those that only change numbers.

Theory of operation. A put of a position is complete when the motor rests; one that the record does not obey (outside of
the limits, SPMG = Stop, somebody else moves the axis) succeeds at once, VAL goes back and DMOV never drops: only LVIO
tells. Buttons go back to 0 when what they began is over.
"""

from functools import partial
from typing import Any, Protocol

from .motor_alarm import Condition
from .motor_frame import MotorFrame
from .pv import Handler
from .pv_group import PVGroup


class Movable(Protocol):
    """The motor, as its fields move it."""

    pvs: PVGroup
    frame: MotorFrame
    condition: Condition
    claimed_by: str | None

    @property
    def moving(self) -> bool:
        """What MOVN says."""
        ...

    def move(self, target: float) -> None:
        """Start a move to a user position."""
        ...

    def jog(self, sign: int) -> None:
        """Go on in a user direction."""
        ...

    def end_jog(self) -> None:
        """Ramp down."""
        ...

    def home(self) -> None:
        """Go to the home switch."""
        ...

    def stop(self) -> None:
        """Ramp down, and forget what was to come."""
        ...

    def show_alarm(self) -> None:
        """Post the alarm as it is now."""
        ...

    async def at_rest(self) -> None:
        """Wait until it rests."""
        ...


class MotorPuts:
    """Puts to one motor record.

    Args:
        motor: The record.
    """

    def __init__(self, motor: Movable) -> None:
        self._motor = motor

    def handlers(self) -> dict[str, Handler]:
        """Give what is done when a field is put."""
        return {
            "": self._put_value,
            ".VAL": self._put_value,
            ".DVAL": self._put_dial,
            ".RVAL": self._put_raw,
            ".RLV": self._put_relative,
            ".SPMG": self._put_spmg,
            ".CNEN": self._put_enable,
            ".TWF": partial(self._tweak, 1),
            ".TWR": partial(self._tweak, -1),
            ".JOGF": partial(self._jog, 1),
            ".JOGR": partial(self._jog, -1),
            ".HOMF": partial(self._home, ".HOMF"),
            ".HOMR": partial(self._home, ".HOMR"),
            ".SSET": partial(self._choose, ".SET", "Set"),
            ".SUSE": partial(self._choose, ".SET", "Use"),
            ".STOP": self._put_stop,
            ".SYNC": self._put_sync,
        }

    @property
    def _pvs(self) -> PVGroup:
        return self._motor.pvs

    @property
    def _frame(self) -> MotorFrame:
        return self._motor.frame

    @property
    def _held(self) -> bool:
        return self._pvs[".SPMG"].label in ("Stop", "Pause") or self._motor.claimed_by is not None

    async def _put_value(self, user: float) -> None:
        if self._pvs[".SET"].label == "Set":
            self._frame.redefine(user)
            return
        if not self._frame.inside(user) or self._motor.claimed_by is not None or self._pvs[".SPMG"].label == "Stop":
            # The put succeeds, VAL goes back and DMOV never drops: only LVIO tells. So does the record.
            self._pvs[".LVIO"].post(int(not self._frame.inside(user)))
            self._frame.post_value(self._frame.get(".VAL"))
            return
        self._pvs[".LVIO"].post_change(0)
        self._frame.post_value(user)
        if self._pvs[".SPMG"].label == "Pause":
            return
        deadband = max(self._frame.get(".RDBD"), self._frame.get(".SPDB"))
        if self._motor.moving or abs(user - self._frame.get(".RBV")) >= deadband:
            self._motor.condition.problem = False
            self._motor.move(user)
            await self._motor.at_rest()

    async def _put_dial(self, dial: float) -> None:
        if self._pvs[".SET"].label == "Set":
            self._frame.redefine_dial(dial)
        else:
            await self._put_value(self._frame.user(dial))

    async def _put_raw(self, counts: int) -> None:
        await self._put_dial(counts * self._frame.get(".MRES"))

    async def _put_relative(self, distance: float) -> None:
        self._pvs[".RLV"].post(0.0)
        await self._put_value(self._frame.get(".VAL") + distance)

    async def _tweak(self, sign: int, value: Any) -> None:
        if not value:
            return
        await self._put_value(self._frame.get(".VAL") + sign * self._frame.get(".TWV"))
        self._pvs[".TWF" if sign > 0 else ".TWR"].post(0)

    async def _jog(self, sign: int, value: int) -> None:
        button = self._pvs[".JOGF" if sign > 0 else ".JOGR"]
        if not value:
            if button.value:
                button.post(0)
                self._motor.end_jog()
            return
        if self._held:
            return
        button.post(1)
        self._motor.jog(sign)
        await self._motor.at_rest()

    async def _home(self, button: str, value: int) -> None:
        if not value or self._held:
            return
        self._pvs[button].post(1)
        self._motor.home()
        await self._motor.at_rest()

    async def _choose(self, field: str, label: str, value: int) -> None:
        if value:
            await self._pvs[field].put(label)

    async def _put_stop(self, value: int) -> None:
        if value:
            self._motor.stop()
        self._pvs[".STOP"].post(0)

    async def _put_sync(self, value: int) -> None:
        if value and not self._motor.moving:
            self._frame.post_value(self._frame.get(".RBV"))
        self._pvs[".SYNC"].post(0)

    async def _put_spmg(self, index: int) -> None:
        before = self._pvs[".SPMG"].label
        self._pvs[".SPMG"].post(index)
        now = self._pvs[".SPMG"].label
        if now in ("Stop", "Pause"):
            self._motor.stop()
        elif before == "Pause" and not self._motor.moving and self._frame.get(".VAL") != self._frame.get(".RBV"):
            await self._put_value(self._frame.get(".VAL"))

    async def _put_enable(self, index: int) -> None:
        self._pvs[".CNEN"].post(index)
        if self._pvs[".CNEN"].label == "Disable":
            self._motor.stop()
        self._motor.show_alarm()
