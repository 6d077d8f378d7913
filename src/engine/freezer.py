"""Bringing a plan to rest in mid-flight, and letting it go on.

Theory of operation. A plan rests for one or more reasons: a pause, which somebody asked for and ends with `resume`, and
suspensions, each of which ends by itself. The first reason starts a cycle, a task of the execution, and the last one's
end completes it::

    gate closes, the plan's clock stops
    each kind of operation in flight is brought to rest:
        set                   the device is stopped; `reissue` sends it to the same target later, for the same waiter
        a flight              the flyer pauses at the boundary of a completed frame, or refuses
        read, trigger, ...    finishes; after `pause_time` the rest begins without it, and a warning names it
        sleep, wait, timeout  the clock stands
    monitors off, devices that can pause are paused, pre-plans of suspenders run           ──► at rest
    ... until there is no reason left ...
    post-plans, devices resumed, flyers resumed, sets sent again, monitors on, Rewind into tripped steps
    the clock runs, the gate opens

An operation whose Status is done when its device is about to be stopped is left alone: it is never sent again. Reasons
may come and go at any point of the cycle; it asks again before the gate opens, so that a resume that comes before the
pause has arrived is as good as one that comes after it.

No task of the plan is cancelled. A stop or an abort ends the cycle: the execution's tasks are cancelled when its plan
has ended, and operations of a plan's clean-up pass the closed gate.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from ..task_scope import together
from .cleanup import settled, stop_devices
from .errors import Interruption, PauseRefusedError, RequestAbort, Rewind
from .gate import Gate
from .generator_plans import as_messages
from .messages import MsgLike
from .operation import Operation, name_of
from .plan import Plan
from .plan_clock import PlanClock
from .section import drive
from .states import Event, State
from .step import STEP, Step

if TYPE_CHECKING:
    from .branch import Branch
    from .execution import Execution

log = logging.getLogger(__name__)

Moved = Callable[[Event], None]


@dataclass(slots=True, kw_only=True, eq=False)
class Suspension:
    """One reason to rest that ends by itself.

    Attributes:
        reason: In words.
        since: Unix seconds.
        pre_plan: What is done when all is at rest.
        post_plan: What is done before all goes on.
        prepared: Whether the pre-plan was begun.
    """

    reason: str
    since: float
    pre_plan: Any = None
    post_plan: Any = None
    prepared: bool = False


@dataclass(slots=True, kw_only=True)
class Deferred:
    """A pause at the next checkpoint.

    Attributes:
        reason: In words.
        at: The name of the checkpoint; None takes any.
        surface: Whether whoever awaits the plan is told.
    """

    reason: str
    at: str | None
    surface: bool


@dataclass(slots=True, kw_only=True)
class _Rest:
    """What was brought to rest, and how it goes on."""

    held: list[Operation] = field(default_factory=list)
    flights: list[tuple[Any, Any]] = field(default_factory=list)
    paused: list[Any] = field(default_factory=list)


class Freezer:
    """Brings one execution to rest and lets it go on.

    Attributes:
        gate: Before every operation.
        clock: Of the plan.
        suspensions: That hold now, in order.
        deferred: A pause that waits for a checkpoint.
        reason: Of the pause that holds now; None if none does.
    """

    def __init__(self, execution: "Execution", moved: Moved) -> None:
        self.gate = Gate(execution.pending)
        self.clock = PlanClock()
        self.suspensions: list[Suspension] = []
        self.deferred: Deferred | None = None
        self.reason: str | None = None
        self._execution = execution
        self._moved = moved
        self._ended: list[Suspension] = []
        self._news = asyncio.Event()
        self._rested = asyncio.Event()
        self._calmer = asyncio.Event()
        self._cycle: asyncio.Task[None] | None = None
        self._surface: list[Callable[[str], None]] = []

    # Reasons.

    def pause(self, reason: str, *, surface: bool = False) -> None:
        """Begin to rest; `rested` tells when all is at rest.

        Raises:
            PauseRefusedError: A flyer that is in the air cannot pause, or the plan is ending.
        """
        if self._execution.ending:
            msg = f"plan {self._execution.plan_name} is ending; it cannot be paused"
            raise PauseRefusedError(msg)
        self._refuse_flights()
        self.deferred = None
        if surface:
            self._surface.append(self._execution.surface)
        if self.reason is not None:
            return
        self.reason = reason
        self._execution.note("pause")
        self._trip(pause=True)
        self._begin(Event.PAUSE)

    def ask(self, reason: str, *, defer: bool) -> None:
        """Pause at once, or at the next checkpoint; whoever awaits the plan is told. A refusal is logged."""
        if defer:
            self.deferred = Deferred(reason=reason, at=None, surface=True)
            return
        try:
            self.pause(reason, surface=True)
        except PauseRefusedError as error:
            log.warning("%s: %s", reason, error)

    def resume(self) -> None:
        """End the pause."""
        self.deferred = None
        if self.reason is None:
            return
        self.reason = None
        self._surface.clear()
        self._execution.note("resume")
        self._moved(Event.RESUME)
        if self.suspensions:
            self._moved(Event.SUSPEND)
            if self._rested.is_set():
                self._moved(Event.AT_REST)
        self._news.set()

    def suspend(self, suspension: Suspension) -> None:
        """Begin to rest until `release`; the innermost steps that are entered will be taken again."""
        self.suspensions.append(suspension)
        self._execution.note(suspension.reason or "suspended")
        self._trip(pause=False)
        if len(self.suspensions) == 1:
            self._begin(Event.SUSPEND)
        self._news.set()

    def release(self, suspension: Suspension) -> None:
        """End a suspension; one that has ended is passed over."""
        if suspension not in self.suspensions:
            return
        self.suspensions.remove(suspension)
        if suspension.prepared:
            self._ended.append(suspension)
        if not self.suspensions and self.reason is None:
            self._moved(Event.RELEASE)
        self._news.set()

    async def rested(self) -> None:
        """Wait until all is at rest."""
        await self._rested.wait()

    def _begin(self, event: Event) -> None:
        self._moved(event)
        self._news.set()
        self.gate.close()
        self.look()
        if self._cycle is None or self._cycle.done():
            self.clock.freeze()
            self._cycle = self._execution.owner.start(self._rest(), name="pause")
        elif self._rested.is_set():
            self._at_rest()

    @property
    def _holds(self) -> bool:
        return self.reason is not None or bool(self.suspensions)

    def look(self) -> None:
        """Have every operation look at the gate and at its step as long as there is something to see."""
        tripped = any(step.tripped for step in self._execution.steps)
        self._execution.attentive = self._execution.ending or self.gate.closed or tripped

    # Steps.

    def _trip(self, *, pause: bool) -> None:
        """Mark the innermost steps that are to be taken again; what a flight goes on with is not."""
        steps = [step for step in self._execution.steps if step.can_be_retaken and step.retaken_after_pause >= pause]
        spared = {step.outer for step in steps}
        for _, step in self._flights():
            spared |= set(_chain(step))
        for step in steps:
            step.tripped = step.tripped or step not in spared

    def told(self, branch: "Branch") -> None:
        """Raise Rewind if the step that runs here is to be taken again and this branch does not know it yet.

        Raises:
            Rewind: So it is.
        """
        step = STEP.get()
        if step is not None and step.tripped and not step.has_told(branch):
            step.tell(branch)
            raise Rewind(step)

    # The cycle.

    async def _rest(self) -> None:
        try:
            while self._holds:
                rest = _Rest()
                await self._bring_to_rest(rest)
                self._rested.set()
                self._at_rest()
                await self._until_clear()
                self._rested.clear()
                await self._go_on(rest)
        except Interruption:
            return  # the plan is ending
        except Exception as error:  # boundary: a pre-plan, a flyer or a device that cannot pause ends the plan
            log.exception("plan %s cannot be paused or taken on", self._execution.plan_name)
            self._execution.interrupt(RequestAbort(f"the pause failed: {error}"))
            return
        self.clock.thaw()
        self.gate.open()
        self.look()

    async def _until_clear(self) -> None:
        """Wait until there is no reason left; the pre-plan of each suspension that comes is run once."""
        while self._holds:
            self._news.clear()
            for suspension in [one for one in self.suspensions if not one.prepared]:
                suspension.prepared = True
                await self._aside(suspension.pre_plan)
            if self._holds:
                await self._news.wait()

    def _at_rest(self) -> None:
        if self._execution.engine.state in (State.PAUSING, State.SUSPENDING):
            self._moved(Event.AT_REST)
        if self.reason is not None:
            surface, self._surface = self._surface, []
            for tell in surface:
                tell(self.reason)

    async def _bring_to_rest(self, rest: _Rest) -> None:
        self._calmer.clear()
        flights = [flyer for flyer, _ in self._flights() if can_pause(flyer)]
        moves = [one for one in self._execution.in_flight() if one.again is not None and not one.done]
        await together(
            *(self._hold(rest, move) for move in moves),
            *(self._bound(rest, flyer) for flyer in flights),
            self._calm(),
        )
        for run in self._execution.runs.values():
            run.pause_monitors()
        await self._pausables(rest)

    async def _hold(self, rest: _Rest, move: Operation) -> None:
        """Stop the device of a move; one that cannot be stopped goes on."""
        if not callable(getattr(move.obj, "stop", None)):
            return
        status = move.hold()
        failed = await stop_devices([move.obj], within=self._execution.engine.device_stop_time, success=True)
        if failed:
            move.release()
            return
        rest.held.append(move)
        await self._over(status)

    async def _over(self, status: Any) -> None:
        """Wait until a Status has ended, well or not."""
        try:
            async with asyncio.timeout(self._execution.engine.device_stop_time):
                await settled(status)
        except Exception as error:  # noqa: BLE001  # boundary: a move that was stopped may well fail
            log.debug("a stopped move ended with %r", error)

    async def _bound(self, rest: _Rest, flyer: Any) -> None:
        token = await paused_flyer(flyer)
        rest.flights.append((flyer, token))

    async def _calm(self) -> None:
        """Wait until what has to finish has finished, for at most `pause_time`."""
        try:
            async with asyncio.timeout(self._execution.engine.pause_time):
                while self._restless():
                    await self._calmer.wait()
                    self._calmer.clear()
        except TimeoutError:
            going_on = ", ".join(self._restless())
            log.warning("plan %s is paused while this goes on: %s", self._execution.plan_name, going_on)

    def _restless(self) -> list[str]:
        """Name what has to finish, and see to it that its end is noticed."""
        flights = {flyer for flyer, _ in self._flights()}
        busy: list[str] = []
        for operation in self._execution.in_flight():
            if not operation.held and operation.obj not in flights:
                operation.add_callback(lambda _: self._calmer.set())
                busy.append(repr(operation))
        return busy + [f"{msg.command} of {name_of(msg.obj)}" for msg in self._execution.active.values()]

    def noticed(self) -> None:
        """Take note that an operation of the plan has ended."""
        self._calmer.set()

    async def _pausables(self, rest: _Rest) -> None:
        flights = {flyer for flyer, _ in rest.flights}
        for device in {**self._execution.touched, **self._execution.staged}:
            if device not in flights and pausable(device):
                await settled(device.pause())
                rest.paused.append(device)

    async def _go_on(self, rest: _Rest) -> None:
        ended, self._ended = self._ended, []
        for suspension in ended:
            await self._aside(suspension.post_plan)
        for device in rest.paused:
            await settled(device.resume())
        for flyer, token in rest.flights:
            await resumed_flyer(flyer, token)
        self._rewind(rest)
        for move in rest.held:
            move.reissue()
        for run in self._execution.runs.values():
            run.resume_monitors()

    def _rewind(self, rest: _Rest) -> None:
        """Take tripped steps back; their moves are not sent again."""
        again = {step for step in self._execution.steps if step.tripped}
        for move in rest.held:
            if move.step in again:
                move.abandon()
        rest.held = [move for move in rest.held if move.step not in again]
        self._execution.pending.rewind(again)

    async def _aside(self, plan: Any) -> None:
        if plan is not None:
            await self._execution.aside(partial(performed, plan))

    # Flights.

    def _flights(self) -> list[tuple[Any, "Step[Any] | None"]]:
        """The flyers in the air, each with the step that kicked it off."""
        return [(flyer, step) for flyer, (step, end) in self._execution.aloft.items() if end is None or not end.done]

    def _refuse_flights(self) -> None:
        for flyer, _ in self._flights():
            if not can_pause(flyer):
                msg = (
                    f"{name_of(flyer)} is flying and cannot pause: it has no pause_at_boundary and no pause;"
                    " wait for it, or stop or abort the plan"
                )
                raise PauseRefusedError(msg)


def _chain(step: "Step[Any] | None") -> Iterator["Step[Any]"]:
    while step is not None:
        yield step
        step = step.outer


async def performed(plan: Any) -> Any:
    """Perform a Plan, a generator of messages, or what a function makes of either."""
    given: Any = plan() if callable(plan) else plan
    if isinstance(given, Plan):
        return await cast("Plan[Any]", given).body()
    return await drive(as_messages(given))


def pausable(device: Any) -> bool:
    """Whether a device has bluesky's `pause` and `resume`."""
    return callable(getattr(device, "pause", None)) and callable(getattr(device, "resume", None))


def can_pause(flyer: Any) -> bool:
    """Whether a flyer can be paused in the air."""
    return callable(getattr(flyer, "pause_at_boundary", None)) or pausable(flyer)


async def paused_flyer(flyer: Any) -> Any:
    """Have a flyer pause at the boundary of a completed frame; gives what it wants back when it goes on."""
    if callable(getattr(flyer, "pause_at_boundary", None)):
        return await flyer.pause_at_boundary()
    await settled(flyer.pause())
    return None


async def resumed_flyer(flyer: Any, token: Any) -> None:
    """Have it go on from there."""
    if callable(getattr(flyer, "pause_at_boundary", None)):
        await settled(flyer.resume(token))
    else:
        await settled(flyer.resume())


def checkpoint(freezer: Freezer, msg: MsgLike) -> bool:
    """Pause here if a pause waits for this checkpoint; whether it does."""
    deferred = freezer.deferred
    if deferred is None or deferred.at not in (None, msg.kwargs.get("name")):
        return False
    freezer.pause(deferred.reason, surface=deferred.surface)
    return True
