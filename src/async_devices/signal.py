"""Signals: the leaves of a device tree, one or two PVs each.

Called in a plan, the verbs (`set`, `trigger`, `read`, `locate`) become messages of the plan. Devices use the plain
coroutines `get_value` and `put`, which always act at once. All of them act in the loop that connected the signal,
whichever loop awaits them.

A staged signal is monitored, and read from what the monitor brought last. A server may send that after the completion
of the write that caused it: what decides whether a move has ended where it should is read unstaged.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

import numpy as np
from event_model.documents import DataKey

from .backend import SignalBackend
from .datatypes import describe_datatype
from .device import DEFAULT_TIMEOUT, Device
from .errors import (
    ConnectFailure,
    DatatypeError,
    DeviceError,
    DisconnectedError,
    PutFailedError,
    WaitTimeoutError,
)
from .loops import at_home, bridged, home_of
from .observation import DEFAULT_CAPACITY, Observation
from .protocols import Location, Reading
from .schemes import MOCKING, backend_for
from .soft import SoftBackend
from .status import Status
from .verbs import async_verb, status_verb

T = TypeVar("T")


class Signal(Device, Generic[T]):
    """One value of a device, read from one PV and written to the same or another.

    Attributes:
        optional: Its device connects without it where the server does not have it.
        present: Whether it is connected; False until then, and where it is optional and not there.
    """

    optional: bool = False
    present: bool = False

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
        self._given = isinstance(read, SignalBackend) or isinstance(write, SignalBackend)
        self._mocked = False
        super().__init__(name)

    @property
    def source(self) -> str:
        """The URI that it reads, or that it writes if it reads none."""
        return self._uris[0] or self._uris[1]

    async def connect_self(self, path: tuple[str, ...], timeout: float) -> list[ConnectFailure]:
        """Connect the one or two PVs."""
        self._open()
        begun = time.monotonic()
        home = asyncio.get_running_loop()
        for backend in self._backends():
            backend.home_loop = home
        failures = [await self._connect_one(backend, path, timeout, begun=begun) for backend in self._backends()[:1]]
        if failures == [None] and len(self._backends()) == 2:
            left = max(0.1, timeout - (time.monotonic() - begun))
            failures = [await self._connect_one(self._backends()[1], path, left, begun=begun)]
        found = [failure for failure in failures if failure is not None]
        self.present = not found
        return [] if self.optional else found

    async def _connect_one(
        self, backend: SignalBackend, path: tuple[str, ...], timeout: float, *, begun: float
    ) -> ConnectFailure | None:
        try:
            await backend.connect(timeout=timeout)
        except DatatypeError as error:
            seen = str(error).rpartition("served ")[2]
            return self._failure(path, backend.source, f"serves {seen}", begun)
        except DeviceError as error:
            return self._failure(path, backend.source, str(error), begun)
        return None

    def _open(self) -> None:
        self._let_go_of_another_life()
        read, write = self._uris
        if self._reader is None and read:
            self._reader = backend_for(read, self.datatype)
        if self._writer is None and write:
            shared = write == read or (self._mocked and self._reader is not None)
            self._writer = self._reader if shared else backend_for(write, self.datatype)

    def _let_go_of_another_life(self) -> None:
        """Back ends that were mocked, or that a loop took with it when it was closed, are made anew."""
        mocking = MOCKING.get()
        lost = any(each.home_loop is not None and each.home_loop.is_closed() for each in self._backends())
        if not self._given and (mocking != self._mocked or lost):
            self._reader = self._writer = None
        self._mocked = mocking

    def _failure(self, path: tuple[str, ...], source: str, seen: str, begun: float) -> ConnectFailure:
        return ConnectFailure(path, source, describe_datatype(self.datatype), seen, time.monotonic() - begun)

    def _backends(self) -> list[SignalBackend]:
        backends = [backend for backend in (self._reader, self._writer) if backend is not None]
        return backends[:1] if self._reader is self._writer else backends

    @property
    def backend(self) -> SignalBackend | None:
        """What is read, or written if nothing is read; None before it was connected."""
        return self._reader or self._writer

    async def disconnect(self) -> None:
        """Give back the PVs."""
        home = home_of(self)
        if home is not None and home.is_running():
            await bridged(home, self.disconnect, name=self.name)
            return
        if home is None:
            for backend in self._backends():
                await backend.disconnect()
                backend.home_loop = None
        self.present = False
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

    _staged: Observation[Any] | None = None
    _subscriptions: "dict[Callable[[dict[str, Reading[T]]], None], asyncio.Task[None]] | None" = None

    @at_home
    async def get_value(self, *, timeout: float | None = None) -> T:
        """The current value, asked from the server, or what its monitor brought last while staged."""
        return (await self._current(timeout))["value"]

    @at_home
    async def reading(self, *, timeout: float | None = None) -> Reading[T]:
        """The same with its time and alarm."""
        return await self._current(timeout)

    async def _current(self, timeout: float | None) -> Reading[T]:
        reader = self.reader
        if self._staged is not None and reader.last is not None:
            return reader.last
        return await reader.reading(timeout=timeout or self.timeout)

    @async_verb
    async def read(self) -> dict[str, Reading[T]]:
        """The current value with its time and alarm, by name."""
        return {self.name: await self._current(None)}

    @at_home
    async def describe(self) -> dict[str, DataKey]:
        """What `read` gives."""
        return {self.name: await self.reader.datakey(timeout=self.timeout)}

    @status_verb
    def stage(self) -> Status:
        """Monitor it from now on, and read from the monitor."""
        if self._staged is None:
            self._staged = self.reader.observe(capacity=1)
        return Status.finished(name=f"{self.name} stage")

    @status_verb
    def unstage(self) -> Status:
        """Ask the server again."""
        staged, self._staged = self._staged, None
        if staged is not None:
            staged.close()
        return Status.finished(name=f"{self.name} unstage")

    def subscribe(self, function: Callable[[dict[str, Reading[T]]], None]) -> None:
        """Call `function({name: reading})` at once and at every change, in the signal's loop, until `clear_sub`.

        Must be called there too. While the circuit is closed nothing comes; it goes on when the server has returned.
        """
        if self._subscriptions is None:
            self._subscriptions = {}
        following = self._follow(self.observe_readings(), function)
        self._subscriptions[function] = self.tasks.start(following, name="subscription")

    subscribe_reading = subscribe

    def clear_sub(self, function: Callable[[dict[str, Reading[T]]], None]) -> None:
        """Call it no more."""
        task = (self._subscriptions or {}).pop(function, None)
        if task is not None:
            task.cancel()

    async def _follow(
        self, readings: Observation[Reading[T]], function: Callable[[dict[str, Reading[T]]], None]
    ) -> None:
        with readings:
            while True:
                try:
                    function({self.name: await anext(readings)})
                except StopAsyncIteration:
                    return
                except DeviceError:
                    continue  # told once; the next update is from the server that has come back

    def observe(self, *, capacity: int = DEFAULT_CAPACITY) -> Observation[T]:
        """An async iterator over its values, the current one first; drops the oldest when the reader is slow."""
        return self.reader.observe(capacity=capacity)

    def observe_readings(self, *, capacity: int = DEFAULT_CAPACITY) -> Observation[Reading[T]]:
        """The same with times and alarms."""
        return self.reader.observe(readings=True, capacity=capacity)

    @at_home
    async def wait_for_value(self, match: T | Callable[[T], bool], *, timeout: float | None = None) -> T:
        """Wait until the value is `match`, or until `match(value)` holds.

        Returns:
            The value that matched.

        Raises:
            WaitTimeoutError: Naming what was seen last.
            DisconnectedError: The circuit closed meanwhile, or nobody answers on it.
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

    @at_home
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
    def set(self, value: T, *, wait: bool = True, timeout: float | None = None, attempts: int = 1) -> Status:
        """Write it; done when the server has finished with it.

        Args:
            value: What to write.
            wait: Until the server has finished with it.
            timeout: Seconds to wait, for each attempt.
            attempts: How often it is tried, where a write fails or does not complete. On Channel Access a retry has no
                callback of its own as long as that of the try before it is outstanding.
        """
        if type(self._writer) is SoftBackend:
            self._writer.set_now(value)
            return Status.finished(name=self.name)
        work = self._tried(value, wait=wait, timeout=timeout, attempts=attempts)
        return Status(work, name=f"{self.name} set", owner=self.tasks)

    async def _tried(self, value: T, *, wait: bool, timeout: float | None, attempts: int) -> None:
        for left in reversed(range(attempts)):
            try:
                await self.put(value, wait=wait, timeout=timeout)
            except (PutFailedError, WaitTimeoutError, DisconnectedError) as error:
                if not left:
                    if attempts > 1:
                        error.add_note(f"tried {attempts} times")
                    raise
            else:
                return


class SignalRW(SignalR[T], SignalW[T]):
    """A value that can be read and written."""

    @async_verb
    async def locate(self) -> Location[T]:
        """What was written and what is read."""
        readback = (await self._current(None))["value"]
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

    @at_home
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

    if isinstance(match, np.ndarray):
        array = cast("np.ndarray[Any, np.dtype[Any]]", match)
        return lambda value: np.array_equal(value, array)

    def equals(value: object) -> bool:
        return bool(value == match)

    return equals


def _shown(match: object) -> str:
    """What is waited for, as a message shows it: a test by its name, or by its first line if it says what it is."""
    if not callable(match):
        return repr(match)
    return (getattr(match, "__doc__", None) or getattr(match, "__name__", "a match")).splitlines()[0]
