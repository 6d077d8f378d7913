"""Several waits at once, with the first error as itself.

A TaskGroup ends what is left when one of its tasks fails, which is right, and wraps the error in a group, which a
caller of a device cannot catch by type. These two take the first error out of it again.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar, cast

T = TypeVar("T")


async def together(*work: Coroutine[Any, Any, T]) -> list[T]:
    """Run all of them at once and give their results in order.

    Raises:
        BaseException: The first error of any of them; the others are cancelled.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coro) for coro in work]
    except BaseExceptionGroup as errors:
        raise _first(errors) from None
    return [task.result() for task in tasks]


async def alongside(main: Coroutine[Any, Any, T], companion: Coroutine[Any, Any, None]) -> T:
    """Run `companion` for as long as `main` runs, and give what `main` gives.

    Raises:
        BaseException: The first error of either; the other is cancelled.
    """
    try:
        async with asyncio.TaskGroup() as group:
            beside = group.create_task(companion)
            result = await main
            beside.cancel()
    except BaseExceptionGroup as errors:
        raise _first(errors) from None
    finally:
        main.close()
    return result


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = errors.exceptions[0]
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error
