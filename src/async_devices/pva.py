"""PV Access: the only importer of p4p.

Works on p4p's raw client and no thread or task of its own: p4p calls back in its threads, and every callback is handed
to the loop. One client context per loop, opened by the first PV that connects there and closed by the last that leaves.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

import numpy as np
from p4p import Value
from p4p.client.raw import Cancelled, Context, Disconnected, Finished, RemoteError, Subscription

from .backend import SignalBackend
from .datatypes import Kind, Served
from .errors import DisconnectedError, PutFailedError, WaitTimeoutError
from .protocols import Reading

T = TypeVar("T")

_CODES = {
    "?": "?",
    "b": "i1",
    "B": "u1",
    "h": "i2",
    "H": "u2",
    "i": "i4",
    "I": "u4",
    "l": "i8",
    "L": "u8",
    "f": "f4",
    "d": "f8",
}


class _Contexts:
    """One p4p context per event loop, shared by its PVs."""

    def __init__(self) -> None:
        self._open: dict[asyncio.AbstractEventLoop, tuple[Context, set[PvaBackend]]] = {}

    def enter(self, user: "PvaBackend") -> Context:
        """The context of the running loop, with one more user."""
        loop = asyncio.get_running_loop()
        for closed in [other for other in self._open if other.is_closed()]:
            self._open.pop(closed)[0].close()
        if loop not in self._open:
            self._open[loop] = (Context("pva", useenv=True, nt=False), set())
        context, users = self._open[loop]
        users.add(user)
        return context

    def leave(self, user: "PvaBackend") -> None:
        """One user less; the last one closes the context."""
        for loop, (context, users) in list(self._open.items()):
            users.discard(user)
            if not users:
                del self._open[loop]
                context.close()


_CONTEXTS = _Contexts()


class PvaBackend(SignalBackend):
    """One PV over PV Access."""

    def __init__(self, pv: str, *, datatype: Any) -> None:
        """Name a PV.

        Args:
            pv: Without scheme.
            datatype: What the device declares.
        """
        super().__init__(f"pva://{pv}", datatype=datatype)
        self._pv = pv
        self._context: Context | None = None
        self._subscription: Subscription | None = None

    async def connect(self, *, timeout: float) -> None:
        """Reach the PV and learn what it serves."""
        if self._context is None:
            self._context = _CONTEXTS.enter(self)
        self.serves(served_over_pva(await self._get(timeout)))

    async def disconnect(self) -> None:
        """Close the subscription and leave the context."""
        self.close_observers()
        if self._context is not None:
            self._context = None
            _CONTEXTS.leave(self)
        await asyncio.sleep(0)

    @property
    def _client(self) -> Context:
        if self._context is None:
            msg = f"{self.source} is not connected"
            raise DisconnectedError(msg)
        return self._context

    async def _operation(self, begin: Callable[[Callable[[Any], None]], Any], timeout: float | None) -> Any:
        """Run one get or put: `begin(handler)` starts it and gives what has to be closed."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Any] = loop.create_future()

        def arrived(value: Any) -> None:
            if not result.done():
                result.set_result(value)

        operation = begin(lambda value: _handed(loop, arrived, value))
        try:
            async with asyncio.timeout(timeout):
                value = await result
        except TimeoutError:
            msg = f"{self.source}: no answer within {timeout} s"
            raise WaitTimeoutError(msg) from None
        finally:
            operation.close()
        return self._checked(value)

    def _checked(self, value: T) -> T:
        match value:
            case Disconnected() | Cancelled() | Finished():
                msg = f"{self.source}: the server closed the circuit; is it still running?"
                raise DisconnectedError(msg)
            case RemoteError() as error:
                msg = f"{self.source}: the server refused: {error}"
                raise PutFailedError(msg)
            case BaseException() as error:
                msg = f"{self.source}: the value could not be sent: {error!r}"
                raise PutFailedError(msg) from error
            case _:
                return value

    async def _get(self, timeout: float | None) -> Value:
        client = self._client
        return await self._operation(lambda handler: client.get(self._pv, handler), timeout)

    async def reading(self, *, timeout: float | None = None) -> Reading[Any]:
        """The current value."""
        return self._reading_of(await self._get(timeout))

    def _reading_of(self, value: Value) -> Reading[Any]:
        reading: Reading[Any] = {
            "value": self.converter.from_wire(wire_of(value)),
            "timestamp": _timestamp(value),
            "alarm_severity": int(value.get("alarm.severity", 0) or 0) if value.has("alarm") else 0,
        }
        return reading

    async def put_wire(self, wire: Any, *, wait: bool, timeout: float | None) -> None:
        """Write; a server serves a second write while the first one is pending, on this protocol."""
        client = self._client
        request = f"field()record[block={'true' if wait else 'false'},process=passive]"

        def fill(value: Value) -> None:
            assign(value, wire)

        await self._operation(lambda handler: client.put(self._pv, handler, fill, request, get=False), timeout)

    async def describe_wire(self, *, timeout: float | None) -> Served:
        """Ask the units, precision and limits again."""
        return served_over_pva(await self._get(timeout))

    def start_monitor(self) -> None:
        """Subscribe."""
        loop = asyncio.get_running_loop()
        request = "field()record[queueSize=100]"
        self._subscription = self._client.monitor(self._pv, lambda: _handed(loop, self._drain), request)

    def _drain(self, *_: Any) -> None:
        while self._subscription is not None and (event := self._subscription.pop()) is not None:
            if isinstance(event, Value):
                self.updated(self._reading_of(event))
            elif self._last is not None:  # every subscription begins disconnected: that is not news
                self.failed(DisconnectedError(f"{self.source}: the server closed the circuit; is it still running?"))

    def stop_monitor(self) -> None:
        """Unsubscribe."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            subscription.close()


def _handed(loop: asyncio.AbstractEventLoop, function: Callable[..., None], value: Any = None) -> None:
    """Call `function(value)` in the loop; drop it when the loop has been closed, because nobody waits any more."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(function, value)


