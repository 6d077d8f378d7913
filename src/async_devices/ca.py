"""Channel Access: the only importer of aioca.

One outstanding put callback per channel. A server that is given a second one while the first is pending stops reading
that client's whole circuit until it has ended (rsrv: up to 60 s, and every other PV of that server with it). So a
callback is awaited in a task of its own, which lives until the server answers even if whoever wrote has stopped
waiting; a write that comes meanwhile goes out without a callback and, if it must wait, waits for the one that is
outstanding. That is what a motor record means by it too: a new target during a move completes the first callback when
the second move has ended.

Connecting reads a PV's properties once, which is all that a connect has to know. From its first use on a PV is watched:
its properties are subscribed to, not its value. The first update says whether what is served is still what was served
at connect; the later ones say that limits or units have changed, that the circuit has closed, and that it is open
again. Nothing has to ask for that, and the many PVs of a device that a session never touches cost their server nothing.

A subscription keeps the type that it was made with, and a server that was started again may serve another. So when a
circuit closes all subscriptions are dropped, and those to come are made with the types that are served then; values are
observed again once the properties have been seen, so that no label of an enum is taken from an old list.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import numpy as np
from aioca import (
    DBE_PROPERTY,
    FORMAT_CTRL,
    FORMAT_TIME,
    CANothing,
    Subscription,
    caget,
    cainfo,
    camonitor,
    caput,
    purge_channel_caches,
)

from ..task_owner import TaskOwner
from .backend import SignalBackend
from .cancellation import keep_cancellation
from .circuit import GET_ANSWER, RETURN, Circuit, Wait
from .datatypes import Served
from .errors import DatatypeError, DeviceError, DisconnectedError, FrozenError, PutFailedError, WaitTimeoutError
from .protocols import Reading

_STRING, _SHORT, _FLOAT, _ENUM, _CHAR, _LONG, _DOUBLE = range(7)
"""Channel Access' native types, as `cainfo` numbers them."""

_DTYPES = {_SHORT: np.int16, _FLOAT: np.float32, _CHAR: np.uint8, _LONG: np.int32, _DOUBLE: np.float64}
_ECA_TIMEOUT = 80
_ECA_DISCONN = 192
_STRING_NBYTES = 40


class _Users:
    """Counts connected PVs, so that the last one to leave closes every channel of the process; keeps their circuits.

    aioca caches channels per event loop for ever; libca's thread would go on calling a loop that has been closed.
    """

    def __init__(self) -> None:
        self._users: dict[asyncio.AbstractEventLoop, int] = {}
        self._circuits: dict[tuple[asyncio.AbstractEventLoop, str], Circuit] = {}

    def enter(self) -> None:
        loop = asyncio.get_running_loop()
        for closed in [each for each in self._users if each.is_closed()]:
            self._forget(closed)
        self._users[loop] = self._users.get(loop, 0) + 1

    def circuit(self, server: str) -> Circuit:
        """What the PVs of `server` (host:port) share in the running loop."""
        return self._circuits.setdefault((asyncio.get_running_loop(), server), Circuit(f"ca://{server}"))

    async def leave(self) -> None:
        loop = asyncio.get_running_loop()
        self._users[loop] = self._users.get(loop, 1) - 1
        if self._users[loop] == 0:
            for circuit in self._forget(loop):
                await circuit.aclose()
        await asyncio.sleep(0)  # aioca cancels a task per subscription: let it end before the loop may

    def _forget(self, loop: asyncio.AbstractEventLoop) -> list[Circuit]:
        del self._users[loop]
        gone = [key for key in self._circuits if key[0] is loop]
        if not self._users:
            purge_channel_caches()
        return [self._circuits.pop(key) for key in gone]


_USERS = _Users()


