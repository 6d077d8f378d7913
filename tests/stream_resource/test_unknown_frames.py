"""A row of which nobody can tell the frame is never given for a frame."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wingbeat.stream_resource.arrayindex import ArrayIndex
from wingbeat.stream_resource.errors import MissingFrameError, UnknownFrameError
from wingbeat.stream_resource.frames import FrameRange, RangeSet
from wingbeat.stream_resource.reader import ArrayReader
from wingbeat.stream_resource.runindex import RunIndex
from wingbeat.stream_resource.verdicts import Verdict, Verdicts

from tests.stream_resource.hdf import finished, frames
from tests.stream_resource.runs import Documents

DOUBTED = FrameRange(3, 7)


class Line:
    """Nine rows in a file: 0-2 hold frames 0-2, 3-5 stand for frames 3-6 of which one is lost, 6-8 hold frames 7-9."""

    def __init__(self, directory):
        self.docs, self.index = Documents(), RunIndex()
        finished(directory / "a.h5", 9)
        uri = f"file://localhost{directory}/a.h5"
        for name, doc in (self.docs.start(), self.docs.descriptor(), self.docs.resource(uri=uri)):
            self.index.apply(name, doc)
        self.put((1, 4))
        self.put((4, 7), verdict=Verdict.UNKNOWN)
        self.put((8, 11))

    def put(self, seq_nums, *, verdict=Verdict.GOOD):
        name, doc = self.docs.datum(seq_nums)
        self.index.apply(name, doc if verdict is Verdict.GOOD else doc | {"verdict": verdict.value})

    def stop(self, *, planned=10, unknown=DOUBTED):
        verdicts = Verdicts(planned)
        verdicts.put(FrameRange(0, unknown.start), Verdict.GOOD)
        verdicts.put(unknown, Verdict.UNKNOWN, reason="one of these is lost", count=1)
        verdicts.put(FrameRange(unknown.stop, planned), Verdict.GOOD)
        entry = {"planned": planned, "verdicts": verdicts.to_document()}
        self.index.apply(*self.docs.stop(frames={"detector": entry}))

    @property
    def array(self) -> ArrayIndex:
        return self.index.streams["primary"].arrays["cam"]

    @property
    def reader(self) -> ArrayReader:
        return ArrayReader(self.array)


@pytest.fixture
def line(tmp_path):
    return Line(tmp_path)


def test_while_the_run_goes_on_the_datums_say_it(line):
    assert line.array.unknown == RangeSet([FrameRange(4, 7)])
    assert line.reader.valid.tolist() == [True] * 3 + [False] * 4 + [True] * 3
    with pytest.raises(MissingFrameError, match="unknown"):
        line.reader[4]


def test_afterwards_the_verdicts_say_it_with_their_reason(line):
    line.stop()
    assert line.reader.valid.tolist() == [True] * 3 + [False] * 4 + [True] * 3
    with pytest.raises(MissingFrameError, match="one of these is lost"):
        line.reader[4]
    with pytest.raises(MissingFrameError):
        line.reader[2:5]


def test_the_certain_frames_around_it_and_the_rows_themselves_can_be_read(line):
    line.stop()
    numbers, data = line.reader.good()
    assert numbers.tolist() == [0, 1, 2, 7, 8, 9]
    np.testing.assert_array_equal(data, np.concatenate([frames(0, 3), frames(6, 9)]))
    np.testing.assert_array_equal(line.reader.rows(FrameRange(3, 6)), frames(3, 6))


def test_frames_that_are_taken_again_are_certain_again(line):
    line.docs.rows["cam"] = 9
    line.put((4, 7))
    assert line.array.unknown == RangeSet()
    assert line.array.good.holds(5)


def test_a_doubt_that_only_the_stop_document_tells_counts_as_well(line):
    assert line.array.good.holds(9)
    line.stop(unknown=FrameRange(3, 10))
    assert not line.array.good.holds(9)


def test_rows_beyond_the_plan_are_no_frames(line):
    line.stop(planned=8)
    assert len(line.reader) == 8
    assert line.array.good == RangeSet([FrameRange(1, 4), FrameRange(8, 9)])
    with pytest.raises(UnknownFrameError):
        line.reader[8]


RANGES_JUDGED = st.tuples(st.integers(0, 30), st.integers(0, 10)).map(lambda pair: FrameRange(pair[0], sum(pair)))
MARKED = st.tuples(st.integers(1, 30), st.integers(1, 5), st.booleans())


def judged(datums):
    """The array after each of the datums, and per seq_num whether its newest one is certain."""
    docs, index, certain = Documents(), RunIndex(), {}
    for name, doc in (docs.start(), docs.descriptor(), docs.resource()):
        index.apply(name, doc)
    array = index.streams["primary"].arrays["cam"]
    for first, size, known in datums:
        name, doc = docs.datum((first, first + size))
        doc = doc if known else doc | {"verdict": Verdict.UNKNOWN.value}
        index.apply(name, doc)
        index.apply(name, doc)
        certain |= dict.fromkeys(range(first, first + size), known)
        yield array, certain


@settings(max_examples=150)
@given(st.lists(MARKED, max_size=25))
def test_good_and_unknown_follow_the_newest_datum_of_each_frame(datums):
    for array, certain in judged(datums):
        assert set(array.good.indices()) == {i for i in certain if certain[i]}
        assert set(array.unknown.indices()) == {i for i in certain if not certain[i]}
        assert array.committed == max(certain)


@settings(max_examples=100)
@given(st.lists(MARKED, min_size=1, max_size=15), st.none() | st.integers(0, 35), RANGES_JUDGED)
def test_good_follows_the_plan_and_the_verdicts_once_they_are_known(datums, planned, doubted):
    *_, (array, certain) = judged(datums)
    assert array.good.size == sum(certain.values())
    array.planned = planned
    last = max(certain) if planned is None else planned
    assert set(array.good.indices()) == {i for i in certain if certain[i] and i <= last}
    array.verdicts = Verdicts(50)
    array.verdicts.put(doubted, Verdict.UNKNOWN)
    assert set(array.good.indices()) == {i for i in certain if i <= last and not doubted.holds(i - 1)}


def test_a_datum_that_comes_twice_marks_nothing_anew():
    docs = Documents()
    array = ArrayIndex("cam", docs.data_keys["cam"])
    array.add_resource(docs.resource()[1])
    (_, doubted), (_, redone) = docs.datum((1, 4)), docs.datum((1, 4))
    doubted = doubted | {"verdict": Verdict.UNKNOWN.value}
    for doc in (doubted, redone, doubted):
        array.add_datum(doc)
    assert (array.good, array.unknown) == (RangeSet([FrameRange(1, 4)]), RangeSet())
