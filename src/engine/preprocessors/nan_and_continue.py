"""A policy: the failed reading of some devices does not end the run.

What the event holds then is NaN for a number and nothing for anything else; both are null in the document. That it is
no measurement is stated beside: the stream `alarms` of the run has an event for each, which says `device`, `where` (the
stream) and `message` (the device's own error). A device whose frames are in a file is not excused: a row that was not
written cannot be made up.
"""

import math
import time
from collections.abc import Collection, Hashable, Mapping
from typing import Any

from ..branch import here
from ..dispatch import Call
from ..errors import OperationFailedError
from ..messages import Msg, MsgLike
from ..operation import Operation, Verdict, failure, name_of

INVALID = 3
"""EPICS' severity of a value that is none."""


class NanAndContinue:
    """Middleware that puts NaN into the place of a reading that failed."""

    def __init__(self, devices: Collection[Any]) -> None:
        self._devices = set(devices)
        self._failed: dict[Any, BaseException | None] = {}

    async def __call__(self, msg: MsgLike, call: Call) -> Any:
        """Pass a message on; a point of these devices as trigger, wait, create, read and save."""
        if msg.command == "trigger_and_read" and not self._devices.isdisjoint(msg.args[0]):
            return await self._point(msg, call)
        if msg.obj not in self._devices:
            return await call(msg)
        if msg.command == "trigger":
            return await self._trigger(msg, call)
        return await self._read(msg, call) if msg.command == "read" else await call(msg)

    async def _point(self, msg: MsgLike, call: Call) -> dict[str, Any]:
        devices, group = msg.args[0], object()
        for device in devices:
            if hasattr(device, "trigger"):
                await self(Msg("trigger", device, (), {"group": group}, msg.run), call)
        await call(Msg("wait", None, (), {"group": group}, msg.run))
        if msg.run not in here().execution.runs:
            return await self._readings(devices, msg.run, call)
        await call(Msg("create", None, (), {"name": msg.kwargs.get("name", "primary")}, msg.run))
        try:
            readings = await self._readings(devices, msg.run, call)
        except BaseException:
            await call(Msg("drop", None, (), {}, msg.run))
            raise
        await call(Msg("save", None, (), {}, msg.run))
        return readings

    async def _readings(self, devices: Collection[Any], run: Hashable | None, call: Call) -> dict[str, Any]:
        readings: dict[str, Any] = {}
        for device in devices:
            readings.update(await self(Msg("read", device, (), {}, run), call))
        return readings

    async def _trigger(self, msg: MsgLike, call: Call) -> Any:
        try:
            operation = await call(msg)
        except OperationFailedError as error:
            self._failed[msg.obj] = error.__cause__
            return None

        def excuse(error: BaseException | None) -> Verdict:
            self._failed[msg.obj] = error
            return "pass"

        if isinstance(operation, Operation):
            operation.recover(excuse)
        return operation

    async def _read(self, msg: MsgLike, call: Call) -> Mapping[str, Any]:
        if msg.obj in self._failed:
            return await self._made_up(msg, call, failure("trigger", msg.obj, self._failed.pop(msg.obj)))
        try:
            return await call(msg)
        except OperationFailedError as error:
            return await self._made_up(msg, call, error)

    async def _made_up(self, msg: MsgLike, call: Call, error: OperationFailedError) -> Mapping[str, Any]:
        """Put what is no measurement into the open event, if there is one, and say so."""
        branch = here()
        bundle, run = branch.bundles.get(msg.run), branch.execution.runs.get(msg.run)
        keys = await call(Msg("describe", msg.obj))
        if any("external" in key for key in keys.values()) or (bundle is not None and msg.obj in bundle.devices):
            raise error
        made = {name: _nothing(key, str(error)) for name, key in keys.items()}
        if bundle is not None and run is not None:
            bundle.add(msg.obj, made)
            run.note("alarms", device=name_of(msg.obj), where=bundle.stream, message=str(error))
        return made


def _nothing(key: Mapping[str, Any], why: str) -> dict[str, Any]:
    value = math.nan if key["dtype"] == "number" else None
    return {"value": value, "timestamp": time.time(), "alarm_severity": INVALID, "message": why}


def nan_and_continue(devices: Collection[Any]) -> NanAndContinue:
    """Make middleware that lets the run go on when an exposure or a reading of these devices fails.

    Its points are read one device after the other.

    Args:
        devices: Whose readings may be missing.
    """
    return NanAndContinue(devices)
