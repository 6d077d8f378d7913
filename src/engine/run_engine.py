"""The run engine: runs plans, owns every task they start, and gets their documents onto disk and to subscribers."""

import asyncio
import logging
import tempfile
import threading
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self, TypeVar, cast, overload

from ..task_owner import TaskOwner
from . import default
from .commands import COMMANDS, Command
from .document_stream import follow
from .documents import Document
from .engine_statistics import EngineStatistics
from .errors import (
    EngineBusyError,
    EngineClosedError,
    Interruption,
    RequestAbort,
    RequestHalt,
    RequestStop,
    TransitionError,
    WrongLoopError,
)
from .execution import Execution
from .freezer import Deferred, Suspension
from .generator_plans import plan_name_of, plan_type_of
from .handle import Handle
from .interception import Interception
from .interrupts import InterruptHandler, Keyboard
from .journal import Journal
from .plan import Plan
from .preserve import DirectoryLock, PersistentMetadata
from .run import Run
from .run_metadata import next_scan_id, versions
from .states import TRANSITIONS, Event, State, after
from .subscriber_terms import Policy, Subscriber, Terms, Where
from .subscriptions import Subscriptions
from .suspender_registry import SuspenderLike, Suspenders

T = TypeVar("T")

log = logging.getLogger(__name__)
REQUESTED = "a pause was requested"
_EVENT_OF: Mapping[type[Interruption], Event] = MappingProxyType(
    {Interruption: Event.ABORT, RequestAbort: Event.ABORT, RequestStop: Event.STOP, RequestHalt: Event.HALT}
)
DRAIN_TIME = 10.0
"""Seconds that closing gives to subscribers that are behind."""

ScanIds = Callable[[Mapping[str, Any]], int]


