"""Stubs that trigger, read and configure devices."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from ..dispatch import dispatch
from ..documents import Document
from ..kinship import hinted_fields, separate
from ..messages import Msg
from ..operation import Operation, name_of


async def read(obj: Any) -> Mapping[str, Any]:
    """Read a device; between create and save, into the event."""
    return await dispatch(Msg("read", obj))


async def rd(obj: Any, *, default_value: Any = 0) -> Any:
    """Give the one value of a device: its position if it can be located, else its hinted or only field.

    `default_value` is bluesky's, for plans that are gone through without an engine; no answer of ours is ever lost, so
    that it never takes a reading's place.

    Raises:
        ValueError: It has several, and no single one is hinted.
    """
    del default_value
    if hasattr(obj, "locate"):
        return (await dispatch(Msg("locate", obj)))["readback"]
    reading = await read(obj)
    fields = hinted_fields(obj) or list(reading)
    if len(fields) != 1:
        msg = f"rd({name_of(obj)}): expected one value, seen {fields}; read one of its parts, or use `read`"
        raise ValueError(msg)
    return reading[fields[0]]["value"]


async def trigger(obj: Any, *, group: Hashable | None = None, wait: bool = False) -> Operation:
    """Have a device take one measurement; gives an operation to await, unless `wait` does that already."""
    operation: Operation = await dispatch(Msg("trigger", obj, (), {"group": group}))
    if wait:
        await operation
    return operation


async def trigger_and_read(devices: Sequence[Any], name: str = "primary") -> Document:
    """Take a point: trigger all, read all at once, and make one event of stream `name` if a run is open.

    Gives the readings.
    """
    return await dispatch(Msg("trigger_and_read", None, (separate(devices),), {"name": name}))


async def configure(obj: Any, *args: Any, **kwargs: Any) -> Any:
    """Configure a device; gives its configuration before and after."""
    return await dispatch(Msg("configure", obj, args, kwargs))
