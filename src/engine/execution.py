"""One plan being run: its operations, its runs, and how it ends.

Theory of operation. Two tasks: the plan's own, which performs every operation itself, and the supervisor's (`run`),
which waits for it and tidies up. A stop or an abort is level-triggered: `interrupt` sets `interruption`, fails what
the plan waits for, and every branch that has not been told yet is told at its next operation. A branch that has been
told is in its clean-up (`finally`, `async with`): its operations pass, for at most `cleanup_time`. A plan that waits
for something foreign (`asyncio.sleep`) has no operation to fail; its task is cancelled.

    running ──interrupt──► unwinding ──plan ends──► stopping devices ──► stop documents ──► over
                               └──cleanup_time passed, or a second interrupt: the plan's task is cancelled

Whatever the way, the order at the end is: the plan's `finally`, monitors off, devices stopped (only if the plan
failed or was ended), devices unstaged that the plan left staged, open runs closed. The stop document is the last
thing of a run.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from ..async_devices.protocols import DISPATCH
from ..task_owner import TaskOwner
from .branch import CURRENT, Branch
from .cleanup import stop_devices, unstage_devices
from .dispatch import Call, DeviceHook, through
from .errors import ExitStatus, Interruption, NotInPlanError, RequestHalt, UnknownCommandError, UnsupportedVerbError
from .freezer import Freezer
from .messages import MsgLike
from .notes import INTERRUPTIONS
from .operation import Operation, Pending, failure, name_of
from .scope import LAYERS
from .step import STEP, Step
from .transaction import discard, emit

if TYPE_CHECKING:
    from .open_run import OpenRun
    from .run_engine import RunEngine

T = TypeVar("T")

log = logging.getLogger(__name__)

BREATH = 0.002
"""Seconds after which a plan whose operations never wait lets the loop run."""

BREATH_CHECKS = 31
"""The clock is read once per this many operations plus one (a power of two less one)."""

RESTING = frozenset({"wait", "wait_for", "sleep", "checkpoint", "pause", "input", "inline"})
"""Commands that a pause does not wait for: they wait themselves."""

FLIGHT = frozenset({"kickoff", "complete"})

Body = Callable[[], Coroutine[Any, Any, Any]]


class Claimable(Protocol):
    """An operation that knows whether its failure has reached the plan."""

    claimed: bool

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        ...

    @property
    def failed(self) -> bool:
        """Whether it has ended, and not well."""
        ...


class Execution:
    """One plan being run.

    Attributes:
        owner: Owns every task that the plan's operations start.
        pending: What the plan waits for.
        runs: Open runs by key.
        touched: Devices that were prepared, set, triggered or kicked off.
        staged: Devices that were staged and not unstaged.
        interruption: The stop or abort request, once there is one.
        uids: Of all runs opened so far, in order.
        steps: That are entered.
        aloft: Flyers that were kicked off, each with its step and, once there is one, the operation that it ends with.
        active: Commands that are being carried out and have to finish before the plan is at rest.
        strays: Names of devices that may have written rows that nobody has read.
        attentive: Whether operations look at the gate, at their step and at a request to end.
        rewindable: Whether generator plans in it may be taken back to a checkpoint.
        surface: Tells whoever awaits the plan that it is paused.
        freezer: Pauses it.
    """

    def __init__(self, engine: "RunEngine", body: Body, *, plan_name: str, plan_type: str, md: dict[str, Any]) -> None:
        self.engine = engine
        self.plan_name = plan_name
        self.plan_type = plan_type
        self.md = md
        self.owner = TaskOwner(f"plan {plan_name}")
        self.pending = Pending()
        self.runs: dict[Hashable | None, OpenRun] = {}
        self.touched: dict[Any, None] = {}
        self.staged: dict[Any, None] = {}
        self.interruption: Interruption | None = None
        self.uids: list[str] = []
        self.subscriptions: list[int] = []
        self.steps: list[Step[Any]] = []
        self.aloft: dict[Any, tuple[Step[Any] | None, Operation | None]] = {}
        self.active: dict[object, MsgLike] = {}
        self.strays: set[str] = set()
        self.attentive = False
        self.rewindable = True
        self.surface: Callable[[str], None] = _nobody
        self.freezer = Freezer(self, engine.move)
        self._remembered: list[Claimable] = []
        self._remember_up_to = 256
        self._body = body
        self._task: asyncio.Task[Any] | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._count = 0
        self._breathed = 0.0
        self.ending = False
        self._over = False
        self._all_told = False

    # The plan's side.

    async def perform(self, branch: Branch, msg: MsgLike) -> Any:
        """Take one message through the middleware to its command, and give its result."""
        if self.attentive:
            await self._attend(branch, msg)
        self._count += 1
        if not self._count & BREATH_CHECKS:
            await self._breathe()
        layers = LAYERS.get()
        middleware = [*layers, *self.engine.middleware] if layers else self.engine.middleware
        if not middleware:
            return await self._execute(branch, msg)
        call: Call = partial(self._sent_on, branch)
        if len(middleware) > 1:
            call = through(middleware[1:], call)
        return await middleware[0](msg, call)

    def _sent_on(self, branch: Branch, msg: MsgLike) -> Coroutine[Any, Any, Any]:
        """Carry out what middleware sends on, which may come long after the message that it was given.

        No coroutine function itself: one more frame would add a tenth to the cost of a message.
        """
        return self._attended(branch, msg) if self.attentive else self._execute(branch, msg)

    async def _attended(self, branch: Branch, msg: MsgLike) -> Any:
        await self._attend(branch, msg)
        return await self._execute(branch, msg)

    async def _execute(self, branch: Branch, msg: MsgLike) -> Any:
        command = self.engine.commands.get(msg.command)
        if command is None:
            known = ", ".join(sorted(self.engine.commands))
            text = f"no command {msg.command!r}; known are {known}; RE.register_command adds one"
            raise UnknownCommandError(text)
        result = command(self, branch, msg)
        if type(result) is not CoroutineType:
            return result
        if msg.command in RESTING:
            return await cast(Awaitable[Any], result)
        ticket = object()
        self.active[ticket] = msg
        try:
            return await cast(Awaitable[Any], result)
        finally:
            del self.active[ticket]
            if self.attentive:
                self.freezer.noticed()

    async def _attend(self, branch: Branch, msg: MsgLike) -> None:
        if self.ending:
            self._refuse(branch, msg)
            return
        if not branch.exempt:
            await self.freezer.gate.passage(branch)
            self.freezer.told(branch)

    def _refuse(self, branch: Branch, msg: MsgLike) -> None:
        if self._over:
            what = f"{msg.command} of {name_of(msg.obj)}"
            text = f"{what}: plan {self.plan_name} has ended; start child tasks in a TaskGroup"
            raise NotInPlanError(text)
        halted = isinstance(self.interruption, RequestHalt)
        if self.interruption is not None and (halted or not (branch.told or self._all_told)):
            branch.tell()
            raise self.interruption

    async def _breathe(self) -> None:
        # A plan whose verbs never really wait would starve subscribers, Ctrl-C and every other task on this loop.
        now = time.monotonic()
        if now - self._breathed > BREATH:
            await asyncio.sleep(0)
            self._breathed = time.monotonic()

    def begin(self, branch: Branch, msg: MsgLike, kwargs: dict[str, Any]) -> Operation:
        """Start a verb that answers with a Status."""
        verb, obj = msg.command, msg.obj
        self.touched[obj] = None
        status = self.act(verb, obj, *msg.args, **kwargs)
        if not hasattr(status, "add_callback"):
            text = f"{verb} of {name_of(obj)} gave {status!r}; expected a Status (done, success, add_callback)"
            raise UnsupportedVerbError(text)
        again = partial(self.act, verb, obj, *msg.args, **kwargs) if verb == "set" else None
        operation = Operation(branch, status, verb=verb, obj=obj, again=again)
        if not operation.success:
            self.remember(operation)
        if verb in FLIGHT:
            self.aloft[obj] = operation.step, operation if verb == "complete" else None
        elif verb == "trigger" and operation.step is not None:
            operation.step.triggered.add(name_of(obj))
        return operation

    def act(self, verb: str, obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a device's method as outside a plan: the verbs that it calls in turn act at once.

        Raises:
            UnsupportedVerbError: There is no such method.
            OperationFailedError: It raised; `__cause__` is what it raised.
        """
        method = getattr(obj, verb, None)
        if method is None:
            text = f"{name_of(obj)} ({type(obj).__name__}) has no method {verb!r}, which the message {verb!r} needs"
            raise UnsupportedVerbError(text)
        token = DISPATCH.set(None)
        try:
            return method(*args, **kwargs)
        except Exception as error:  # boundary: whatever a device raises is named after its operation
            raise failure(verb, obj, error) from error
        finally:
            DISPATCH.reset(token)

    async def value(self, branch: Branch, verb: str, obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a device's method, sync or async, and give its value.

        Raises:
            OperationFailedError: It raised; `__cause__` is what it raised.
        """
        result = self.act(verb, obj, *args, **kwargs)
        if not hasattr(result, "__await__"):
            return result
        return await self.apart(branch, _awaited(verb, obj, result), name=f"{verb} of {name_of(obj)}")

    async def values(self, branch: Branch, verb: str, devices: Sequence[Any]) -> list[Any]:
        """Call the same method of several devices at once, and give the values in their order.

        Raises:
            OperationFailedError: Of the first that fails, in time; the others are cancelled.
        """
        if len(devices) == 1:
            return [await self.value(branch, verb, devices[0])]
        token = DISPATCH.set(None)
        try:
            tasks = [self.owner.start(self._one(verb, device), name=verb) for device in devices]
        finally:
            DISPATCH.reset(token)
        return await self.pending.results(branch, tasks) if tasks else []

    async def _one(self, verb: str, device: Any) -> Any:
        result = self.act(verb, device)
        return await _awaited(verb, device, result) if hasattr(result, "__await__") else result

    async def apart(self, branch: Branch, work: Coroutine[Any, Any, T], *, name: str) -> T:
        """Run `work` in a task of the engine, in which device verbs act at once, and wait for it.

        A stop or an abort ends the waiting at once, and cancels `work`.
        """
        token = DISPATCH.set(None)
        try:
            task = self.owner.start(work, name=name)
        finally:
            DISPATCH.reset(token)
        return await self.pending.result(branch, task)

    def note(self, interruption: str) -> None:
        """Put an interruption into every open run that records them."""
        for run in self.runs.values():
            if INTERRUPTIONS in run.notes:
                run.note(INTERRUPTIONS, interruption=interruption)

    async def quiet(self) -> None:
        """Stop every device that was prepared, set, triggered or kicked off so far."""
        await stop_devices(list(self.touched), within=self.engine.device_stop_time)
        self.touched.clear()

    def remember(self, operation: Claimable) -> None:
        """Watch an operation, so that a failure that nobody awaits is at least reported."""
        if len(self._remembered) >= self._remember_up_to:
            self._remembered = [one for one in self._remembered if not one.done or (one.failed and not one.claimed)]
            self._remember_up_to = max(256, 2 * len(self._remembered))
        self._remembered.append(operation)

    def limit(self, branch: Branch, seconds: float | None) -> AbstractAsyncContextManager[asyncio.Timeout]:
        """Limit an `async with` to seconds of the plan's time, which stands still in a pause."""
        return asyncio.timeout(seconds) if branch.exempt else self.freezer.clock.timeout(seconds)

    def in_flight(self) -> list[Operation]:
        """Give the operations of devices that have not ended."""
        return [one for one in self._remembered if isinstance(one, Operation) and not one.done]

    def leave(self, step: Step[Any]) -> None:
        """Take note that a step has ended: what it saved is emitted, or goes to the step around it."""
        self.steps.remove(step)
        self.freezer.look()
        if step.again:
            discard(step.entries)
            self.strays |= step.triggered
        if step.outer is None:
            emit(step.entries)
        else:
            step.outer.entries.extend(step.entries)
            step.outer.triggered |= step.triggered

    async def aside(self, plan: Callable[[], Awaitable[Any]]) -> Any:
        """Run a plan beside the one that is paused; its operations pass the gate."""
        return await self.owner.start(self._aside(plan), name="a plan beside the paused one")

    async def _aside(self, plan: Callable[[], Awaitable[Any]]) -> Any:
        branch = Branch(self, asyncio.current_task())
        branch.exempt = True
        CURRENT.set(branch)
        STEP.set(None)
        LAYERS.set(())
        DISPATCH.set(DeviceHook())
        return await plan()

    # The engine's side.

    def interrupt(self, interruption: Interruption) -> None:
        """Ask the plan to end. A second request cuts its clean-up short."""
        self.ending = True
        self.freezer.look()
        if self._task is None or self._task.done():
            self.interruption = self.interruption or interruption
            return
        if self.interruption is not None:
            if isinstance(interruption, RequestHalt):
                self.interruption = interruption
            self._cut_short()
            return
        self.interruption = interruption
        loop = asyncio.get_running_loop()
        self._timers.append(loop.call_later(self.engine.cleanup_time, self._cut_short))
        if not self.pending.fail_all(interruption):
            self._cancel_plan()

    def _cut_short(self) -> None:
        log.warning("plan %s: its clean-up is cut short; its task is cancelled", self.plan_name)
        self._cancel_plan()

    def _cancel_plan(self) -> None:
        if self._task is not None and not self._task.done():
            self._all_told = True
            self._task.cancel()

    async def run(self) -> Any:
        """Run the plan to its end, whatever that is, tidy up, and give its value or raise its error."""
        self._task = self.owner.start(self._plan(), name=self.plan_name)
        if self.interruption is not None:
            self._task.cancel()
        cancelled = await self._plan_ended(self._task)
        error = self._outcome(self._task)
        for timer in self._timers:
            timer.cancel()
        await self._tidy(error)
        if cancelled:
            raise asyncio.CancelledError
        if error is not None:
            raise error
        return self._task.result()

    async def _plan_ended(self, task: asyncio.Task[Any]) -> bool:
        """Wait until the plan has ended; True if the supervisor itself was cancelled meanwhile."""
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            # The engine is being closed, or its loop: the plan is ended first, in order.
            self.interrupt(Interruption("the engine was closed"))
            await asyncio.wait({task}, timeout=self.engine.cleanup_time)
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=self.engine.grace_time)
            return True
        return False

    async def _plan(self) -> Any:
        branch = Branch(self, asyncio.current_task())
        CURRENT.set(branch)
        LAYERS.set(())
        DISPATCH.set(DeviceHook())
        value = await self._body()
        if not self.ending:
            await self.freezer.gate.passage(branch)  # a plan that is paused does not end: `resume` gives its value
        return value

    def _outcome(self, task: asyncio.Task[Any]) -> BaseException | None:
        """Say what the caller of the engine is to get instead of a value."""
        error: BaseException | None
        error = asyncio.CancelledError() if not task.done() or task.cancelled() else task.exception()
        if self.interruption is None:
            if isinstance(error, asyncio.CancelledError):
                self.interruption = Interruption("the plan's task was cancelled")
                return self.interruption.to_error()
            return error
        if error is None:
            return None  # it had ended by itself before it noticed
        ended = self.interruption.to_error()
        ended.__cause__ = _besides_interruption(error)
        return ended

    async def _tidy(self, error: BaseException | None) -> None:
        self.ending = self._over = self.attentive = True
        for run in self.runs.values():
            await run.stop_monitors()
        if error is not None:
            await self.quiet()
        await unstage_devices(list(reversed(self.staged)), within=self.engine.cleanup_time)
        await self.owner.aclose()
        status, reason = self._verdict(error)
        for run in list(self.runs.values()):
            await run.close(exit_status=status, reason=reason)
        self.runs.clear()
        self._report_unclaimed()

    def _verdict(self, error: BaseException | None) -> tuple[ExitStatus, str]:
        if self.interruption is not None:
            return self.interruption.exit_status, self.interruption.reason
        if error is not None:
            return "fail", reason_of(error)
        return "success", ""

    def _report_unclaimed(self) -> None:
        for operation in self._remembered:
            if operation.failed and not operation.claimed:
                log.warning("plan %s: nobody awaited %r", self.plan_name, operation)


def _nobody(_reason: str) -> None:
    """Nobody waits for the plan."""


def _besides_interruption(error: BaseException) -> BaseException | None:
    """Give what went wrong in an interrupted plan besides its interruption."""
    if isinstance(error, BaseExceptionGroup):
        return cast(BaseExceptionGroup[BaseException], error).split((Interruption, asyncio.CancelledError))[1]
    return None if isinstance(error, (Interruption, asyncio.CancelledError)) else error


def reason_of(error: BaseException) -> str:
    """Word an error for a stop document; of a group, its members."""
    if isinstance(error, BaseExceptionGroup):
        members = cast(tuple[BaseException, ...], error.exceptions)
        return "; ".join(reason_of(one) for one in members)
    return str(error) or type(error).__name__


async def _awaited(verb: str, obj: Any, result: Awaitable[Any]) -> Any:
    try:
        return await result
    except Exception as error:  # boundary: as in `Execution.act`
        raise failure(verb, obj, error) from error
