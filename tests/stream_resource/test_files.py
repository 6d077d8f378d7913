"""Real HDF5 files, finished and growing: what is read is what was written, and never the fill value."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wingbeat.stream_resource.errors import (
    NotYetVisibleError,
    UnreachableUriError,
    UnreadableError,
    UnsupportedLayoutError,
)
from wingbeat.stream_resource.files import (
    FEW_CHUNKS,
    ChunkRecord,
    chunk_records,
    dataset_info,
    path_of_uri,
    read_attribute,
    read_identities,
    read_rows,
)
from wingbeat.stream_resource.frames import FrameRange

from tests.stream_resource.hdf import DATA, Writer, finished, frames

ATTRIBUTES = "/entry/instrument/NDAttributes"


def rows(start, stop):
    return FrameRange(start, stop)


@pytest.mark.parametrize("locking", [False, True])
def test_a_growing_file_shows_what_was_flushed_and_no_more(tmp_path, locking):
    path = tmp_path / "cam.h5"
    with Writer(path, locking=locking) as writer:
        writer.write(3)
        writer.flush()
        np.testing.assert_array_equal(read_rows(path, DATA, rows=rows(1, 3)), frames(1, 3))
        with pytest.raises(NotYetVisibleError, match="shows 3 rows, expected 4"):
            read_rows(path, DATA, rows=rows(0, 4))
        with pytest.raises(NotYetVisibleError, match="shows 3 rows, expected 4"):
            chunk_records(path, DATA, rows=rows(3, 4))
        writer.write(2)
        writer.flush()
        np.testing.assert_array_equal(read_rows(path, DATA, rows=rows(0, 5)), frames(0, 5))
        assert dataset_info(path, DATA).shape == (5, 2, 3)


CHILD = """
import sys
from tests.stream_resource.hdf import Writer
with Writer(sys.argv[1], chunk=2, compression="gzip") as writer:
    for line in sys.stdin:
        writer.write(int(line))
        writer.flush()
        print("flushed", flush=True)
