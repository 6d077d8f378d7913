"""Shutters and valves of the Diamond kind: a command (CON), a state (STA) and an interlock (ILKSTA).

        Reset                 Open                    Close
    Fault ────► Closed ──► Opening ──► Open ──► Closing ──► Closed

The command's put completion says nothing: the state is what counts. A state that goes back, or to Fault, on the way is
an error at once; nothing waits for a time-out where the valve itself says that it will not get there.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Literal

from ..errors import ValueRefusedError, WaitTimeoutError
from ..mocking import mock_of
from ..protocols import Location
from ..readable import ReadableDevice
from ..signals import signal_r, signal_rw
from ..status import Status
from ..verbs import async_verb, status_verb
from .errors import InterlockError, ValveError, ValveFaultError

MOVE_TIMEOUT = 15.0
RESET_TIMEOUT = 5.0
INTERLOCK_OK = ("OK", "Run ilks ok")

Command = Literal["Open", "Close"]
GOALS = {"Open": "Open", "Close": "Closed"}
MOVING = {"Open": "Opening", "Close": "Closing"}


class Valve(ReadableDevice):
    """A vacuum valve; its reading is its state."""

    def __init__(self, prefix: str, *, protocol: str = "ca", name: str = "") -> None:
        """Name a valve.

        Args:
            prefix: With the colon, as SIM:VALVE:.
            protocol: ca or pva.
            name: Of the device.
        """
        pv = f"{protocol}://{prefix}"
        self.control = signal_rw(str, f"{pv}CON")
        self.state = signal_r(str, f"{pv}STA")
        self.interlock = signal_r(str, f"{pv}ILKSTA")
        self.read_signals = (self.state,)
        self.config_signals = (self.interlock,)
        super().__init__(name)

    def set_name(self, name: str) -> None:
        """Name it; the state has the name of the device itself."""
        super().set_name(name)
        self.state.set_name(name)

    async def behave_as_mock(self) -> None:
        """Be shut, free to move, and where it is told to be at once."""
        mock_of(self.state).set_now("Closed")
        mock_of(self.interlock).set_now("OK")
        mock_of(self.control).on_put(lambda value: mock_of(self.state).set_now(GOALS.get(value, "Closed")))

    async def check_value(self, value: Command) -> None:
        """Refuse a command that could not be carried out.

        Raises:
            ValueRefusedError: It is no command.
            InterlockError: Its interlock does not allow it to open.
            ValveFaultError: It is in fault.
        """
        if value not in GOALS:
            msg = f"{self.name}: expected one of {list(GOALS)}, given {value!r}; nothing was written"
            raise ValueRefusedError(msg)
        interlock = await self.interlock.get_value()
        if value == "Open" and interlock not in INTERLOCK_OK:
            msg = (
                f"{self.name}: its interlock is {interlock!r} ({self.interlock.source}): it cannot open; nothing moved"
            )
            raise InterlockError(msg)
        if await self.state.get_value() == "Fault":
            msg = f"{self.name}: is in fault ({self.state.source}); reset it first: await {self.name}.reset()"
            raise ValveFaultError(msg)

    @status_verb
    def set(self, value: Command, *, timeout: float = MOVE_TIMEOUT) -> Status:
        """Open or close; done when it is so.

        Raises:
            ValueRefusedError: Through the Status: no command.
            InterlockError: Through the Status: it may not open.
            ValveFaultError: Through the Status: it is in fault, or goes the other way.
            WaitTimeoutError: Through the Status: it is not there.
        """
        return Status(self._set(value, timeout), name=f"{self.name} set", owner=self.tasks)

    async def _set(self, value: Command, timeout: float) -> None:
        await self.check_value(value)
        with self.state.observe() as states:
            await self.control.put(value, wait=False)
            try:
                async with asyncio.timeout(timeout):
                    await self._until(states, value)
            except TimeoutError as error:
                state = await self.state.get_value()
                msg = f"{self.name}: told to {value.lower()}, its state is {state!r} after {timeout:g} s"
                raise WaitTimeoutError(msg) from error

    async def _until(self, states: AsyncIterator[str], value: Command) -> None:
        goal, moving, began = GOALS[value], MOVING[value], False
        async for state in states:
            began = began or state == moving
            if state == goal:
                return
            if state == "Fault" or (began and state != moving):
                msg = f"{self.name}: told to {value.lower()}, its state is {state!r}; has its interlock tripped?"
                raise ValveFaultError(msg)

    async def reset(self) -> None:
        """Clear a fault.

        Raises:
            ValveError: It is still in fault.
        """
        await self.control.put("Reset", wait=False)
        try:
            await self.state.wait_for_value(lambda state: state != "Fault", timeout=RESET_TIMEOUT)
        except WaitTimeoutError as error:
            msg = f"{self.name}: still in fault {RESET_TIMEOUT:g} s after it was reset; look at its interlocks"
            raise ValveError(msg) from error

    @async_verb
    async def locate(self) -> Location[Any]:
        """What it was told, and what it is."""
        return {"setpoint": await self.control.get_value(), "readback": await self.state.get_value()}


class Shutter(Valve):
    """A photon shutter: as a valve."""
