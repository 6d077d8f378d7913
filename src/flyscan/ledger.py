"""What became of every planned frame of every detector.

    planned frame  ── trigger number ── row of the capture      (counted by the trigger box)
         │
         └──────── identity ────────── row of each detector     (trigger counter, hardware time, software time, count)

How a row is recognised is the detector's declared level, and nothing stronger is ever claimed:

    trigger_counter   the row says the number of its trigger
    hardware_time     the row's time is nearest to that of one trigger, and nearer than half of the shortest spacing;
                      where rows match no trigger and frames have no row, a clock is wrong and the window unknown
    software_time     rows are told apart by window only: a window is good if it has as many rows as triggers, else
                      all of it is unknown, with the number of frames that it lacks
    count_only        the same for the whole flight

Rows are matched when the triggers of their time are known; until then they are held. `advance` gives what all
detectors have agreed on since the last time: frames below are decided for good, and can be announced. `finish` judges
the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..async_devices.flight import DetectorCounts, FrameIdentities, Identity
from ..stream_resource.frames import FrameRange, RangeSet
from ..stream_resource.verdicts import Verdict, Verdicts
from .account import Account, Run, lost_reason
from .errors import LedgerError
from .fired import FiredTriggers
from .window import Ints

NOT_TRIGGERED = "not triggered: the trigger box did not fire for it"
CLOCKS_DIFFER = (
    "rows in or beside this window match no trigger in time: the detector's clock may differ from the trigger box's, "
    "so how many frames are missing is known, but not which"
)
NO_COUNTS = DetectorCounts(exposed=None, written=0, dropped=None)


@dataclass(slots=True)
class _Entry:
    """A detector's account and the rows that wait for the triggers of their time."""

    identity: Identity
    account: Account
    held_times: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    held_ids: Ints | None = None
    counts: DetectorCounts = NO_COUNTS
    groups_done: int = 0
    doubted: set[int] = field(default_factory=set[int])


class Ledger:
    """Accounts for every planned frame of every detector, once.

    Args:
        planned: Frames planned.
        detectors: Per detector, by what its frames can be recognised.
        windows: The frames of each window, in order; one window unless given.
        spacing_ns: Shortest time between two triggers.
    """

    def __init__(
        self,
        planned: int,
        detectors: Mapping[str, Identity],
        *,
        windows: Sequence[FrameRange] = (),
        spacing_ns: int = 1_000_000,
    ) -> None:
        self.planned = planned
        self.windows = tuple(windows) or (FrameRange(0, planned),)
        self.fired = FiredTriggers(planned, windows=self.windows, spacing_ns=spacing_ns)
        self.agreed = 0
        self.finished = False
        self._entries = {name: _Entry(identity, Account(planned)) for name, identity in detectors.items()}

    @property
    def detectors(self) -> tuple[str, ...]:
        """Names of the detectors."""
        return tuple(self._entries)

    def _entry(self, detector: str) -> _Entry:
        if detector not in self._entries:
            msg = f"{detector!r} is not one of this flight's detectors ({', '.join(self._entries)})"
            raise LedgerError(msg)
        return self._entries[detector]

    def add_triggers(self, numbers: Ints, times_ns: Ints | None) -> None:
        """Take what the trigger box captured: trigger numbers (from 1) and their times (Unix ns)."""
        self.fired.add(numbers, times_ns)
        for entry in self._entries.values():
            self._match(entry, last=False)

    def add_rows(self, detector: str, rows: FrameRange, *, identities: FrameIdentities) -> None:
        """Take the next rows of a detector's file.

        Args:
            detector: Its name.
            rows: Which rows; they must go on where the last ones ended.
            identities: One identity per row, at least at the detector's level.

        Raises:
            LedgerError: Rows out of order, or identities of another kind or number than declared.
        """
        entry = self._entry(detector)
        entry.account.check_next(rows, len(entry.held_times))
        values = _values(detector, entry.identity, identities, rows.size)
        ids = identities.unique_ids
        if entry.identity is Identity.TRIGGER_COUNTER:
            entry.account.add(values - 1, ids)
            return
        entry.held_times = np.concatenate((entry.held_times, values))
        held = entry.held_ids if entry.held_ids is not None else np.zeros(0, dtype=np.int64)
        entry.held_ids = None if ids is None else np.concatenate((held, ids))
        self._match(entry, last=False)

    def advance(self) -> FrameRange:
        """Give the frames that all detectors have agreed on since the last call; empty if none."""
        before = self.agreed
        self.agreed = max(before, min((entry.account.decided for entry in self._entries.values()), default=0))
        return FrameRange(before, self.agreed)

    def seen(self, detector: str) -> int:
        """How many frames of a detector are accounted for: below it every frame is decided or its rows are held."""
        entry = self._entry(detector)
        return min(self.planned, entry.account.decided + len(entry.held_times))

    def take(self, detector: str) -> list[Run]:
        """Give the rows of a detector that belong to agreed frames and were not given before; each row exactly once."""
        return self._entry(detector).account.take(self.agreed, last=self.finished)

    def finish(self, counts: Mapping[str, DetectorCounts]) -> None:
        """Judge every frame that is still open: no more rows will come.

        Args:
            counts: What each detector said at its end, to tell dropped frames from lost triggers.
        """
        for name, entry in self._entries.items():
            entry.counts = counts.get(name, NO_COUNTS)
            self._match(entry, last=True)
            if entry.account.decided < self.planned:
                self._close(entry)
            _explain(entry)
            for window in sorted(entry.doubted):
                entry.account.doubt(self.windows[window], CLOCKS_DIFFER)
        self.finished = True

    def verdicts(self, detector: str) -> Verdicts:
        """Give the verdicts on a detector's frames so far."""
        return self._entry(detector).account.verdicts()

    def missing(self, detector: str) -> RangeSet:
        """Give the frames that a detector has lost for certain."""
        return self.verdicts(detector).missing

    def unknown(self, detector: str) -> RangeSet:
        """Give the frames of which it cannot be told which row of a detector holds them, as far as that is judged."""
        judgements = self._entry(detector).account.judgements
        return RangeSet(judgement.frames for judgement in judgements if judgement.verdict is Verdict.UNKNOWN)

    def lost(self, detector: str) -> int:
        """Count a detector's lost frames, those included of which only the interval is known."""
        counts = self.verdicts(detector).counts()
        return counts[Verdict.MISSING] + counts[Verdict.UNKNOWN]

    def strays(self, detector: str) -> int:
        """Count the rows of a detector that hold no planned frame."""
        return self._entry(detector).account.strays()

    def summary(self) -> dict[str, Any]:
        """Give the stop document's `frames`: per detector the counts, the identity and the verdicts."""
        return {name: self._summary(name, entry) for name, entry in self._entries.items()}

    def _summary(self, name: str, entry: _Entry) -> dict[str, Any]:
        return {
            "planned": self.planned,
            "triggered": self.fired.fired,
            "exposed": entry.counts.exposed,
            "written": entry.account.rows + len(entry.held_times),
            "missing": self.lost(name),
            "duplicates": entry.account.strays(),
            "identity": entry.identity.value,
            "verdicts": entry.account.verdicts().to_document(),
        }

    def _match(self, entry: _Entry, *, last: bool) -> None:
        if entry.identity is Identity.HARDWARE_TIME:
            until = np.iinfo(np.int64).max if last else self.fired.known_until_ns
            late = entry.held_times > until
            if number := int(np.argmax(late)) if late.any() else len(late):
                times, ids = _release(entry, number)
                frames = self.fired.nearest(times)
                entry.doubted.update(self.fired.windows_near(times[frames < 0]))
                entry.account.add(frames, ids)
        elif entry.identity is not Identity.TRIGGER_COUNTER:
            self._match_windows(entry, last=last)

    def _match_windows(self, entry: _Entry, *, last: bool) -> None:
        groups = self.windows if entry.identity is Identity.SOFTWARE_TIME else (FrameRange(0, self.planned),)
        while entry.groups_done < len(groups):
            group = groups[entry.groups_done]
            following = self.fired.time_of(group.stop) if group.stop < self.planned else None
            if following is not None and (entry.held_times >= following).any():
                number = int(np.argmax(entry.held_times >= following))
            elif last:
                number = len(entry.held_times)
            else:
                return
            _, ids = _release(entry, number)
            entry.groups_done += 1
            reached = FrameRange(group.start, max(group.start, min(group.stop, self.fired.fired)))
            _judge_group(entry.account, reached, number, ids)
            if self.fired.fired < group.stop:
                return

    def _close(self, entry: _Entry) -> None:
        """Judge the frames behind the last row."""
        fired = max(entry.account.decided, self.fired.fired)
        entry.account.judge_lost(FrameRange(entry.account.decided, fired), None)
        entry.account.judge(FrameRange(fired, self.planned), Verdict.MISSING, reason=NOT_TRIGGERED)
        entry.account.decided = self.planned


