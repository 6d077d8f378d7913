"""Where a device was last sent: what a relative move starts from, and what a plan returns it to."""

from typing import Any

from .dispatch import dispatch
from .kinship import hinted_fields
from .messages import Msg
from .operation import name_of


async def setpoint_of(device: Any) -> Any:
    """Give where a device was last sent, else where it is, in its own units.

    Raises:
        ValueError: It cannot say: it has several values and hints at none, or at several.
    """
    if hasattr(device, "locate"):
        return (await dispatch(Msg("locate", device)))["setpoint"]
    if hasattr(device, "position"):
        return device.position
    reading = await dispatch(Msg("read", device))
    fields = hinted_fields(device) or list(reading)[:1]
    if len(fields) != 1:
        msg = f"{name_of(device)} has no one position: seen {fields}; expected `locate`, `position` or one hint"
        raise ValueError(msg)
    return reading[fields[0]]["value"]
