"""The foreign form of a run, as documents: what a consumer that ignores seq_nums then takes for row i is row i."""

import numpy as np
import pytest
from event_model import DocumentNames, schema_validators
from hypothesis import given
from hypothesis import strategies as st
from wingbeat.stream_resource.foreign import ForeignForm
from wingbeat.stream_resource.foreign_plan import FOREIGN_KEY
from wingbeat.stream_resource.frames import FrameRange, RangeSet
from wingbeat.stream_resource.verdicts import VERDICT_KEY, Verdict, Verdicts
from wingbeat.stream_resource.virtual import HDF5_MIMETYPE

from tests.stream_resource.runs import CAM, Documents, page

PANDA = {"source": "sim", "dtype": "number", "shape": [], "dtype_numpy": "<f8", "external": "STREAM:"}
X = {"source": "sim", "dtype": "number", "shape": []}
URI = "file://localhost/good.h5"


def told(documents, *, swmr=False):
    form = ForeignForm()
    for name, doc in documents:
        form.apply(name, doc)
    plan = form.plan()
    return plan, list(plan.documents(documents, uri=URI, swmr=swmr))


def naive(documents, datasets):
    """What a consumer gets that ignores seq_nums: per key the (file, row) of each of its rows; and its events."""
    virtual = {
        dataset.name: [(str(run.path), row) for run in dataset.runs for row in range(*run.source)]
        for dataset in datasets
    }
    resources, counts, events, order = {}, {}, [], []
    for name, doc in documents:
        if name == "stream_resource":
            resources[doc["uid"]] = doc
            order.append(doc["uid"])
        elif name == "stream_datum":
            size = doc["indices"]["stop"] - doc["indices"]["start"]
            counts[doc["stream_resource"]] = counts.get(doc["stream_resource"], 0) + size
        elif name == "event":
            events.append(doc["seq_num"])
    columns = {}
    for uid in order:
        doc, dataset = resources[uid], resources[uid]["parameters"]["dataset"]
        path = doc["uri"].removeprefix("file://localhost")
        rows = virtual[dataset] if doc["uri"] == URI else [(path, row) for row in range(counts.get(uid, 0))]
        columns[doc["data_key"]] = columns.get(doc["data_key"], []) + rows
    return columns, events


def a_run(*steps, data_keys=None):
    docs = Documents(data_keys=data_keys or {"cam": CAM})
    return [docs.start(), docs.descriptor(), *(step(docs) for step in steps), docs.stop()]


def cam_file(uri="file://localhost/a.h5", key="cam"):
    return lambda docs: docs.resource(key, uri=uri)


def rows(start, stop, key="cam", **more):
    return lambda docs: (lambda name, doc: (name, doc | more))(*docs.datum((start, stop), key))


def test_a_run_without_redone_rows_is_told_as_it_is():
    documents = a_run(cam_file(), rows(1, 4), rows(4, 9))
    plan, result = told(documents)
    assert plan.as_it_is
    assert result == documents


def test_redone_rows_become_one_resource_on_the_newest_rows():
    documents = a_run(cam_file(), rows(1, 4), rows(2, 5))
    plan, result = told(documents)
    (dataset,) = plan.datasets
    assert (dataset.name, dataset.rows, dataset.frame_shape, dataset.dtype) == (
        "/primary/cam",
        4,
        (2, 3),
        np.dtype("<u2"),
    )
    assert [(run.rows, str(run.path), run.source) for run in dataset.runs] == [
        ((0, 1), "/a.h5", (0, 1)),
        ((1, 4), "/a.h5", (3, 6)),
    ]
    assert [name for name, _ in result] == ["start", "descriptor", "stream_resource", "stream_datum", "stop"]
    resource, datum, stop = (doc for _, doc in result[2:])
    assert resource["uri"] == URI
    assert resource["parameters"] == {
        "dataset": "/primary/cam",
        "chunk_shape": [1, 2, 3],
        "swmr": False,
        "join_method": "concat",
    }
    assert (datum["indices"], datum["seq_nums"]) == ({"start": 0, "stop": 4}, {"start": 1, "stop": 5})
    assert stop[FOREIGN_KEY] == {"primary": {"left_out": [], "absent": {}}}
    for name, doc in result[2:]:
        schema_validators[DocumentNames[name]].validate({k: v for k, v in doc.items() if k != FOREIGN_KEY})


def test_a_run_told_twice_has_the_same_uids():
    documents = a_run(cam_file(), rows(1, 4), rows(2, 5))
    assert told(documents)[1] == told(documents)[1]


