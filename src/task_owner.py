"""The one place that starts tasks outside a TaskGroup.

A `TaskGroup` is right wherever a block of code can wait for what it started. Three things cannot: an engine, a
connected device and a server start work in one call and end it in another. Each owns a `TaskOwner`; closing the owner
cancels and awaits everything that it started, so that nothing outlives what it served. No other code calls
`create_task`: the lint step checks it.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStatistics:
    """What a TaskOwner has done so far.

    Attributes:
        name: The owner's name.
        running: Tasks that have not ended.
        started: Tasks started since the owner was made.
    """

    name: str
    running: int
    started: int


class TaskOwnerClosedError(asyncio.InvalidStateError):
    """Something was to be started on an owner that has been closed."""


class TaskOwner:
    """Starts tasks, and cancels and awaits them all when it is closed."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: set[asyncio.Task[Any]] = set()
        self._started = 0
        self._closed = False

    def start(self, coro: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Start `coro` in the running loop as a task that this owner ends.

        Args:
            coro: What to run. It is closed unrun if the owner is closed already.
            name: What the task is called in a leak report.

        Raises:
            TaskOwnerClosedError: The owner has been closed.
        """
        if self._closed:
            coro.close()
            msg = f"{self._name} is closed: cannot start {name!r}; connect or open it again"
            raise TaskOwnerClosedError(msg)
        task = asyncio.get_running_loop().create_task(coro, name=f"{self._name}: {name}")
        self._tasks.add(task)
        self._started += 1
        task.add_done_callback(self._tasks.discard)
        return task

    async def aclose(self) -> None:
        """Cancel every task that still runs and wait until all have ended. May be called again."""
        self._closed = True
        current = asyncio.current_task()
        while tasks := {task for task in self._tasks if task is not current}:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def statistics(self) -> TaskStatistics:
        """Count what runs and what was started."""
        return TaskStatistics(name=self._name, running=len(self._tasks), started=self._started)
