"""Stubs that make events by hand, and streams."""

from typing import Any

from ..dispatch import dispatch
from ..documents import Document
from ..kinship import separate
from ..messages import Msg


async def create(name: str = "primary") -> None:
    """Begin an event of stream `name`: what is read until `save` goes into it."""
    await dispatch(Msg("create", None, (), {"name": name}))


async def save() -> None:
    """End the event and put it into the run."""
    await dispatch(Msg("save"))


async def drop() -> None:
    """Forget the event that was begun."""
    await dispatch(Msg("drop"))


async def declare_stream(*objs: Any, name: str, collect: bool = False) -> Document:
    """Announce stream `name` before its data; gives its descriptor."""
    declared = await dispatch(Msg("declare_stream", None, tuple(separate(objs)), {"name": name, "collect": collect}))
    return declared[0]


async def monitor(obj: Any, *, name: str | None = None, **kwargs: Any) -> None:
    """Make an event of every change of a device, in stream `name`, until unmonitor or the end of the run.

    Further keywords go to the device's `subscribe`.
    """
    await dispatch(Msg("monitor", obj, (), {"name": name, **kwargs}))


async def unmonitor(obj: Any) -> None:
    """Monitor a device no more."""
    await dispatch(Msg("unmonitor", obj))
