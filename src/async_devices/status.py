"""Something under way: awaitable, and a bluesky Status in one.

A verb that takes time returns a Status synchronously. `await status` waits for its end and raises its error; bluesky's
engine, or any other, uses `add_callback`, `done`, `success` and `exception` instead. Awaiting is owning: a cancelled
`await status` cancels the work behind it, so that a deadline around a move leaves no task behind. That ends the
*waiting*: what stops the hardware is the device's `stop`, which is its engine's business. An engine that must not own
it waits by `add_callback`.

It may be awaited in any loop. Where the work is in another one, progress and callbacks come from there.

A Status made finished (`Status.finished()`) has no task at all: a soft axis costs a microsecond, not a trip round the
loop.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future
from typing import Any, NamedTuple

from ..task_owner import TaskOwner
from .loops import bridged, running_loop


class Progress(NamedTuple):
    """How far something is. `None` is what cannot be said.

    Attributes:
        name: Of what moves or counts.
        current: Where it is, in `unit`.
        initial: Where it began.
        target: Where it will end.
        unit: Of the three above.
        precision: Digits after the point worth showing.
        fraction: Done so far, 0 to 1.
        time_elapsed: Seconds since it began.
        time_remaining: Seconds until it should end.
    """

    name: str
    current: Any = None
    initial: Any = None
    target: Any = None
    unit: str | None = None
    precision: int | None = None
    fraction: float | None = None
    time_elapsed: float | None = None
    time_remaining: float | None = None


Report = Callable[[Progress], None]
Watcher = Callable[..., None]


class Status:
    """The state of something under way."""

    __slots__ = ("_callbacks", "_error", "_future", "_owner", "_progress", "_watchers", "name")

    def __init__(
        self,
        work: Coroutine[Any, Any, Any] | asyncio.Future[Any] | Future[Any],
        *,
        name: str = "",
        owner: TaskOwner | None = None,
    ) -> None:
        """Follow `work`; a coroutine is started now, in a task of `owner` or of this Status.

        Args:
            work: A coroutine, or a task or future that runs already, in this loop or in another thread.
            name: What is under way, for messages.
            owner: Ends the task when it is closed (a device at disconnect).
        """
        self._begin(name)
        if not isinstance(work, asyncio.Future | Future):
            self._owner = owner or TaskOwner(name or "status")
            work = self._owner.start(work, name=name)
        self._future = work
        work.add_done_callback(self._ended)

    def _begin(self, name: str) -> None:
        self.name = name
        self._callbacks: list[Callable[[Status], None]] = []
        self._watchers: list[Watcher] = []
        self._progress: Progress | None = None
        self._error: BaseException | None = None
        self._owner: TaskOwner | None = None
        self._future: asyncio.Future[Any] | Future[Any] | None = None

    @classmethod
    def finished(cls, error: BaseException | None = None, *, name: str = "") -> "Status":
        """A Status that is done already, with success unless `error` is given."""
        status = cls.__new__(cls)
        status._begin(name)  # noqa: SLF001  # our own class
        status._error = error  # noqa: SLF001
        return status

    @classmethod
    def reporting(
        cls,
        work: Callable[[Report], Coroutine[Any, Any, Any]],
        *,
        name: str = "",
        owner: TaskOwner | None = None,
    ) -> "Status":
        """Start `work(report)`; every Progress that it reports reaches the watchers of this Status."""
        reports: list[Status] = []

        def report(progress: Progress) -> None:
            for status in reports:
                status.report(progress)

        status = cls(work(report), name=name, owner=owner)
        reports.append(status)
        return status

    @property
    def done(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._future is None or self._future.done()

    @property
    def success(self) -> bool:
        """Whether it has ended well."""
        return self.done and self.exception() is None

    def exception(self, timeout: float | None = 0.0) -> BaseException | None:
        """What it failed with; None if it ended well or has not ended.

        Args:
            timeout: Taken for bluesky's sake. Never waits: waiting is `await status`.
        """
        del timeout
        future = self._future
        if future is None:
            return self._error
        if not future.done():
            return None
        if future.cancelled():
            return asyncio.CancelledError(f"{self.name or 'the operation'} was cancelled")
        return future.exception()

    def add_callback(self, callback: "Callable[[Status], None]") -> None:
        """Call `callback(status)` once it has ended: now, if it has."""
        if self.done:
            callback(self)
        else:
            self._callbacks.append(callback)

    def watch(self, watcher: Watcher) -> None:
        """Call `watcher` with the fields of Progress as keywords, on every report and now with the last one."""
        self._watchers.append(watcher)
        if self._progress is not None:
            watcher(**self._progress._asdict())

    def report(self, progress: Progress) -> None:
        """Tell the watchers how far it is."""
        self._progress = progress
        for watcher in self._watchers:
            watcher(**progress._asdict())

    @property
    def progress(self) -> Progress | None:
        """The last report."""
        return self._progress

    def cancel(self) -> None:
        """Cancel the work. Does not stop the hardware: that is the device's `stop`."""
        if self._future is not None:
            self._future.cancel()

    def __await__(self) -> Generator[Any, None, None]:
        future = self._future
        if isinstance(future, Future):
            yield from asyncio.wrap_future(future).__await__()
        elif future is not None:
            home = future.get_loop()
            if future.done() or home is running_loop():
                yield from _result(future).__await__() if future.done() else future.__await__()
            else:
                yield from bridged(home, lambda: _result(future), name=self.name).__await__()
        elif self._error is not None:
            raise self._error

    def _ended(self, _: object) -> None:
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(self)

    def __repr__(self) -> str:
        state = "under way" if not self.done else "succeeded" if self.success else f"failed: {self.exception()!r}"
        return f"<Status {self.name or 'unnamed'} {state}>"


async def _result(future: asyncio.Future[Any]) -> Any:
    return future.result() if future.done() else await future