class CaBackend(SignalBackend):
    """One PV over Channel Access."""

    def __init__(self, pv: str, *, datatype: Any) -> None:
        """Name a PV.

        Args:
            pv: Without scheme.
            datatype: What the device declares.
        """
        super().__init__(f"ca://{pv}", datatype=datatype)
        self._pv = pv
        self._native = -1
        self._count = 0
        self._tasks: TaskOwner | None = None
        self._callback: asyncio.Task[None] | None = None
        self._properties: Subscription | None = None
        self._values: Subscription | None = None
        self._observed = False
        self._up: asyncio.Event | None = None
        self._misfit: DatatypeError | None = None

    async def connect(self, *, timeout: float) -> None:
        """Reach the channel and learn what it serves."""
        if self._tasks is None:
            self._tasks = TaskOwner(self.source)
            _USERS.enter()
        self._unsubscribe()
        self._up = asyncio.Event()
        try:
            async with asyncio.timeout(timeout):
                await self._take(await keep_cancellation(caget(self._pv, format=FORMAT_CTRL, count=1, timeout=None)))
        except TimeoutError:
            msg = f"{self.source}: no answer within {timeout:g} s"
            raise WaitTimeoutError(msg) from None
        except CANothing as error:
            raise self._translated(error, timeout) from error
        if self._observed:
            self._subscribe_properties()

    async def disconnect(self) -> None:
        """Close the subscriptions, forget an outstanding callback, and give back the channel."""
        self.close_observers()
        self._unsubscribe()
        self._up, self._misfit = None, None
        if self._tasks is not None:
            tasks, self._tasks = self._tasks, None
            await tasks.aclose()
            await _USERS.leave()

    def _subscribe_properties(self) -> None:
        self._properties = camonitor(
            self._pv, self._property, events=DBE_PROPERTY, format=FORMAT_CTRL, count=1, notify_disconnect=True
        )

    def _unsubscribe(self) -> None:
        for subscription in (self._values, self._properties):
            if subscription is not None:
                subscription.close()
        self._values = self._properties = None

    def _property(self, control: Any) -> None:
        """A description: the first, a later one, one after a return; or the end of the circuit."""
        if isinstance(control, CANothing):
            self._lost()
        elif self._tasks is not None:
            self._tasks.start(self._returned(control), name="properties")

    def _lost(self) -> None:
        if self._up is not None:
            self._up.clear()
        self.failed(self._closed())
        # aioca is iterating over its subscriptions just now.
        asyncio.get_running_loop().call_soon(self._subscribe_anew)

    def _subscribe_anew(self) -> None:
        if self._tasks is not None:
            self._unsubscribe()
            self._subscribe_properties()

    async def _returned(self, control: Any) -> None:
        try:
            await self._take(control)
        except DatatypeError as error:
            self._misfit = error
            self.failed(error)
        else:
            if self._observed and self._values is None:
                self._subscribe_values()
        if self._up is not None:
            self._up.set()

    async def _take(self, control: Any) -> None:
        """See what is served from its control values."""
        info = await keep_cancellation(cainfo(self._pv, timeout=None))
        self._native, self._count = info.datatype, info.count
        self.circuit = _USERS.circuit(info.host)
        self.circuit.alive = True
        self.serves(self._served_by(control))
        self._misfit = None

    def _served_by(self, control: Any) -> Served:
        return served_over_ca(
            self._native,
            count=self._count,
            choices=tuple(getattr(control, "enums", ())),
            units=getattr(control, "units", None),
            precision=getattr(control, "precision", None),
            ranges={name: _range(control, *ends) for name, ends in _RANGES.items()},
        )

    async def describe_wire(self, *, timeout: float | None) -> Served:
        """Ask the units, precision and limits again: a motor's limits move, and not every server tells."""
        return self._served_by(await self._get(FORMAT_CTRL, timeout, count=1))

    async def _ready(self, timeout: float | None) -> None:
        """See that the circuit is open, or wait a moment for it to return.

        Raises:
            DisconnectedError: It is closed.
            ServedChangedError: It is open, to something else than before.
        """
        up = self._up
        if self._tasks is None or up is None:
            msg = f"{self.source} is not connected: connect its device first"
            raise DisconnectedError(msg)
        if not up.is_set():
            await self._watched(up, timeout)
        if self._misfit is not None:
            raise self._misfit

    async def _watched(self, up: asyncio.Event, timeout: float | None) -> None:
        """Begin to watch, unless it has begun, and wait until the server has answered."""
        if self._properties is None:
            self._subscribe_properties()
        closed = not (await keep_cancellation(cainfo(self._pv, wait=False, timeout=None))).count
        enough = RETURN if closed else GET_ANSWER
        patience = enough if timeout is None else min(timeout, enough)
        try:
            async with asyncio.timeout(patience):
                await up.wait()
        except TimeoutError:
            if closed:
                raise self._closed() from None
            if patience == timeout:
                msg = f"{self.source}: no answer within {timeout:g} s"
                raise WaitTimeoutError(msg) from None
            raise self._silent(patience) from None

    def _silent(self, patience: float) -> FrozenError:
        return FrozenError(
            f"{self.source}: no answer within {patience:g} s although the circuit is open; is it frozen?"
        )

    def _closed(self) -> DisconnectedError:
        return DisconnectedError(f"{self.source}: the server closed the circuit; is it still running?")

    async def _get(self, form: int, timeout: float | None, *, count: int = 0) -> Any:
        await self._ready(timeout)
        patience = GET_ANSWER if timeout is None else min(timeout, GET_ANSWER)
        datatype = self._requested
        try:
            got = await keep_cancellation(
                caget(self._pv, format=form, datatype=datatype, count=count, timeout=patience)
            )
        except CANothing as error:
            if error.errorcode == _ECA_TIMEOUT and patience != timeout:
                raise self._silent(patience) from error
            raise self._translated(error, timeout) from error
        if self.circuit is not None:
            self.circuit.alive = True
        return got

    @property
    def _requested(self) -> int | None:
        """A `$` name gives a string as characters; every other type comes as it is."""
        return _CHAR if self._native == _CHAR else None

    async def reading(self, *, timeout: float | None = None) -> Reading[Any]:
        """The current value."""
        return self._reading_of(await self._get(FORMAT_TIME, timeout))

    def _reading_of(self, augmented: Any) -> Reading[Any]:
        seconds, nanoseconds = augmented.raw_stamp
        return {
            "value": self.converter.from_wire(augmented),
            "timestamp": seconds + nanoseconds * 1e-9,
            "alarm_severity": int(augmented.severity),
            "stamp": (seconds, nanoseconds),
        }

    async def put_wire(self, wire: Any, *, wait: bool, timeout: float | None) -> None:
        """Write, with at most one callback outstanding."""
        await self._ready(timeout)
        tasks, circuit = self._tasks, self.circuit
        if tasks is None or circuit is None:
            raise self._closed()
        if not wait:
            await self._caput(wire, wait=False, timeout=timeout)
            return
        if self._callback is None or self._callback.done():
            self._callback = tasks.start(self._caput(wire, wait=True, timeout=None), name="put callback")
            self._callback.add_done_callback(_retrieve)
        else:
            await self._caput(wire, wait=False, timeout=timeout)
        await self._completed(self._callback, circuit, timeout)

    async def _completed(self, callback: asyncio.Task[None], circuit: Circuit, timeout: float | None) -> None:
        wait = Wait(callback, probe=lambda seconds: self.probe(timeout=seconds))
        if not await wait.done(circuit, timeout=timeout):
            msg = (
                f"{self.source}: the write has not completed after {timeout} s and may still do; "
                "writes that come meanwhile go out without a callback"
            )
            raise WaitTimeoutError(msg)
        if callback.cancelled():
            msg = f"{self.source} was disconnected before its write completed"
            raise DisconnectedError(msg)
        callback.result()

    async def _caput(self, wire: Any, *, wait: bool, timeout: float | None) -> None:
        datatype = _STRING if self._native == _STRING else None
        try:
            await keep_cancellation(caput(self._pv, wire, datatype=datatype, wait=wait, timeout=timeout))
        except CANothing as error:
            raise self._translated(error, timeout) from error
        except (OSError, ValueError, TypeError) as error:
            msg = f"{self.source}: writing {wire!r} failed: {error}"
            raise PutFailedError(msg) from error

    def start_monitor(self) -> None:
        """Subscribe, once the first properties are known; aioca calls back in the loop."""
        self._observed = True
        if self._properties is None and self._up is not None:
            self._subscribe_properties()
        elif self._up is not None and self._up.is_set() and self._misfit is None:
            self._subscribe_values()

    def _subscribe_values(self) -> None:
        self._values = camonitor(self._pv, self._update, format=FORMAT_TIME, datatype=self._requested, all_updates=True)

    def stop_monitor(self) -> None:
        """Unsubscribe."""
        self._observed = False
        subscription, self._values = self._values, None
        if subscription is not None:
            subscription.close()

    def _update(self, augmented: Any) -> None:
        if self.circuit is not None:
            self.circuit.alive = True
        self.updated(self._reading_of(augmented))

    def _translated(self, error: CANothing, timeout: float | None) -> DeviceError:
        match error.errorcode:
            case code if code == _ECA_TIMEOUT:
                return WaitTimeoutError(f"{self.source}: no answer within {timeout} s")
            case code if code == _ECA_DISCONN:
                return self._closed()
            case _:
                return PutFailedError(f"{self.source}: {error}")


