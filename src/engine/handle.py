"""A plan that was started: to be awaited, looked at and ended."""

import asyncio
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .errors import Interruption, RequestAbort, RequestStop

if TYPE_CHECKING:
    from .execution import Execution

T = TypeVar("T")


class Handle(Generic[T]):
    """A running plan. Awaiting it gives the plan's value; a cancelled await leaves the plan running."""

    def __init__(self, execution: "Execution", task: asyncio.Task[T]) -> None:
        self._execution = execution
        self._task = task

    def __await__(self) -> Generator[Any, None, T]:
        return asyncio.shield(self._task).__await__()

    @property
    def done(self) -> bool:
        """Whether it has ended, in whatever way, and all is tidied up."""
        return self._task.done()

    @property
    def run_uids(self) -> tuple[str, ...]:
        """The runs it has opened, in order."""
        return tuple(self._execution.uids)

    async def abort(self, reason: str = "") -> None:
        """End it as aborted and wait until all is tidied up; called again meanwhile, its clean-up is cut short."""
        await self._end(RequestAbort(reason))

    async def stop(self, reason: str = "") -> None:
        """End it as successful and wait until all is tidied up."""
        await self._end(RequestStop(reason))

    def interrupt(self, interruption: Interruption) -> None:
        """Ask it to end, and do not wait."""
        self._execution.interrupt(interruption)

    async def _end(self, interruption: Interruption) -> None:
        self._execution.interrupt(interruption)
        await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.exception()  # whoever ends a plan need not await it as well to be rid of a warning

    def __repr__(self) -> str:
        return f"<Handle of {self._execution.plan_name}: {'ended' if self.done else 'running'}>"
