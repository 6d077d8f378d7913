"""Devices that are staged as long as a plan lasts."""

from collections.abc import Iterable
from typing import Any

from ..kinship import roots
from ..stubs import staged
from .decorator import decorator_of
from .wrapped import Inner, Wrapped


def stage_wrapper(plan: Any, devices: Iterable[Any]) -> Wrapped:
    """Stage the outermost devices that `devices` are part of before the plan, and unstage them after it."""
    outermost = roots(devices)

    async def around(inner: Inner) -> Any:
        async with staged(*outermost):
            return await inner()

    return Wrapped(plan, around)


stage_decorator = decorator_of(stage_wrapper)
