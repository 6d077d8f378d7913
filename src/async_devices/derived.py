"""Signals that are functions of other signals, both ways.

    def gap(left: float, right: float) -> float:
        return left - right

    def jaws(value: float) -> dict[str, float]:
        return {"left": value / 2, "right": -value / 2}

    slit.gap = derived_rw(gap, jaws, left=slit.left, right=slit.right, units="mm")

The names of the function's parameters are those of the inputs, its return annotation is the datatype. Either function
may be a coroutine function. The inputs are connected by the devices that they belong to. A value is as old as its
oldest input could make it: its time is that of the newest, its alarm the worst.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, cast, get_type_hints

from ..task_owner import TaskOwner
from ..task_scope import together
from .backend import SignalBackend
from .datatypes import Served, served_for
from .errors import DeclarationError, DerivationError, DeviceError
from .observation import Observation
from .protocols import Reading
from .signal import SignalR, SignalRW, SignalW

T = TypeVar("T")
Split = Callable[..., Mapping[str, Any] | Awaitable[Mapping[str, Any] | None] | None]


class DerivedBackend(SignalBackend):
    """A value computed from inputs; written, it is split into values for them."""

    def __init__(
        self,
        merge: Callable[..., Any],
        split: Split | None,
        inputs: Mapping[str, SignalR[Any]],
        *,
        units: str | None = None,
        precision: int | None = None,
    ) -> None:
        """Check the functions against the inputs.

        Args:
            merge: Computes the value from the inputs, by name.
            split: Gives what to write to which input; None cannot be written.
            inputs: By name.
            units: Of the value.
            precision: Digits after the point.

        Raises:
            DeclarationError: Parameters and inputs differ, or the value has no datatype.
        """
        name = getattr(merge, "__name__", "derived")
        super().__init__(f"derived://{name}", datatype=_datatype(merge, inputs))
        self._merge, self._split, self._inputs = merge, split, dict(inputs)
        self._tasks: TaskOwner | None = None
        self._following: list[asyncio.Task[None]] = []
        served = served_for(self.datatype)
        self.serves(
            Served(kind=served.kind, dtype=served.dtype, choices=served.choices, units=units, precision=precision)
        )

    async def connect(self, *, timeout: float) -> None:
        """Nothing to do: the inputs belong to somebody."""

    async def disconnect(self) -> None:
        """End every observation."""
        self.close_observers()
        await self._end()

    async def _end(self) -> None:
        if self._tasks is not None:
            tasks, self._tasks = self._tasks, None
            await tasks.aclose()

    async def reading(self, *, timeout: float | None = None) -> Reading[Any]:
        """Read all inputs and compute."""
        readings = await together(*(signal.reading(timeout=timeout) for signal in self._inputs.values()))
        return await self._merged(dict(zip(self._inputs, readings, strict=True)))

    async def _merged(self, readings: Mapping[str, Reading[Any]]) -> Reading[Any]:
        values = {name: reading["value"] for name, reading in readings.items()}
        try:
            value = self._merge(**values)
            if inspect.isawaitable(value):
                value = await value
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            msg = f"{self.source}: {values} could not be made a value: {error!r}"
            raise DerivationError(msg) from error
        return {
            "value": self.converter.from_wire(self.converter.to_wire(value)),
            "timestamp": max(reading["timestamp"] for reading in readings.values()),
            "alarm_severity": max(reading.get("alarm_severity", 0) for reading in readings.values()),
            "stamp": max(reading.get("stamp", (0, 0)) for reading in readings.values()),
        }

    async def put(self, value: Any, *, wait: bool = True, timeout: float | None = None) -> None:
        """Split the value and write the inputs, all at once.

        Raises:
            DerivationError: It cannot be split; nothing was written.
        """
        if self._split is None:
            msg = f"{self.source} is computed and cannot be written"
            raise DerivationError(msg)
        self.converter.to_wire(value)
        parts = self._split(value)
        if inspect.isawaitable(parts):
            parts = await parts
        if parts is None:  # a coroutine function that has written them itself
            return
        await together(*(self._part(name, part, wait, timeout) for name, part in parts.items()))

    async def _part(self, name: str, value: Any, wait: bool, timeout: float | None) -> None:  # noqa: FBT001
        signal = self._inputs.get(name)
        if not isinstance(signal, SignalW):
            msg = f"{self.source}: {name!r} is no input that can be written; inputs are {sorted(self._inputs)}"
            raise DerivationError(msg)
        await cast("SignalW[Any]", signal).put(value, wait=wait, timeout=timeout)

    async def put_wire(self, wire: Any, *, wait: bool, timeout: float | None) -> None:
        """Write."""
        await self.put(self.converter.from_wire(wire), wait=wait, timeout=timeout)

    async def describe_wire(self, *, timeout: float | None) -> Served:
        """As it was made."""
        del timeout
        return self.served

    def start_monitor(self) -> None:
        """Observe all inputs."""
        self._tasks = self._tasks or TaskOwner(self.source)
        latest: dict[str, Reading[Any]] = {}
        self._following = [
            self._tasks.start(self._follow(name, signal.observe_readings(), latest), name=name)
            for name, signal in self._inputs.items()
        ]

    async def _follow(self, name: str, readings: Observation[Reading[Any]], latest: dict[str, Reading[Any]]) -> None:
        with readings:
            while True:
                try:
                    latest[name] = await anext(readings)
                    if len(latest) == len(self._inputs):
                        self.updated(await self._merged(dict(latest)))
                except StopAsyncIteration:
                    return
                except DeviceError as error:
                    latest.pop(name, None)
                    self.failed(error)

    def stop_monitor(self) -> None:
        """Let the inputs go."""
        for task in self._following:
            task.cancel()
        self._following = []


def _datatype(merge: Callable[..., Any], inputs: Mapping[str, object]) -> Any:
    parameters = inspect.signature(merge).parameters
    name = getattr(merge, "__name__", "a function")
    if set(parameters) != set(inputs):
        msg = f"{name}: its parameters are {sorted(parameters)}, the inputs given are {sorted(inputs)}; they must agree"
        raise DeclarationError(msg)
    datatype = get_type_hints(merge).get("return")
    if datatype is None:
        msg = f"{name}: says nothing of what it returns; annotate it, for example `-> float`"
        raise DeclarationError(msg)
    return datatype


def derived_r(
    merge: Callable[..., T] | Callable[..., Awaitable[T]],
    *,
    name: str = "",
    units: str | None = None,
    precision: int | None = None,
    **inputs: SignalR[Any],
) -> SignalR[T]:
    """A value computed from other signals.

    Args:
        merge: Computes it; its parameters are called as the inputs are, its return annotation is the datatype.
        name: Of the signal.
        units: Of the value.
        precision: Digits after the point.
        inputs: By name.

    Raises:
        DeclarationError: Parameters and inputs differ, or the value has no datatype.
    """
    backend = DerivedBackend(merge, None, inputs, units=units, precision=precision)
    return SignalR(backend.datatype, read=backend, name=name)


def derived_rw(
    merge: Callable[..., T] | Callable[..., Awaitable[T]],
    split: Split,
    *,
    name: str = "",
    units: str | None = None,
    precision: int | None = None,
    **inputs: SignalR[Any],
) -> SignalRW[T]:
    """A value computed from other signals, which can be written too.

    Args:
        merge: Computes it; as for `derived_r`.
        split: Gives what to write to which input: {"left": 1.0}. A coroutine function may write them itself.
        name: Of the signal.
        units: Of the value.
        precision: Digits after the point.
        inputs: By name.

    Raises:
        DeclarationError: Parameters and inputs differ, or the value has no datatype.
    """
    backend = DerivedBackend(merge, split, inputs, units=units, precision=precision)
    return SignalRW(backend.datatype, read=backend, write=backend, name=name)