def _timestamp(value: Value) -> float:
    if not value.has("timeStamp"):
        return 0.0
    stamp = value["timeStamp"]
    return stamp["secondsPastEpoch"] + stamp["nanoseconds"] * 1e-9


def served_over_pva(value: Value) -> Served:
    """What a PV serves, from one of its values."""
    if not value.has("value"):
        return Served(kind="structure")
    inner = value["value"]
    code = value.type()["value"]
    if isinstance(inner, Value):
        if inner.has("choices") and inner.has("index"):
            return Served(kind="enum", choices=tuple(inner["choices"]))
        return Served(kind="table" if "NTTable" in value.getID() else "structure")
    if not isinstance(code, str):
        return Served(kind="array", dtype=np.asarray(inner).dtype)
    if code == "as":
        return Served(kind="strings")
    if code.startswith("a"):
        return Served(kind="array", dtype=np.dtype(_CODES[code[1:]]), **_display(value))
    dtype = np.dtype(_CODES[code]) if code in _CODES else None
    return Served(kind=_kind(code), dtype=dtype, **_display(value))


def _kind(code: str) -> Kind:
    match code:
        case "?":
            return "bool"
        case "s":
            return "str"
        case "f" | "d":
            return "float"
        case _:
            return "int"


def _display(value: Value) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if value.has("display"):
        display = value["display"]
        found["units"] = display["units"] if display.has("units") else None
        found["precision"] = int(display["precision"]) if display.has("precision") else None
    if value.has("control"):
        low, high = value["control"]["limitLow"], value["control"]["limitHigh"]
        found["limits"] = (float(low), float(high)) if low < high else None
    return found


def wire_of(value: Value) -> Any:
    """The value in its normal form: an enum's index, a table's columns, an array, a number or a text."""
    if not value.has("value"):
        return value.todict()
    inner = value["value"]
    if not isinstance(inner, Value):
        return inner
    if inner.has("choices") and inner.has("index"):
        return inner["index"]
    return _columns(inner.todict())


def _columns(columns: dict[str, Any]) -> dict[str, Any]:
    """A column that was never written is None on some servers: an empty one."""
    return {name: np.zeros(0) if column is None else column for name, column in columns.items()}


def assign(value: Value, wire: Any) -> None:
    """Fill a value to be written, from its normal form."""
    inner = value["value"]
    if isinstance(inner, Value) and inner.has("index"):
        value["value.index"] = wire
    elif isinstance(wire, Mapping):
        for name, column in cast("Mapping[str, Any]", wire).items():
            value[f"value.{name}"] = column
    else:
        value["value"] = wire
