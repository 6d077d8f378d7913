"""Runs of ours, written by bluesky's own writers into a real tiled server and read back by the real tiled client.

What is read back is the good frames: from the plain documents where nothing was redone, else from the foreign form.
"""

from itertools import count

import numpy as np
import pytest
from wingbeat.engine import foreign
from wingbeat.stream_resource.foreign_plan import FOREIGN_KEY
from wingbeat.stream_resource.frame_writer import FrameDataset, create_frames

from tests.conformance.tiled_server import WRITERS, serving
from tests.stream_resource.hdf import DATA, frames
from tests.stream_resource.runs import CAM, Documents

pytestmark = [pytest.mark.conformance, pytest.mark.system, pytest.mark.filterwarnings("ignore")]

PANDA = {"source": "sim", "dtype": "number", "shape": [1], "dtype_numpy": "<f8", "external": "STREAM:"}
X = {"source": "sim", "dtype": "number", "shape": [], "dtype_numpy": "<f8"}
BOTH = {"cam": CAM, "panda": PANDA}
NUMBERS = count()


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("data").resolve()


@pytest.fixture(scope="module")
def tiled(directory):
    with serving(directory) as client:
        client.write_array(np.ones(3), key="first").read()  # starts the client's threads
        yield client


@pytest.fixture(params=WRITERS)
def writer(request, tiled):
    """One that sends each document at once, as a live one does."""
    return WRITERS[request.param](tiled, batch_size=1)


class Flight:
    """Frames in real files, and their documents; frame content tells the physical row that it was written to."""

    def __init__(self, directory, data_keys=None, **options):
        self.docs = Documents(f"run-{next(NUMBERS)}", data_keys=data_keys or {"cam": CAM})
        self.directory, self.options = directory / self.docs.uid, options
        self.directory.mkdir()
        descriptor = self.docs.descriptor(object_keys={"detector": list(self.docs.data_keys)})
        self.documents = [self.docs.start(), descriptor]
        self.writers, self.shape, self.written = {}, {}, dict.fromkeys(self.docs.data_keys, 0)
        self.files = count()

    def open_file(self, key="cam"):
        path = self.directory / f"{key}-{next(self.files)}.h5"
        shape = (2, 3) if key == "cam" else ()
        dataset = FrameDataset(DATA, shape, "<u2" if key == "cam" else "<f8", **self.options)
        if key in self.writers:
            self.writers[key].close()
        self.writers[key] = create_frames(path, [dataset])
        uri = f"file://localhost{path}"
        self.documents.append(self.docs.resource(key, uri=uri, dataset=DATA, chunk_shape=dataset.chunk_shape))
        return self

    def fly(self, start, stop, key="cam"):
        per_event = self.docs.data_keys[key]["shape"][0]
        first = self.written[key]
        self.written[key] += (stop - start) * per_event
        data = self.content(key, first, self.written[key])
        self.writers[key].append(DATA, data)
        self.writers[key].flush()
        self.documents.append(self.docs.datum((start, stop), key))
        return self

    def event(self, seq_num, x):
        self.documents.append(self.docs.event(seq_num, x))
        return self

    def land(self, *, close=True):
        if close:
            for each in self.writers.values():
                each.close()
        self.documents.append(self.docs.stop())
        return self

    @staticmethod
    def content(key, start, stop):
        return frames(start, stop) if key == "cam" else np.arange(start, stop) + 0.5

    def rows(self, *physical, key="cam"):
        """What the physical rows hold, counted through all files."""
        return np.concatenate([self.content(key, row, row + 1) for row in physical])

    def told_to(self, callback):
        for document in self.documents:
            callback(*document)


def read(tiled, flight, key="cam"):
    return tiled[flight.docs.uid]["primary"][key].read()


@pytest.mark.parametrize(
    "options",
    [{}, {"compression": "gzip", "frames_per_chunk": 4}, {"compression": "bitshuffle-lz4"}],
    ids=["stored plainly", "gzip", "bitshuffle"],
)
def test_plain_documents_are_read_unchanged(tiled, writer, directory, options):
    flight = Flight(directory, **options).open_file().fly(1, 4).fly(4, 11).land()
    flight.told_to(writer)
    np.testing.assert_array_equal(read(tiled, flight), frames(0, 10))
    np.testing.assert_array_equal(tiled[flight.docs.uid]["primary"]["cam"][5], frames(5, 6)[0])


def test_a_file_of_our_writer_is_read_by_tiled_while_it_grows(tiled, writer, directory):
    flight = Flight(directory, compression="gzip").open_file()
    for start, stop in ((1, 4), (4, 9)):
        flight.fly(start, stop)
        flight.told_to(writer)
        flight.documents.clear()
        np.testing.assert_array_equal(tiled[flight.docs.uid]["primary"]["cam"].read(), frames(0, stop - 1))
    flight.land().told_to(writer)


def test_a_run_without_redone_rows_goes_through_the_foreign_form_as_it_is(tiled, writer, directory):
    flight = Flight(directory).open_file().fly(1, 4).fly(4, 11).land()
    seen = []
    flight.told_to(foreign(lambda name, doc: (seen.append((name, doc)), writer(name, doc))))
    assert seen == flight.documents
    np.testing.assert_array_equal(read(tiled, flight), frames(0, 10))
    assert not list(flight.directory.glob("*-good.h5"))


