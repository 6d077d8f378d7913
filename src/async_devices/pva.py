"""PV Access: the only importer of p4p.

Works on p4p's raw client and no thread or task of its own: p4p calls back in its threads, and every callback is handed
to the loop. One client context per loop, opened by the first PV that connects there and closed by the last that leaves.

Every value says of what type it is, so a server that was started again with another one is noticed by the first value
that it sends, and a write of an enum looks at the choices that are served then before it becomes an index.

p4p tells the end of a circuit to monitors alone: a get or put just waits for the server to return. A write that takes
longer than a moment is therefore accompanied by a monitor of the same PV.
"""

import asyncio
from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from p4p import Value
from p4p.client.raw import Cancelled, Context, Disconnected, Finished, RemoteError, Subscription

from .backend import SignalBackend
from .circuit import GET_ANSWER, RETURN, Circuit, Wait
from .datatypes import Kind, Served
from .errors import DatatypeError, DeviceError, DisconnectedError, FrozenError, PutFailedError, WaitTimeoutError
from .mailbox import Mailbox
from .protocols import Reading
from .retired import Operation, Retired

T = TypeVar("T")


Begin = Callable[[Callable[[Any], None]], Operation]

MOMENT = 0.25
"""Seconds that a write takes before it is accompanied."""

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


class Client(NamedTuple):
    """What the PVs of one loop share."""

    context: Context
    mailbox: Mailbox
    retired: Retired

    def close(self) -> None:
        """End it; nothing of it is under way."""
        self.retired.close()
        self.context.close()


