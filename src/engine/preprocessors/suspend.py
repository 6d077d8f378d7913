"""Suspenders that are installed as long as a plan lasts."""

from collections.abc import Iterable
from typing import Any, cast

from ..stubs import install_suspender, remove_suspender
from .decorator import decorator_of
from .wrapped import Inner, Wrapped


def suspend_wrapper(plan: Any, suspenders: Any) -> Wrapped:
    """Have the plan rest for `suspenders`, one or several, and no other plan."""
    several = list(cast("Iterable[Any]", suspenders)) if isinstance(suspenders, Iterable) else [suspenders]

    async def around(inner: Inner) -> Any:
        installed: list[Any] = []
        try:
            for suspender in several:
                await install_suspender(suspender)
                installed.append(suspender)
            return await inner()
        finally:
            for suspender in installed:
                await remove_suspender(suspender)

    return Wrapped(plan, around)


suspend_decorator = decorator_of(suspend_wrapper)
