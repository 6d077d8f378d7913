"""Operations in flight, and who waits for them.

Theory of operation. A device answers `set`, `trigger` and the like with a Status. The plan never awaits that Status
itself: it waits on a future that the engine owns (`Pending.until`), which the Status completes. So a stop or an abort
can fail what the plan waits for at once, without cancelling a task of the plan and without cancelling the device's own
work, which is then stopped by the device's `stop`. Coroutine verbs (`read`, `locate`) run in a task of the engine for
the same reason; that task is cancelled when its waiter is failed.

    device Status ──done──► future ──► plan's await        normal
    abort ──RequestAbort──► future ──► plan's await        interrupted; the late Status finds the future done
    pause ──hold──► device stops, its Status ends unheeded; resume ──reissue──► new Status ──► the same future
"""

import asyncio
import threading
from collections.abc import Callable, Collection, Generator, Sequence
from typing import Any, Literal, TypeVar

from .branch import Branch
from .errors import Interruption, OperationFailedError, Rewind
from .step import STEP, Step

T = TypeVar("T")

Watcher = Callable[..., None]

Verdict = Literal["raise", "again", "pass"]
"""What becomes of a failure: whoever awaits it gets it, the device is asked once more, or it is excused."""

Judge = Callable[[BaseException | None], Verdict]


def name_of(obj: Any) -> str:
    """Name a device for a message to the user."""
    return str(getattr(obj, "name", "") or repr(obj))


def failure(verb: str, obj: Any, cause: BaseException | None) -> OperationFailedError:
    """Make the error that says which operation `cause` has failed."""
    reason = f"{type(cause).__name__}: {cause}" if cause is not None else "its Status says so, without a reason"
    error = OperationFailedError(f"{verb} of {name_of(obj)} failed: {reason}")
    error.__cause__ = cause
    return error