class _Contexts:
    """One p4p context per event loop, shared by its PVs."""

    def __init__(self) -> None:
        self._open: dict[asyncio.AbstractEventLoop, tuple[Client, set[PvaBackend]]] = {}

    def enter(self, user: "PvaBackend") -> Client:
        """The client of the running loop, with one more user."""
        loop = asyncio.get_running_loop()
        for closed in [other for other in self._open if other.is_closed()]:
            self._open.pop(closed)[0].close()
        if loop not in self._open:
            self._open[loop] = (Client(Context("pva", useenv=True, nt=False), Mailbox(loop), Retired(loop)), set())
        client, users = self._open[loop]
        users.add(user)
        return client

    def leave(self, user: "PvaBackend") -> None:
        """One user less; the last one closes the context."""
        for loop, (client, users) in list(self._open.items()):
            users.discard(user)
            if not users:
                del self._open[loop]
                client.close()


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
        self._connected: Client | None = None
        self._subscription: Subscription | None = None
        self._mark: Hashable = None
        self._gone = False

    async def connect(self, *, timeout: float) -> None:
        """Reach the PV and learn what it serves."""
        if self._connected is None:
            self._connected = _CONTEXTS.enter(self)
        if self.circuit is None:
            self.circuit = Circuit(self.source)
        self._take(await self._get(timeout))

    async def disconnect(self) -> None:
        """Close the subscription and leave the context."""
        self.close_observers()
        if self.circuit is not None:
            circuit, self.circuit = self.circuit, None
            await circuit.aclose()
        if self._connected is not None:
            self._connected = None
            _CONTEXTS.leave(self)
        await asyncio.sleep(0)

    def _take(self, value: Value) -> None:
        """See whether what is served is what was served.

        Raises:
            DatatypeError: It is not, and does not fit.
        """
        mark = _mark(value)
        if mark != self._mark:
            self.serves(served_over_pva(value))
            self._mark = mark

    @property
    def _client(self) -> Client:
        if self._connected is None:
            msg = f"{self.source} is not connected"
            raise DisconnectedError(msg)
        return self._connected

    async def _operation(self, begin: Begin, timeout: float | None) -> Any:
        """Run one get: `begin(handler)` starts it and gives what has to be closed."""
        retired = self._client.retired
        result, operation = self._begun(begin)
        try:
            async with asyncio.timeout(timeout):
                value = await result
        except TimeoutError:
            msg = f"{self.source}: no answer within {timeout} s"
            raise WaitTimeoutError(msg) from None
        finally:
            if result.cancelled() or not result.done():
                operation.close()
            else:
                retired.add(operation)
        return self._checked(value)

    async def _watched(self, begin: Begin, timeout: float | None) -> None:
        """Run one put, and see whether the server is there as long as it takes."""
        result, operation = self._begun(begin)
        circuit = self.circuit or Circuit(self.source)
        wait = Wait(result, probe=lambda seconds: self.probe(timeout=seconds))
        companion: list[Subscription] = []
        accompany = asyncio.get_running_loop().call_later(MOMENT, lambda: companion.append(self._accompanied(wait)))
        try:
            done = await wait.done(circuit, timeout=timeout)
        finally:
            accompany.cancel()
            operation.close()
            for subscription in companion:
                subscription.close()
        if not done:
            msg = f"{self.source}: the write has not completed after {timeout} s and may still do"
            raise WaitTimeoutError(msg)
        self._checked(result.result())

    def _begun(self, begin: Begin) -> tuple[asyncio.Future[Any], Operation]:
        hand = self._client.mailbox.hand
        result: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def arrived(value: Any) -> None:
            if not result.done():
                result.set_result(value)

        return result, begin(lambda value: hand(arrived, value))

    def _accompanied(self, wait: Wait) -> Subscription:
        """A monitor that ends `wait` when its circuit closes after having been open."""
        client = self._client
        opened = False

        def look(*_: Any) -> None:
            nonlocal opened
            while (event := subscription.pop()) is not None:
                if isinstance(event, Value):
                    opened = True
                elif opened:
                    wait.failed(self._closed())

        subscription = client.context.monitor(self._pv, lambda: client.mailbox.hand(look), "field(timeStamp)")
        return subscription

    def _closed(self) -> DisconnectedError:
        self._gone = True
        return DisconnectedError(f"{self.source}: the server closed the circuit; is it still running?")

    def _checked(self, value: T) -> T:
        match value:
            case Disconnected() | Cancelled() | Finished():
                raise self._closed()
            case DeviceError() as error:
                raise error
            case RemoteError() as error:
                msg = f"{self.source}: the server refused: {error}"
                raise PutFailedError(msg)
            case BaseException() as error:
                msg = f"{self.source}: the value could not be sent: {error!r}"
                raise PutFailedError(msg) from error
            case _:
                return value

    async def _get(self, timeout: float | None) -> Value:
        client = self._client.context
        return await self._operation(lambda handler: client.get(self._pv, handler), timeout)

    async def reading(self, *, timeout: float | None = None) -> Reading[Any]:
        """The current value."""
        enough = RETURN if self._gone else GET_ANSWER
        patience = enough if timeout is None else min(timeout, enough)
        try:
            value = await self._get(patience)
        except WaitTimeoutError as error:
            if self._gone:
                raise self._closed() from error
            if patience == timeout:
                raise
            msg = f"{self.source}: no answer within {patience:g} s; is its server frozen, or gone?"
            raise FrozenError(msg) from error
        self._gone = False
        return self._reading_of(value)

    def _reading_of(self, value: Value) -> Reading[Any]:
        self._take(value)
        seconds, nanoseconds = _stamp(value)
        reading: Reading[Any] = {
            "value": self.converter.from_wire(wire_of(value, self.source)),
            "timestamp": seconds + nanoseconds * 1e-9,
            "alarm_severity": 0,
            "stamp": (seconds, nanoseconds),
        }
        if value.has("alarm"):
            alarm = value["alarm"]
            reading["alarm_severity"] = int(alarm["severity"])
            if text := alarm["message"]:
                reading["message"] = str(text)
        return reading

    async def put(self, value: Any, *, wait: bool = True, timeout: float | None = None) -> None:
        """Write; an enum's label becomes an index by the choices that are served when it is written."""
        if self.served.kind != "enum":
            await super().put(value, wait=wait, timeout=timeout)
            return

        def fill(target: Value) -> None:
            if self.served.choices != tuple(target["value.choices"]):
                self.serves(served_over_pva(target))
            target["value.index"] = self.converter.to_wire(value)

        self.converter.to_wire(value)  # refuse before the server is asked
        await self._put(fill, wait=wait, timeout=timeout, first_get=True)

    async def put_wire(self, wire: Any, *, wait: bool, timeout: float | None) -> None:
        """Write; a server serves a second write while the first one is pending, on this protocol."""

        def fill(value: Value) -> None:
            assign(value, wire)

        await self._put(fill, wait=wait, timeout=timeout, first_get=False)

    async def _put(self, fill: Callable[[Value], None], *, wait: bool, timeout: float | None, first_get: bool) -> None:
        client = self._client.context
        request = f"field()record[block={'true' if wait else 'false'},process=passive]"

        def guarded(value: Value) -> None:
            try:
                fill(value)
            except DeviceError as error:
                refused.append(error)
                raise

        refused: list[DeviceError] = []
        try:
            await self._watched(lambda handler: client.put(self._pv, handler, guarded, request, get=first_get), timeout)
        except PutFailedError:
            if refused:
                raise refused[0] from None
            raise

    async def describe_wire(self, *, timeout: float | None) -> Served:
        """Ask the units, precision and limits again."""
        return served_over_pva(await self._get(timeout))

    def start_monitor(self) -> None:
        """Subscribe."""
        client = self._client
        request = "field()record[queueSize=100]"
        self._subscription = client.context.monitor(self._pv, lambda: client.mailbox.hand(self._drain), request)

    def _drain(self, *_: Any) -> None:
        while self._subscription is not None and (event := self._subscription.pop()) is not None:
            if isinstance(event, Value):
                self._event(event)
            elif self._last is not None:  # every subscription begins disconnected: that is not news
                self.failed(self._closed())

    def _event(self, value: Value) -> None:
        self._gone = False
        if self.circuit is not None:
            self.circuit.alive = True
        try:
            self.updated(self._reading_of(value))
        except DeviceError as error:
            self.failed(error)

    def stop_monitor(self) -> None:
        """Unsubscribe."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            subscription.close()


def _stamp(value: Value) -> tuple[int, int]:
    if not value.has("timeStamp"):
        return (0, 0)
    stamp = value["timeStamp"]
    return (int(stamp["secondsPastEpoch"]), int(stamp["nanoseconds"]))


def _mark(value: Value) -> Hashable:
    """What changes when the type of a value does; cheap, because it is looked at with every value."""
    if not value.has("value"):
        return value.getID()
    inner = value["value"]
    if isinstance(inner, np.ndarray):
        return cast("np.dtype[Any]", inner.dtype).char
    if isinstance(inner, Value) and inner.has("choices"):
        return tuple(inner["choices"])
    return type(inner).__name__


def served_over_pva(value: Value) -> Served:
    """What a PV serves, from one of its values."""
    if not value.has("value"):
        return Served(kind="structure")
    inner = value["value"]
    code = value.type()["value"]
    if isinstance(inner, Value):
        if inner.has("choices") and inner.has("index"):
            return Served(kind="enum", choices=tuple(inner["choices"]))
        if "NTTable" in value.getID():
            return Served(kind="table", columns=tuple(inner.keys()))
        return Served(kind="structure")
    if not isinstance(code, str):
        return Served(kind="array", dtype=np.asarray(inner).dtype)
    if code == "as":
        return Served(kind="strings")
    if code.startswith("a"):
        return Served(kind="array", dtype=np.dtype(_CODES[code[1:]]), **_display(value, code))
    dtype = np.dtype(_CODES[code]) if code in _CODES else None
    return Served(kind=_kind(code), dtype=dtype, **_display(value, code))


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


def _display(value: Value, code: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if value.has("display"):
        display = value["display"]
        found["units"] = display["units"] if display.has("units") else None
        found["precision"] = int(display["precision"]) if display.has("precision") else None
        found["display"] = _range(display, "limitLow", "limitHigh")
    if value.has("control"):
        found["limits"] = _range(value["control"], "limitLow", "limitHigh")
    if value.has("valueAlarm") and not code.startswith("a"):
        found["warning"] = _range(value["valueAlarm"], "lowWarningLimit", "highWarningLimit")
        found["alarm"] = _range(value["valueAlarm"], "lowAlarmLimit", "highAlarmLimit")
    return found


def _range(ends: Value, low: str, high: str) -> tuple[float, float] | None:
    """Two equal ends mean that there are none."""
    if not (ends.has(low) and ends.has(high)):
        return None
    return (float(ends[low]), float(ends[high])) if ends[low] < ends[high] else None


def wire_of(value: Value, source: str = "") -> Any:
    """The value in its normal form: an enum's index, a table's columns, an array, a number or a text.

    Args:
        value: As it came.
        source: Of the PV, for messages.

    Raises:
        DatatypeError: An image that is compressed, or has another number of pixels than its dimensions say.
    """
    if not value.has("value"):
        return value.todict()
    inner = value["value"]
    if not isinstance(inner, Value):
        return _image(value, np.asarray(inner), source) if value.has("dimension") else inner
    if inner.has("choices") and inner.has("index"):
        return inner["index"]
    return _columns(inner.todict())


def _image(value: Value, flat: NDArray[Any], source: str) -> NDArray[Any]:
    """An NTNDArray in numpy's order: its dimensions come fastest first."""
    if codec := value.get("codec.name", ""):
        msg = f"{source}: expected plain pixels, served compressed with {codec!r}; switch the codec plug-in off"
        raise DatatypeError(msg)
    shape = tuple(int(dimension["size"]) for dimension in reversed(value["dimension"]))
    if not shape:
        return flat
    if int(np.prod(shape)) != flat.size:
        msg = f"{source}: {flat.size} pixels where its dimensions {shape} say {int(np.prod(shape))}"
        raise DatatypeError(msg)
    return flat.reshape(shape)


