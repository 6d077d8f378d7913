"""Frames are read through documents and files; a frame that is not there is an error and never a value."""

import shutil

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wingbeat.stream_resource.errors import (
    CorruptJournalError,
    MissingFrameError,
    NotYetVisibleError,
    NotYetWrittenError,
    SelectionError,
    UnknownFrameError,
    UnknownKeyError,
    UnreachableUriError,
    UnreadableError,
    UnsupportedLayoutError,
)
from wingbeat.stream_resource.frames import FrameRange
from wingbeat.stream_resource.journal import MAGIC, JournalRecord, encode_record, segment_name
from wingbeat.stream_resource.reader import ArrayReader, RunReader, open_run
from wingbeat.stream_resource.runindex import RunIndex

from tests.stream_resource.hdf import finished, frames
from tests.stream_resource.runs import CAM, Documents


class Flight:
    """A run with frames 0-3 in rows 0-3, 4 lost, 5-6 in rows 4-5, 2-3 redone in rows 0-1 of a second file."""

    expected = (0, 1, "b0", "b1", None, 4, 5)

    def __init__(self, directory):
        self.docs = Documents()
        self.index = RunIndex()
        finished(directory / "a.h5", 6)
        finished(directory / "b.h5", 2, data=frames(100, 102))
        self.send(
            self.docs.start(), self.docs.descriptor(), self.docs.resource(uri=f"file://localhost{directory}/a.h5")
        )
        self.send(self.docs.datum((1, 5)), self.docs.datum((6, 8)))
        self.send(self.docs.resource(uri=f"file://localhost{directory}/b.h5"), self.docs.datum((3, 5)))
        self.send(self.docs.event(1, 0.5), self.docs.event(2, 0.7))
        self.reader = ArrayReader(self.index.streams["primary"].arrays["cam"])

    def send(self, *documents):
        for name, doc in documents:
            self.index.apply(name, doc)

    def frame(self, i):
        row = self.expected[i]
        return frames(100 + int(row[1:]), 101 + int(row[1:]))[0] if isinstance(row, str) else frames(row, row + 1)[0]


@pytest.fixture(scope="module")
def flight(tmp_path_factory):
    return Flight(tmp_path_factory.mktemp("flight"))


def test_every_frame_is_its_newest_row(flight):
    for i in (0, 1, 2, 3, 5, 6, -1, np.int64(2)):
        np.testing.assert_array_equal(flight.reader[i], flight.frame(int(i) % 7))
    assert (flight.reader.shape, flight.reader.dtype, len(flight.reader)) == ((7, 2, 3), np.dtype("u2"), 7)
    assert list(flight.reader.valid) == [True, True, True, True, False, True, True]
    assert repr(flight.reader) == "ArrayReader('cam', shape=(7, 2, 3), dtype=uint16, missing=1)"


BOUND = st.one_of(st.none(), st.integers(-8, 7))


@settings(max_examples=60)
@given(selection=st.builds(slice, BOUND, BOUND, st.one_of(st.none(), st.integers(-3, 3).filter(bool))))
def test_a_slice_is_what_numpy_gives_or_names_what_is_missing(flight, selection):
    selected = range(7)[selection]
    if 4 in selected:
        with pytest.raises(MissingFrameError, match=r"1 of \d frames of 'cam' are missing: 4 .*`\.good\(\)`"):
            _ = flight.reader[selection]
        return
    data = flight.reader[selection]
    assert data.dtype == np.dtype("u2")
    np.testing.assert_array_equal(data, np.array([flight.frame(i) for i in selected], "u2").reshape(-1, 2, 3))


def test_indices_within_the_frame(flight):
    np.testing.assert_array_equal(flight.reader[0:3, 1, :2], np.array([flight.frame(i)[1, :2] for i in range(3)]))
    assert flight.reader[5, 0, 1] == flight.frame(5)[0, 1]


def test_good_gives_what_is_there(flight):
    numbers, data = flight.reader.good()
    assert list(numbers) == [0, 1, 2, 3, 5, 6]
    np.testing.assert_array_equal(data, np.array([flight.frame(i) for i in numbers]))
    numbers, data = flight.reader.good(FrameRange(4, 5))
    assert (list(numbers), data.shape) == ([], (0, 2, 3))
    numbers, data = flight.reader.good(FrameRange(3, 6))
    assert list(numbers) == [3, 5]
    np.testing.assert_array_equal(data, np.array([flight.frame(3), flight.frame(5)]))


