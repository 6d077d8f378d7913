"""A run around a plan."""

from collections.abc import Mapping
from typing import Any

from ..stubs import run
from .decorator import decorator_of
from .wrapped import Inner, Wrapped


def run_wrapper(plan: Any, *, md: Mapping[str, Any] | None = None) -> Wrapped:
    """Open a run with metadata `md`, perform the plan, and close it as it is true; gives the run's uid."""

    async def around(inner: Inner) -> str:
        async with run(md) as opened:
            await inner()
        return opened.uid

    return Wrapped(plan, around)


run_decorator = decorator_of(run_wrapper)
