"""Frames in numbered files are found by arithmetic, under the names that bluesky's consolidators give them."""

from itertools import islice

import numpy as np
import pytest
import tifffile
from bluesky.consolidators import consolidator_factory
from hypothesis import given, settings
from hypothesis import strategies as st
from wingbeat.stream_resource.errors import SelectionError, UnsupportedLayoutError
from wingbeat.stream_resource.filesequence import FileSequence
from wingbeat.stream_resource.uris import path_of_uri

from tests.stream_resource.test_layout import SLICE

TIFF = "multipart/related;type=image/tiff"


def resource(uri="file://localhost/data/", mimetype=TIFF, **parameters):
    return {
        "uid": "r",
        "run_start": "run",
        "data_key": "cam",
        "mimetype": mimetype,
        "uri": uri,
        "parameters": {"join_method": "concat", "template": "%s%s_%5.5d.tiff", "filename": "run7"} | parameters,
    }


def sequence(doc, rows=12, frame_shape=(4, 5)):
    return FileSequence.of_resource(doc, rows=rows, frame_shape=frame_shape, dtype=np.dtype("<u2"))


@pytest.mark.parametrize(
    ("template", "mimetype", "first"),
    [
        ("%s%s_%5.5d.tiff", TIFF, "run7_00000.tiff"),
        ("%s%s_%3.3d.tif", TIFF, "run7_000.tif"),
        ("%s_%06d.tif", TIFF, "run7_000000.tif"),
        ("%s_%d.jpeg", "multipart/related;type=image/jpeg", "run7_0.jpeg"),
        ("{:s}_{:05d}.jpg", "multipart/related;type=image/jpeg", "run7_00000.jpg"),
        ("%s_%d.npy", "multipart/related;type=application/x-npy", "run7_0.npy"),
    ],
)
def test_files_have_the_names_that_blueskys_consolidators_give_them(template, mimetype, first):
    doc = resource(template=template, mimetype=mimetype, chunk_shape=[1, 4, 5])
    files = sequence(doc)
    key = {"source": "sim", "dtype": "array", "shape": [1, 4, 5], "dtype_numpy": "<u2", "external": "STREAM:"}
    theirs = consolidator_factory(doc, {"data_keys": {"cam": key}, "uid": "d"})
    assert files.uri_of(0) == f"file://localhost/data/{first}"
    assert [files.uri_of(i) for i in range(12)] == [theirs.get_datum_uri(i) for i in range(12)]


def test_a_precision_without_a_width_is_read_as_c_reads_it():
    assert sequence(resource(template="%s_%.4d.tif")).uri_of(3).endswith("/run7_0003.tif")


def test_numbers_may_begin_elsewhere_and_names_are_percent_encoded():
    files = sequence(resource(filename="run 7#", first_number=100))
    assert files.uri_of(2) == "file://localhost/data/run%207%23_00102.tiff"
    assert path_of_uri(files.uri_of(2)).name == "run 7#_00102.tiff"


@pytest.fixture(scope="module")
def tiffs(tmp_path_factory):
    """Eleven frames in TIFF files of one, and in files of three, of which the last is short."""
    frames = np.random.default_rng(3).integers(0, 2**16, (11, 4, 5), "<u2")
    places = {}
    for per_file in (1, 3):
        directory = tmp_path_factory.mktemp(f"by {per_file}")
        for file, first in enumerate(range(0, 11, per_file)):
            tifffile.imwrite(
                directory / f"run7_{file:05d}.tiff", frames[first : first + per_file], photometric="minisblack"
            )
        doc = resource(
            uri=f"{directory.as_uri()}/".replace("file:///", "file://localhost/"), chunk_shape=[per_file, 4, 5]
        )
        places[per_file] = sequence(doc, rows=11)
    return frames, places


def read(files, uri):
    return tifffile.imread(path_of_uri(uri)).reshape(-1, *files.layout.shape[1:])


@settings(max_examples=60)
@given(per_file=st.sampled_from([1, 3]), first=st.one_of(SLICE, st.integers(-11, 10)), rest=st.lists(SLICE, max_size=2))
def test_real_files_give_what_numpy_selects(tiffs, per_file, first, rest):
    frames, places = tiffs
    files, selection = places[per_file], (first, *rest)
    wanted = frames[selection]
    result, touched = np.zeros(wanted.shape, "<u2"), np.zeros(wanted.shape, int)
    for part in files.locate(selection):
        result[part.target] = read(files, part.uri)[part.source]
        touched[part.target] += 1
    np.testing.assert_array_equal(result, wanted)
    assert (touched == 1).all()


def test_a_long_sequence_is_located_lazily():
    files = sequence(resource(), rows=10**12)
    assert files.num_files == 10**12
    names = [part.uri.rpartition("/")[2] for part in islice(files.locate(slice(7, None, 10**9)), 2)]
    assert names == ["run7_00007.tiff", "run7_1000000007.tiff"]


@pytest.mark.parametrize(
    ("doc", "message"),
    [
        (resource(template="%s_%d_%d.tif"), "one number in the name, as %05d or {:05d}; seen 2"),
        (resource(template="frame.tif"), "seen 0"),
        (resource(uri="file://localhost/data"), "ends with a slash"),
        (resource(chunk_shape=[1, 2, 5]), "hold whole frames"),
        (resource(mimetype="application/x-hdf5"), "seen application/x-hdf5 with parameters"),
        (resource(filename="50%"), "file name '50%' holds a character of templates"),
    ],
)
def test_what_is_no_sequence_of_files_is_refused(doc, message):
    with pytest.raises(UnsupportedLayoutError, match=message):
        sequence(doc)


def test_a_frame_beyond_the_last_file_is_refused():
    with pytest.raises(SelectionError, match="index 12 is out of bounds"):
        sequence(resource()).locate(12)
    with pytest.raises(UnsupportedLayoutError, match="there is no file 12"):
        sequence(resource()).uri_of(12)
    assert sequence(resource(), rows=0).num_files == 0