def test_physical_rows_hold_the_superseded_ones(flight):
    everything = np.concatenate([frames(0, 6), frames(100, 102)])
    for start, stop in [(0, 8), (5, 7), (6, 8), (3, 3)]:
        np.testing.assert_array_equal(flight.reader.rows(FrameRange(start, stop)), everything[start:stop])
    with pytest.raises(NotYetWrittenError, match="has 8 committed rows"):
        flight.reader.rows(FrameRange(7, 9))


def test_what_is_not_there_is_told_apart(flight):
    with pytest.raises(MissingFrameError, match="frame 4"):
        _ = flight.reader[4]
    with pytest.raises(NotYetWrittenError, match="frame 7"):
        _ = flight.reader[7]
    with pytest.raises(NotYetWrittenError, match="frames 7:9"):
        _ = flight.reader[0:9]
    with pytest.raises(UnknownFrameError):
        _ = flight.reader[-8]
    with pytest.raises(SelectionError):
        _ = flight.reader["0"]


def test_iteration_stops_loudly_at_a_missing_frame(flight):
    seen = []
    with pytest.raises(MissingFrameError):
        seen.extend(flight.reader)
    for whole in (np.asarray, list):
        with pytest.raises(MissingFrameError):
            whole(flight.reader)


def test_an_array_without_gaps_is_a_numpy_array(tmp_path):
    docs, index = Documents(), RunIndex()
    finished(tmp_path / "a.h5", 3)
    for name, doc in [
        docs.start(),
        docs.descriptor(),
        docs.resource(uri=f"file://{tmp_path}/a.h5"),
        docs.datum((1, 4)),
    ]:
        index.apply(name, doc)
    reader = ArrayReader(index.streams["primary"].arrays["cam"])
    np.testing.assert_array_equal(np.asarray(reader), frames(0, 3))
    np.testing.assert_array_equal(np.asarray(reader, "f8"), frames(0, 3).astype("f8"))
    np.testing.assert_array_equal(reader[...], frames(0, 3))
    np.testing.assert_array_equal(np.array(list(reader)), frames(0, 3))


def test_a_closed_run_has_its_planned_length(tmp_path):
    flight = Flight(tmp_path)
    flight.send(flight.docs.stop(frames={"detector": {"planned": 9}}))
    assert list(flight.reader.valid) == [True] * 4 + [False] + [True] * 2 + [False] * 2
    with pytest.raises(MissingFrameError):
        _ = flight.reader[8]
    with pytest.raises(UnknownFrameError):
        _ = flight.reader[9]


def one_file(tmp_path, *, n, data_keys=None, **resource):
    docs, index = Documents(data_keys=data_keys), RunIndex()
    for name, doc in [docs.start(), docs.descriptor(), docs.resource(**resource), docs.datum((1, n + 1))]:
        index.apply(name, doc)
    return ArrayReader(index.streams["primary"].arrays["cam"])


def test_several_frames_per_event(tmp_path):
    finished(tmp_path / "a.h5", 8)
    keys = {"cam": CAM | {"shape": [4, 2, 3]}}
    reader = one_file(tmp_path, n=2, data_keys=keys, uri=f"file://localhost{tmp_path}/a.h5")
    assert reader.shape == (2, 4, 2, 3)
    np.testing.assert_array_equal(reader[1], frames(4, 8))
    np.testing.assert_array_equal(reader[:], frames(0, 8).reshape(2, 4, 2, 3))


def test_a_scalar_per_frame(tmp_path):
    finished(tmp_path / "panda.h5", 5, dataset="/COUNTER1", data=np.arange(5.0), chunk=4)
    keys = {"cam": CAM | {"shape": [1], "dtype_numpy": "<f8"}}
    uri = f"file://localhost{tmp_path}/panda.h5"
    reader = one_file(tmp_path, n=5, data_keys=keys, uri=uri, dataset="/COUNTER1", chunk_shape=(4,))
    assert reader.shape == (5,)
    assert reader[3] == 3.0
    np.testing.assert_array_equal(reader[1:4], [1.0, 2.0, 3.0])


def test_a_file_that_cannot_give_what_was_announced_is_told_apart(tmp_path):
    finished(tmp_path / "a.h5", 3)
    uri = f"file://localhost{tmp_path}/a.h5"
    with pytest.raises(NotYetVisibleError):
        _ = one_file(tmp_path, n=4, uri=uri)[3]
    with pytest.raises(UnreadableError, match=r"expected data of shape \(1, 9, 9\), seen \(1, 2, 3\)"):
        _ = one_file(tmp_path, n=3, uri=uri, data_keys={"cam": CAM | {"shape": [1, 9, 9]}})[0]
    with pytest.raises(UnreachableUriError, match="file://elsewhere/a"):
        _ = one_file(tmp_path, n=3, uri="file://elsewhere/a.h5")[0]
    tiff = one_file(tmp_path, n=3, uri=uri)
    tiff.index.resources["run-1-r0"]["mimetype"] = "multipart/related;type=image/tiff"
    with pytest.raises(UnsupportedLayoutError, match="image/tiff"):
        _ = tiff[0]
    gone = one_file(tmp_path, n=3, uri=uri)
    (tmp_path / "a.h5").unlink()
    with pytest.raises(UnreadableError, match=r"a\.h5 is not there"):
        _ = gone[0]


