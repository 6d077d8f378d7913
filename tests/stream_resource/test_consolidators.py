"""Bluesky's consolidator reads our documents as RowMap does, where it is right; where it is not, a test says so."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wingbeat.stream_resource.frames import FrameRange
from wingbeat.stream_resource.runindex import RunIndex

from tests.stream_resource.runs import CAM, Documents

consolidators = pytest.importorskip("bluesky.consolidators")
pytestmark = pytest.mark.conformance


def both(sizes, frames_per_event=1):
    """One file, datums of these sizes: what bluesky and what we make of them."""
    docs, index = Documents(data_keys={"cam": CAM | {"shape": [frames_per_event, 2, 3]}}), RunIndex()
    descriptor, resource = docs.descriptor(), docs.resource()
    theirs = consolidators.HDF5Consolidator(resource[1], descriptor[1])
    for document in (docs.start(), descriptor, resource):
        index.apply(*document)
    seq_num = 1
    for size in sizes:
        name, doc = docs.datum((seq_num, seq_num + size))
        index.apply(name, doc)
        theirs.consume_stream_datum(doc)
        seq_num += size
    return theirs, index.streams["primary"].arrays["cam"], doc


@settings(max_examples=25)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=8), st.integers(1, 4))
def test_shape_chunks_and_rows_agree(sizes, frames_per_event):
    theirs, ours, _ = both(sizes, frames_per_event)
    rows = ours.file_rows(FrameRange(0, ours.rowmap.rows))
    assert theirs.shape == (rows.size, *ours.frame_shape)
    assert theirs.chunks == ((1,) * rows.size, (2,), (3,))
    located = {i: ours.rowmap.locate(i).row for i in range(1, sum(sizes) + 1)}
    assert theirs._seqnums_to_indices_map == located
    assert not theirs.has_skips


def test_a_datum_delivered_twice_is_counted_twice_by_bluesky_and_once_by_us():
    theirs, ours, doc = both([5])
    theirs.consume_stream_datum(doc)
    assert ours.rowmap.add_datum(doc) is False
    assert (theirs.shape[0], ours.rowmap.rows) == (10, 5)


def test_a_hole_in_the_indices_is_not_seen_by_bluesky_and_held_back_by_us():
    theirs, ours, doc = both([5])
    late = doc | {"uid": "late", "indices": {"start": 9, "stop": 12}, "seq_nums": {"start": 10, "stop": 13}}
    theirs.consume_stream_datum(late)
    assert theirs.shape[0] == 8
    ours.add_datum(late)
    assert (ours.committed, ours.rowmap.rows, [held.rows for held in ours.held]) == (5, 5, [FrameRange(9, 12)])


def test_after_a_roll_over_bluesky_finds_the_second_files_frames_in_the_first():
    docs, index = Documents(data_keys={"cam": CAM}), RunIndex()
    first = docs.resource(uri="file://localhost/a.h5")
    documents = [docs.start(), docs.descriptor(), first, docs.datum((1, 6))]
    theirs = consolidators.HDF5Consolidator(first[1], documents[1][1])
    theirs.consume_stream_datum(documents[-1][1])
    second = docs.resource(uri="file://localhost/b.h5")
    documents += [second, docs.datum((6, 9))]
    theirs.update_from_stream_resource(second[1])
    theirs.consume_stream_datum(documents[-1][1])
    for document in documents:
        index.apply(*document)
    rowmap = index.streams["primary"].arrays["cam"].rowmap
    assert rowmap.locate(6) == (second[1]["uid"], 0)
    # One number per frame, counted in its own file: the same for frames of different files.
    assert theirs._seqnums_to_indices_map[6] == theirs._seqnums_to_indices_map[1] == 0


def test_a_redone_line_is_one_more_row_for_bluesky_and_the_newer_row_for_us():
    theirs, ours, _ = both([5])
    docs = Documents(data_keys={"cam": CAM})
    docs.resource()
    docs.datum((1, 6))
    again = docs.datum((3, 5))[1]
    theirs.consume_stream_datum(again)
    ours.add_datum(again)
    assert (theirs.shape[0], ours.length, ours.locate(2).row) == (7, 5, 5)
