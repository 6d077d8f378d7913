"""What is done to devices when a plan has ended."""

import asyncio
import inspect
import logging
from collections.abc import Sequence
from typing import Any

from ..async_devices.protocols import DISPATCH
from .operation import name_of

log = logging.getLogger(__name__)


async def stop_devices(devices: Sequence[Any], *, within: float, success: bool = False) -> list[str]:
    """Stop all devices in parallel; give the names of those that could not be stopped.

    Args:
        devices: Those without a `stop` are passed over.
        within: Seconds that each is given.
        success: Whether that is in order (a pause), or something went wrong.
    """
    stoppable = [device for device in devices if callable(getattr(device, "stop", None))]
    return await _each("stop", stoppable, within, success=success)


async def unstage_devices(devices: Sequence[Any], *, within: float) -> list[str]:
    """Unstage what a plan left staged, in parallel; give the names of those that failed."""
    return await _each("unstage", devices, within)


async def _each(verb: str, devices: Sequence[Any], within: float, **kwargs: Any) -> list[str]:
    if not devices:
        return []
    token = DISPATCH.set(None)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_one(verb, device, within, kwargs)) for device in devices]
    finally:
        DISPATCH.reset(token)
    return [name_of(device) for device, task in zip(devices, tasks, strict=True) if not task.result()]


async def _one(verb: str, device: Any, within: float, kwargs: dict[str, Any]) -> bool:
    try:
        async with asyncio.timeout(within):
            await settled(getattr(device, verb)(**kwargs))
    except TimeoutError:
        log.error("%s of %s took longer than %.3g s; look after it yourself", verb, name_of(device), within)
    except Exception:  # boundary: one device that fails must not keep the others from being stopped
        log.exception("%s of %s failed; look after it yourself", verb, name_of(device))
    else:
        return True
    return False


async def settled(result: Any) -> None:
    """Wait for what a device verb gave, be it a coroutine, a Status of any make, or nothing to wait for."""
    if inspect.isawaitable(result):
        await result
    elif hasattr(result, "add_callback"):
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def called(_: object) -> None:
            loop.call_soon_threadsafe(done.set)

        result.add_callback(called)
        await done.wait()
        error = result.exception()
        if error is not None:
            raise error