def test_a_run_reads_like_a_mapping(flight):
    run = RunReader(flight.index)
    assert (run.uid, list(run), len(run), run.stop) == ("run-1", ["primary"], 1, None)
    assert run.start["uid"] == "run-1"
    assert list(run["primary"]) == ["cam", "x"]
    np.testing.assert_array_equal(run["primary"]["cam"][0], frames(0, 1)[0])
    np.testing.assert_array_equal(run["primary"]["x"], [0.5, 0.7])
    with pytest.raises(UnknownKeyError, match=r"^run run-1 has no stream 'baseline'; it has \['primary'\]$"):
        _ = run["baseline"]
    with pytest.raises(UnknownKeyError, match="no data key 'y'"):
        _ = run["primary"]["y"]


def journal(directory, *segments, torn=b""):
    directory.mkdir(parents=True)
    sequence = 0
    for documents in segments:
        first, parts = sequence, [MAGIC]
        for name, doc in documents:
            parts.append(encode_record(JournalRecord(sequence, name, orjson.dumps(doc))))
            sequence += 1
        (directory / segment_name(first)).write_bytes(b"".join(parts))
    newest = max(directory.iterdir())
    newest.write_bytes(newest.read_bytes() + torn)


@pytest.fixture
def data_dir(tmp_path):
    finished(tmp_path / "a.h5", 4)
    one, two = Documents("aaa-1"), Documents("aab-2")
    uri = f"file://localhost{tmp_path}/a.h5"
    first = [one.start(), one.descriptor(), one.resource(uri=uri), two.start(), two.descriptor(), one.datum((1, 3))]
    second = [two.resource(uri=uri), two.datum((1, 5)), one.stop()]
    journal(tmp_path / "journal", first, second, torn=b"half a record")
    return tmp_path


def test_open_run_reads_a_journal_of_interleaved_runs_without_a_server(data_dir):
    finished_run, live = open_run(data_dir, "aaa"), open_run(data_dir)
    assert (finished_run.uid, finished_run.stop["uid"]) == ("aaa-1", "aaa-1-stop")
    np.testing.assert_array_equal(finished_run["primary"]["cam"][:], frames(0, 2))
    assert (live.uid, live.stop) == ("aab-2", None)
    np.testing.assert_array_equal(live["primary"]["cam"][:], frames(0, 4))
    assert open_run(data_dir / "journal", "aab-2").uid == "aab-2"


@pytest.mark.parametrize(("uid", "message"), [("aa", "2 of the 2 runs"), ("x", "0 of the 2 runs")])
def test_a_uid_that_fits_no_run_or_several_is_refused(data_dir, uid, message):
    with pytest.raises(UnknownKeyError, match=message):
        open_run(data_dir, uid)


def test_a_damaged_journal_is_not_read_as_a_short_one(data_dir):
    oldest = min((data_dir / "journal").iterdir())
    whole = oldest.read_bytes()
    oldest.write_bytes(whole[:-3])
    with pytest.raises(CorruptJournalError, match=r"ends within a record at byte .* and a newer segment follows"):
        open_run(data_dir)
    oldest.write_bytes(whole[:30] + b"?" + whole[31:])
    with pytest.raises(CorruptJournalError, match=r"0000000000000000\.wbj: journal damaged at byte 8"):
        open_run(data_dir)


def test_a_directory_without_a_journal_is_named(tmp_path):
    with pytest.raises(UnreadableError, match="holds no journal"):
        open_run(tmp_path)
    (tmp_path / "journal").mkdir()
    with pytest.raises(UnreadableError, match="holds no journal"):
        open_run(tmp_path)
    shutil.rmtree(tmp_path / "journal")


def test_events_of_unequal_shape_are_a_column_of_objects():
    docs, index = Documents(), RunIndex()
    for name, doc in [docs.start(), docs.descriptor(), docs.event(1, [1, 2]), docs.event(2, [3])]:
        index.apply(name, doc)
    column = RunReader(index)["primary"]["x"]
    assert (column.dtype, list(column)) == (np.dtype(object), [[1, 2], [3]])
