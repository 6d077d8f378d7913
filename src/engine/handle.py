"""A plan that was started: to be awaited, looked at and ended."""

import asyncio
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .errors import Interruption, RequestAbort, RequestStop, RunPaused

if TYPE_CHECKING:
    from .execution import Execution

T = TypeVar("T")


class Handle(Generic[T]):
    """A running plan. Awaiting it gives the plan's value; a cancelled await leaves the plan running.

    Attributes:
        task: The task that runs it and tidies up.
    """

    def __init__(self, execution: "Execution", task: asyncio.Task[T], *, end: Callable[[Interruption], None]) -> None:
        self._execution = execution
        self._end = end
        self.task = task
        self._paused: asyncio.Future[str] | None = None

    def __await__(self) -> Generator[Any, None, T]:
        return asyncio.shield(self.task).__await__()

    async def outcome(self) -> T:
        """Give the plan's value, as awaiting the handle does.

        Raises:
            RunPaused: The plan is paused, by somebody who wants to know.
        """
        paused: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._execution.surface = lambda reason: None if paused.done() else paused.set_result(reason)
        await asyncio.wait({self.task, paused}, return_when=asyncio.FIRST_COMPLETED)
        if self.task.done():
            return self.task.result()
        self.task.add_done_callback(_heard)  # it may never be awaited again
        raise RunPaused(self, self._execution.engine.last if self._execution.uids else None, paused.result())

    @property
    def done(self) -> bool:
        """Whether it has ended, in whatever way, and all is tidied up."""
        return self.task.done()

    @property
    def run_uids(self) -> tuple[str, ...]:
        """The runs it has opened, in order."""
        return tuple(self._execution.uids)

    async def abort(self, reason: str = "") -> None:
        """End it as aborted and wait until all is tidied up; called again meanwhile, its clean-up is cut short."""
        await self.end(RequestAbort(reason))

    async def stop(self, reason: str = "") -> None:
        """End it as successful and wait until all is tidied up."""
        await self.end(RequestStop(reason))

    def interrupt(self, interruption: Interruption) -> None:
        """Ask it to end, and do not wait."""
        self._end(interruption)

    async def end(self, interruption: Interruption) -> None:
        """Ask it to end, and wait until all is tidied up."""
        self._end(interruption)
        await asyncio.wait({self.task})
        if not self.task.cancelled():
            self.task.exception()  # whoever ends a plan need not await it as well to be rid of a warning

    def __repr__(self) -> str:
        return f"<Handle of {self._execution.plan_name}: {'ended' if self.done else 'running'}>"


def _heard(task: "asyncio.Task[Any]") -> None:
    """Take note of how a plan has ended that was paused: its stop document says it."""
    if not task.cancelled():
        task.exception()