def test_a_second_file_is_put_behind_the_first():
    documents = a_run(cam_file(), rows(1, 4), cam_file("file://localhost/b.h5"), rows(4, 6))
    plan, result = told(documents)
    columns, _ = naive(result, plan.datasets)
    assert columns == {"cam": [("/a.h5", 0), ("/a.h5", 1), ("/a.h5", 2), ("/b.h5", 0), ("/b.h5", 1)]}


def test_a_datum_that_came_twice_is_told_once():
    documents = a_run(cam_file(), rows(1, 4))
    documents.insert(3, documents[3])
    plan, result = told(documents)
    columns, _ = naive(result, plan.datasets)
    assert columns == {"cam": [("/a.h5", 0), ("/a.h5", 1), ("/a.h5", 2)]}


KEYS = {"cam": CAM, "panda": PANDA}


def test_a_frame_that_one_key_lacks_is_left_out_of_all_and_the_stop_document_says_so():
    files = (cam_file(), cam_file("file://localhost/p.h5", "panda"))
    documents = a_run(*files, rows(1, 3), rows(4, 6), rows(1, 7, "panda"), data_keys=KEYS)
    plan, result = told(documents)
    columns, _ = naive(result, plan.datasets)
    assert columns["cam"] == [("/a.h5", row) for row in (0, 1, 2, 3)]
    assert columns["panda"] == [("/p.h5", row) for row in (0, 1, 3, 4, 5)]
    assert result[-1][1][FOREIGN_KEY] == {"primary": {"left_out": [[3, 4]], "absent": {}}}
    assert [doc["seq_nums"] for name, doc in result if name == "stream_datum"][-2:] == [
        {"start": 1, "stop": 3},
        {"start": 4, "stop": 7},
    ]


def test_rows_of_which_it_is_unknown_what_they_hold_are_left_out():
    documents = a_run(cam_file(), rows(1, 3), rows(3, 5, **{VERDICT_KEY: Verdict.UNKNOWN.value}), rows(5, 7))
    plan, result = told(documents)
    columns, _ = naive(result, plan.datasets)
    assert columns == {"cam": [("/a.h5", row) for row in (0, 1, 4, 5)]}
    assert result[-1][1][FOREIGN_KEY]["primary"]["left_out"] == [[3, 5]]


def test_what_the_stop_document_calls_unknown_or_unplanned_is_left_out():
    verdicts = Verdicts(5)
    verdicts.put(FrameRange(0, 1), Verdict.GOOD)
    verdicts.put(FrameRange(1, 3), Verdict.UNKNOWN, count=1)
    verdicts.put(FrameRange(3, 5), Verdict.GOOD)
    documents = a_run(cam_file(), rows(1, 8))
    documents[-1][1]["frames"] = {"detector": {"planned": 5, "verdicts": verdicts.to_document()}}
    plan, result = told(documents)
    columns, _ = naive(result, plan.datasets)
    assert columns == {"cam": [("/a.h5", row) for row in (0, 3, 4)]}


def test_a_key_that_ends_early_takes_nothing_from_the_others():
    files = (cam_file(), cam_file("file://localhost/p.h5", "panda"))
    documents = a_run(*files, rows(1, 3), rows(1, 7, "panda"), data_keys=KEYS)
    assert told(documents)[0].as_it_is


def test_a_key_without_any_file_takes_nothing_from_the_others():
    documents = a_run(cam_file(), rows(1, 3), data_keys=KEYS)
    assert told(documents)[0].as_it_is


def test_events_that_were_redone_are_told_once_in_their_order():
    steps = [lambda docs, n=n, x=x: docs.event(n, x) for n, x in ((1, 0.1), (2, 0.2), (3, 0.3), (2, 2.2), (4, 0.4))]
    documents = a_run(*steps, data_keys={"x": X})
    plan, result = told(documents)
    assert plan.datasets == ()
    assert [(doc["seq_num"], doc["data"]["x"]) for name, doc in result if name == "event"] == [
        (1, 0.1),
        (2, 2.2),
        (3, 0.3),
        (4, 0.4),
    ]


def test_pages_of_events_are_cut_where_an_event_was_redone():
    docs = Documents(data_keys={"x": X})
    pages = [page(*(docs.event(n, n / 10) for n in (1, 2, 3))), page(*(docs.event(n, float(n)) for n in (3, 4)))]
    documents = [docs.start(), docs.descriptor(), *pages, docs.stop()]
    _, result = told(documents)
    events = [doc for name, doc in result if name == "event"]
    assert [(doc["seq_num"], doc["data"]["x"]) for doc in events] == [(1, 0.1), (2, 0.2), (3, 3.0), (4, 4.0)]
    for doc in events:
        schema_validators[DocumentNames.event].validate(doc)


