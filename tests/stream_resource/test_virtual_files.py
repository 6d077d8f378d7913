"""Virtual datasets that we write: found from other directories, checked, never made of rows that are not there."""

import os

import h5py
import numpy as np
import pytest
from wingbeat.stream_resource.errors import (
    NotYetVisibleError,
    UnreadableError,
    UnsupportedLayoutError,
    UnwritableError,
)
from wingbeat.stream_resource.files import check_virtual, read_rows, write_virtual
from wingbeat.stream_resource.frame_writer import FrameDataset, create_frames
from wingbeat.stream_resource.frames import FrameRange
from wingbeat.stream_resource.virtual import VirtualDataset, VirtualRun

from tests.stream_resource.hdf import DATA, finished, frames


def good(*runs, shape=(2, 3), dtype="u2", name="/primary/cam"):
    """Runs of (path, first row, end), one after the other."""
    made, end = [], 0
    for path, first, stop in runs:
        made.append(VirtualRun(FrameRange(end, end + stop - first), path, DATA, FrameRange(first, stop)))
        end += stop - first
    return VirtualDataset(name=name, frame_shape=shape, dtype=np.dtype(dtype), runs=tuple(made))


@pytest.mark.parametrize("where", ["beside", "above", "in another tree"])
def test_sources_are_found_wherever_the_file_is_and_moved_with_their_tree(tmp_path, where):
    tree = tmp_path / "tree"
    (tree / "2026" / "cam").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    one = finished(tree / "2026" / "cam" / "a.h5", 6)
    two = finished(tree / "2026" / "b.h5", 6)
    path = {"beside": one.parent, "above": tree, "in another tree": tmp_path / "other"}[where] / "good.h5"
    dataset = good((one, 0, 2), (two, 3, 6), (one, 5, 6))
    assert check_virtual(dataset) is False
    write_virtual(path, [dataset])
    expected = frames(0, 6)[[0, 1, 3, 4, 5, 5]]
    np.testing.assert_array_equal(read_rows(path, "/primary/cam", rows=FrameRange(0, 6)), expected)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["/primary/cam"], expected)
    if where == "above":
        tree.rename(tmp_path / "moved")
        moved = tmp_path / "moved" / "good.h5"
        np.testing.assert_array_equal(read_rows(moved, "/primary/cam", rows=FrameRange(0, 6)), expected)
        with h5py.File(moved) as file:
            np.testing.assert_array_equal(file["/primary/cam"], expected)


def test_one_file_holds_a_dataset_per_key_and_replaces_the_one_before(tmp_path):
    source = finished(tmp_path / "a.h5", 6)
    write_virtual(tmp_path / "good.h5", [good((source, 0, 6))])
    write_virtual(tmp_path / "good.h5", [good((source, 1, 3)), good((source, 4, 6), name="/primary/other")])
    assert sorted(os.listdir(tmp_path)) == ["a.h5", "good.h5"]
    with h5py.File(tmp_path / "good.h5") as file:
        np.testing.assert_array_equal(file["primary/cam"], frames(1, 3))
        np.testing.assert_array_equal(file["primary/other"], frames(4, 6))


def test_a_virtual_dataset_of_virtual_datasets_is_checked_and_read_to_the_ground(tmp_path):
    source = finished(tmp_path / "a.h5", 6)
    write_virtual(tmp_path / "v.h5", [good((source, 0, 2), (source, 4, 6), name=DATA)])
    dataset = good((tmp_path / "v.h5", 1, 3))
    assert check_virtual(dataset) is False
    write_virtual(tmp_path / "w.h5", [dataset])
    np.testing.assert_array_equal(
        read_rows(tmp_path / "w.h5", "/primary/cam", rows=FrameRange(0, 2)), frames(0, 6)[[1, 4]]
    )
    source.unlink()
    with pytest.raises(UnreadableError, match=r"a\.h5 is not there"):
        check_virtual(dataset)
    with pytest.raises(UnreadableError, match=r"a\.h5 is not there"):
        read_rows(tmp_path / "w.h5", "/primary/cam", rows=FrameRange(0, 2))


