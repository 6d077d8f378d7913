"""The flyer: carries a scan out on the hardware of a rig and accounts for every frame.

States, and what moves between them:

    idle ──prepare──► prepared ──kickoff──► flying ──complete──► landed
                          │                   │
                          └── stop, an error or a cancellation: hardware made safe ──► stopped

Whatever ends a verb early, an error or a cancellation between any two awaits, passes through one exit that stops
motion, then triggers, then detectors. `stop` ends the verb that runs and waits until that exit has been passed.

In flight each recorder's written count wakes the loop, at most every BATCH_SECONDS; the identities of the new rows go
to the ledger, and what all detectors agree on can be collected at any time: `collect_asset_docs` composes it when it
is asked.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ..async_devices.flight import FlightDetector
from ..async_devices.protocols import Progress, Status, StreamDocument
from ..task_scope import task_scope, together
from .announcer import Announcer
from .arming import Crew
from .errors import ArmingTimeoutError, FlightOrderError, RigError, StalledDetectorError, TriggerBoxError
from .facts import gather
from .ledger import Ledger
from .policy import Policy
from .preflight import Preflight, judge
from .reconciler import Reconciler
from .rig import Rig
from .scan import Scan
from .timeline import Timeline
from .trajectory import Trajectory
from .triggers import TriggerTable
from .watchdog import Watchdog
from .window import TICK_NS

BATCH_SECONDS = 0.1
"""Shortest time between two looks into the files."""
CANCEL_SECONDS = 0.2
"""Between two attempts to end a verb."""
LOOK_SECONDS = 0.25
"""Longest time between two looks at the deadlines."""
Report = Callable[[Progress], None]


class State(StrEnum):
    """Where a flight is; drawn above."""

    IDLE = "idle"
    PREPARED = "prepared"
    FLYING = "flying"
    LANDED = "landed"
    STOPPED = "stopped"


@dataclass(slots=True, kw_only=True)
class _Airborne:
    """What a prepared flight consists of."""

    preflight: Preflight
    timeline: Timeline
    ledger: Ledger
    announcer: Announcer
    reconciler: Reconciler
    watchdog: Watchdog
    execution: Status | None = None
    started: float = 0.0
    concluded: bool = False


class FlyScan:
    """A hardware-triggered scan as a bluesky flyer: prepare, kickoff, complete, collect_asset_docs, stop.

    Args:
        scan: What to fly.
        detectors: With what; each must be named in the rig.
        rig: On what.
        exposure: Seconds of exposure; each frame's duration less the dead time, unless given.
        name: Of the flyer.
        policy: How long to wait for what is due.
    """

    parent = None

    def __init__(
        self,
        scan: Scan,
        detectors: Sequence[FlightDetector],
        *,
        rig: Rig,
        exposure: float | None = None,
        name: str = "flight",
        policy: Policy | None = None,
    ) -> None:
        for detector in detectors:
            if not any(rig.devices[key] is detector for key in rig.settings.detectors):
                known = ", ".join(rig.settings.detectors) or "none"
                msg = f"{detector.name} is not one of the rig's detectors ({known}): add its input to the rig file"
                raise RigError(msg)
        self.name = name
        self.scan = scan
        self.rig = rig
        self.state = State.IDLE
        self._crew = Crew(rig, detectors)
        self._exposure = exposure
        self.policy = policy or Policy()
        self._air: _Airborne | None = None
        self._verb: Status | None = None

    @property
    def recorders(self) -> tuple[FlightDetector, ...]:
        """Whatever writes rows in this flight: the trigger box's capture and the detectors."""
        return self._crew.recorders

    @property
    def ledger(self) -> Ledger | None:
        """What became of every frame; None before prepare."""
        return None if self._air is None else self._air.ledger

    async def preflight(self) -> Preflight:
        """Ask the hardware and decide whether the scan can be flown; nothing moves."""
        axes = self.scan.axes
        facts = await gather(self.rig, self._crew.detectors, axes=axes, directory=self.policy.directory)
        return judge(self.scan, self.rig.settings, facts=facts, exposure=self._exposure)

    def prepare(self, value: Preflight | None = None) -> Status:
        """Arm everything; done when the hardware waits for the trajectory.

        Args:
            value: A preflight report made just before; without it, one is made.
        """
        return self._begin(lambda _: self._prepare(value), "prepare", within=(State.IDLE, State.LANDED, State.STOPPED))

    def kickoff(self) -> Status:
        """Start the trajectory; done when it has been started."""
        return self._begin(lambda _: self._kickoff(), "kickoff", within=(State.PREPARED,))

    def complete(self) -> Status:
        """Done when every planned frame has its verdict and all files are closed; reports frames and the time left."""
        return self._begin(self._complete, "complete", within=(State.FLYING,))

    async def stop(self, success: bool = True) -> None:  # noqa: FBT001, FBT002
        """End whatever runs and leave the hardware safe; `success` is taken for bluesky's sake."""
        del success
        if self._verb is not None and not self._verb.done:
            await self._end(self._verb)
        if self.state in (State.PREPARED, State.FLYING):
            await self._make_safe()

    async def _end(self, verb: Status) -> None:
        """Cancel a verb and wait until it has passed its exit.

        A cancellation can be lost: asyncio.wait_for of Python 3.11, which client libraries use, swallows one that
        comes together with its result. So it is repeated until the exit has been reached, and not after that.
        """
        ended = asyncio.Event()
        verb.add_callback(lambda _: ended.set())
        while not ended.is_set():
            if self.state is not State.STOPPED:
                verb.cancel()
            with suppress(TimeoutError):
                async with asyncio.timeout(CANCEL_SECONDS):
                    await ended.wait()

    async def collect_asset_docs(self, index: int | None = None) -> AsyncIterator[StreamDocument]:
        """Give the documents of all frames agreed on since the last call, numbered; `index` is not used."""
        del index
        if self._air is not None:
            async for document in self._air.announcer.documents():
                yield document

    def summary(self) -> dict[str, Any]:
        """Give the stop document's `frames`; of a flight that never began, that nothing was triggered."""
        if self._air is not None:
            return self._air.ledger.summary()
        ledger = Ledger(self.scan.planned, {recorder.name: recorder.identity for recorder in self.recorders})
        ledger.finish({})
        return ledger.summary()

    def _begin(
        self, work: Callable[[Report], Coroutine[Any, Any, None]], verb: str, *, within: tuple[State, ...]
    ) -> Status:
        if self.state not in within or (self._verb is not None and not self._verb.done):
            state = self.state if self._verb is None or self._verb.done else f"{self.state}, {self._verb.name} runs"
            msg = f"{self.name} cannot {verb} now: it is {state}; expected {' or '.join(within)}"
            return Status.finished(FlightOrderError(msg), name=f"{self.name} {verb}")
        self._verb = Status.reporting(work, name=f"{self.name} {verb}")
        return self._verb

    async def _make_safe(self) -> None:
        self.state = State.STOPPED
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._conclude)
            stack.push_async_callback(self._end_execution)
            stack.push_async_callback(self._crew.make_safe)

    async def _end_execution(self) -> None:
        """Wait until the aborted trajectory has reported its end; its failure has been asked for."""
        execution = None if self._air is None else self._air.execution
        if execution is None:
            return
        ended = asyncio.Event()
        execution.add_callback(lambda _: ended.set())
        with suppress(TimeoutError):
            async with asyncio.timeout(self.policy.abort):
                await ended.wait()
        if not execution.done:
            execution.cancel()
        execution.exception()

    async def _conclude(self) -> None:
        """Account for whatever was written, also of a flight that ended early."""
        if self._air is not None and not self._air.concluded:
            self._air.concluded = True
            async with asyncio.timeout(self.policy.finish):
                await self._air.reconciler.conclude()

    async def _prepare(self, report: Preflight | None) -> None:
        self._air, self.state = None, State.IDLE
        report = report or await self.preflight()
        report.raise_if_refused()
        if report.trajectory is None or report.table is None or report.timeline is None:
            msg = "the preflight report holds no trajectory: make it with FlyScan.preflight()"
            raise FlightOrderError(msg)
        async with AsyncExitStack() as unless_armed:
            unless_armed.push_async_callback(self._make_safe)
            await self._arm(report, report.trajectory, report.table)
            self._air = self._airborne(report, report.timeline)
            unless_armed.pop_all()
        self.state = State.PREPARED

    async def _arm(self, report: Preflight, trajectory: Trajectory, table: TriggerTable) -> None:
        try:
            async with asyncio.timeout(self.policy.arm):
                await self._crew.arm(report, trajectory=trajectory, table=table)
        except TimeoutError as error:
            if not self._crew.waiting_for:
                raise
            waiting = ", ".join(self._crew.waiting_for)
            cause = str(error) or f"the limit of {self.policy.arm:g} s"
            msg = f"{self.name} is not armed, it waited for {waiting}; cause: {cause}"
            raise ArmingTimeoutError(msg) from error

    def _airborne(self, report: Preflight, timeline: Timeline) -> _Airborne:
        windows = list(self.scan.windows)
        recorders = self.recorders
        ledger = Ledger(
            self.scan.planned,
            {recorder.name: recorder.identity for recorder in recorders},
            windows=[window.frames for window in windows],
            spacing_ns=min(int(window.ticks.min()) for window in windows) * TICK_NS,
        )
        longest = max(int(window.ticks.max()) for window in windows) * TICK_NS * 1e-9
        return _Airborne(
            preflight=report,
            timeline=timeline,
            ledger=ledger,
            announcer=Announcer(ledger, recorders),
            reconciler=Reconciler(ledger, recorders, clock=asyncio.get_running_loop().time),
            watchdog=Watchdog(timeline, exposure=longest, patience=self.policy.stall),
        )

    async def _kickoff(self) -> None:
        air = self._aloft()
        air.execution = self._crew.controller.execute()
        air.started = asyncio.get_running_loop().time()
        self.state = State.FLYING

    def _aloft(self) -> _Airborne:
        if self._air is None:
            msg = f"{self.name} is not prepared"
            raise FlightOrderError(msg)
        return self._air

    async def _complete(self, report: Report) -> None:
        async with AsyncExitStack() as unless_landed:
            unless_landed.push_async_callback(self._make_safe)
            await self._fly(report)
            health = await self._crew.box.health()
            await self._land()
            unless_landed.pop_all()
        self.state = State.LANDED
        self._report(report)
        self._judge_box(health)

    async def _fly(self, report: Report) -> None:
        """Follow the recorders until the trajectory has ended."""
        air = self._aloft()
        execution = air.execution
        if execution is None:
            msg = f"{self.name} has not been kicked off"
            raise FlightOrderError(msg)
        execution.add_callback(lambda _: air.reconciler.changed.set())
        air.reconciler.news.update(dict.fromkeys(air.reconciler.news, air.started))
        async with task_scope() as group:
            watching = [group.create_task(air.reconciler.watch(recorder)) for recorder in self.recorders]
            while not execution.done:
                await self._look(air)
                self._report(report)
            for task in watching:
                task.cancel()
        await execution

    async def _look(self, air: _Airborne) -> None:
        """Wait for news, account for them, look at the deadlines."""
        clock = asyncio.get_running_loop().time
        began = clock()
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await air.reconciler.changed.wait()
        # A loop that was blocked has not seen the news yet: no deadline is judged by an old one.
        awake = clock() - began < 2 * LOOK_SECONDS
        air.reconciler.changed.clear()
        await air.reconciler.reconcile()
        if awake:
            news = {name: at - air.started for name, at in air.reconciler.news.items()}
            air.watchdog.check(began - air.started, news=news, seen={name: air.ledger.seen(name) for name in news})
        await asyncio.sleep(BATCH_SECONDS)

    async def _land(self) -> None:
        """Disarm, let every detector write what it has exposed, and judge every frame."""
        await self._crew.disarm()
        await together(*(self._finish(recorder) for recorder in self.recorders))
        await self._conclude()

    async def _finish(self, recorder: FlightDetector) -> None:
        try:
            async with asyncio.timeout(self.policy.finish):
                await recorder.finish()
        except TimeoutError as error:
            planned, seen = self.scan.planned, self._aloft().ledger.seen(recorder.name)
            raise StalledDetectorError(
                recorder.name, frame=seen, expected=planned, seen=seen, silence=self.policy.finish
            ) from error

    def _judge_box(self, health: Mapping[str, str]) -> None:
        """Refuse to call a flight good whose trigger box was not."""
        beyond = self._aloft().ledger.fired.beyond
        ills = [f"{block} reports {state!r}, expected 'OK'" for block, state in health.items() if state != "OK"]
        if beyond:
            ills.append(f"it fired {beyond} triggers beyond the {self.scan.planned} planned")
        if ills:
            msg = f"{self._crew.box.name}: {'; '.join(ills)}; every frame is accounted for in the ledger"
            raise TriggerBoxError(msg)

    def _report(self, report: Report) -> None:
        air = self._aloft()
        elapsed = asyncio.get_running_loop().time() - air.started
        report(
            Progress(
                name=self.name,
                current=air.ledger.agreed,
                initial=0,
                target=self.scan.planned,
                unit="frames",
                precision=0,
                fraction=air.ledger.agreed / self.scan.planned,
                time_elapsed=elapsed,
                time_remaining=max(0.0, air.timeline.duration - elapsed),
            )
        )
