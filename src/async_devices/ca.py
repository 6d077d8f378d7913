"""Channel Access: the only importer of aioca.

One outstanding put callback per channel. A server that is given a second one while the first is pending stops reading
that client's whole circuit until it has ended (rsrv: up to 60 s, and every other PV of that server with it). So a
callback is awaited in a task of its own, which lives until the server answers even if whoever wrote has stopped
waiting; a write that comes meanwhile goes out without a callback and, if it must wait, waits for the one that is
outstanding. That is what a motor record means by it too: a new target during a move completes the first callback when
the second move has ended.
"""

import asyncio
from typing import Any

import numpy as np
from aioca import (
    FORMAT_CTRL,
    FORMAT_TIME,
    CAInfo,
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
from .datatypes import Served
from .errors import DeviceError, DisconnectedError, PutFailedError, WaitTimeoutError
from .protocols import Reading

_STRING, _SHORT, _FLOAT, _ENUM, _CHAR, _LONG, _DOUBLE = range(7)
"""Channel Access' native types, as `cainfo` numbers them."""

_DTYPES = {_SHORT: np.int16, _FLOAT: np.float32, _CHAR: np.uint8, _LONG: np.int32, _DOUBLE: np.float64}
_ECA_TIMEOUT = 80
_ECA_DISCONN = 192
_STRING_NBYTES = 40


class _Users:
    """Counts connected PVs, so that the last one to leave closes every channel of the process.

    aioca caches channels per event loop for ever; libca's thread would go on calling a loop that has been closed.
    """

    def __init__(self) -> None:
        self._count = 0

    def enter(self) -> None:
        self._count += 1

    async def leave(self) -> None:
        self._count -= 1
        if self._count == 0:
            purge_channel_caches()
        await asyncio.sleep(0)  # aioca cancels a task per subscription: let it end before the loop may


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
        self._subscription: Subscription | None = None
        self._tasks: TaskOwner | None = None
        self._callback: asyncio.Task[None] | None = None

    async def connect(self, *, timeout: float) -> None:
        """Reach the channel and learn what it serves."""
        if self._tasks is None:
            self._tasks = TaskOwner(self.source)
            _USERS.enter()
        info = await self._info(timeout)
        self._native = info.datatype
        self.serves(await self._describe(info.count, timeout))

    async def disconnect(self) -> None:
        """Close the subscription, forget an outstanding callback, and give back the channel."""
        self.close_observers()
        if self._tasks is not None:
            tasks, self._tasks = self._tasks, None
            await tasks.aclose()
            await _USERS.leave()

    async def _describe(self, count: int, timeout: float | None) -> Served:
        control = await self._get(FORMAT_CTRL, timeout)
        limits = (getattr(control, "lower_ctrl_limit", 0.0), getattr(control, "upper_ctrl_limit", 0.0))
        return served_over_ca(
            self._native,
            count=count,
            choices=tuple(getattr(control, "enums", ())),
            units=getattr(control, "units", None),
            precision=getattr(control, "precision", None),
            limits=(float(limits[0]), float(limits[1])),
        )

    async def describe_wire(self, *, timeout: float | None) -> Served:
        """Ask the units, precision and limits again: a motor's limits move."""
        return await self._describe((await self._info(timeout)).count, timeout)

    async def _info(self, timeout: float | None) -> CAInfo:
        self._owner()  # aioca would open a channel that nobody closes
        try:
            return await keep_cancellation(cainfo(self._pv, timeout=timeout))
        except CANothing as error:
            raise self._translated(error, timeout) from error

    async def _get(self, form: int, timeout: float | None) -> Any:
        self._owner()
        try:
            return await keep_cancellation(caget(self._pv, format=form, datatype=self._requested, timeout=timeout))
        except CANothing as error:
            raise self._translated(error, timeout) from error

    @property
    def _requested(self) -> int | None:
        """A `$` name gives a string as characters; every other type comes as it is."""
        return _CHAR if self._native == _CHAR else None

    async def reading(self, *, timeout: float | None = None) -> Reading[Any]:
        """The current value."""
        return self._reading_of(await self._get(FORMAT_TIME, timeout))

    def _reading_of(self, augmented: Any) -> Reading[Any]:
        return {
            "value": self.converter.from_wire(augmented),
            "timestamp": augmented.timestamp,
            "alarm_severity": int(augmented.severity),
        }

    async def put_wire(self, wire: Any, *, wait: bool, timeout: float | None) -> None:
        """Write, with at most one callback outstanding."""
        tasks = self._owner()
        if not wait:
            await self._caput(wire, wait=False, timeout=timeout)
            return
        if self._callback is None or self._callback.done():
            self._callback = tasks.start(self._caput(wire, wait=True, timeout=None), name="put callback")
            self._callback.add_done_callback(_retrieve)
        else:
            await self._caput(wire, wait=False, timeout=timeout)
        await self._completed(self._callback, timeout)

    def _owner(self) -> TaskOwner:
        if self._tasks is None:
            msg = f"{self.source} is not connected: connect its device first"
            raise DisconnectedError(msg)
        return self._tasks

    async def _completed(self, callback: asyncio.Task[None], timeout: float | None) -> None:
        done, _ = await asyncio.wait({callback}, timeout=timeout)
        if not done:
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
        """Subscribe; aioca calls back in the loop."""
        self._owner()
        self._subscription = camonitor(
            self._pv,
            self._update,
            format=FORMAT_TIME,
            datatype=self._requested,
            all_updates=True,
            notify_disconnect=True,
        )

    def stop_monitor(self) -> None:
        """Unsubscribe."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            subscription.close()

    def _update(self, augmented: Any) -> None:
        if isinstance(augmented, CANothing):
            self.failed(DisconnectedError(f"{self.source}: the server closed the circuit; is it still running?"))
        else:
            self.updated(self._reading_of(augmented))

    def _translated(self, error: CANothing, timeout: float | None) -> DeviceError:
        match error.errorcode:
            case code if code == _ECA_TIMEOUT:
                return WaitTimeoutError(f"{self.source}: no answer within {timeout} s")
            case code if code == _ECA_DISCONN:
                return DisconnectedError(f"{self.source}: the server closed the circuit; is it still running?")
            case _:
                return PutFailedError(f"{self.source}: {error}")


def _retrieve(callback: asyncio.Task[None]) -> None:
    """Look at its error, so that asyncio does not complain of one whose waiter has gone; a waiter still gets it."""
    if not callback.cancelled():
        callback.exception()


def served_over_ca(
    native: int,
    *,
    count: int,
    choices: tuple[str, ...],
    units: str | None,
    precision: int | None,
    limits: tuple[float, float],
) -> Served:
    """What a channel serves, from its native type and its control values.

    Args:
        native: Its type, as `cainfo` numbers it.
        count: Its number of elements.
        choices: Labels, of an enum.
        units: Engineering units.
        precision: Digits after the point.
        limits: Control limits; two equal ones mean that there are none.
    """
    bounds = limits if limits[0] < limits[1] else None
    match native:
        case code if code == _STRING:
            return Served(kind="str", capacity=_STRING_NBYTES) if count == 1 else Served(kind="strings", capacity=count)
        case code if code == _ENUM:
            return Served(kind="enum", choices=choices)
        case code if count != 1:
            return Served(kind="array", dtype=np.dtype(_DTYPES[code]), capacity=count, units=units, precision=precision)
        case code if code in (_FLOAT, _DOUBLE):
            dtype = np.dtype(_DTYPES[code])
            return Served(kind="float", dtype=dtype, units=units, precision=precision, limits=bounds)
        case code:
            return Served(kind="int", dtype=np.dtype(_DTYPES[code]), units=units, limits=bounds)
