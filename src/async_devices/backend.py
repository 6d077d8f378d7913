"""SignalBackend: one PV of one server, whatever the protocol.

Two rules hold for all of them:

- A monitor is shared. The first observer starts it, later ones get the last update at once, the last one to leave ends
it.
- What is served may change when a server is started again. If it still fits what the device declares, the new type is
  taken over (choices of an enum may have another order); if not, every operation says what it was and what it is,
  until it fits again.
- Put completion is not success. `put(wait=True)` says that the server has finished with the write, not that it did it:
whoever
  writes compares the readback, or the status PV that the device names.
"""

import asyncio
import weakref
from abc import ABC, abstractmethod
from typing import Any, TypeVar

from event_model.documents import DataKey

from .circuit import Circuit
from .datatypes import Converter, Served, converter_for, datakey, describe_datatype, natural_datatype
from .errors import DatatypeError, DeviceError, DisconnectedError, ServedChangedError
from .loops import home_of
from .observation import DEFAULT_CAPACITY, Observation
from .protocols import Reading

T = TypeVar("T")


class SignalBackend(ABC):
    """One PV. Subclasses implement the six methods at the end."""

    def __init__(self, source: str, *, datatype: Any) -> None:
        """Name a PV; nothing happens before `connect`.

        Args:
            source: Its URI.
            datatype: What the device declares, None for anything.
        """
        self.source = source
        self.datatype = datatype
        self.home_loop: asyncio.AbstractEventLoop | None = None
        self.circuit: Circuit | None = None
        self._served: Served | None = None
        self._converter: Converter | None = None
        self._observers: dict[int, weakref.ref[Observation[Any]]] = {}
        self._last: Reading[Any] | None = None

    @property
    def served(self) -> Served:
        """What the server said when it was connected.

        Raises:
            DisconnectedError: It is not connected.
        """
        if self._served is None:
            msg = f"{self.source} is not connected: connect its device first"
            raise DisconnectedError(msg)
        return self._served

    @property
    def converter(self) -> Converter:
        """How values go between the wire and the device."""
        if self._converter is None:
            msg = f"{self.source} is not connected: connect its device first"
            raise DisconnectedError(msg)
        return self._converter

    def serves(self, served: Served) -> None:
        """Take what the server says and see that it fits; called by `connect`, and whenever it may have changed.

        Raises:
            DatatypeError: It does not fit the declared datatype.
            ServedChangedError: It did before.
        """
        before = self._served
        if before is not None and self.datatype is None and natural_datatype(before) != natural_datatype(served):
            raise self._changed(before, served)
        try:
            converter = converter_for(self.datatype, served, self.source)
        except DatatypeError as error:
            if before is None:
                raise
            raise self._changed(before, served) from error
        self._converter, self._served = converter, served

    def _changed(self, before: Served, served: Served) -> ServedChangedError:
        msg = (
            f"{self.source}: its server was started again and serves {served}; it served {before} when it was "
            f"connected, expected {describe_datatype(self.datatype)}. Start the server as it was, or connect a device "
            "that fits"
        )
        return ServedChangedError(msg)

    async def put(self, value: Any, *, wait: bool = True, timeout: float | None = None) -> None:
        """Write `value`.

        Args:
            value: Of the declared datatype.
            wait: Until the server has finished with it. Stop, abort and retry writes must not wait.
            timeout: Seconds to wait; None waits for ever.

        Raises:
            ValueRefusedError: The PV cannot carry it.
            PutFailedError: The server refused it.
            WaitTimeoutError: The server did not finish in time; it may still do.
            DisconnectedError: The circuit is closed.
        """
        await self.put_wire(self.converter.to_wire(value), wait=wait, timeout=timeout)

    async def get(self, *, timeout: float | None = None) -> Any:
        """The current value."""
        return (await self.reading(timeout=timeout))["value"]

    async def datakey(self, *, timeout: float | None = None) -> DataKey:
        """How it is described in a descriptor; asks the server for units, precision and limits again."""
        served = await self.describe_wire(timeout=timeout)
        value = await self.get(timeout=timeout) if self.converter.dtype == "array" else None
        return datakey(self.source, converter=self.converter, served=served, value=value)

    def observe(self, *, readings: bool = False, capacity: int = DEFAULT_CAPACITY) -> Observation[Any]:
        """An iterator over its values: the current one first, then every change.

        Args:
            readings: Give Readings instead of values.
            capacity: Updates that wait for a slow reader before the oldest is dropped.
        """
        self.converter  # noqa: B018  # refuse before anything is subscribed
        convert = _whole if readings else _value
        observation = Observation[Any](self.source, convert=convert, capacity=capacity)
        key = id(observation)
        reference = weakref.ref(observation, lambda _: self._leave_from_anywhere(key))
        observation.attached(lambda: self._leave_from_anywhere(key))
        home = home_of(self)
        if home is None:
            self._enter(key, reference)
        else:
            home.call_soon_threadsafe(self._enter, key, reference)
        return observation

    def _enter(self, key: int, reference: "weakref.ref[Observation[Any]]") -> None:
        observation = reference()
        if observation is None:
            return
        self._observers[key] = reference
        if self.circuit is not None:
            self.circuit.enter(self)
        if len(self._observers) == 1:
            self._last = None
            self.start_monitor()
        elif self._last is not None:
            observation.push(self._last)

    def _leave_from_anywhere(self, key: int) -> None:
        """Called by whoever closes an observation, or by the collector, in any thread."""
        home = home_of(self)
        if home is None or home.is_closed():
            self._leave(key)
        else:
            home.call_soon_threadsafe(self._leave, key)

    @property
    def last(self) -> Reading[Any] | None:
        """The newest update of its monitor; None without one, and since its circuit closed."""
        return self._last if self._observers else None

    @property
    def waiting(self) -> bool:
        """Whether somebody waits for an update; see `circuit.Waiter`."""
        references = list(self._observers.values())
        return any(observation.waiting for reference in references if (observation := reference()) is not None)

    async def probe(self, *, timeout: float) -> None:
        """Ask the server for anything; see `circuit.Waiter`."""
        await self.reading(timeout=timeout)

    def updated(self, reading: Reading[Any]) -> None:
        """Pass an update on to all observers; called by the monitor in the loop's thread."""
        self._last = reading
        for reference in list(self._observers.values()):
            if (observation := reference()) is not None:
                observation.push(reading)

    def failed(self, error: DeviceError) -> None:
        """Tell all observers; called by the monitor in the loop's thread."""
        self._last = None
        for reference in list(self._observers.values()):
            if (observation := reference()) is not None:
                observation.fail(error)

    def _leave(self, key: int) -> None:
        if self._observers.pop(key, None) is None or self._observers:
            return
        if self.circuit is not None:
            self.circuit.leave(self)
        self.stop_monitor()

    def close_observers(self) -> None:
        """End every observation; called by `disconnect`."""
        for reference in list(self._observers.values()):
            if (observation := reference()) is not None:
                observation.close()

    @abstractmethod
    async def connect(self, *, timeout: float) -> None:
        """Reach the server and call `serves`.

        Raises:
            WaitTimeoutError: Nothing answered.
            DatatypeError: It serves another type than the device declares.
        """

    @abstractmethod
    async def disconnect(self) -> None:
        """Give everything back. May be called again, and before `connect`."""

    @abstractmethod
    async def reading(self, *, timeout: float | None = None) -> Reading[Any]:
        """The current value with its time and alarm, asked from the server."""

    @abstractmethod
    async def put_wire(self, wire: Any, *, wait: bool, timeout: float | None) -> None:
        """Write a value in its normal form."""

    @abstractmethod
    async def describe_wire(self, *, timeout: float | None) -> Served:
        """What the server says of the PV now."""

    @abstractmethod
    def start_monitor(self) -> None:
        """Begin to call `updated` and `failed`, the current value first."""

    @abstractmethod
    def stop_monitor(self) -> None:
        """End that at once."""


def _value(reading: Reading[Any]) -> Any:
    return reading["value"]


def _whole(reading: Reading[T]) -> Reading[T]:
    return reading
