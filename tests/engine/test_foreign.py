"""`foreign(callback)`: what a callback hears at once, what it hears at stop, and what it never hears."""

import logging
import sys

import h5py
import numpy as np
import pytest
from wingbeat.engine import foreign
from wingbeat.engine.plans import count
from wingbeat.stream_resource.files import read_rows
from wingbeat.stream_resource.foreign_plan import FOREIGN_KEY
from wingbeat.stream_resource.frames import FrameRange
from wingbeat.stream_resource.uris import path_of_uri

from tests.stream_resource.hdf import DATA, finished, frames
from tests.stream_resource.runs import CAM, Documents


def redone(directory, uid="run-1"):
    """A run with frames 2 and 3 redone: rows 0, 3, 4, 5 are good."""
    docs = Documents(uid, data_keys={"cam": CAM})
    path = finished(directory / f"{uid}.h5", 6)
    return [
        docs.start(),
        docs.descriptor(),
        docs.resource(uri=f"file://localhost{path}"),
        docs.datum((1, 4)),
        docs.datum((2, 5)),
        docs.stop(),
    ]


def good_rows(heard):
    (resource,) = [doc for name, doc in heard if name == "stream_resource"]
    return read_rows(path_of_uri(resource["uri"]), resource["parameters"]["dataset"], rows=FrameRange(0, 4))


GOOD = frames(0, 6)[[0, 3, 4, 5]]


def test_start_and_descriptors_are_heard_at_once_and_the_rest_at_stop(tmp_path):
    heard = []
    subscriber = foreign(lambda name, doc: heard.append((name, doc)))
    documents = redone(tmp_path)
    for document in documents[:-1]:
        subscriber(*document)
    assert heard == documents[:2]
    subscriber(*documents[-1])
    assert [name for name, _ in heard] == ["start", "descriptor", "stream_resource", "stream_datum", "stop"]
    np.testing.assert_array_equal(good_rows(heard), GOOD)


async def test_an_async_callback_hears_the_same(tmp_path):
    heard, plainly = [], []

    async def callback(name, doc):
        heard.append((name, doc))

    subscriber, plain = foreign(callback), foreign(lambda name, doc: plainly.append((name, doc)))
    for document in redone(tmp_path):
        await subscriber(*document)
        plain(*document)
    assert heard == plainly
    np.testing.assert_array_equal(good_rows(heard), GOOD)


async def test_under_an_engine_both_kinds_hear_a_run_without_redone_rows_as_it_is(engine, docs, det):
    heard, heard_in_a_task = [], []

    async def callback(name, doc):
        heard_in_a_task.append((name, doc))

    engine.subscribe(foreign(lambda name, doc: heard.append((name, doc))))
    engine.subscribe(foreign(callback))
    await engine(count([det], num=5))
    assert {each.name.partition("(")[0] for each in engine.statistics().subscribers[1:]} == {"foreign"}
    await engine.aclose()
    assert heard == heard_in_a_task == docs
    assert docs.names == ["start", "descriptor", *["event"] * 5, "stop"]


def test_runs_that_go_on_at_the_same_time_are_told_apart(tmp_path):
    heard = []
    subscriber = foreign(lambda name, doc: heard.append((name, doc)))
    for one, other in zip(redone(tmp_path, "run-1"), redone(tmp_path, "run-2"), strict=True):
        subscriber(*one)
        subscriber(*other)
    resources = [doc for name, doc in heard if name == "stream_resource"]
    assert [doc["run_start"] for doc in resources] == ["run-1", "run-2"]
    assert [path_of_uri(doc["uri"]).name for doc in resources] == ["run-1-good.h5", "run-2-good.h5"]


def test_a_long_run_is_held_in_a_file_and_told_in_its_order(monkeypatch):
    monkeypatch.setattr(sys.modules["wingbeat.engine.foreign"], "HELD_NBYTES", 100)
    heard = []
    subscriber = foreign(lambda name, doc: heard.append((name, doc)))
    docs = Documents(data_keys={"x": {"source": "sim", "dtype": "number", "shape": []}})
    documents = [docs.start(), docs.descriptor(), *(docs.event(n, n / 7) for n in range(1, 200)), docs.stop()]
    for document in documents:
        subscriber(*document)
    assert heard == documents


def test_the_directory_for_good_rows_can_be_given(tmp_path):
    heard = []
    (tmp_path / "elsewhere").mkdir()
    subscriber = foreign(lambda name, doc: heard.append((name, doc)), directory=tmp_path / "elsewhere")
    for document in redone(tmp_path):
        subscriber(*document)
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["run-1-good.h5"]
    np.testing.assert_array_equal(good_rows(heard), GOOD)


@pytest.mark.parametrize("harm", ["the source is gone", "there is no directory"])
def test_what_cannot_be_put_together_is_absent_and_said_aloud(tmp_path, caplog, harm):
    heard, documents = [], redone(tmp_path)
    directory = None
    if harm == "the source is gone":
        (tmp_path / "run-1.h5").unlink()
    else:
        directory = tmp_path / "nowhere"
    subscriber = foreign(lambda name, doc: heard.append((name, doc)), directory=directory)
    with caplog.at_level(logging.WARNING):
        for document in documents:
            subscriber(*document)
    assert [name for name, _ in heard] == ["start", "descriptor", "stop"]
    assert list(heard[-1][1][FOREIGN_KEY]["primary"]["absent"]) == ["cam"]
    assert "/primary/cam is left out of the foreign form" in caplog.text


def test_rows_that_a_source_does_not_hold_are_never_told_as_fill(tmp_path):
    heard, documents = [], redone(tmp_path)
    with h5py.File(tmp_path / "run-1.h5", "w") as file:
        file.create_dataset(DATA, (6, 2, 3), "u2", chunks=(1, 2, 3))[:5] = frames(0, 5)
    subscriber = foreign(lambda name, doc: heard.append((name, doc)))
    for document in documents:
        subscriber(*document)
    assert "holds nothing for its rows RangeSet(5:6)" in heard[-1][1][FOREIGN_KEY]["primary"]["absent"]["cam"]


def test_a_run_whose_start_was_not_seen_is_passed_on_as_it_comes(tmp_path):
    heard = []
    subscriber = foreign(lambda name, doc: heard.append((name, doc)))
    documents = redone(tmp_path)[1:]
    for document in documents:
        subscriber(*document)
    assert heard == documents
