"""The fly scan as a plan: one line flies it, checked before, accounted for during.

What exit_status says. A flight that flew its whole trajectory is "success" even if a camera missed frames: the data
that is there is good, and the run says which is not. So under the default policy, "mark", `reason` names the
missing frames and the stop document's `frames` holds the ledger; whoever would rather not have such a run gives
Policy(on_loss="fail"): it ends as "fail" and raises LostFramesError. Whatever cuts a flight short (an error, an
abort) still accounts for every planned frame in its stop document.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from ..async_devices.flight import FlightDetector
from ..async_devices.protocols import DISPATCH
from ..engine import stubs
from ..engine.errors import Interruption, OperationFailedError
from ..engine.plan import Plan
from ..engine.run import Run
from ..stream_resource.verdicts import Finding, Verdict
from .errors import LostFramesError
from .flight import FlyScan
from .ledger import Ledger
from .policy import Policy
from .preflight import Preflight
from .rig import Rig
from .scan import compile as compile_spec

COLLECT_SECONDS = 0.1
"""Between two looks for agreed frames while the flight runs."""
STREAM = "primary"
NAMED = 12
"""Ranges of missing frames that a reason lists before it says how many more there are."""
Watcher = Any


class Flight(Plan[Run]):
    """A fly scan that can be looked at, checked and awaited.

    Attributes:
        flyscan: The flyer.
    """

    def __init__(
        self,
        spec: Any,
        detectors: Sequence[FlightDetector],
        *,
        rig: Rig,
        exposure: float | None = None,
        md: Mapping[str, Any] | None = None,
        policy: Policy | None = None,
    ) -> None:
        super().__init__(cast("Any", fly_scan), spec, detectors, rig=rig, exposure=exposure, md=md, policy=policy)
        scan = spec if hasattr(spec, "windows") else compile_spec(spec)
        self.flyscan = FlyScan(scan, detectors, rig=rig, exposure=exposure, policy=policy)
        self._detectors = tuple(detectors)
        self._rig = rig
        self._md = dict(md or {})
        self._exposure = exposure
        self._watchers: list[Watcher] = []

    @property
    def ledger(self) -> Ledger | None:
        """What became of every frame of the last flight; None before the first."""
        return self.flyscan.ledger

    def watch(self, watcher: Watcher) -> None:
        """Call `watcher` with the fields of Progress as keywords while it flies: frames, and the time left."""
        self._watchers.append(watcher)

    async def preflight(self) -> Preflight:
        """Check whether it can be flown, asking the hardware; nothing moves."""
        # In a plan the verbs of devices are messages; these questions are not part of the scan.
        token = DISPATCH.set(None)
        try:
            return await self.flyscan.preflight()
        finally:
            DISPATCH.reset(token)

    async def body(self) -> Run:
        """Fly it; gives the run.

        Raises:
            InfeasibleScanError: It cannot be flown; no run is opened.
            OperationFailedError: The flight failed; the hardware is safe and the run is closed as failed.
            LostFramesError: Frames are missing and the policy is "fail".
        """
        report = await self.preflight()
        report.raise_if_refused()
        async with stubs.staged(*self.flyscan.recorders), stubs.run(self._metadata(report)) as run:
            try:
                await self._fly(report)
            except OperationFailedError as error:
                await self._close("fail", str(error))
                raise
            except Interruption as interruption:
                await stubs.stop(self.flyscan)
                await self._close(interruption.exit_status, interruption.reason)
                raise
            await self._close_landed()
        return run

    async def _fly(self, report: Preflight) -> None:
        await stubs.declare_stream(*self.flyscan.recorders, name=STREAM, collect=True)
        await stubs.prepare(self.flyscan, report, wait=True)
        await stubs.kickoff(self.flyscan, wait=True)
        completion = await stubs.complete(self.flyscan, group="flight")
        for watcher in self._watchers:
            completion.watch(watcher)
        while not completion.done:
            await stubs.wait("flight", timeout=COLLECT_SECONDS, error_on_timeout=False)
            await stubs.collect(self.flyscan, name=STREAM)
        await completion

    async def _close_landed(self) -> None:
        missing = missing_frames(self.ledger)
        reason = "; ".join(f"{name} misses {frames}" for name, frames in missing.items())
        failed = bool(missing) and self.flyscan.policy.on_loss == "fail"
        await self._close("fail" if failed else "success", reason)
        if failed:
            raise LostFramesError(missing)

    async def _close(self, exit_status: str, reason: str) -> None:
        if self.ledger is not None:
            await stubs.collect(self.flyscan, name=STREAM)
        await stubs.close_run(exit_status, reason, frames=self.flyscan.summary())

    def _metadata(self, report: Preflight) -> dict[str, Any]:
        scan = self.flyscan.scan
        motors = [self._rig.settings.axes[axis].motor for axis in scan.axes]
        return {
            "plan_name": self.name,
            "plan_type": "plan",
            "detectors": [detector.name for detector in self._detectors],
            "motors": motors,
            "num_points": scan.planned,
            "num_intervals": scan.planned - 1,
            "shape": list(scan.shape),
            "snaking": list(scan.snaking),
            "spec": scan.spec,
            "plan_args": {"exposure": self._exposure, "on_loss": self.flyscan.policy.on_loss},
            "flight": {
                "axes": {axis: self._rig.settings.axes[axis].model_dump() for axis in scan.axes},
                "seconds": 0.0 if report.timeline is None else report.timeline.duration,
                "livetime": 0.0 if report.table is None else report.table.livetime,
            },
            "hints": {"dimensions": [[[motor], STREAM] for motor in motors]},
            **self._md,
        }


def fly_scan(
    spec: Any,
    detectors: Sequence[FlightDetector],
    *,
    rig: Rig,
    exposure: float | None = None,
    md: Mapping[str, Any] | None = None,
    policy: Policy | None = None,
) -> Flight:
    """Fly a hardware-triggered scan.

    Args:
        spec: A scanspec object, or a Scan that `compile` made (of arrays, say).
        detectors: What the trigger box triggers; each must be named in the rig.
        rig: The wiring.
        exposure: Seconds of exposure; each frame's duration less the detectors' dead time, unless given.
        md: Metadata of the run.
        policy: Whether missing frames fail the run, and how long to wait for what is due.

    Returns:
        A plan: `print(await flight.preflight())` checks it, `run = await flight` flies it.

    Raises:
        SpecError: The spec does not describe a flight.
        RigError: A detector is not in the rig.
    """
    return Flight(spec, detectors, rig=rig, exposure=exposure, md=md, policy=policy)


def missing_frames(ledger: Ledger | None) -> dict[str, str]:
    """Name the missing frames of every detector that misses some, as text.

    >>> missing_frames(None)
    {}
    """
    texts = {} if ledger is None else {name: _text(ledger.verdicts(name).findings()) for name in ledger.detectors}
    return {name: text for name, text in texts.items() if text}


def _text(findings: Sequence[Finding]) -> str:
    lost = [finding for finding in findings if finding.verdict in (Verdict.MISSING, Verdict.UNKNOWN)]
    if not lost:
        return ""
    shown = ", ".join(_span(finding) for finding in lost[:NAMED])
    more = f" and {len(lost) - NAMED} more ranges" if len(lost) > NAMED else ""
    reasons = "; ".join(dict.fromkeys(finding.reason for finding in lost[:NAMED]))
    return f"{sum(finding.count for finding in lost)} (frames {shown}{more}; {reasons})"


def _span(finding: Finding) -> str:
    start, last = finding.frames.start, finding.frames.stop - 1
    frames = f"{start}" if start == last else f"{start} to {last}"
    return frames if finding.verdict is Verdict.MISSING else f"{finding.count} of {frames}"