def _columns(columns: dict[str, Any]) -> dict[str, Any]:
    """A column that was never written is None on some servers: an empty one."""
    return {name: np.zeros(0) if column is None else column for name, column in columns.items()}


_UNION = {
    "?": "booleanValue",
    "b": "byteValue",
    "h": "shortValue",
    "i": "intValue",
    "l": "longValue",
    "B": "ubyteValue",
    "H": "ushortValue",
    "I": "uintValue",
    "L": "ulongValue",
    "f": "floatValue",
    "d": "doubleValue",
}


def assign(value: Value, wire: Any) -> None:
    """Fill a value to be written, from its normal form."""
    if not value.has("value"):
        _assign_fields(value, "", cast("Mapping[str, Any]", wire))
        return
    inner = value["value"]
    if isinstance(inner, Value) and inner.has("index"):
        value["value.index"] = wire
    elif isinstance(wire, Mapping):
        _assign_fields(value, "value.", cast("Mapping[str, Any]", wire))
    elif value.has("dimension"):
        _assign_image(value, np.asarray(wire))
    else:
        value["value"] = wire


def _assign_fields(value: Value, path: str, fields: Mapping[str, Any]) -> None:
    for name, field in fields.items():
        if isinstance(field, Mapping):
            _assign_fields(value, f"{path}{name}.", cast("Mapping[str, Any]", field))
        else:
            value[f"{path}{name}"] = field


def _assign_image(value: Value, image: NDArray[Any]) -> None:
    """An NTNDArray: pixels and dimensions belong together and are written together."""
    value["value"] = (_UNION[image.dtype.newbyteorder("=").char.replace("q", "l").replace("Q", "L")], image.reshape(-1))
    value["dimension"] = [
        {"size": size, "offset": 0, "fullSize": size, "binning": 1, "reverse": False} for size in reversed(image.shape)
    ]
    value["compressedSize"] = value["uncompressedSize"] = image.nbytes