class Pending:
    """The futures that plans wait on; a stop or an abort fails them all."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[Any], tuple[Branch, Step[Any] | None]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    async def result(self, branch: Branch, task: asyncio.Task[Any]) -> Any:
        """Wait for a task that performs a coroutine verb; cancelled or interrupted, the task is cancelled too."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task.add_done_callback(lambda _: None if future.done() else future.set_result(None))
        try:
            await self.until(branch, future)
        except BaseException:
            task.cancel()
            raise
        return task.result()

    async def results(self, branch: Branch, tasks: Sequence[asyncio.Task[Any]]) -> list[Any]:
        """Wait for tasks that perform a coroutine verb, and give their results in order; see `result`.

        Raises:
            BaseException: Of the first that fails, in time; the others are cancelled, and have ended then.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        left, failed = set(tasks), list[asyncio.Task[Any]]()

        def ended(task: asyncio.Task[Any]) -> None:
            left.discard(task)
            if task.cancelled() or task.exception() is not None:
                failed.append(task)
                for other in left:
                    other.cancel()
            if not left and not future.done():
                future.set_result(None)

        for task in tasks:
            task.add_done_callback(ended)
        try:
            await self.until(branch, future)
        except BaseException:
            for task in left:
                task.cancel()
            raise
        return [task.result() for task in (*failed[:1], *tasks)]  # of one that has failed, it is raised

    async def until(self, branch: Branch, future: asyncio.Future[None]) -> None:
        """Wait for a future of the engine's.

        Raises:
            Interruption: The plan is to end.
            Rewind: The step that this belongs to is to be taken again.
        """
        self._waiting[future] = branch, STEP.get()
        try:
            await future
        finally:
            del self._waiting[future]

    def fail_all(self, interruption: Interruption) -> int:
        """Raise `interruption` at every operation that is waited for.

        Gives at how many of them the plan really waits: the Status of a device verb may be awaited by nobody.
        """
        waiting = [(future, branch) for future, (branch, _) in self._waiting.items() if not future.done()]
        for future, branch in waiting:
            branch.tell()
            future.set_exception(interruption)
        return sum(branch.is_awaited for _, branch in waiting)

    def rewind(self, steps: Collection[Step[Any]]) -> None:
        """Raise Rewind at every operation of these steps, but not in branches that know of it: they unwind."""
        due = [
            (future, branch, step)
            for future, (branch, step) in self._waiting.items()
            if step is not None and step in steps and not future.done() and not step.has_told(branch)
        ]
        for future, branch, step in due:
            step.tell(branch)
            future.set_exception(Rewind(step))


class Operation:
    """A device's Status as the plan gets it: awaitable, and with the methods of bluesky's Status protocol.

    Awaiting it gives None when the device has done what was asked.

    Attributes:
        again: Asks the device for the same once more and gives its new Status; None for what is never asked twice.
        step: That it was asked for in, if any.
        held: Whether a pause has stopped the device and `reissue` is still to come.
        claimed: Whether its failure, if any, has reached the plan.

    Raises:
        OperationFailedError: When awaited: the device failed; `__cause__` is its own error.
    """

    __slots__ = (
        "_branch",
        "_callbacks",
        "_failure",
        "_judge",
        "_repeat",
        "_status",
        "_thread",
        "_waiters",
        "_watchers",
        "again",
        "claimed",
        "held",
        "obj",
        "step",
        "verb",
    )

    def __init__(
        self, branch: Branch, status: Any, *, verb: str, obj: Any, again: Callable[[], Any] | None = None
    ) -> None:
        self._branch = branch
        self._status = status
        self._thread = 0
        self._waiters: set[asyncio.Future[None]] = set()
        self._callbacks: list[Callable[[Any], None]] = []
        self._watchers: list[Watcher] = []
        self._failure: BaseException | None = None
        self._judge: Judge | None = None
        self._repeat: Callable[[], Any] | None = None
        self.again = again
        self.held = False
        self.step = STEP.get()
        self.verb = verb
        self.obj = obj
        self.claimed = False

    def __repr__(self) -> str:
        state = "failed" if self.failed else "done" if self.done else "in flight"
        return f"<{self.verb} of {name_of(self.obj)}: {state}>"

    @property
    def done(self) -> bool:
        """Whether the device has ended, well or not."""
        return not self.held and (self._failure is not None or bool(self._status.done))

    @property
    def success(self) -> bool:
        """Whether the device has ended well."""
        return not self.held and self._failure is None and bool(self._status.success)

    @property
    def failed(self) -> bool:
        """Whether the device has ended, and not well."""
        return self.done and not self.success

    def exception(self, timeout: float | None = 0.0) -> BaseException | None:
        """Give the device's own error, or None."""
        if self._failure is not None:
            return self._failure
        return None if self.held else self._status.exception(timeout)

    def add_callback(self, callback: Callable[[Any], None]) -> None:
        """Have `callback(self)` called when the device has ended."""
        if self.done:
            callback(self)
        else:
            self._callbacks.append(callback)
            self._follow()

    def discard_callback(self, callback: Callable[[Any], None]) -> None:
        """Call it no more."""
        if callback in self._callbacks:
            self._callbacks.remove(callback)

    def watch(self, watcher: Watcher) -> None:
        """Have `watcher` called with the progress, if the device reports any."""
        self._watchers.append(watcher)
        _watch(self._status, watcher)

    def __await__(self) -> Generator[Any, None, None]:
        return self._settle().__await__()

    async def _settle(self) -> None:
        self.claimed = True
        while True:
            while not self.done:
                await self._ended()
            if self.success or await self._recovered() == "pass":
                return

    async def _recovered(self) -> Verdict:
        """Judge the failure, and have the device asked once more if that is the verdict.

        Raises:
            OperationFailedError: Nobody recovers from it.
        """
        error = self._failure if self._failure is not None else self._status.exception()
        ending = self._branch.execution.ending
        verdict: Verdict = "raise" if self._judge is None or ending else self._judge(error)
        if verdict == "raise":
            raise failure(self.verb, self.obj, error)
        if verdict == "again" and self._repeat is not None:
            await self._branch.execution.freezer.gate.passage(self._branch)
            self._failure, self._thread = None, 0
            self._status = self._repeat()
            for watcher in self._watchers:
                _watch(self._status, watcher)
        return verdict

    def recover(self, judge: Judge, *, again: Callable[[], Any] | None = None) -> None:
        """Have `judge(error)` say what becomes of a failure when it is awaited.

        Args:
            judge: Gives the verdict.
            again: Asks the device for the same once more and gives its new Status.
        """
        self._judge, self._repeat = judge, again

    async def _ended(self) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(future)
        self._follow()
        try:
            await self._branch.execution.pending.until(self._branch, future)
        finally:
            self._waiters.discard(future)

    def _follow(self) -> None:
        """Have the status call back: once, however often it is waited for with a timeout."""
        if self._thread or self.held:
            return
        loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        status = self._status

        def called(_: object) -> None:
            # ophyd's statuses call back from threads of their own.
            if threading.get_ident() == self._thread:
                self._finish(status)
            else:
                loop.call_soon_threadsafe(self._finish, status)

        status.add_callback(called)

    def _finish(self, status: Any) -> None:
        if self.held or status is not self._status:
            return
        for future in self._waiters:
            if not future.done():
                future.set_result(None)
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(self)

    # A pause.

    def hold(self) -> Any:
        """Heed what the device says no more, as it is about to be stopped; gives its present Status."""
        self.held = True
        return self._status

    def release(self) -> None:
        """Heed it again: it could not be stopped."""
        self.held = False
        if self._waiters or self._callbacks:
            self._thread = 0
            self._follow()

    def reissue(self) -> None:
        """Ask the device for the same once more, for the same waiters."""
        again = self.again
        self.held, self._thread = False, 0
        try:
            self._status = self._status if again is None else again()
        except OperationFailedError as error:
            self._failure = error.__cause__ or error
            self._finish(self._status)
            return
        for watcher in self._watchers:
            _watch(self._status, watcher)
        if self._waiters or self._callbacks:
            self._follow()

    def abandon(self) -> None:
        """Let it be over: the step that asked for it is taken again."""
        self.held, self.claimed = False, True


def _watch(status: Any, watcher: Watcher) -> None:
    watch = getattr(status, "watch", None)
    if watch is not None:
        watch(watcher)
