"""An axis of one's own: a few plain async methods become a motor that plans can move.

class Stage(BenchAxis):
    units = "mm"
    limits = (0.0, 25.0)

    async def read_position(self) -> float: ...
    async def move(self, target: float) -> None: ...      # returns when it is there, or when it was halted
    async def halt(self) -> None: ...
"""

import asyncio
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import ClassVar

from event_model.documents import DataKey

from ..task_scope import alongside
from .device import Device, connect_children
from .errors import ConnectFailure, DeviceError, MoveFailedError, SetpointOutsideLimitsError
from .protocols import Hints, Location, Reading
from .status import Progress, Report, Status
from .verbs import async_verb, status_verb

REPORT_PERIOD = 0.1
"""Seconds between two looks at the position of an axis that moves."""
HALT_TIMEOUT = 5.0
"""Seconds in which `move` must have returned after `halt`."""


class BenchDevice(Device, ABC):
    """A device that is opened when it is connected and closed when it is disconnected."""

    async def open(self) -> None:
        """Reach the hardware; does nothing unless overridden."""

    async def close(self) -> None:
        """Let it go; does nothing unless overridden. Not called if `open` failed."""

    _opened = False

    async def connect_self(self, path: tuple[str, ...], timeout: float) -> list[ConnectFailure]:
        """Open it, within `timeout` seconds."""
        failures = await connect_children(self.children(), path, timeout=timeout)
        if self._opened:
            return failures
        begun = time.monotonic()
        try:
            async with asyncio.timeout(timeout):
                await self.open()
        except (DeviceError, OSError) as error:
            seen = str(error) or type(error).__name__
            failure = ConnectFailure((*path, "open"), type(self).__name__, "to open", seen, time.monotonic() - begun)
            return [*failures, failure]
        self._opened = True
        return failures

    async def disconnect(self) -> None:
        """End what runs and close it. May be called again."""
        await super().disconnect()
        if self._opened:
            self._opened = False
            await self.close()


class BenchAxis(BenchDevice):
    """An axis whose subclass says how to read, move and halt it.

    Attributes:
        units: Of positions.
        precision: Digits after the point worth showing.
        limits: (low, high) beyond which a target is refused before anything moves; None: there are none.
        tolerance: How far from the target it may come to rest, in its units.
    """

    units: ClassVar[str] = "mm"
    precision: ClassVar[int] = 3
    limits: ClassVar[tuple[float, float] | None] = None
    tolerance: ClassVar[float] = 1e-3

    def __init__(self, name: str = "") -> None:
        self._setpoint: float | None = None
        self._stopped_well: bool | None = None
        self._move: Status | None = None
        super().__init__(name)

    @abstractmethod
    async def read_position(self) -> float:
        """Where it is, in its units. Called while it moves as well."""

    @abstractmethod
    async def move(self, target: float) -> None:
        """Go there; return when it is there, or soon after `halt`."""

    @abstractmethod
    async def halt(self) -> None:
        """Stop now. Called while `move` is under way."""

    @property
    def hints(self) -> Hints:
        """Its position."""
        return {"fields": [self.name]}

    def check_value(self, value: float) -> None:
        """Refuse a target outside the limits.

        Raises:
            SetpointOutsideLimitsError: Naming both.
        """
        if self.limits is None or self.limits[0] <= value <= self.limits[1]:
            return
        low, high = self.limits
        msg = f"{self.name}: {value} {self.units} is outside its limits {low} to {high} {self.units}; nothing has moved"
        raise SetpointOutsideLimitsError(msg)

    @status_verb
    def set(self, value: float) -> Status:
        """Go there; done when it is there.

        Raises:
            SetpointOutsideLimitsError: At once: nothing has moved.
            MoveFailedError: Through the Status: another move is under way, it was stopped, or came to rest elsewhere.
        """
        self.check_value(value)
        if self._move is not None and not self._move.done:
            msg = f"{self.name} is sent to {value} {self.units} and still on its way to {self._setpoint}; stop it first"
            return Status.finished(MoveFailedError(msg), name=f"{self.name} set")
        self._setpoint, self._stopped_well = value, None
        self._move = Status.reporting(
            lambda report: self._travel(value, report), name=f"{self.name} set", owner=self.tasks
        )
        return self._move

    async def _travel(self, target: float, report: Report) -> None:
        initial = await self.read_position()
        try:
            await alongside(self.move(target), self._report(initial, target, report))
        except asyncio.CancelledError:
            # Nobody waits any more: it must not run on unwatched.
            await asyncio.shield(self.halt())
            raise
        seen = await self.read_position()
        if self._stopped_well or (self._stopped_well is None and abs(seen - target) <= self.tolerance):
            return
        why = "was stopped" if self._stopped_well is False else f"came to rest more than {self.tolerance:g} away"
        msg = f"{self.name} {why}: expected {target} {self.units}, seen {seen} {self.units}"
        raise MoveFailedError(msg)

    async def _report(self, initial: float, target: float, report: Report) -> None:
        while True:
            current = await self.read_position()
            distance = abs(target - initial)
            report(
                Progress(
                    name=self.name,
                    current=current,
                    initial=initial,
                    target=target,
                    unit=self.units,
                    precision=self.precision,
                    fraction=min(1.0, abs(current - initial) / distance) if distance else 1.0,
                )
            )
            await asyncio.sleep(REPORT_PERIOD)

    @async_verb
    async def stop(self, success: bool = True) -> None:  # noqa: FBT001, FBT002  # bluesky's signature
        """Halt; a move under way ends, well or not as `success` says."""
        self._stopped_well = success
        await self.halt()
        if self._move is None or self._move.done:
            return
        ended = asyncio.Event()
        self._move.add_callback(lambda _: ended.set())
        with suppress(TimeoutError):
            async with asyncio.timeout(HALT_TIMEOUT):
                await ended.wait()
        if not ended.is_set():
            self._move.cancel()

    @async_verb
    async def read(self) -> dict[str, Reading[float]]:
        """Where it is."""
        return {self.name: {"value": await self.read_position(), "timestamp": time.time()}}

    async def describe(self) -> dict[str, DataKey]:
        """A number."""
        return {
            self.name: {
                "source": f"bench://{self.name}",
                "dtype": "number",
                "shape": [],
                "dtype_numpy": "<f8",
                "units": self.units,
                "precision": self.precision,
            }
        }

    @async_verb
    async def locate(self) -> Location[float]:
        """Where it was sent, and where it is."""
        position = await self.read_position()
        return {"setpoint": position if self._setpoint is None else self._setpoint, "readback": position}
