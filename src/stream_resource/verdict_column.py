"""The verdicts on a range of frames as a column of small numbers, for datasets and tables.

Theory of operation. One byte per frame holds its verdict (`VERDICT_CODES`; 0 is "not judged"). A byte cannot say how
many frames of an unknown interval are lost, where one such interval ends and the next begins, or why a frame is
missing. A companion table does: one row for every finding that is UNKNOWN or has a reason, its frames whole, also
where the column shows only a part of them::

    frames 2:12     2 3 4 5 6 7 8 9 10 11
    codes           1 1 2 6 6 6 6 6  6  6
    notes           (4, 5, missing, 1, "trigger lost")   (5, 10, unknown, 2, "")   (10, 13, unknown, 1, "")

Codes and notes together give the verdicts back; where they disagree they are refused.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .errors import VerdictError
from .frames import FrameRange
from .verdicts import Finding, Verdict, Verdicts

NOT_JUDGED: Final = 0
"""The code of a frame that has no verdict yet."""

VERDICT_CODES: Final[Mapping[Verdict, int]] = {
    Verdict.GOOD: 1,
    Verdict.MISSING: 2,
    Verdict.DUPLICATE: 3,
    Verdict.REDONE: 4,
    Verdict.BLIND: 5,
    Verdict.UNKNOWN: 6,
}
"""The number of each verdict in a column. A number never changes its meaning; new ones are added at the end."""

NOTE_DTYPE: Final = np.dtype([("start", "<i8"), ("stop", "<i8"), ("code", "u1"), ("count", "<i8"), ("reason", "<u4")])
"""One row of a companion table: frames start:stop, their code, how many count, and which of the reasons it has."""

_VERDICTS: Final = {code: verdict for verdict, code in VERDICT_CODES.items()}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VerdictColumn:
    """The verdicts on a range of frames, as arrays.

    Attributes:
        frames: The range.
        codes: Shape (frames.size,), u1: `VERDICT_CODES` of each frame, or `NOT_JUDGED`.
        notes: Shape (n,), `NOTE_DTYPE`: what the codes cannot say, ascending; counted from frame 0 of the plan.
        reasons: The reasons that the notes name, the empty one first.

    Example:
        >>> verdicts = Verdicts(6)
        >>> verdicts.put(FrameRange(0, 4), Verdict.GOOD)
        >>> verdicts.put(FrameRange(4, 6), Verdict.UNKNOWN, count=1)
        >>> column = VerdictColumn.of(verdicts, FrameRange(2, 6))
        >>> column.codes.tolist(), column.notes.tolist()
        ([1, 1, 6, 6], [(4, 6, 6, 1, 0)])
        >>> column.verdicts(6).findings()[0].frames
        FrameRange(start=2, stop=4)
    """

    frames: FrameRange
    codes: NDArray[np.uint8]
    notes: NDArray[Any]
    reasons: tuple[str, ...]

    @classmethod
    def of(cls, verdicts: Verdicts, frames: FrameRange | None = None) -> "VerdictColumn":
        """The verdicts on `frames`, or on all that are planned.

        Raises:
            VerdictError: A frame of the range is not planned.
        """
        wanted = FrameRange(0, verdicts.planned) if frames is None else FrameRange.of(*frames)
        if wanted.stop > verdicts.planned:
            msg = f"frames {wanted} have no verdicts: expected a range of the {verdicts.planned} planned frames"
            raise VerdictError(msg)
        codes = np.full(wanted.size, NOT_JUDGED, np.uint8)
        noted: list[Finding] = []
        for finding in verdicts.findings():
            part = finding.frames.meet(wanted)
            if part is None:
                continue
            codes[part.start - wanted.start : part.stop - wanted.start] = VERDICT_CODES[finding.verdict]
            if finding.reason or finding.verdict is Verdict.UNKNOWN:
                noted.append(finding)
        reasons = tuple(dict.fromkeys(("", *(finding.reason for finding in noted))))
        rows = [(*f.frames, VERDICT_CODES[f.verdict], f.count, reasons.index(f.reason)) for f in noted]
        return cls(frames=wanted, codes=codes, notes=np.array(rows, NOTE_DTYPE), reasons=reasons)

    def verdicts(self, planned: int) -> Verdicts:
        """The verdicts again: of the frames of the range, and of the whole of every unknown interval that meets it.

        Args:
            planned: How many frames were planned.

        Raises:
            VerdictError: A code or reason that is none, or codes and notes that contradict each other.
        """
        verdicts = Verdicts(planned)
        for noted in self._noted():
            self._check(noted)
            known = noted.frames.meet(self.frames)
            if noted.verdict is Verdict.UNKNOWN:
                verdicts.put(noted.frames, noted.verdict, reason=noted.reason, count=noted.count)
            elif known is not None:
                verdicts.put(known, noted.verdict, reason=noted.reason)
        for frames, code in self._runs():
            for part in verdicts.judged.gaps(frames) if code != NOT_JUDGED else ():
                verdicts.put(part, self._plain(part, code))
        return verdicts

    def _noted(self) -> Iterator[Finding]:
        for start, stop, code, count, reason in self.notes.tolist():
            if code not in _VERDICTS or reason >= len(self.reasons):
                msg = f"note on frames {start}:{stop}: code {code} with reason {reason}; expected those of this column"
                raise VerdictError(msg)
            yield Finding(FrameRange.of(start, stop), _VERDICTS[code], self.reasons[reason], count)

    def _check(self, noted: Finding) -> None:
        part = noted.frames.meet(self.frames)
        shown = self.codes[part.start - self.frames.start : part.stop - self.frames.start] if part else self.codes[:0]
        if (shown != VERDICT_CODES[noted.verdict]).any():
            msg = f"frames {noted.frames} are noted as {noted.verdict}; their codes are {np.unique(shown).tolist()}"
            raise VerdictError(msg)

    def _runs(self) -> Iterator[tuple[FrameRange, int]]:
        """The ranges of equal codes."""
        if len(self.codes) != self.frames.size:
            msg = f"{len(self.codes)} codes for frames {self.frames}: expected {self.frames.size}"
            raise VerdictError(msg)
        edges = [0, *(np.flatnonzero(np.diff(self.codes)) + 1).tolist(), len(self.codes)]
        for start, stop in pairwise(edges):
            if start < stop:
                yield FrameRange(start, stop).shift(self.frames.start), int(self.codes[start])

    @staticmethod
    def _plain(frames: FrameRange, code: int) -> Verdict:
        verdict = _VERDICTS.get(code)
        if verdict is None or verdict is Verdict.UNKNOWN:
            what = "no verdict" if verdict is None else "unknown, which needs a note with its interval and count"
            msg = f"code {code} of frames {frames} is {what}"
            raise VerdictError(msg)
        return verdict
