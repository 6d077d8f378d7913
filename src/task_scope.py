"""TaskGroups whose failure is raised as itself.

A TaskGroup ends what is left when one of its tasks fails, which is right, and wraps the error in a group, which a
caller cannot catch by its type. Here the first failure in time comes out of the group as it was raised, with its cause;
others that came at the same time are its notes.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

T = TypeVar("T")


@asynccontextmanager
async def task_scope() -> AsyncGenerator[asyncio.TaskGroup]:
    """Open a TaskGroup for the length of the block.

    Raises:
        BaseException: The first failure of a task or of the block.
    """
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as failures:
        first = _first(failures)
        raise first from first.__cause__


async def together(*works: Awaitable[T]) -> list[T]:
    """Wait for all at once and give their results in order.

    Raises:
        BaseException: The first failure of any of them; the others are cancelled.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_coroutine(work)) for work in works]
    except BaseExceptionGroup as failures:
        first = _first(failures)
        raise first from first.__cause__
    return [task.result() for task in tasks]


async def alongside(main: Coroutine[Any, Any, T], companion: Coroutine[Any, Any, None]) -> T:
    """Run `companion` for as long as `main` runs, and give what `main` gives.

    Raises:
        BaseException: The first failure of either; the other is cancelled.
    """
    try:
        async with task_scope() as group:
            beside = group.create_task(companion)
            result = await main
            beside.cancel()
    finally:
        main.close()
    return result


def _coroutine(work: Awaitable[T]) -> Coroutine[Any, Any, T]:
    return cast("Coroutine[Any, Any, T]", work) if asyncio.iscoroutine(work) else awaited(work)


async def awaited(work: Awaitable[T]) -> T:
    """Make a coroutine of anything that can be awaited, for a task to run."""
    return await work


def _first(failures: BaseException) -> BaseException:
    first, *others = _leaves(failures)
    for other in others:
        first.add_note(f"at the same time: {other!r}")
    return first


def _leaves(failure: BaseException) -> list[BaseException]:
    if not isinstance(failure, BaseExceptionGroup):
        return [failure]
    inner = cast("BaseExceptionGroup[BaseException]", failure).exceptions
    return [leaf for each in inner for leaf in _leaves(each)]
