"""What became of each planned frame of one detector, kept as ranges.

Theory of operation. A verdict is given once: two on one frame would let a ledger add up by accident, so the second
raises. Ranges of the same verdict and reason that touch are merged, except UNKNOWN: an UNKNOWN of `count` in a range
says that so many frames of the range are lost and nobody can tell which, and merging two of them would make the
interval coarser than it is known.
"""

from bisect import bisect_left
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from .errors import VerdictError
from .frames import FrameRange, RangeSet


class Verdict(StrEnum):
    """What became of a frame."""

    GOOD = "good"
    """It is in the file, and its identity is the planned one."""
    MISSING = "missing"
    """It is known to be lost: no row holds it."""
    DUPLICATE = "duplicate"
    """More than one row holds it; the newest is read."""
    REDONE = "redone"
    """It was taken again, and the newer row is the good one."""
    BLIND = "blind"
    """Its trigger was never given, or given when the detector could not see."""
    UNKNOWN = "unknown"
    """It lies in an interval of which some frames are lost, and which ones cannot be told."""


VERDICT_KEY = "verdict"
"""Key of a stream_datum whose rows are not simply good."""


class Finding(NamedTuple):
    """One verdict on a range of planned frames.

    `count` is less than the range's size only for UNKNOWN: that many frames of the range are lost.
    """

    frames: FrameRange
    verdict: Verdict
    reason: str
    count: int  # pyright: ignore[reportIncompatibleMethodOverride]  # tuple.count means nothing here


class Verdicts:
    """The verdicts on one detector's frames 0 … planned − 1; each frame gets at most one.

    Args:
        planned: How many frames were planned.

    Example:
        >>> verdicts = Verdicts(10)
        >>> verdicts.put(FrameRange(0, 4), Verdict.GOOD)
        >>> verdicts.put(FrameRange(4, 5), Verdict.MISSING, reason="trigger lost")
        >>> verdicts.missing, verdicts.complete
        (RangeSet(4:5), False)
    """

    def __init__(self, planned: int) -> None:
        if planned < 0:
            msg = f"the number of planned frames must not be negative, not {planned}"
            raise VerdictError(msg)
        self.planned = planned
        self._findings: list[Finding] = []

    def put(self, frames: FrameRange, verdict: Verdict, *, reason: str = "", count: int | None = None) -> None:
        """Judge a range of frames; an empty range changes nothing.

        Args:
            frames: The planned frames, counted from 0.
            verdict: What became of them.
            reason: Why, in words for the user.
            count: For UNKNOWN: how many of the range are lost; all of them unless given.

        Raises:
            VerdictError: A frame was judged before or was not planned, or the count does not fit.
        """
        number = frames.size if count is None else count
        self._check(frames, verdict, number)
        if frames.empty:
            return
        at = bisect_left(self._findings, frames.start, key=lambda finding: finding.frames.start)
        self._findings[at:at] = [Finding(frames, verdict, reason, number)]
        self._merge(at)

    def _check(self, frames: FrameRange, verdict: Verdict, count: int) -> None:
        if not 0 <= frames.start <= frames.stop <= self.planned:
            msg = f"verdict {verdict} on frames {frames}: only frames 0:{self.planned} were planned"
            raise VerdictError(msg)
        if count != frames.size and not (verdict is Verdict.UNKNOWN and 0 < count < frames.size):
            msg = f"verdict {verdict} on frames {frames} counts {count}: expected {frames.size}; less only for unknown"
            raise VerdictError(msg)
        at = bisect_left(self._findings, frames.start, key=lambda finding: finding.frames.stop - 1)
        if at < len(self._findings) and self._findings[at].frames.meet(frames):
            old = self._findings[at]
            msg = f"verdict {verdict} on frames {frames}: frames {old.frames} were judged {old.verdict} before"
            raise VerdictError(msg)

    def _merge(self, at: int) -> None:
        for left in (at, at - 1):
            if 0 <= left < len(self._findings) - 1 and (both := _joined(*self._findings[left : left + 2])):
                self._findings[left : left + 2] = [both]

    def findings(self) -> tuple[Finding, ...]:
        """Every verdict, ascending by frame, merged."""
        return tuple(self._findings)

    def of(self, frame: int) -> Finding | None:
        """The verdict on the range that holds `frame`, or None if it is not judged; O(log findings)."""
        at = bisect_left(self._findings, frame, key=lambda finding: finding.frames.stop - 1)
        if at < len(self._findings) and self._findings[at].frames.holds(frame):
            return self._findings[at]
        return None

    @property
    def judged(self) -> RangeSet:
        """The frames that have a verdict."""
        return RangeSet(finding.frames for finding in self._findings)

    @property
    def complete(self) -> bool:
        """Whether every planned frame has its verdict."""
        return self.judged.size == self.planned

    @property
    def missing(self) -> RangeSet:
        """The frames that are known to be lost; those of UNKNOWN are not among them, since it cannot be told which."""
        return RangeSet(finding.frames for finding in self._findings if finding.verdict is Verdict.MISSING)

    @property
    def unknown(self) -> RangeSet:
        """The intervals of which it cannot be told which frame a row holds."""
        return RangeSet(finding.frames for finding in self._findings if finding.verdict is Verdict.UNKNOWN)

    def counts(self) -> dict[Verdict, int]:
        """For each verdict its counts added up: frames, and for UNKNOWN the frames that are lost."""
        counts = dict.fromkeys(Verdict, 0)
        for finding in self._findings:
            counts[finding.verdict] += finding.count
        return counts

    def to_document(self) -> dict[str, Any]:
        """The verdicts as JSON types, for a stop document; no key holds a dot."""
        return {
            "planned": self.planned,
            "findings": [
                {
                    "start": finding.frames.start,
                    "stop": finding.frames.stop,
                    "verdict": finding.verdict.value,
                    "reason": finding.reason,
                    "count": finding.count,
                }
                for finding in self._findings
            ],
        }

    @classmethod
    def from_document(cls, doc: Mapping[str, Any]) -> "Verdicts":
        """Read back what `to_document` gave.

        Raises:
            VerdictError: The document does not hold verdicts, or verdicts that contradict each other.
        """
        try:
            verdicts = cls(int(doc["planned"]))
            rows = [
                (
                    FrameRange.of(row["start"], row["stop"]),
                    Verdict(row["verdict"]),
                    str(row["reason"]),
                    int(row["count"]),
                )
                for row in doc["findings"]
            ]
        except (KeyError, TypeError, ValueError) as error:
            msg = f"expected verdicts as {{'planned': int, 'findings': [...]}}, seen {doc!r:.200}"
            raise VerdictError(msg) from error
        for frames, verdict, reason, count in rows:
            verdicts.put(frames, verdict, reason=reason, count=count)
        return verdicts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Verdicts) and (self.planned, self._findings) == (other.planned, other._findings)

    def __repr__(self) -> str:
        counts = {verdict.value: count for verdict, count in self.counts().items() if count}
        return f"Verdicts({self.planned}: {counts})"


def _joined(left: Finding, right: Finding) -> Finding | None:
    same = (left.verdict, left.reason, left.frames.stop) == (right.verdict, right.reason, right.frames.start)
    if not same or left.verdict is Verdict.UNKNOWN:
        return None
    frames = FrameRange(left.frames.start, right.frames.stop)
    return Finding(frames, left.verdict, left.reason, left.count + right.count)
