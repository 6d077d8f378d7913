"""Devices without their servers: every signal is in memory, and what is written to it can be seen and acted upon.

    async with connected(mock=True):
        motor = Motor("SIM:X")
    mock_of(motor.velocity).set_now(3.0)

A signal that is read from one PV and written to another has one value here: a write shows in its readback. What a class
of devices does beyond that (an axis that arrives, a detector that counts) it says in `Device.behave_as_mock`, which is
called once its signals are connected.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from .datatypes import Converter, Served
from .errors import MockError, WaitTimeoutError
from .signal import Signal
from .soft import SoftBackend

OnPut = Callable[[Any], Awaitable[None] | None]


class MockPut(NamedTuple):
    """One write.

    Attributes:
        value: What was written.
        wait: Whether the writer waited for the server.
    """

    value: Any
    wait: bool


class MockBackend(SoftBackend):
    """A PV of a server that is not there."""

    def __init__(self, source: str, *, datatype: Any) -> None:
        """Stand in for a PV.

        Args:
            source: Its URI.
            datatype: What the device declares; None takes and gives anything.
        """
        super().__init__(source, datatype=datatype)
        self.puts: list[MockPut] = []
        self._on_put: list[OnPut] = []
        self._proceed = asyncio.Event()
        self._proceed.set()

    def serves(self, served: Served) -> None:
        """Serve what is declared; undeclared values pass as they are."""
        if self.datatype is None:
            self._served, self._converter = served, Converter(_same, _same, "number", "<f8")
        else:
            super().serves(served)

    def on_put(self, callback: OnPut) -> Callable[[], None]:
        """Call `callback(value)` after every write, before the writer goes on; it may be a coroutine function.

        Returns:
            What ends that.
        """
        self._on_put.append(callback)
        return lambda: self._on_put.remove(callback)

    def hold(self) -> None:
        """Let no write complete until `release`: a server that is busy."""
        self._proceed.clear()

    def release(self) -> None:
        """Let writes complete again, those that are held first."""
        self._proceed.set()

    async def put(self, value: Any, *, wait: bool = True, timeout: float | None = None) -> None:
        """Keep the value, then wait as a server would make the writer wait."""
        self.set_now(value)
        self.puts.append(MockPut(value, wait))
        for callback in list(self._on_put):
            done = callback(value)
            if inspect.isawaitable(done):
                await done
        if not wait:
            return
        try:
            async with asyncio.timeout(timeout):
                await self._proceed.wait()
        except TimeoutError:
            msg = f"{self.source}: the write has not completed after {timeout} s: this mock holds it, call release()"
            raise WaitTimeoutError(msg) from None


def _same(value: Any) -> Any:
    return value


def mock_of(signal: Signal[Any]) -> MockBackend:
    """What stands in for the PV of a signal that was connected with `mock=True`.

    Raises:
        MockError: It was connected to a real one, or not at all.
    """
    backend = signal.backend
    if not isinstance(backend, MockBackend):
        msg = f"{signal.name or 'a signal'} ({signal.source}) is not mocked: connect its device with mock=True"
        raise MockError(msg)
    return backend