"""


def test_a_writer_in_another_process_is_followed(tmp_path):
    path = tmp_path / "cam.h5"
    command = [sys.executable, "-c", CHILD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        total = 0
        for n in (3, 2, 4):
            child.stdin.write(f"{n}\n")
            child.stdin.flush()
            assert child.stdout.readline() == "flushed\n"
            total += n
            np.testing.assert_array_equal(read_rows(path, DATA, rows=rows(0, total)), frames(0, total))
            assert [row for row, _ in chunk_records(path, DATA, rows=rows(0, total))] == list(range(-(-total // 2)))
            with pytest.raises(NotYetVisibleError):
                read_rows(path, DATA, rows=rows(total, total + 1))
        child.stdin.close()
    assert child.returncode == 0


def test_beside_another_handle_in_this_process_rows_are_old_and_refused_but_never_wrong(tmp_path):
    path = tmp_path / "cam.h5"
    command = [sys.executable, "-c", CHILD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        child.stdin.write("3\n")
        child.stdin.flush()
        child.stdout.readline()
        with h5py.File(path, "r", swmr=True, locking=False) as stale:
            seen = stale[DATA]
            assert seen.shape == (3, 2, 3)
            child.stdin.write("4\n")
            child.stdin.flush()
            child.stdout.readline()
            np.testing.assert_array_equal(read_rows(path, DATA, rows=rows(0, 3)), frames(0, 3))
            for read in (read_rows, chunk_records):
                with pytest.raises(NotYetVisibleError, match="another handle of the file in this process"):
                    read(path, DATA, rows=rows(0, 7))
        np.testing.assert_array_equal(read_rows(path, DATA, rows=rows(0, 7)), frames(0, 7))
        child.stdin.close()


def test_threads_that_read_a_growing_file_see_what_was_flushed(tmp_path):
    path = tmp_path / "cam.h5"
    command = [sys.executable, "-c", CHILD, str(path)]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child,
        ThreadPoolExecutor(4) as pool,
    ):
        reads, total = [], 0
        for n in (3, 4, 1, 9, 30):
            child.stdin.write(f"{n}\n")
            child.stdin.flush()
            child.stdout.readline()
            total += n
            reads += [(total, pool.submit(read_rows, path, DATA, rows=rows(0, total))) for _ in range(4)]
        for size, read in reads:
            np.testing.assert_array_equal(read.result(), frames(0, size))
        child.stdin.close()


@pytest.mark.parametrize("options", [{}, {"compression": "gzip", "shuffle": True}, hdf5plugin.Bitshuffle()])
@pytest.mark.parametrize("chunk", [1, 4])
@settings(max_examples=8)
@given(bounds=st.tuples(st.integers(0, 10), st.integers(0, 10)).map(sorted))
def test_rows_are_those_that_h5py_reads(tmp_path_factory, options, chunk, bounds):
    path = tmp_path_factory.mktemp("rows") / "cam.h5"
    finished(path, 10, chunk=chunk, **options)
    np.testing.assert_array_equal(read_rows(path, DATA, rows=rows(*bounds)), frames(*bounds))


def test_frames_cut_into_several_chunks_are_put_together(tmp_path):
    path = tmp_path / "cam.h5"
    data = frames(0, 5, (5, 7))
    with h5py.File(path, "w") as file:
        file.create_dataset(DATA, data=data, chunks=(2, 3, 4))
    np.testing.assert_array_equal(read_rows(path, DATA, rows=rows(1, 4)), data[1:4])
    with pytest.raises(UnsupportedLayoutError, match=r"expected chunks of whole frames \(5, 7\), seen \(2, 3, 4\)"):
        chunk_records(path, DATA, rows=rows(0, 5))


@pytest.mark.parametrize("userblock", [0, 512])
@pytest.mark.parametrize("wanted", [2, FEW_CHUNKS + 5])
def test_chunk_records_point_at_the_stored_bytes(tmp_path, userblock, wanted):
    path, n = tmp_path / "cam.h5", FEW_CHUNKS + 8
    with h5py.File(path, "w", libver="latest", userblock_size=userblock) as file:
        ds = file.create_dataset(DATA, data=frames(0, n), chunks=(1, 2, 3), compression="gzip")
        stored = {row: ds.id.read_direct_chunk((row, 0, 0)) for row in range(n)}
    records = chunk_records(path, DATA, rows=rows(1, 1 + wanted))
    assert [row for row, _ in records] == list(range(1, 1 + wanted))
    raw = path.read_bytes()
    for row, record in records:
        assert (record.filter_mask, raw[record.offset : record.offset + record.nbytes]) == stored[row]


def test_a_partly_filled_compressed_chunk_moves_and_a_full_one_stays(tmp_path):
    path = tmp_path / "cam.h5"
    with Writer(path, chunk=4, compression="gzip") as writer:
        writer.write(6)
        writer.flush()
        before = dict(chunk_records(path, DATA, rows=rows(0, 6)))
        writer.write(2)
        writer.flush()
        after = dict(chunk_records(path, DATA, rows=rows(0, 8)))
    assert after[0] == before[0]
    assert after[1] != before[1]


@pytest.mark.parametrize("wanted", [(0, 3), (0, 2 * FEW_CHUNKS)])
def test_a_chunk_that_was_never_written_is_absent_and_not_fill(tmp_path, wanted):
    path = tmp_path / "cam.h5"
    with h5py.File(path, "w", libver="latest") as file:
        ds = file.create_dataset(DATA, (2 * FEW_CHUNKS, 2, 3), "u2", chunks=(1, 2, 3), compression="gzip")
        ds[0], ds[2] = frames(0, 1), frames(2, 3)
    assert [row for row, _ in chunk_records(path, DATA, rows=rows(*wanted))] == [0, 2]
    np.testing.assert_array_equal(read_rows(path, DATA, rows=rows(2, 3)), frames(2, 3))
    with pytest.raises(UnreadableError, match=r"holds nothing for its chunk at \(1, 0, 0\)"):
        read_rows(path, DATA, rows=rows(0, 3))


def test_a_contiguous_dataset_has_an_offset_and_no_chunks(tmp_path):
    path = tmp_path / "old.h5"
    with h5py.File(path, "w", libver="earliest") as file:
        file[DATA] = frames(0, 4)
        file.create_dataset("never", (4, 2), "u2")
    info = dataset_info(path, DATA)
    assert (info.shape, info.chunk_shape, info.filters, info.virtual) == ((4, 2, 3), None, (), False)
    raw = path.read_bytes()[info.contiguous_offset :][: frames(0, 4).nbytes]
    assert raw == frames(0, 4).tobytes()
    np.testing.assert_array_equal(read_rows(path, DATA, rows=rows(1, 3)), frames(1, 3))
    with pytest.raises(UnsupportedLayoutError, match="use read_rows"):
        chunk_records(path, DATA, rows=rows(0, 4))
    with pytest.raises(UnreadableError, match=r"/never of .* was never written"):
        read_rows(path, "/never", rows=rows(0, 1))


def test_info_names_the_filters_in_their_order(tmp_path):
    path = finished(tmp_path / "cam.h5", 4, chunk=2, compression="gzip", compression_opts=3, shuffle=True)
    info = dataset_info(path, DATA)
    assert [(f.id, f.name) for f in info.filters] == [(2, "shuffle"), (1, "deflate")]
    assert info.filters[1].options == (3,)
    assert (info.dtype, info.chunk_shape, info.contiguous_offset) == (np.dtype("u2"), (2, 2, 3), None)
    assert info.layout.chunk_counts == (2, 1, 1)


def virtual(path, *parts, n):
    layout = h5py.VirtualLayout((n, 2, 3), "u2")
    for target, (name, length), source in parts:
        layout[slice(*target)] = h5py.VirtualSource(name, DATA, (length, 2, 3))[slice(*source)]
    with h5py.File(path, "w", libver="latest") as file:
        file.create_virtual_dataset("good", layout, fillvalue=0)
    return path


def test_a_virtual_dataset_is_read_through_its_sources(tmp_path):
    finished(tmp_path / "a.h5", 6)
    finished(tmp_path / "b.h5", 4, data=frames(100, 104))
    path = virtual(tmp_path / "v.h5", ((0, 2), ("a.h5", 6), (1, 3)), ((2, 6), ("b.h5", 4), (0, 4)), n=6)
    expected = np.concatenate([frames(1, 3), frames(100, 104)])
    assert dataset_info(path, "good").virtual
    for start, stop in [(0, 6), (1, 3), (4, 6), (2, 2)]:
        np.testing.assert_array_equal(read_rows(path, "good", rows=rows(start, stop)), expected[start:stop])


def test_a_virtual_dataset_never_fills_in(tmp_path):
    finished(tmp_path / "a.h5", 6)
    path = virtual(tmp_path / "v.h5", ((0, 2), ("a.h5", 6), (1, 3)), ((3, 5), ("gone.h5", 4), (0, 2)), n=5)
    np.testing.assert_array_equal(read_rows(path, "good", rows=rows(0, 2)), frames(1, 3))
    with pytest.raises(UnreadableError, match=r"maps nothing to rows RangeSet\(2:3\)"):
        read_rows(path, "good", rows=rows(0, 3))
    with pytest.raises(UnreadableError, match=r"gone\.h5 is not there"):
        read_rows(path, "good", rows=rows(3, 4))


def test_a_virtual_dataset_of_parts_of_rows_is_refused(tmp_path):
    finished(tmp_path / "a.h5", 6)
    layout = h5py.VirtualLayout((6, 2, 2), "u2")
    layout[:] = h5py.VirtualSource(tmp_path / "a.h5", DATA, (6, 2, 3))[:, :, :2]
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_virtual_dataset("good", layout)
    with pytest.raises(UnsupportedLayoutError, match=r"expected rows \(2, 2\) in .*a\.h5, seen \(2, 3\)"):
        read_rows(tmp_path / "v.h5", "good", rows=rows(0, 6))


@pytest.mark.parametrize(
    ("target", "source"), [((0, 6, 2), (0, 3)), ((0, 3), (0, 6, 2)), ((0, 6, 2), (0, 6, 2))], ids=str
)
def test_a_virtual_dataset_of_every_second_row_is_refused(tmp_path, target, source):
    finished(tmp_path / "a.h5", 6)
    path = virtual(tmp_path / "v.h5", (target, ("a.h5", 6), source), n=6)
    with pytest.raises(UnsupportedLayoutError, match=r"maps parts of rows of /entry/data/data in a\.h5"):
        read_rows(path, "good", rows=rows(0, 1))


def test_a_file_that_is_gone_short_or_no_hdf5_is_unreadable(tmp_path):
    with pytest.raises(UnreadableError, match=r"gone\.h5 is not there"):
        read_rows(tmp_path / "gone.h5", DATA, rows=rows(0, 1))
    (tmp_path / "text.h5").write_text("not HDF5 " * 100)
    with pytest.raises(UnreadableError, match="cannot be read as HDF5"):
        dataset_info(tmp_path / "text.h5", DATA)
    short = finished(tmp_path / "short.h5", 400, compression="gzip")
    os.truncate(short, short.stat().st_size - 2_000)
    with pytest.raises(UnreadableError, match="cannot be read as HDF5"):
        read_rows(short, DATA, rows=rows(0, 400))


@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}])
def test_a_growing_file_that_was_cut_short_is_unreadable_and_does_not_hang(tmp_path, options):
    path, copy = tmp_path / "cam.h5", tmp_path / "copy.h5"
    with Writer(path, **options) as writer:
        writer.write(40)
        writer.file.flush()
        shutil.copy(path, copy)
    np.testing.assert_array_equal(read_rows(copy, DATA, rows=rows(0, 40)), frames(0, 40))
    os.truncate(copy, copy.stat().st_size - 1_000)
    with pytest.raises(UnreadableError, match="truncated file"):
        read_rows(copy, DATA, rows=rows(0, 40))


def test_the_zeros_behind_the_end_of_a_growing_file_are_not_data(tmp_path):
    path, copy = tmp_path / "cam.h5", tmp_path / "copy.h5"
    with Writer(path) as writer:
        writer.write(40)
        writer.flush()  # the superblock is not written: it still says how long the file was at the start
        shutil.copy(path, copy)
    records = dict(chunk_records(copy, DATA, rows=rows(0, 40)))
    os.truncate(copy, records[39].offset + records[39].nbytes - 2)
    np.testing.assert_array_equal(read_rows(copy, DATA, rows=rows(0, 39)), frames(0, 39))
    with pytest.raises(UnreadableError, match=r"cut short: the chunk of .* at \(39, 0, 0\) needs 12 bytes"):
        read_rows(copy, DATA, rows=rows(38, 40))


def test_a_damaged_chunk_is_unreadable(tmp_path):
    path = finished(tmp_path / "cam.h5", 4, compression="gzip")
    ((_, record),) = chunk_records(path, DATA, rows=rows(2, 3))
    with path.open("r+b") as file:
        file.seek(record.offset)
        file.write(b"\xff" * record.nbytes)
    np.testing.assert_array_equal(read_rows(path, DATA, rows=rows(0, 2)), frames(0, 2))
    with pytest.raises(UnreadableError, match="cannot be read as HDF5"):
        read_rows(path, DATA, rows=rows(2, 3))


def test_a_dataset_that_is_not_there_is_named(tmp_path):
    path = finished(tmp_path / "cam.h5", 2)
    with h5py.File(path, "a") as file:
        file["one"] = 1
    with pytest.raises(UnreadableError, match="has no dataset /other"):
        read_rows(path, "/other", rows=rows(0, 1))
    with pytest.raises(UnreadableError, match=r"/entry of .* is a group"):
        read_rows(path, "/entry", rows=rows(0, 1))
    with pytest.raises(UnreadableError, match="is a scalar"):
        read_rows(path, "/one", rows=rows(0, 1))


def test_a_file_in_the_making_that_is_not_swmr_is_unreadable_or_right(tmp_path):
    # In the writer's own process HDF5 shares the open file, and what is read is what was written.
    path = tmp_path / "cam.h5"
    with Writer(path, swmr=False) as writer:
        writer.write(2)
        np.testing.assert_array_equal(read_rows(path, DATA, rows=rows(0, 2)), frames(0, 2))


SECONDS_1990 = 631_152_000


def attribute_file(path, columns):
    with h5py.File(path, "w", libver="latest") as file:
        for name, values in columns.items():
            file.create_dataset(f"{ATTRIBUTES}/{name}", data=values, chunks=(16,), maxshape=(None,))
    return path


def test_identities_are_ids_and_exact_times(tmp_path):
    path = attribute_file(
        tmp_path / "cam.h5",
        {
            "NDArrayUniqueId": np.array([5, 6, 8], "i4"),
            "NDArrayEpicsTSSec": np.array([10, 10, 11], "u4"),
            "NDArrayEpicsTSnSec": np.array([1, 999_999_999, 3], "u4"),
            "NDArrayTimeStamp": np.array([10.5, 10.6, 10.7]),
        },
    )
    ids, times = read_identities(path, rows=rows(1, 3))
    assert (ids.dtype, times.dtype) == (np.dtype("i8"), np.dtype("i8"))
    assert list(ids) == [6, 8]
    assert list(times) == [(SECONDS_1990 + 10) * 10**9 + 999_999_999, (SECONDS_1990 + 11) * 10**9 + 3]
    with pytest.raises(NotYetVisibleError, match="shows 3 rows, expected 4"):
        read_identities(path, rows=rows(0, 4))


def test_identities_fall_back_to_the_float_stamp_where_the_driver_sets_no_other(tmp_path):
    columns = {"NDArrayTimeStamp": np.array([0.25, 10.75]), "NDArrayEpicsTSSec": np.zeros(2, "u4")}
    path = attribute_file(tmp_path / "cam.h5", columns | {"NDArrayEpicsTSnSec": np.zeros(2, "u4")})
    ids, times = read_identities(path, rows=rows(0, 2))
    assert ids is None
    assert list(times) == [SECONDS_1990 * 10**9 + 250_000_000, (SECONDS_1990 + 10) * 10**9 + 750_000_000]


def test_no_stamps_are_no_identities_and_half_of_them_are_not_flushed(tmp_path):
    none = finished(tmp_path / "none.h5", 2)
    assert read_identities(none, rows=rows(0, 2)) == (None, None)
    half = attribute_file(tmp_path / "half.h5", {"NDArrayTimeStamp": np.array([5.0, 0.0])})
    with pytest.raises(NotYetVisibleError, match="1 of 2 time stamps are not flushed yet"):
        read_identities(half, rows=rows(0, 2))


def test_attributes_are_python_values(tmp_path):
    path = finished(tmp_path / "panda.h5", 2)
    with h5py.File(path, "a") as file:
        file.attrs["start_time_ns"] = np.int64(1_700_000_000_123_456_789)
        file[DATA].attrs["units"] = np.bytes_(b"mm")
    value = read_attribute(path, "start_time_ns")
    assert (value, type(value)) == (1_700_000_000_123_456_789, int)
    assert read_attribute(path, "units", dataset=DATA) == "mm"
    with pytest.raises(UnreadableError, match="no attribute 'units' at /"):
        read_attribute(path, "units")
    with pytest.raises(UnreadableError, match="no attribute 'x' at /nowhere"):
        read_attribute(path, "x", dataset="/nowhere")


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file://localhost/data/a.h5", "/data/a.h5"),
        ("file:///data/a.h5", "/data/a.h5"),
        ("file://localhost/data/run%201%23.h5", "/data/run 1#.h5"),
        ("file://localhost/data/a#1?.h5", "/data/a#1?.h5"),
    ],
)
def test_a_file_uri_names_a_path(uri, path):
    assert path_of_uri(uri).as_posix() == path


@pytest.mark.parametrize(
    "uri",
    ["http://localhost/a.h5", "file://ioc-host/data/a.h5", "file://localhost", "/data/a.h5", "file://localhost/a%00"],
)
def test_a_uri_of_another_machine_is_named(uri):
    with pytest.raises(UnreachableUriError, match="is not a file on this machine") as caught:
        path_of_uri(uri)
    assert uri in str(caught.value)


def test_a_record_is_what_the_contract_says():
    assert ChunkRecord(1, 2, 3)._asdict() == {"offset": 1, "nbytes": 2, "filter_mask": 3}
