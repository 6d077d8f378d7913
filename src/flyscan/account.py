"""The account of one detector: which row of its file holds which planned frame, and what became of the others.

Rows come in the order in which they were written, which is the order of the exposures. A row that is recognised as
frame j settles every frame before j: those without a row are lost. So an account is a list of runs and a list of
holes, and grows with what went wrong, not with the frames:

    rows     0   1   2   3   4   5          runs   rows 0:2 = frames 0:2, row 2 = nothing, rows 3:6 = frames 3:6
    frames   0   1   -   3   4   5          holes  frames 2:3

What went wrong in a hole is told by the driver's unique ids, which count exposures: between row a and row b of the
file, (id_b - id_a) - (b - a) frames were exposed and then dropped. None: the detector never saw the trigger.

A row that belongs to no frame (a second exposure in one frame, or one that no trigger asked for) still needs a place
in the documents, because no row may be left out of them. It is announced under the number of the next frame that
comes, just before that frame itself is: the newest row wins, so nobody will ever read it by that number.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..stream_resource.frames import FrameRange
from ..stream_resource.verdicts import Verdict, Verdicts
from .errors import LedgerError
from .window import Ints


class Run(NamedTuple):
    """Rows that hold consecutive frames; `frames` is None for one row that holds none."""

    rows: FrameRange
    frames: FrameRange | None


class Judgement(NamedTuple):
    """Frames that have no row of their own, or none that is certain; `dropped` were exposed (None: not known)."""

    frames: FrameRange
    verdict: Verdict
    reason: str
    count: int  # pyright: ignore[reportIncompatibleMethodOverride]  # tuple.count means nothing here
    dropped: int | None = None

    def explained(self, dropped: int) -> "Judgement":
        """Give the same judgement with the reason that follows from `dropped` frames having been exposed."""
        return self._replace(reason=lost_reason(self.frames.size, dropped), dropped=dropped)


@dataclass(slots=True)
class Account:
    """What is known of one detector.

    Attributes:
        planned: Frames planned.
        runs: Which rows hold which frames, by row.
        judgements: Frames that are not simply good, by frame.
        rows: Rows seen; all rows below are in runs.
        decided: Every frame below has its verdict.
    """

    planned: int
    runs: list[Run] = field(default_factory=list[Run])
    judgements: list[Judgement] = field(default_factory=list[Judgement])
    rows: int = 0
    decided: int = 0
    _last_id: int | None = None
    _last_row: int = -1
    _taken_runs: int = 0
    _taken_rows: int = 0

    def add(self, frames: Ints, unique_ids: Ints | None) -> None:
        """Take the next rows of the file.

        Args:
            frames: The planned frame that each row holds, -1 for none.
            unique_ids: The driver's counter of each row, or None.
        """
        before = np.maximum.accumulate(np.concatenate(([self.decided - 1], frames)))[:-1]
        good = (frames > before) & (frames < self.planned)
        self._find_holes(frames, unique_ids, np.flatnonzero(good))
        kept = np.where(good, frames, -1)
        for run in _runs(kept, self.rows):
            self._append(run)
        self.rows += len(frames)

    def _find_holes(self, frames: Ints, unique_ids: Ints | None, places: NDArray[np.intp]) -> None:
        for place in places[np.diff(frames[places], prepend=self.decided - 1) > 1].tolist():
            previous = places[np.searchsorted(places, place) - 1] if place != places[0] else None
            last = self.decided - 1 if previous is None else int(frames[previous])
            dropped = None
            if unique_ids is not None:
                known = previous is not None or self._last_id is not None
                last_id = self._last_id if previous is None else int(unique_ids[previous])
                last_row = self._last_row if previous is None else self.rows + int(previous)
                dropped = int(unique_ids[place]) - (last_id or 0) - (self.rows + place - last_row) if known else None
            self.judge_lost(FrameRange(last + 1, int(frames[place])), dropped)
        if len(places):
            self.decided = int(frames[places[-1]]) + 1
            self._last_row = self.rows + int(places[-1])
            self._last_id = None if unique_ids is None else int(unique_ids[places[-1]])

    def _append(self, run: Run) -> None:
        last = self.runs[-1] if self.runs else None
        joined = last is not None and last.frames and run.frames and last.frames.stop == run.frames.start
        if last is not None and last.frames and run.frames and joined and len(self.runs) > self._taken_runs:
            rows, frames = FrameRange(last.rows.start, run.rows.stop), FrameRange(last.frames.start, run.frames.stop)
            self.runs[-1] = Run(rows, frames)
        else:
            self.runs.append(run)

    def judge_lost(self, frames: FrameRange, dropped: int | None) -> None:
        """Note frames that are lost for certain; `dropped` of them were exposed."""
        if not frames.empty:
            self.judgements.append(
                Judgement(frames, Verdict.MISSING, lost_reason(frames.size, dropped), frames.size, dropped)
            )

    def judge(self, frames: FrameRange, verdict: Verdict, *, reason: str, count: int | None = None) -> None:
        """Note another verdict on frames."""
        if not frames.empty:
            self.judgements.append(Judgement(frames, verdict, reason, frames.size if count is None else count))

    def doubt(self, frames: FrameRange, reason: str) -> None:
        """Take back which of these frames are missing, and keep how many."""
        lacking = 0
        kept: list[Judgement] = []
        for judgement in self.judgements:
            both = judgement.frames.meet(frames) if judgement.verdict is Verdict.MISSING else None
            if both is None:
                kept.append(judgement)
                continue
            lacking += both.size
            rest = FrameRange(judgement.frames.start, both.start), FrameRange(both.stop, judgement.frames.stop)
            kept += [judgement._replace(frames=part, count=part.size) for part in rest if not part.empty]
        if lacking:
            self.judgements = [*kept, Judgement(frames, Verdict.UNKNOWN, reason, lacking)]

    def take(self, upto: int, *, last: bool = False) -> list[Run]:
        """Give the runs that were not given before and hold frames below `upto`, by row; every row once.

        Args:
            upto: Frames below this are agreed.
            last: No more rows will come: also give what belongs to no frame, numbered beyond the plan.
        """
        taken: list[Run] = []
        strays: list[FrameRange] = []
        for index in range(self._taken_runs, len(self.runs)):
            rows, frames = self.runs[index]
            if frames is None:
                strays.append(rows)
                continue
            rows = FrameRange(max(rows.start, self._taken_rows), rows.stop)
            frames = FrameRange(frames.stop - rows.size, min(frames.stop, upto))
            if frames.size <= 0:
                break
            taken += [Run(stray, FrameRange(frames.start, frames.start + 1)) for stray in strays]
            strays = []
            self._taken_rows = rows.start + frames.size
            taken.append(Run(FrameRange(rows.start, self._taken_rows), frames))
            whole = self._taken_rows == rows.stop
            self._taken_runs = index + 1 if whole else index
            if not whole:
                break
        return taken + self._leftovers(strays) if last else taken

    def _leftovers(self, strays: list[FrameRange]) -> list[Run]:
        self._taken_runs, self._taken_rows = len(self.runs), self.rows
        return [Run(rows, FrameRange(self.planned + n, self.planned + n + 1)) for n, rows in enumerate(strays)]

    def strays(self) -> int:
        """Rows that hold no frame."""
        return sum(run.rows.size for run in self.runs if run.frames is None)

    def verdicts(self) -> Verdicts:
        """Every frame decided so far with its one verdict."""
        verdicts = Verdicts(self.planned)
        for judgement in self.judgements:
            verdicts.put(judgement.frames, judgement.verdict, reason=judgement.reason, count=judgement.count)
        uncertain = verdicts.judged
        for frames in uncertain.gaps(FrameRange(0, self.decided)):
            verdicts.put(frames, Verdict.GOOD)
        return verdicts

    def check_next(self, rows: FrameRange, held: int) -> None:
        """Refuse rows that are not the next ones.

        Raises:
            LedgerError: They leave a hole or were given before.
        """
        if rows.start != self.rows + held:
            msg = f"rows must go on at {self.rows + held}, not {rows}: every row is accounted for once"
            raise LedgerError(msg)


def _runs(frames: Ints, first_row: int) -> Iterator[Run]:
    """Cut rows where their frames do not follow each other; rows without a frame (-1) stand alone."""
    if not len(frames):
        return
    cuts: list[int] = (np.flatnonzero((np.diff(frames) != 1) | (frames[1:] <= 0)) + 1).tolist()
    for start, stop in pairwise([0, *cuts, len(frames)]):
        rows = FrameRange(first_row + start, first_row + stop)
        frame = int(frames[start])
        yield Run(rows, FrameRange(frame, frame + rows.size) if frame >= 0 else None)


def lost_reason(size: int, dropped: int | None) -> str:
    """Say in words what became of lost frames, of which `dropped` were exposed."""
    if dropped is None:
        return "lost: the detector cannot say whether before or after the exposure"
    if dropped <= 0:
        return "lost trigger: the unique ids go on without a gap, so the detector made no exposure"
    if dropped >= size:
        return "dropped after exposure: the unique ids have a gap"
    split = f"{dropped} dropped after exposure and {size - dropped} triggers lost"
    return f"{split}; which of these frames is which cannot be told"
