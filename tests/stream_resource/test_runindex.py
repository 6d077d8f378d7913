"""RunIndex is a function of the documents of one run: from our engine, from bluesky's, delivered once or twice."""

import numpy as np
import pytest
from event_model import DocumentNames, schema_validators
from hypothesis import given, settings
from hypothesis import strategies as st
from wingbeat.stream_resource.errors import (
    MissingFrameError,
    NotYetWrittenError,
    RowMapError,
    RunIndexError,
    UnknownFrameError,
    UnknownKeyError,
)
from wingbeat.stream_resource.events import EventColumns, EventRow
from wingbeat.stream_resource.frames import FrameRange
from wingbeat.stream_resource.runindex import ArrayIndex, RunIndex
from wingbeat.stream_resource.verdicts import Verdict, Verdicts

from tests.stream_resource.runs import CAM, Documents, X, page


def indexed(*documents):
    index = RunIndex()
    for name, doc in documents:
        index.apply(name, doc)
    return index


def flown(docs):
    return [docs.start(), docs.descriptor(), docs.resource(), docs.datum((1, 5)), docs.datum((6, 8))]


def test_the_documents_of_these_tests_are_valid():
    docs = Documents()
    for name, doc in [*flown(docs), docs.event(1, 0.5), docs.stop(), page(docs.event(2, 0.6))]:
        schema_validators[DocumentNames[name]].validate(doc)


def test_a_run_is_what_its_documents_say():
    docs = Documents()
    index = indexed(*flown(docs), docs.event(1, 0.5), docs.event(2, 0.7))
    stream = index.streams["primary"]
    array = stream.arrays["cam"]
    assert (index.uid, index.stop) == ("run-1", None)
    assert list(stream.data_keys) == ["cam", "x"]
    assert list(stream.arrays) == ["cam"]
    assert (array.frame_shape, array.frames_per_event, array.dtype, array.committed) == ((2, 3), 1, np.dtype("<u2"), 7)
    assert list(array.resources) == ["run-1-r0"]
    assert list(array.rowmap.missing(FrameRange(1, 8))) == [FrameRange(5, 6)]
    assert stream.events.column("x") == [0.5, 0.7]
    assert list(stream.events.timestamps("x")) == [21.0, 22.0]
    assert stream.num_events == 7
    index.apply(*docs.stop())
    assert index.stop["exit_status"] == "success"
    assert array.closed


def state(index):
    return {
        name: (
            [list(a.rowmap.stretches(FrameRange(1, 99))) for a in s.arrays.values()],
            [list(a.resources) for a in s.arrays.values()],
            [(row.seq_num, row.data) for row in s.events],
            [d["uid"] for d in s.descriptors],
        )
        for name, s in index.streams.items()
    }


@settings(max_examples=40)
@given(st.data())
def test_documents_delivered_again_change_nothing(data):
    docs = Documents()
    documents = [*flown(docs), docs.event(1, 0.5), docs.event(2, 0.7), docs.event(2, 0.8), docs.datum((3, 4))]
    once, twice = indexed(*documents), RunIndex()
    for n, (name, doc) in enumerate(documents):
        twice.apply(name, doc)
        for again in data.draw(st.lists(st.integers(0, n), max_size=3)):
            twice.apply(*documents[again])
    assert state(twice) == state(once)
    stop = docs.stop()
    twice.apply(*stop)
    for document in [*documents, stop]:
        twice.apply(*document)
    assert state(twice) == state(once)


def test_the_newest_event_of_a_seq_num_counts_also_if_the_old_one_comes_again():
    docs = Documents()
    old, new = docs.event(1, 0.1), docs.event(1, 0.2)
    index = indexed(docs.start(), docs.descriptor(), docs.event(2, 0.9), old, new, old)
    events = index.streams["primary"].events
    assert (list(events.seq_nums), events.column("x"), list(events.times)) == ([1, 2], [0.2, 0.9], [11.0, 12.0])