def test_a_source_that_is_still_being_written_is_told(tmp_path):
    with create_frames(tmp_path / "a.h5", [FrameDataset(DATA, (2, 3), "u2")]) as writer:
        writer.append(DATA, frames(0, 4))
        writer.flush()
        assert check_virtual(good((tmp_path / "a.h5", 1, 4))) is True
        with pytest.raises(NotYetVisibleError, match="shows 4 rows, expected 5"):
            check_virtual(good((tmp_path / "a.h5", 1, 5)))
    assert check_virtual(good((tmp_path / "a.h5", 1, 4))) is False


@pytest.mark.parametrize(
    "options", [{"chunks": (1, 2, 3)}, {"chunks": (2, 1, 3)}, {}], ids=["frames", "parts", "contiguous"]
)
def test_rows_that_were_never_stored_are_refused(tmp_path, options):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        ds = file.create_dataset(DATA, (6, 2, 3), "u2", **options)
        if options:
            ds[:4] = frames(0, 4)
            if options["chunks"] == (2, 1, 3):
                ds[4:, :1] = 7  # one of the two chunks that these frames lie in
    with pytest.raises(UnreadableError, match="would be read as fill"):
        check_virtual(good((tmp_path / "a.h5", 2, 6)))
    if options:
        assert check_virtual(good((tmp_path / "a.h5", 0, 4))) is False


def test_a_virtual_source_that_maps_nothing_to_a_row_is_refused(tmp_path):
    finished(tmp_path / "a.h5", 6)
    with h5py.File(tmp_path / "v.h5", "w") as file:
        layout = h5py.VirtualLayout((6, 2, 3), "u2")
        layout[:2] = h5py.VirtualSource("a.h5", DATA, (6, 2, 3))[:2]
        file.create_virtual_dataset(DATA, layout)
    with pytest.raises(UnreadableError, match=r"maps nothing to rows RangeSet\(2:3\)"):
        check_virtual(good((tmp_path / "v.h5", 1, 3)))


@pytest.mark.parametrize(("shape", "dtype"), [((3, 2), "u2"), ((2, 3), "i2"), ((2, 3), ">u2")])
def test_a_source_of_another_shape_or_type_is_refused_and_not_converted(tmp_path, shape, dtype):
    source = finished(tmp_path / "a.h5", 6)
    with pytest.raises(UnsupportedLayoutError, match="cannot be part of /primary/cam: expected rows of"):
        check_virtual(good((source, 0, 2), shape=shape, dtype=dtype))


@pytest.mark.parametrize(("dtype", "odd"), [("u2", 65535), ("i4", 2**31 - 1), ("f8", np.nan)])
def test_a_source_that_goes_away_later_does_not_look_like_data_to_hdf5_and_is_refused_by_us(tmp_path, dtype, odd):
    source = finished(tmp_path / "a.h5", 6, data=frames(0, 6, dtype=dtype))
    write_virtual(tmp_path / "good.h5", [good((source, 0, 6), dtype=dtype)])
    source.unlink()
    with h5py.File(tmp_path / "good.h5") as file:
        np.testing.assert_array_equal(file["/primary/cam"], np.full((6, 2, 3), odd, dtype))
    with pytest.raises(UnreadableError, match="is not there"):
        read_rows(tmp_path / "good.h5", "/primary/cam", rows=FrameRange(0, 6))


def test_a_directory_that_is_not_there_is_named(tmp_path):
    source = finished(tmp_path / "a.h5", 6)
    with pytest.raises(UnwritableError, match=r"nowhere/good\.h5: cannot make it"):
        write_virtual(tmp_path / "nowhere" / "good.h5", [good((source, 0, 6))])
