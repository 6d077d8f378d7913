"""A column of codes and its notes hold what the verdicts hold, for any range of frames."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wingbeat.stream_resource.errors import VerdictError
from wingbeat.stream_resource.frames import FrameRange
from wingbeat.stream_resource.verdict_column import NOT_JUDGED, VERDICT_CODES, VerdictColumn
from wingbeat.stream_resource.verdicts import Verdict, Verdicts

PLANNED = 40


@st.composite
def judged(draw):
    verdicts, at = Verdicts(PLANNED), 0
    while at < PLANNED and draw(st.integers(0, 9)):
        frames = FrameRange(at, min(PLANNED, at + draw(st.integers(1, 8))))
        verdict = draw(st.sampled_from([None, *Verdict]))
        if verdict is not None:
            count = draw(st.integers(1, frames.size)) if verdict is Verdict.UNKNOWN else None
            verdicts.put(frames, verdict, reason=draw(st.sampled_from(["", "late", "busy"])), count=count)
        at = frames.stop
    return verdicts


def frame_by_frame(verdicts, frames):
    found = {i: verdicts.of(i) for i in range(*frames)}
    return {
        i: f and (f.verdict, f.reason, f.frames if f.verdict is Verdict.UNKNOWN else None) for i, f in found.items()
    }


@settings(max_examples=150)
@given(judged())
def test_a_column_of_all_frames_gives_the_verdicts_back(verdicts):
    assert VerdictColumn.of(verdicts).verdicts(PLANNED) == verdicts


@settings(max_examples=150)
@given(judged(), st.integers(0, PLANNED), st.integers(0, PLANNED))
def test_a_column_of_a_range_gives_back_what_is_known_of_its_frames(verdicts, one, other):
    frames = FrameRange(min(one, other), max(one, other))
    column = VerdictColumn.of(verdicts, frames)
    assert (column.codes.dtype, column.codes.shape) == (np.uint8, (frames.size,))
    codes = [VERDICT_CODES[f.verdict] if f else NOT_JUDGED for f in map(verdicts.of, range(*frames))]
    assert column.codes.tolist() == codes
    back = column.verdicts(PLANNED)
    assert frame_by_frame(back, frames) == frame_by_frame(verdicts, frames)
    unknown = [f for f in verdicts.findings() if f.verdict is Verdict.UNKNOWN and f.frames.meet(frames)]
    assert [f for f in back.findings() if f.verdict is Verdict.UNKNOWN] == unknown


def test_every_verdict_has_a_code_of_its_own_that_never_changes():
    codes = {verdict.value: code for verdict, code in VERDICT_CODES.items()}
    assert codes == {"good": 1, "missing": 2, "duplicate": 3, "redone": 4, "blind": 5, "unknown": 6}
    assert set(VERDICT_CODES) == set(Verdict)
    assert NOT_JUDGED not in VERDICT_CODES.values()


def column(codes, notes=(), reasons=("",)):
    whole = VerdictColumn.of(Verdicts(len(codes)))
    return VerdictColumn(
        frames=FrameRange(0, len(codes)),
        codes=np.array(codes, np.uint8),
        notes=np.array(list(notes), whole.notes.dtype),
        reasons=reasons,
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (column([1, 9]), "code 9 of frames 1:2 is no verdict"),
        (column([1, 6, 6]), "code 6 of frames 1:3 is unknown, which needs a note"),
        (column([1, 6, 6], [(1, 2, 6, 1, 0)]), "code 6 of frames 2:3 is unknown, which needs a note"),
        (column([1, 1, 6], [(1, 3, 6, 1, 0)]), r"frames 1:3 are noted as unknown; their codes are \[1, 6\]"),
        (column([2], [(0, 1, 2, 1, 1)]), "code 2 with reason 1; expected those of this column"),
        (column([6, 6], [(0, 2, 6, 3, 0)]), "counts 3"),
    ],
)
def test_codes_and_notes_that_contradict_each_other_are_refused(wrong, message):
    with pytest.raises(VerdictError, match=message):
        wrong.verdicts(len(wrong.codes))


def test_frames_that_were_not_planned_have_no_column():
    with pytest.raises(VerdictError, match="the 4 planned frames"):
        VerdictColumn.of(Verdicts(4), FrameRange(2, 5))