def test_an_event_page_is_its_events():
    docs = Documents()
    first, second = docs.event(1, 0.1), docs.event(2, 0.2)
    by_page = indexed(docs.start(), docs.descriptor(), page(first, second))
    by_event = indexed(docs.start(), docs.descriptor(), first, second)
    assert state(by_page) == state(by_event)
    by_page.apply(*first)
    assert state(by_page) == state(by_event)


def test_an_event_is_added_once():
    events, row = EventColumns("primary"), EventRow(1, 0.0, {"x": 1}, {"x": 0.0})
    assert events.add("old", row)
    assert events.add("new", row._replace(data={"x": 2}))
    assert not events.add("old", row)
    assert events.column("x") == [2]


def test_a_column_that_is_not_there_is_named():
    docs = Documents()
    index = indexed(docs.start(), docs.descriptor(), docs.event(1, 0.1))
    with pytest.raises(UnknownKeyError, match="'y'; its keys are"):
        index.streams["primary"].events.column("y")


@pytest.mark.parametrize(
    ("data_key", "join", "expected"),
    [
        (CAM | {"shape": [4, 2, 3]}, "concat", (4, (2, 3), (4, 2, 3))),
        (CAM | {"shape": [1]}, "concat", (1, (), ())),
        (CAM | {"shape": []}, "concat", (1, (), ())),
        (CAM | {"shape": [2, 3]}, "stack", (1, (2, 3), (2, 3))),
    ],
)
def test_the_shape_of_an_event_is_split_as_its_files_join(data_key, join, expected):
    array = ArrayIndex("cam", data_key)
    array.add_resource({"uid": "r", "data_key": "cam", "uri": "", "mimetype": "", "parameters": {"join_method": join}})
    assert (array.frames_per_event, array.frame_shape, array.item_shape) == expected
    rows = array.file_rows(FrameRange(1, 3))
    assert rows == FrameRange(expected[0], 3 * expected[0])


def test_a_shape_left_open_and_a_structured_type():
    open_shape = ArrayIndex("cam", CAM | {"shape": [None, 3]})
    with pytest.raises(RunIndexError, match="changing size"):
        _ = open_shape.frame_shape
    fields = ArrayIndex("cam", CAM | {"dtype_numpy": [["a", "<i4"], ["b", "<f8"]]})
    assert fields.dtype == np.dtype([("a", "<i4"), ("b", "<f8")])


def wrong_documents():
    docs, other = Documents(), Documents("run-2")
    start, descriptor, resource = docs.start(), docs.descriptor(), docs.resource()
    datum = docs.datum((1, 5))
    again = ("stream_datum", datum[1] | {"uid": "late", "indices": {"start": 3, "stop": 7}})
    narrow_early = ("stream_datum", datum[1] | {"uid": "early", "seq_nums": {"start": 1, "stop": 3}})
    undeclared = docs.resource("other")
    narrow = docs.descriptor(data_keys={"cam": CAM | {"shape": [1, 9, 9]}}, uid="second")
    return [
        ([descriptor], "came before the start", RunIndexError),
        ([start, other.start()], "start document of run run-2", RunIndexError),
        ([start, other.descriptor()], "belongs to run run-2", RunIndexError),
        ([start, resource, datum], "descriptor 'run-1-primary', which run run-1 does not have", RunIndexError),
        ([start, descriptor, narrow_early], "expected as many seq_nums, seen 1:3", RowMapError),
        ([start, descriptor, undeclared, docs.datum((1, 2), "other")], "external keys", RunIndexError),
        ([start, descriptor, resource, datum, again], "repeats rows", RowMapError),
        ([start, descriptor, narrow], "changes array 'cam'", RunIndexError),
        ([start, ("odd", {"uid": "1"})], "seen 'odd'", RunIndexError),
        ([start, ("descriptor", {"uid": "1"})], "not as event-model's schema has it", RunIndexError),
        ([start, descriptor, resource, docs.stop(), datum], "came after the stop document", RunIndexError),
        ([start, descriptor, docs.stop(), docs.event(1, 0.1)], "came after the stop document", RunIndexError),
        ([start, descriptor, docs.stop(), docs.stop(uid="2")], "second stop document", RunIndexError),
        ([start, descriptor, docs.event(0, 0.1)], "expected a seq_num from 1", RunIndexError),
    ]


