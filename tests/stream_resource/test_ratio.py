"""A slow event finds its fast rows, and every fast row its one slow event."""

from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wingbeat.stream_resource.errors import FrameRangeError
from wingbeat.stream_resource.frames import FrameRange
from wingbeat.stream_resource.ratio import Ratio
from wingbeat.stream_resource.runindex import RunIndex
from wingbeat.stream_resource.stretch import Stretch

from tests.stream_resource.runs import CAM, Documents

RATES = st.integers(1, 12)


@given(RATES, RATES, st.integers(1, 40))
def test_every_fast_frame_belongs_to_the_slow_frame_during_which_it_begins(fast, slow, events):
    ratio, time = Ratio(fast=fast, slow=slow), Fraction(events, slow)
    naive = {n: [] for n in range(1, events + 1)}
    for frame in range(events * fast):
        begins = Fraction(frame, fast)
        if begins < time:
            naive[floor(begins * slow) + 1].append(frame + 1)
    assert {n: list(range(*ratio.fast_seq_nums(FrameRange(n, n + 1)))) for n in naive} == naive
    assert all(ratio.slow_seq_num(seq_num) == n for n, held in naive.items() for seq_num in held)
    assert list(range(*ratio.fast_seq_nums(FrameRange(1, events + 1)))) == [i for held in naive.values() for i in held]


def test_a_slow_event_finds_its_fast_rows_through_skips_redone_lines_and_a_new_file():
    docs = Documents(data_keys={"slow": CAM, "fast": CAM})
    index = RunIndex()
    for name, doc in [
        docs.start(),
        docs.descriptor(),
        docs.resource("slow", uri="file://localhost/slow.h5"),
        docs.resource("fast", uri="file://localhost/fast.h5"),
        docs.datum((1, 7), "slow"),
        docs.datum((1, 26), "fast"),  # events 1 and 2, and half of 3
        docs.datum((21, 29), "fast"),  # event 3 is redone
        docs.datum((30, 41), "fast"),  # frame 29 was lost
        docs.resource("fast", uri="file://localhost/fast2.h5"),
        docs.datum((41, 61), "fast"),
    ]:
        index.apply(name, doc)
    fast, ratio = index.streams["primary"].arrays["fast"].rowmap, Ratio(fast=10)
    first, second = fast.resources

    def rows(event):
        return list(ratio.fast_rows(fast, FrameRange(event, event + 1)))

    assert rows(1) == [Stretch(FrameRange(1, 11), first, FrameRange(0, 10))]
    assert rows(3) == [
        Stretch(FrameRange(21, 29), first, FrameRange(25, 33)),
        Stretch(FrameRange(30, 31), first, FrameRange(33, 34)),
    ]
    assert rows(5) == [Stretch(FrameRange(41, 51), second, FrameRange(0, 10))]
    assert rows(7) == []


def test_several_frames_per_event_are_rows_of_the_file_that_follow_each_other():
    docs = Documents(data_keys={"fast": CAM | {"shape": [10, 2, 3]}})
    index = RunIndex()
    for name, doc in (
        docs.start(),
        docs.descriptor(),
        docs.resource("fast"),
        docs.datum((1, 4), "fast"),
        docs.datum((2, 4), "fast"),
    ):
        index.apply(name, doc)
    array = index.streams["primary"].arrays["fast"]
    row = array.locate(1).row
    assert (row, array.file_rows(FrameRange(row, row + 1))) == (3, FrameRange(30, 40))


@pytest.mark.parametrize(("fast", "slow"), [(0, 1), (1, 0), (-2, 1)])
def test_rates_below_one_are_refused(fast, slow):
    with pytest.raises(FrameRangeError, match=f"not {fast}:{slow}"):
        Ratio(fast=fast, slow=slow)


def test_seq_nums_below_one_are_refused():
    with pytest.raises(FrameRangeError):
        Ratio(fast=2).fast_seq_nums(FrameRange(0, 1))
    with pytest.raises(FrameRangeError, match="count from 1"):
        Ratio(fast=2).slow_seq_num(0)