class RunEngine(Interception):
    """Runs plans: `value = await RE(plan)`.

    Args:
        data_dir: Where the journal, the metadata and the lock are kept; made if it does not exist. None keeps them
            in a temporary directory that closing removes.
        md: Metadata of every run, added to what is kept in the directory.
        scan_id_source: Gives the next scan_id from the metadata; by default one more than the last.
        durable: Whether a document counts as committed only when it is fsynced.

    Attributes:
        data_dir: As above.
        journal: What every document goes to first.
        md: Metadata of every run, kept on disk with the last scan_id.
        commands: The verb table.
        last: The newest run.
        execution: The plan that is being run, or None.
        suspenders: What is installed.
        state: What it is doing.
        state_hook: Called with the new state and the old one at every change.
        pausing_interrupts: How many interrupts (Ctrl-C) ask for a pause before one aborts: the first waits for a
            checkpoint, the second does not. 0 has the first one abort, as suits a script.
        pause_time: Seconds that a pause waits for what has to finish (a reading, an exposure).
        cleanup_time: Seconds that a plan's `finally` has after a stop or an abort.
        grace_time: Seconds that a plan has to end when its task was cancelled, before the rest goes on without it.
        device_stop_time: Seconds that a device has to stop.

    Raises:
        EngineLockedError: Another engine holds the directory.
        JournalError: The journal there cannot be opened.
    """

    def __init__(
        self,
        data_dir: str | Path | None = None,
        *,
        md: Mapping[str, Any] | None = None,
        scan_id_source: ScanIds = next_scan_id,
        durable: bool = False,
    ) -> None:
        super().__init__()
        self._temporary = tempfile.TemporaryDirectory(prefix="wingbeat-") if data_dir is None else None
        self.data_dir = Path(self._temporary.name if self._temporary else data_dir or ".").resolve()
        self._lock = DirectoryLock(self.data_dir)
        try:
            self.md = PersistentMetadata(self.data_dir / "md.json")
            self.md.update(md or {})
            self.journal = Journal(self.data_dir / "journal", durable=durable)
        except BaseException:
            self._lock.release()
            raise
        self.suspenders = Suspenders(self)
        self.commands: dict[str, Command] = dict(COMMANDS)
        self.last: Run | None = None
        self.state = State.IDLE
        self.state_hook: Callable[[State, State], None] | None = None
        self.pausing_interrupts = 2
        self.pause_time = 10.0
        self.cleanup_time = 30.0
        self.grace_time = 1.0
        self.device_stop_time = 10.0
        self._scan_id_source = scan_id_source
        self._owner = TaskOwner("RunEngine")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._early: list[Callable[[], None]] = []
        self.execution: Execution | None = None
        self._handle: Handle[Any] | None = None
        self._subscriptions = Subscriptions(self.journal, self._owner, ready=self._ready)
        self._closed = False
        if self.journal.lost:
            log.warning("%d runs were cut off and are closed as lost: %s", len(self.journal.lost), self.journal.lost)
        default.offer(self)

    # Running plans.

    @overload
    def __call__(self, plan: Plan[T], /, **md: Any) -> Coroutine[Any, Any, T]: ...

    @overload
    def __call__(self, plan: Iterable[Any], /, **md: Any) -> Coroutine[Any, Any, Any]: ...

    def __call__(self, plan: Any, /, **md: Any) -> Coroutine[Any, Any, Any]:
        """Run a plan and give its value; `md` goes into the start document of every run that it opens.

        Its stop documents are journaled then, and critical subscribers have seen them. A cancelled await aborts the
        plan and waits until all is tidied up.

        Raises:
            EngineBusyError: A plan runs already. Inside a plan, `await` the other plan itself.
            PlanAbortedError: `abort` ended it. PlanStoppedError: `stop` did.
        """
        return self._call(plan, md)

    async def _call(self, plan: Any, md: dict[str, Any]) -> Any:
        handle = self.start(plan, **md)
        return await self._until_paused(handle)

    async def _until_paused(self, handle: Handle[Any]) -> Any:
        """Wait until a plan has ended, or is paused by somebody who is to be told here."""
        try:
            return await handle.outcome()
        except asyncio.CancelledError:
            if not handle.done:
                await handle.abort("whoever awaited it was cancelled")
            raise

    @overload
    def start(self, plan: Plan[T], /, **md: Any) -> Handle[T]: ...

    @overload
    def start(self, plan: Iterable[Any], /, **md: Any) -> Handle[Any]: ...

    def start(self, plan: Any, /, **md: Any) -> Handle[Any]:
        """Start a plan and do not wait for it.

        Raises:
            EngineBusyError: A plan runs already.
            PlanTypeError: That is no plan.
        """
        self._ready()
        if self.execution is not None:
            running = self.execution.plan_name
            msg = f"plan {running!r} runs in this engine; inside a plan `await` the other plan, else wait, or abort it"
            raise EngineBusyError(msg)
        execution = self._execution_of(plan, md)
        self.execution = execution
        self.move(Event.START)
        self.suspenders.begin(execution)
        task = self._owner.start(self._run(execution), name=f"plan {execution.plan_name}")
        self._handle = Handle(execution, task, end=self.end)
        return self._handle

    def _execution_of(self, plan: Any, md: dict[str, Any]) -> Execution:
        body = self.body_of(plan)
        return Execution(self, body, plan_name=plan_name_of(plan), plan_type=plan_type_of(plan), md=md)

    async def _run(self, execution: Execution) -> Any:
        try:
            with InterruptHandler(Keyboard(self, execution).pressed):
                try:
                    return await execution.run()
                finally:
                    await self._settle(execution)
        finally:
            self.execution = None
            self.move(Event.END)

    async def _settle(self, execution: Execution) -> None:
        """Wait until all is on disk and critical subscribers have seen it."""
        last = self.journal.next_sequence - 1
        await self.journal.committed(last)
        await self._subscriptions.settled(last)
        for token in execution.subscriptions:
            self.unsubscribe(token)

    # States.

    def move(self, event: Event) -> None:
        """Go to the state that follows, if there is one: a milder end does not overtake a graver one."""
        if event not in TRANSITIONS[self.state]:
            return
        old, self.state = self.state, after(self.state, event)
        if old is not self.state and self.state_hook is not None:
            self.state_hook(self.state, old)

    def end(self, interruption: Interruption) -> None:
        """Ask the plan that runs, if any, to end, and do not wait."""
        if self.execution is not None:
            self.move(_EVENT_OF[type(interruption)])
            self.execution.interrupt(interruption)

    # Pausing.

    async def pause(self, reason: str = "", *, at: str | None = None, defer: bool = False) -> None:
        """Pause the plan that runs, and wait until all is at rest. Whoever awaits the plan goes on waiting.

        Args:
            reason: In words.
            at: The name of the checkpoint at which to pause.
            defer: Pause at the next checkpoint, whatever its name.

        Raises:
            TransitionError: No plan runs that could be paused.
            PauseRefusedError: A flyer in the air cannot pause.
        """
        execution = self.execution
        if execution is None:
            after(self.state, Event.PAUSE)
            return
        if at is not None or defer:
            execution.freezer.deferred = Deferred(reason=reason, at=at, surface=False)
        elif self.state is not State.PAUSED:
            execution.freezer.pause(reason)
        await self._rested(execution)

    async def _rested(self, execution: Execution) -> None:
        """Wait until all is at rest, or the plan has ended before."""
        rested = self._owner.start(execution.freezer.rested(), name="waits for rest")
        await asyncio.wait({rested, cast("Handle[Any]", self._handle).task}, return_when=asyncio.FIRST_COMPLETED)
        rested.cancel()

    def request_pause(self, defer: bool = False) -> None:  # noqa: FBT001, FBT002  # bluesky's signature
        """Ask for a pause and do not wait; may be called from any thread, and by a subscriber."""

        def ask() -> None:
            if self.execution is not None:
                self.execution.freezer.ask(REQUESTED, defer=bool(defer))

        if self._loop is not None:
            self._loop.call_soon_threadsafe(ask)

    async def resume(self) -> Any:
        """Let the paused plan go on, and give its value like the await that it was started with.

        Raises:
            TransitionError: No plan is paused.
        """
        after(self.state, Event.RESUME)
        handle = cast("Handle[Any]", self._handle)
        cast(Execution, self.execution).freezer.resume()
        return await self._until_paused(handle)

    def suspend(self, reason: str, *, pre_plan: Any = None, post_plan: Any = None) -> Callable[[], None]:
        """Suspend the plan that runs; gives the function that releases it.

        The innermost steps that are entered are taken again then. May be called while it is suspended already: it goes
        on when all are released.

        Args:
            reason: In words.
            pre_plan: Run when all is at rest; a Plan, a generator, or a function that makes one.
            post_plan: Run before all goes on.

        Raises:
            TransitionError: No plan runs.
        """
        execution = self.execution
        if execution is None or execution.ending:
            msg = "no plan runs that could be suspended"
            raise TransitionError(msg)
        suspension = Suspension(reason=reason, since=time.time(), pre_plan=pre_plan, post_plan=post_plan)
        execution.freezer.suspend(suspension)
        return partial(execution.freezer.release, suspension)

    def install_suspender(self, suspender: SuspenderLike) -> None:
        """Follow a suspender or a deadline from now on, also between plans."""
        self.suspenders.install(suspender)

    def remove_suspender(self, suspender: SuspenderLike) -> None:
        """Follow it no more."""
        self.suspenders.remove(suspender)

    def clear_suspenders(self) -> None:
        """Follow none any more."""
        self.suspenders.clear()

    def from_any_thread(self, function: Callable[..., None], *args: Any) -> None:
        """Call a function on the engine's loop: at once when called there, else soon."""
        if self._loop is None:
            self._early.append(partial(function, *args))  # no loop runs yet
        elif threading.get_ident() == self._thread:
            function(*args)
        else:
            self._loop.call_soon_threadsafe(function, *args)

    @property
    def suspensions(self) -> tuple[Suspension, ...]:
        """The suspensions that hold now."""
        return () if self.execution is None else tuple(self.execution.freezer.suspensions)

    def _ready(self) -> None:
        """Settle on the running loop, and start the asynchronous subscribers that came before there was one."""
        self._check_open()
        loop = asyncio.get_running_loop()
        if self._loop is None or self._loop.is_closed():
            self._loop, self._thread = loop, threading.get_ident()
            early, self._early = self._early, []
            for call in early:
                call()
        elif self._loop is not loop:
            msg = "this engine lives on another event loop; use it there, or make one engine per loop"
            raise WrongLoopError(msg)
        self._subscriptions.start()

    def _check_open(self) -> None:
        if self._closed:
            msg = f"the engine on {self.data_dir} is closed; make a new one"
            raise EngineClosedError(msg)

    # Ending plans.

    async def abort(self, reason: str = "") -> None:
        """End the plan that runs, if any, as aborted; wait until all is tidied up.

        Called again meanwhile, it cuts the clean-up short.
        """
        await self._ended(RequestAbort(reason))

    async def stop(self, reason: str = "") -> None:
        """End the plan that runs, if any, as successful; wait until all is tidied up."""
        await self._ended(RequestStop(reason))

    async def halt(self, reason: str = "") -> None:
        """End the plan that runs, if any, without its own clean-up: every operation in it is refused."""
        await self._ended(RequestHalt(reason))

    async def _ended(self, interruption: Interruption) -> None:
        if self._handle is not None and not self._handle.done:
            await self._handle.end(interruption)

    @property
    def running(self) -> str | None:
        """The name of the plan that runs, or None."""
        return None if self.execution is None else self.execution.plan_name

    # Documents.

    def emit(self, name: str, doc: Document, *, payload: bytes) -> int:
        """Put a document, encoded as `payload`, into the journal; give its number. Subscribers get it from there.

        Raises:
            JournalError: The disk has refused an earlier one.
            SubscriberFailedError: A critical subscriber has raised.
        """
        if name != "stop":
            self._subscriptions.check()
        return self.journal.append(name, doc, payload=payload)

    async def room(self) -> None:
        """Wait while too many documents wait for the disk, or for a subscriber that asked for it."""
        if self.journal.full:
            await self.journal.room()
        await self._subscriptions.room()

    def opened(self, run: Run) -> None:
        """Take note of the handle of a run that has begun."""
        self.last = run

    def metadata_of(self, execution: Execution, given: Mapping[str, Any]) -> dict[str, Any]:
        """Put together the metadata of a run: the engine's, the plan's name, what the plan and the caller give."""
        self.md["scan_id"] = self._scan_id_source(self.md)
        named = {"plan_type": execution.plan_type, "plan_name": execution.plan_name}
        return {"versions": versions(), **self.md, **named, **given, **execution.md}

    # Subscribers.

    def subscribe(
        self,
        function: Subscriber | str,
        name: Any = "all",
        *,
        policy: Policy = "lossless",
        where: Where = "auto",
        critical: bool = False,
        pages: bool = False,
    ) -> int:
        """Have `function(name, doc)` called with every document from now on; give a token to unsubscribe with.

        Args:
            function: Called in a thread of its own; a coroutine function is awaited in a task of the engine.
            name: Of the documents that it wants, or "all".
            policy: What happens when it is slow: `lossless` lets it lag, see `subscribers` for the others.
            where: `thread`, `task`, `process`, `loop` (the one running here), a loop, or what posts to that of a GUI.
            critical: A plan ends only when this has seen its documents, and fails if it raises.
            pages: Whether events that were packed in pages come so.
        """
        self._check_open()
        document = str(getattr(name, "name", name))
        terms = Terms(document=document, policy=policy, where=where, critical=critical, pages=pages)
        return self._subscriptions.add(function, terms)

    def unsubscribe(self, token: int) -> None:
        """Let a subscriber get what has been emitted so far, and then nothing more."""
        self._subscriptions.remove(token)

    async def documents(self) -> AsyncGenerator[tuple[str, Document], None]:
        """Iterate over (name, document) from now on; the iteration ends when the engine is closed."""
        self._ready()
        async for name, doc in follow(self.journal, closed=lambda: self._closed):
            yield name, doc

    def register_command(self, name: str, command: Command) -> None:
        """Add a verb, or replace one: `command(execution, branch, msg)`, plain or async."""
        self.commands[name] = command

    def statistics(self) -> EngineStatistics:
        """Say what the engine has to do and how its subscribers keep up."""
        return EngineStatistics(
            tasks=self._owner.statistics(),
            journal=self.journal.statistics(),
            subscribers=self._subscriptions.statistics(),
            running=self.running,
        )

    # Closing.

    async def aclose(self) -> None:
        """Abort what runs, let subscribers catch up, write what waits, let go of the directory. May be called again."""
        if self._closed:
            return
        await self.abort("the engine was closed")
        self._closed = True
        late = await self._subscriptions.drain(DRAIN_TIME)
        if late:
            log.warning("subscribers %s were still behind after %s s and did not see the end", late, DRAIN_TIME)
        await self._owner.aclose()
        await asyncio.to_thread(self.journal.close)
        self._lock.release()
        default.withdraw(self)
        if self._temporary is not None:
            self._temporary.cleanup()

    async def __aenter__(self) -> Self:
        self._ready()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<RunEngine on {self.data_dir}: {self.running or 'idle'}>"


default.make_with(RunEngine)
