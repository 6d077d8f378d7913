"""A TaskGroup whose failure is raised as itself, so that it can be caught by its type."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, cast


@asynccontextmanager
async def task_scope() -> AsyncGenerator[asyncio.TaskGroup]:
    """Open a TaskGroup; the first failure of its tasks or of the block is raised as itself, others are its notes."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as failures:
        first, *others = _leaves(failures)
        for other in others:
            first.add_note(f"at the same time: {other!r}")
        raise first from None


def _leaves(failure: BaseException) -> list[BaseException]:
    if not isinstance(failure, BaseExceptionGroup):
        return [failure]
    inner = cast("BaseExceptionGroup[BaseException]", failure).exceptions
    return [leaf for each in inner for leaf in _leaves(each)]


async def together(*works: Awaitable[Any]) -> None:
    """Wait for all; the first failure cancels the others."""
    async with task_scope() as group:
        for work in works:
            group.create_task(_awaited(work))


def _awaited(work: Awaitable[Any]) -> Coroutine[Any, Any, None]:
    async def wait() -> None:
        await work

    return wait()
