"""Waiting on libraries that lose a cancellation.

Before Python 3.12 `asyncio.wait_for`, which aioca uses for every get and put, swallows a cancellation that arrives
in the same turn of the loop as the result: the task goes on as if nobody had asked it to end, and whoever waits for
its end hangs. The task still counts the request (`Task.cancelling`), so that it can be made good.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def keep_cancellation(work: Awaitable[T]) -> T:
    """Await `work`; raise the cancellation of this task that came meanwhile and was swallowed.

    Raises:
        CancelledError: This task was cancelled while it waited.
    """
    task = asyncio.current_task()
    requests = task.cancelling() if task is not None else 0
    value = await work
    if task is not None and task.cancelling() > requests:
        raise asyncio.CancelledError
    return value