def _retrieve(callback: asyncio.Task[None]) -> None:
    """Look at its error, so that asyncio does not complain of one whose waiter has gone; a waiter still gets it."""
    if not callback.cancelled():
        callback.exception()


_RANGES = {
    "limits": ("lower_ctrl_limit", "upper_ctrl_limit"),
    "display": ("lower_disp_limit", "upper_disp_limit"),
    "warning": ("lower_warning_limit", "upper_warning_limit"),
    "alarm": ("lower_alarm_limit", "upper_alarm_limit"),
}


def _range(control: Any, low: str, high: str) -> tuple[float, float]:
    return (float(getattr(control, low, 0.0)), float(getattr(control, high, 0.0)))


def served_over_ca(
    native: int,
    *,
    count: int,
    choices: tuple[str, ...] = (),
    units: str | None = None,
    precision: int | None = None,
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> Served:
    """What a channel serves, from its native type and its control values.

    Args:
        native: Its type, as `cainfo` numbers it.
        count: Its number of elements.
        choices: Labels, of an enum.
        units: Engineering units.
        precision: Digits after the point.
        ranges: (low, high) of its limits, display, warning and alarm; two equal ones mean that there are none.
    """
    bounds: dict[str, Any] = {name: ends for name, ends in (ranges or {}).items() if ends[0] < ends[1]}
    match native:
        case code if code == _STRING:
            return Served(kind="str", capacity=_STRING_NBYTES) if count == 1 else Served(kind="strings", capacity=count)
        case code if code == _ENUM:
            return Served(kind="enum", choices=choices)
        case code if count != 1:
            return Served(kind="array", dtype=np.dtype(_DTYPES[code]), capacity=count, units=units, precision=precision)
        case code if code in (_FLOAT, _DOUBLE):
            return Served(kind="float", dtype=np.dtype(_DTYPES[code]), units=units, precision=precision, **bounds)
        case code:
            return Served(kind="int", dtype=np.dtype(_DTYPES[code]), units=units, **bounds)