@pytest.mark.parametrize(("documents", "message", "error"), wrong_documents())
def test_a_document_that_does_not_fit_is_refused_and_changes_nothing(documents, message, error):
    index = indexed(*documents[:-1])
    before = state(index)
    with pytest.raises(error, match=message):
        index.apply(*documents[-1])
    assert state(index) == before


def test_a_second_descriptor_of_a_stream_goes_on_with_its_rows():
    docs = Documents()
    again = docs.descriptor(uid="second", data_keys={"cam": CAM, "x": X})
    index = indexed(*flown(docs), again)
    name, datum = docs.datum((8, 10))
    index.apply(name, datum | {"descriptor": "second"})
    assert index.streams["primary"].arrays["cam"].committed == 9
    assert len(index.streams["primary"].descriptors) == 2


def test_documents_of_the_older_asset_registry_pass():
    docs = Documents()
    index = indexed(docs.start(), ("resource", {"uid": "r"}), ("datum", {"datum_id": "r/0"}))
    assert index.streams == {}


def test_owns_sorts_a_journal_of_several_runs():
    ours, others = Documents(), Documents("run-2")
    index = indexed(ours.start(), ours.descriptor(), ours.resource())
    mine = [ours.start(), ours.descriptor(), ours.event(1, 0.1), ours.datum((1, 2)), ours.stop()]
    theirs = [others.start(), others.descriptor(), others.resource(), others.event(1, 0.1), others.datum((1, 2))]
    assert [index.owns(doc) for _, doc in mine] == [True] * 5
    assert [index.owns(doc) for _, doc in theirs] == [False] * 5


def test_a_frame_is_there_missing_not_yet_written_or_unknown():
    docs = Documents()
    array = (index := indexed(*flown(docs))).streams["primary"].arrays["cam"]
    assert array.locate(5).row == 4
    with pytest.raises(MissingFrameError, match="frame 4 of 'cam' is missing"):
        array.locate(4)
    with pytest.raises(NotYetWrittenError, match="frame 7 of 'cam' is not written yet: 7 are"):
        array.locate(7)
    with pytest.raises(UnknownFrameError):
        array.locate(-1)
    index.apply(*docs.stop())
    with pytest.raises(UnknownFrameError, match="ended with 7 frames"):
        array.locate(7)


def test_the_stop_document_says_what_was_planned_and_why_a_frame_is_missing():
    docs, verdicts = Documents(), Verdicts(10)
    verdicts.put(FrameRange(4, 5), Verdict.MISSING, reason="the camera lost trigger 5")
    index = indexed(*flown(docs))
    index.apply(*docs.stop(frames={"detector": {"planned": 10, "verdicts": verdicts.to_document()}}))
    array = index.streams["primary"].arrays["cam"]
    assert array.length == 10
    with pytest.raises(MissingFrameError, match="missing: the camera lost trigger 5"):
        array.locate(4)
    with pytest.raises(MissingFrameError, match="no row was committed"):
        array.locate(9)
    with pytest.raises(UnknownFrameError):
        array.locate(10)


@pytest.mark.parametrize("frames", [7, {"detector": 3}, [], None])
def test_another_engines_frames_in_the_stop_document_mean_nothing(frames):
    docs = Documents()
    index = indexed(*flown(docs), docs.stop(frames=frames))
    assert index.streams["primary"].arrays["cam"].planned is None