@pytest.mark.parametrize(
    "options",
    [{}, {"compression": "gzip", "frames_per_chunk": 4}, {"compression": "bitshuffle-lz4"}],
    ids=["stored plainly", "gzip", "bitshuffle"],
)
def test_frames_that_were_redone_after_a_pause_are_read_once(tiled, writer, directory, options):
    flight = Flight(directory, **options).open_file().fly(1, 5).fly(3, 9).fly(7, 11).land()
    flight.told_to(foreign(writer))
    good = flight.rows(0, 1, 4, 5, 6, 7, 10, 11, 12, 13)
    np.testing.assert_array_equal(read(tiled, flight), good)
    array = tiled[flight.docs.uid]["primary"]["cam"]
    np.testing.assert_array_equal(array[3:7], good[3:7])
    assert tiled[flight.docs.uid].metadata["stop"][FOREIGN_KEY] == {"primary": {"left_out": [], "absent": {}}}


def test_frames_that_were_redone_in_a_second_file_are_read_once(tiled, writer, directory):
    flight = Flight(directory).open_file().fly(1, 8).open_file().fly(5, 12).land()
    flight.told_to(foreign(writer))
    np.testing.assert_array_equal(read(tiled, flight), flight.rows(0, 1, 2, 3, *range(7, 14)))


def test_a_second_file_without_redone_rows_is_read_behind_the_first(tiled, writer, directory):
    flight = Flight(directory).open_file().fly(1, 4).open_file().fly(4, 12).land()
    flight.told_to(foreign(writer))
    np.testing.assert_array_equal(read(tiled, flight), frames(0, 11))


def test_several_frames_per_event_are_redone_together(tiled, writer, directory):
    flight = Flight(directory, {"cam": CAM | {"shape": [3, 2, 3]}}).open_file().fly(1, 3).fly(2, 4).land()
    flight.told_to(foreign(writer))
    np.testing.assert_array_equal(read(tiled, flight), flight.rows(0, 1, 2, *range(6, 12)))


def test_where_a_frame_is_missing_the_keys_and_the_events_stay_beside_each_other(tiled, writer, directory):
    flight = Flight(directory, BOTH | {"x": X}).open_file().open_file("panda")
    flight.fly(1, 3).fly(1, 6, "panda").fly(4, 6)
    for seq_num in range(1, 6):
        flight.event(seq_num, seq_num / 10)
    flight.land().told_to(foreign(writer))
    stream = tiled[flight.docs.uid]["primary"]
    np.testing.assert_array_equal(stream["cam"].read(), flight.rows(0, 1, 2, 3))
    np.testing.assert_array_equal(stream["panda"].read(), [0.5, 1.5, 3.5, 4.5])
    np.testing.assert_array_equal(stream["x"].read(), [0.1, 0.2, 0.4, 0.5])
    np.testing.assert_array_equal(stream["seq_num"].read(), [1, 2, 4, 5])
    assert tiled[flight.docs.uid].metadata["stop"][FOREIGN_KEY]["primary"]["left_out"] == [[3, 4]]


def test_a_file_that_its_writer_has_still_open_is_read_too(tiled, writer, directory):
    flight = Flight(directory).open_file().fly(1, 5).fly(3, 9).land(close=False)
    flight.told_to(foreign(writer))
    good = flight.rows(0, 1, *range(4, 10))
    np.testing.assert_array_equal(read(tiled, flight), good)
    flight.writers["cam"].close()
    np.testing.assert_array_equal(read(tiled, flight), good)


def test_a_key_whose_file_is_gone_is_absent_and_never_fill(tiled, writer, directory):
    flight = Flight(directory, BOTH).open_file().open_file("panda")
    flight.fly(1, 3).fly(2, 4).fly(1, 3, "panda").fly(2, 4, "panda").land()
    (flight.directory / "cam-0.h5").unlink()
    flight.told_to(foreign(writer))
    stream = tiled[flight.docs.uid]["primary"]
    assert "cam" not in stream
    np.testing.assert_array_equal(stream["panda"].read(), [0.5, 2.5, 3.5])
    assert "is not there" in tiled[flight.docs.uid].metadata["stop"][FOREIGN_KEY]["primary"]["absent"]["cam"]


def test_without_the_foreign_form_tiled_shows_superseded_rows_and_loses_the_good_ones_behind(tiled, writer, directory):
    """Why there is a foreign form: rows are taken in file order, and what leads to them is never looked at."""
    flight = Flight(directory).open_file().fly(1, 5).fly(3, 9).land()
    flight.told_to(writer)
    seen = read(tiled, flight)
    assert len(seen) == 10  # eight frames were planned and are good
    np.testing.assert_array_equal(seen[2:4], flight.rows(2, 3))  # superseded rows, in the places of frames 3 and 4


def test_a_writer_that_collects_documents_puts_a_longer_second_file_in_front_and_the_foreign_form_does_not(
    tiled, directory
):
    for name, make in WRITERS.items():
        flight = Flight(directory).open_file().fly(1, 4).open_file().fly(4, 6).fly(6, 12).land()
        flight.told_to(make(tiled, batch_size=5))
        wrong = read(tiled, flight)
        np.testing.assert_array_equal(wrong[:8], flight.rows(*range(3, 11)), err_msg=name)
        flight = Flight(directory).open_file().fly(1, 4).open_file().fly(4, 6).fly(6, 12).land()
        flight.told_to(foreign(make(tiled, batch_size=5)))
        np.testing.assert_array_equal(read(tiled, flight), frames(0, 11), err_msg=name)