def test_an_event_without_its_frame_is_left_out_with_it():
    events = [lambda docs, n=n: docs.event(n, n / 10) for n in (1, 2, 3, 4)]
    documents = a_run(cam_file(), rows(1, 3), rows(4, 5), *events, data_keys={"cam": CAM, "x": X})
    plan, result = told(documents)
    columns, seq_nums = naive(result, plan.datasets)
    assert (len(columns["cam"]), seq_nums) == (3, [1, 2, 4])


def test_several_frames_per_event_are_rows_of_the_dataset():
    documents = a_run(cam_file(), rows(1, 3), rows(2, 4), data_keys={"cam": CAM | {"shape": [4, 2, 3]}})
    (dataset,) = told(documents)[0].datasets
    assert [(run.rows, run.source) for run in dataset.runs] == [((0, 4), (0, 4)), ((4, 12), (8, 16))]


def test_a_stacked_key_stays_stacked():
    documents = a_run(cam_file(), rows(1, 3), rows(2, 4), data_keys={"cam": CAM | {"shape": [2, 3]}})
    documents[2][1]["parameters"]["join_method"] = "stack"
    plan, result = told(documents)
    assert [doc["parameters"]["join_method"] for name, doc in result if name == "stream_resource"] == ["stack"]
    assert plan.datasets[0].frame_shape == (2, 3)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"mimetype": "multipart/related;type=image/tiff"}, "only application/x-hdf5 has virtual datasets"),
        ({"uri": "file://elsewhere/a.h5"}, "not a file on this machine"),
        ({"parameters": {"dataset": "/d", "slice": "0:3"}}, r"has ['slice']"),
    ],
)
def test_a_key_that_cannot_be_put_together_is_absent_and_the_stop_document_says_why(change, reason):
    files = (cam_file(), cam_file("file://localhost/p.h5", "panda"))
    documents = a_run(*files, rows(1, 3), rows(2, 4), rows(1, 4, "panda"), data_keys=KEYS)
    documents[2][1].update(change)
    plan, result = told(documents)
    assert {doc["data_key"] for name, doc in result if name == "stream_resource"} == {"panda"}
    assert reason in result[-1][1][FOREIGN_KEY]["primary"]["absent"]["cam"]
    assert HDF5_MIMETYPE == "application/x-hdf5"
    assert plan.datasets == ()


def test_a_dataset_that_could_not_be_made_is_absent():
    documents = a_run(cam_file(), rows(1, 4), rows(2, 5))
    plan = told(documents)[0].without({"/primary/cam": "the disk is full"})
    result = list(plan.documents(documents, uri=URI))
    assert [name for name, _ in result] == ["start", "descriptor", "stop"]
    assert result[-1][1][FOREIGN_KEY]["primary"]["absent"] == {"cam": "the disk is full"}


def test_another_stream_of_the_run_is_told_as_it_is():
    docs = Documents(data_keys={"cam": CAM})
    other = docs.descriptor("baseline", data_keys={"x": X}, object_keys={"x": ["x"]})
    event = docs.event(1, 0.5, descriptor=other[1]["uid"])
    documents = [
        docs.start(),
        docs.descriptor(),
        other,
        docs.resource(),
        docs.datum((1, 4)),
        event,
        docs.datum((2, 5)),
        docs.stop(),
    ]
    plan, result = told(documents)
    assert list(plan.streams) == ["primary"]
    assert event in result


ATTEMPTS = st.lists(st.tuples(st.integers(1, 12), st.integers(1, 6), st.booleans()), min_size=1, max_size=8)


@given(cam=ATTEMPTS, panda=ATTEMPTS)
def test_row_i_of_every_key_is_the_same_frame_and_its_newest_row(cam, panda):
    """Two keys with any datums, redone, skipped and rolled over, against dictionaries."""
    docs = Documents(data_keys=KEYS)
    documents = [docs.start(), docs.descriptor()]
    newest = {"cam": {}, "panda": {}}
    for key, attempts in (("cam", cam), ("panda", panda)):
        for n, (first, size, new_file) in enumerate(attempts):
            if n == 0 or new_file:
                path = f"/{key}{n}.h5"
                documents.append(docs.resource(key, uri=f"file://localhost{path}"))
                row = 0
            documents.append(docs.datum((first, first + size), key))
            newest[key] |= {first + i: (path, row + i) for i in range(size)}
            row += size
    documents.append(docs.stop())
    plan, result = told(documents)
    columns, _ = naive(result, plan.datasets)
    holes = {i for good in newest.values() for i in range(1, max(good)) if i not in good}
    for key, good in newest.items():
        assert columns.get(key, []) == [good[i] for i in sorted(good) if i not in holes]
    said = result[-1][1].get(FOREIGN_KEY, {"primary": {"left_out": []}})["primary"]["left_out"]
    assert RangeSet(FrameRange(*part) for part in said) == (
        RangeSet.of_indices(holes) if not plan.as_it_is else RangeSet()
    )
