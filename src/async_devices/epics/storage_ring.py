"""StorageRing: the current, the next top-up fill, and waiting for either.

A measurement that must not see a fill asks `wait_past_topup` before it begins; a suspender iterates over `watching`.
The countdown is the machine's promise, not a certainty: data taken across a fill is recognised by `filling`, which can
be monitored beside it.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from typing import Any

from ...task_scope import task_scope, together
from ..errors import WaitTimeoutError
from ..readable import ReadableDevice
from ..signal import SignalR
from ..signals import signal_r
from .errors import BeamLostError

NO_BEAM = ("Shutdown", "No Beam", "Injection")
"""Modes in which no beam is to be expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beam:
    """The machine at one moment.

    Attributes:
        current: Milliamperes.
        countdown: Seconds until the next top-up fill; 0 while it fills.
        filling: Whether a fill is under way.
        mode: Of the machine, as User or No Beam.
    """

    current: float
    countdown: float
    filling: bool
    mode: str

    def free_for(self, seconds: float) -> bool:
        """Whether no fill disturbs the next `seconds`.

        Examples:
            >>> Beam(current=300.0, countdown=4.0, filling=False, mode="User").free_for(5.0)
            False
        """
        return not self.filling and self.countdown >= seconds

    @property
    def lost(self) -> bool:
        """Whether the machine is in a mode without beam."""
        return self.mode in NO_BEAM


class BeamUpdates:
    """The newest Beam at every change, conflated while the reader is slow."""

    def __init__(self) -> None:
        self._latest: dict[str, Any] = {}
        self._changed = asyncio.Event()

    async def follow(self, field: str, signal: SignalR[Any]) -> None:
        """Take every value of one signal."""
        async for value in signal.observe():
            self._latest[field] = value
            self._changed.set()

    def __aiter__(self) -> AsyncIterator[Beam]:
        return self

    async def __anext__(self) -> Beam:
        while True:
            await self._changed.wait()
            self._changed.clear()
            if len(self._latest) == len(fields(Beam)):
                return Beam(**self._latest)


class StorageRing(ReadableDevice):
    """A storage ring; its reading is its current."""

    def __init__(self, prefix: str, *, protocol: str = "ca", name: str = "") -> None:
        """Name a ring.

        Args:
            prefix: With the colon, as SIM:SR:.
            protocol: ca or pva.
            name: Of the device.
        """
        pv = f"{protocol}://{prefix}"
        self.current = signal_r(float, f"{pv}CURRENT")
        self.countdown = signal_r(float, f"{pv}COUNTDOWN")
        self.filling = signal_r(bool, f"{pv}FILLING")
        self.mode = signal_r(str, f"{pv}MODE")
        self.read_signals = self.hinted_signals = (self.current,)
        self.config_signals = (self.mode,)
        super().__init__(name)

    def set_name(self, name: str) -> None:
        """Name it; the current has the name of the device itself."""
        super().set_name(name)
        self.current.set_name(name)

    async def beam(self) -> Beam:
        """The machine now."""
        current, countdown = await together(self.current.get_value(), self.countdown.get_value())
        filling, mode = await self.filling.get_value(), await self.mode.get_value()
        return Beam(current=current, countdown=countdown, filling=filling, mode=mode)

    @asynccontextmanager
    async def watching(self) -> AsyncGenerator[BeamUpdates]:
        """Open an iterator over the machine: a Beam now and at every change.

        Raises:
            DisconnectedError: In the block: the server is gone.
        """
        updates = BeamUpdates()
        async with task_scope() as group:
            tasks = [group.create_task(updates.follow(field.name, getattr(self, field.name))) for field in fields(Beam)]
            yield updates
            for task in tasks:
                task.cancel()

    async def wait_for_beam(self, minimum: float, *, timeout: float | None = None) -> Beam:
        """Wait until the current is at least `minimum` milliamperes.

        Raises:
            WaitTimeoutError: It is not, after `timeout` seconds.
        """

        def enough(beam: Beam) -> bool:
            return beam.current >= minimum

        return await self._wait(enough, f"{minimum:g} mA", timeout)

    async def wait_past_topup(self, seconds: float, *, timeout: float | None = None) -> Beam:
        """Wait until the next `seconds` see no fill: at once, or behind the next fill.

        Raises:
            BeamLostError: The machine is in a mode without beam.
            WaitTimeoutError: It did not come within `timeout` seconds.
        """

        def free(beam: Beam) -> bool:
            if beam.lost:
                msg = f"{self.name}: machine mode {beam.mode!r}, {beam.current:g} mA: no fill is to be expected"
                raise BeamLostError(msg)
            return beam.free_for(seconds)

        return await self._wait(free, f"{seconds:g} s without a fill", timeout)

    async def _wait(self, wanted: Callable[[Beam], bool], what: str, timeout: float | None) -> Beam:
        last: Beam | None = None
        try:
            async with asyncio.timeout(timeout), self.watching() as beams:
                async for last in beams:
                    if wanted(last):
                        break
        except TimeoutError as error:
            msg = f"{self.name}: waited {timeout:g} s for {what}, seen last: {last}"
            raise WaitTimeoutError(msg) from error
        return last or await self.beam()