def _values(detector: str, identity: Identity, identities: FrameIdentities, size: int) -> Ints:
    values = identities.trigger_numbers if identity is Identity.TRIGGER_COUNTER else identities.times_ns
    if identity is Identity.COUNT_ONLY:
        return np.zeros(size, dtype=np.int64)
    if values is None or len(values) != size:
        seen = "none" if values is None else str(len(values))
        msg = f"{detector} declares {identity.value}: expected {size} identities of that kind, seen {seen}"
        raise LedgerError(msg)
    return values.astype(np.int64)


def _release(entry: _Entry, number: int) -> tuple[Ints, Ints | None]:
    times, entry.held_times = entry.held_times[:number], entry.held_times[number:]
    if entry.held_ids is None:
        return times, None
    ids, entry.held_ids = entry.held_ids[:number], entry.held_ids[number:]
    return times, ids


def _judge_group(account: Account, group: FrameRange, number: int, ids: Ints | None) -> None:
    """Judge the frames of a window whose rows can only be counted."""
    lacking = group.size - number
    frames = np.where(np.arange(number) < group.size, group.start + np.arange(number), -1)
    account.add(frames.astype(np.int64), ids)
    if lacking > 0 and number == 0:
        account.judge_lost(group, None)
    elif lacking > 0:
        reason = f"{lacking} of these {group.size} frames are lost; this detector's identity does not tell which"
        account.judge(group, Verdict.UNKNOWN, reason=reason, count=lacking)
    elif lacking < 0:
        reason = f"{-lacking} rows more than triggers; this detector's identity does not tell which are the frames"
        account.judge(group, Verdict.UNKNOWN, reason=reason)
    account.decided = max(account.decided, group.stop)


def _explain(entry: _Entry) -> None:
    """Give holes at the ends, where ids have no neighbour, the reason that the detector's own counts allow."""
    account, counts = entry.account, entry.counts
    open_holes = [judgement for judgement in account.judgements if judgement.reason == lost_reason(1, None)]
    dropped = counts.dropped
    if dropped is None and counts.exposed is not None:
        dropped = counts.exposed - account.rows
    if dropped is None or not open_holes:
        return
    known = sum(judgement.dropped or 0 for judgement in account.judgements)
    size = sum(judgement.frames.size for judgement in open_holes)
    left = max(0, dropped - known)
    if 0 < left < size and len(open_holes) > 1:
        return
    account.judgements = [
        judgement.explained(min(left, judgement.frames.size)) if judgement in open_holes else judgement
        for judgement in account.judgements
    ]
