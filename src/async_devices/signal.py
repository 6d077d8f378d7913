"""Signals: the leaves of a device tree, one or two PVs each.

Called in a plan, the verbs (`set`, `trigger`, `read`, `locate`) become messages of the plan. Devices use the plain
coroutines `get_value` and `put`, which always act at once.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

from event_model.documents import DataKey

from .backend import SignalBackend
from .datatypes import describe_datatype
from .device import DEFAULT_TIMEOUT, Device
from .errors import ConnectFailure, DatatypeError, DeviceError, DisconnectedError, WaitTimeoutError
from .observation import DEFAULT_CAPACITY, Observation
from .protocols import Location, Reading
from .schemes import backend_for
from .soft import SoftBackend
from .status import Status
from .verbs import async_verb, status_verb

T = TypeVar("T")


class Signal(Device, Generic[T]):
    """One value of a device, read from one PV and written to the same or another."""

    def __init__(
        self,
        datatype: type[T] | None,
        *,
        read: str | SignalBackend | None = None,
        write: str | SignalBackend | None = None,
        name: str = "",
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        """Name the PVs; nothing happens before `connect`.

        Args:
            datatype: Of the value; None takes what the server serves.
            read: URI of the PV that is read, or a back end.
            write: URI of the PV that is written, or a back end.
            name: Of the signal; a device names its signals itself.
            timeout: Seconds that reads and writes wait by default.
        """
        self.datatype = datatype
        self.timeout = timeout
        self._uris = (_uri(read), _uri(write))
        self._reader = read if isinstance(read, SignalBackend) else None
        self._writer = write if isinstance(write, SignalBackend) else None
        super().__init__(name)

    @property
    def source(self) -> str:
        """The URI that it reads, or that it writes if it reads none."""
        return self._uris[0] or self._uris[1]

    async def connect_self(self, path: tuple[str, ...], timeout: float) -> list[ConnectFailure]:
        """Connect the one or two PVs."""
        self._open()
        begun = time.monotonic()
        for backend in self._backends():
            try:
                await backend.connect(timeout=timeout)
            except DatatypeError as error:
                seen = str(error).rpartition("served ")[2]
                return [self._failure(path, backend.source, f"serves {seen}", begun)]
            except DeviceError as error:
                return [self._failure(path, backend.source, str(error), begun)]
        return []

    def _open(self) -> None:
        read, write = self._uris
        if self._reader is None and read:
            self._reader = backend_for(read, self.datatype)
        if self._writer is None and write:
            self._writer = self._reader if write == read else backend_for(write, self.datatype)

    def _failure(self, path: tuple[str, ...], source: str, seen: str, begun: float) -> ConnectFailure:
        return ConnectFailure(path, source, describe_datatype(self.datatype), seen, time.monotonic() - begun)

    def _backends(self) -> list[SignalBackend]:
        backends = [backend for backend in (self._reader, self._writer) if backend is not None]
        return backends[:1] if self._reader is self._writer else backends

    async def disconnect(self) -> None:
        """Give back the PVs."""
        for backend in self._backends():
            await backend.disconnect()
        await super().disconnect()

    @property
    def reader(self) -> SignalBackend:
        """The back end that is read."""
        return self._connected(self._reader)

    @property
    def writer(self) -> SignalBackend:
        """The back end that is written."""
        return self._connected(self._writer)

    def _connected(self, backend: SignalBackend | None) -> SignalBackend:
        if backend is None:
            msg = f"{self.name or 'a signal'} ({self.source}) is not connected: await device.connect() first"
            raise DisconnectedError(msg)
        return backend

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name or 'unnamed'} {self.source}>"


class SignalR(Signal[T]):
    """A value that can be read."""

    async def get_value(self, *, timeout: float | None = None) -> T:
        """The current value, asked from the server."""
        return await self.reader.get(timeout=timeout or self.timeout)

    async def reading(self) -> Reading[T]:
        """The current value with its time and alarm, asked from the server."""
        return await self.reader.reading(timeout=self.timeout)

    @async_verb
    async def read(self) -> dict[str, Reading[T]]:
        """The current value with its time and alarm, by name."""
        return {self.name: await self.reading()}

    async def describe(self) -> dict[str, DataKey]:
        """What `read` gives."""
        return {self.name: await self.reader.datakey(timeout=self.timeout)}

    def observe(self, *, capacity: int = DEFAULT_CAPACITY) -> Observation[T]:
        """An async iterator over its values, the current one first; drops the oldest when the reader is slow."""
        return self.reader.observe(capacity=capacity)

    def observe_readings(self, *, capacity: int = DEFAULT_CAPACITY) -> Observation[Reading[T]]:
        """The same with times and alarms."""
        return self.reader.observe(readings=True, capacity=capacity)

    async def wait_for_value(self, match: T | Callable[[T], bool], *, timeout: float | None = None) -> T:
        """Wait until the value is `match`, or until `match(value)` holds.

        Returns:
            The value that matched.

        Raises:
            WaitTimeoutError: Naming what was seen last.
            DisconnectedError: The circuit closed meanwhile.
        """
        matches = _matcher(match)
        seconds = timeout or self.timeout
        last: object = "nothing"
        try:
            async with asyncio.timeout(seconds):
                with self.observe() as observation:
                    async for value in observation:
                        if matches(value):
                            return value
                        last = value
        except TimeoutError:
            msg = f"{self.name} ({self.source}): waited {seconds:g} s for {_shown(match)}, seen last: {last!r}"
            raise WaitTimeoutError(msg) from None
        msg = f"{self.name} ({self.source}) was disconnected while it was waited for"
        raise DisconnectedError(msg)


class SignalW(Signal[T]):
    """A value that can be written."""

    async def put(self, value: T, *, wait: bool = True, timeout: float | None = None) -> None:
        """Write it at once.

        Args:
            value: What to write.
            wait: Until the server has finished with it: which is not success. Stop, abort and retry writes must not
                wait.
            timeout: Seconds to wait.
        """
        await self.writer.put(value, wait=wait, timeout=timeout or self.timeout)

    @status_verb
    def set(self, value: T, *, wait: bool = True, timeout: float | None = None) -> Status:
        """Write it; done when the server has finished with it."""
        if isinstance(self._writer, SoftBackend):
            self._writer.set_now(value)
            return Status.finished(name=self.name)
        return Status(self.put(value, wait=wait, timeout=timeout), name=f"{self.name} set", owner=self.tasks)


class SignalRW(SignalR[T], SignalW[T]):
    """A value that can be read and written."""

    @async_verb
    async def locate(self) -> Location[T]:
        """What was written and what is read."""
        readback = await self.get_value()
        if self._writer is self._reader:
            return {"setpoint": readback, "readback": readback}
        return {"setpoint": await self.writer.get(timeout=self.timeout), "readback": readback}


class SignalX(Signal[int]):
    """An action: a PV that does something when it is written."""

    def __init__(
        self, write: str | SignalBackend, *, value: Any = 1, name: str = "", timeout: float = DEFAULT_TIMEOUT
    ) -> None:
        self._value = value
        super().__init__(None, write=write, name=name, timeout=timeout)

    async def act(self, *, wait: bool = True, timeout: float | None = None) -> None:
        """Do it at once."""
        await self.writer.put(self._value, wait=wait, timeout=timeout or self.timeout)

    @status_verb
    def trigger(self, *, wait: bool = True, timeout: float | None = None) -> Status:
        """Do it; done when the server has finished with it."""
        return Status(self.act(wait=wait, timeout=timeout), name=f"{self.name} trigger", owner=self.tasks)


def _uri(pv: str | SignalBackend | None) -> str:
    return pv.source if isinstance(pv, SignalBackend) else pv or ""


def _matcher(match: object) -> Callable[[Any], bool]:
    if callable(match):
        return cast("Callable[[Any], bool]", match)

    def equals(value: object) -> bool:
        return bool(value == match)

    return equals


def _shown(match: object) -> str:
    """What is waited for, as a message shows it: a test by its name, or by its first line if it says what it is."""
    if not callable(match):
        return repr(match)
    return (getattr(match, "__doc__", None) or getattr(match, "__name__", "a match")).splitlines()[0]
