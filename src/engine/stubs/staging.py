"""Stubs that make devices ready for a run, and undo it."""

import uuid
from collections.abc import AsyncGenerator, Hashable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from ..dispatch import dispatch
from ..messages import Msg
from ..operation import Operation
from .control import wait as wait_group


async def stage(obj: Any, *, group: Hashable | None = None, wait: bool | None = None) -> Any:
    """Make a device ready for a run. A device that needs no staging gives [].

    Args:
        obj: The device.
        group: To wait for it with.
        wait: Whether to wait until it is; by default, unless there is a group.
    """
    return await _staged("stage", obj, group, wait=wait)


async def unstage(obj: Any, *, group: Hashable | None = None, wait: bool | None = None) -> Any:
    """Undo `stage`."""
    return await _staged("unstage", obj, group, wait=wait)


async def _staged(verb: str, obj: Any, group: Hashable | None, *, wait: bool | None) -> Any:
    result = await dispatch(Msg(verb, obj, (), {"group": group}))
    if isinstance(result, Operation) and (group is None if wait is None else wait):
        await result
    return result


async def stage_all(*args: Any, group: Hashable | None = None) -> None:
    """Make devices ready, all at once, and wait for them."""
    await _all_staged("stage", args, group)


async def unstage_all(*args: Any, group: Hashable | None = None) -> None:
    """Undo `stage_all`."""
    await _all_staged("unstage", args, group)


async def _all_staged(verb: str, devices: Sequence[Any], group: Hashable | None) -> None:
    group = group or f"{verb}-{uuid.uuid4().hex[:8]}"
    for device in devices:
        await dispatch(Msg(verb, device, (), {"group": group}))
    await wait_group(group)


@asynccontextmanager
async def staged(*devices: Any) -> AsyncGenerator[None, None]:
    """Have devices staged inside the `async with`, and unstaged after it whatever happens."""
    try:
        await stage_all(*devices)
        yield
    finally:
        await unstage_all(*reversed(devices))
