"""StreamComposer builds documents that event-model accepts, and refuses those that would lose a frame."""

import itertools

import pytest
from event_model import DocumentNames, schema_validators
from hypothesis import given, settings
from hypothesis import strategies as st
from wingbeat.stream_resource.composer import StreamComposer
from wingbeat.stream_resource.errors import ComposeError
from wingbeat.stream_resource.frames import FrameRange

FILE = {"dataset": "/entry/data/data", "chunk_shape": (1, 4, 4)}


def composer_with_a_file():
    composer = StreamComposer(new_uid=map("r{}".format, itertools.count()).__next__)
    return composer, composer.resource("cam", uri="file://localhost/a.h5", **FILE)


def test_documents_are_valid_and_in_the_form_of_a_device():
    composer, resource = composer_with_a_file()
    datum = composer.datum("cam", rows=FrameRange(0, 3))
    schema_validators[DocumentNames.stream_resource].validate(resource)
    schema_validators[DocumentNames.stream_datum].validate(datum)
    assert resource == {
        "uid": "r0",
        "run_start": "",
        "data_key": "cam",
        "mimetype": "application/x-hdf5",
        "uri": "file://localhost/a.h5",
        "parameters": {
            "dataset": "/entry/data/data",
            "chunk_shape": [1, 4, 4],
            "swmr": True,
            "join_method": "concat",
        },
    }
    assert datum == {
        "uid": "r0/0",
        "stream_resource": "r0",
        "descriptor": "",
        "indices": {"start": 0, "stop": 3},
        "seq_nums": {"start": 0, "stop": 0},
    }


@settings(max_examples=30)
@given(st.lists(st.one_of(st.integers(1, 9), st.just("roll")), max_size=20))
def test_rows_are_contiguous_in_every_file(steps):
    composer, resource = composer_with_a_file()
    rows, n, uids = 0, 0, set()
    for number, step in enumerate(steps):
        if step == "roll":
            resource = composer.resource("cam", uri=f"file://localhost/{number}.h5", **FILE)
            rows = n = 0
            continue
        doc = composer.datum("cam", rows=FrameRange(rows, rows + step), seq_nums=FrameRange(5, 5 + step))
        assert (doc["stream_resource"], doc["uid"]) == (resource["uid"], f"{resource['uid']}/{n}")
        assert doc["indices"] == {"start": rows, "stop": rows + step}
        assert doc["uid"] not in uids
        uids.add(doc["uid"])
        rows, n = rows + step, n + 1


@pytest.mark.parametrize("rows", [FrameRange(4, 6), FrameRange(2, 6), FrameRange(3, 3)])
def test_a_hole_an_overlap_and_nothing_are_refused_and_change_nothing(rows):
    composer, _ = composer_with_a_file()
    composer.datum("cam", rows=FrameRange(0, 3))
    with pytest.raises(ComposeError, match=f"must go on at 3 and not be empty, not {rows}"):
        composer.datum("cam", rows=rows)
    assert composer.datum("cam", rows=FrameRange(3, 4))["uid"] == "r0/1"


@pytest.mark.parametrize("seq_nums", [FrameRange(1, 3), FrameRange(0, 3)])
def test_seq_nums_must_fit_the_rows(seq_nums):
    composer, _ = composer_with_a_file()
    with pytest.raises(ComposeError, match="3 rows of 'cam' need as many seq_nums"):
        composer.datum("cam", rows=FrameRange(0, 3), seq_nums=seq_nums)


def test_a_file_is_announced_once_per_key():
    composer, _ = composer_with_a_file()
    composer.resource("other", uri="file://localhost/a.h5", **FILE)
    composer.resource("cam", uri="file://localhost/b.h5", **FILE)
    with pytest.raises(ComposeError, match=r"announced in file://localhost/a\.h5 before"):
        composer.resource("cam", uri="file://localhost/a.h5", **FILE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset": "/other"}, "next file of 'cam' must hold"),
        ({"chunk_shape": (2, 4, 4)}, "next file of 'cam' must hold"),
        ({"chunk_shape": (0, 4, 4)}, "at least 1 long"),
        ({"dataset": ""}, "needs a URI"),
        ({"uri": "/plain/path.h5"}, "needs a URI"),
    ],
)
def test_what_bluesky_or_tiled_could_not_read_is_refused(change, message):
    composer, _ = composer_with_a_file()
    with pytest.raises(ComposeError, match=message):
        composer.resource("cam", **({"uri": "file://localhost/b.h5"} | FILE | change))


def test_a_datum_needs_a_file():
    with pytest.raises(ComposeError, match=r"no file is announced for 'cam' \(announced: \[\]\)"):
        StreamComposer().datum("cam", rows=FrameRange(0, 1))
