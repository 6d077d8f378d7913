"""The file's own index of chunks, read without libhdf5: what libhdf5 says, or nothing."""

import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wingbeat.stream_resource import files
from wingbeat.stream_resource.extensible_array import found_chunks
from wingbeat.stream_resource.files import chunk_records
from wingbeat.stream_resource.frames import FrameRange

from tests.stream_resource.hdf import DATA

EDGES = (0, 1, 3, 4, 5, 20, 21, 52, 53, 116, 117, 244, 245, 1000, 4100, 8196, 9000, 21000)
"""Where libhdf5's super blocks and pages begin, and numbers between; from 8196 on, data blocks have pages."""


def written(path, chunks, **options):
    """A file in which just these chunks are stored, of as many rows as the last one needs."""
    with h5py.File(path, "w", libver="latest", userblock_size=options.pop("userblock_size", None)) as file:
        rows = max(chunks, default=-1) + 1
        ds = file.create_dataset(DATA, (rows, 3), "u2", chunks=(1, 3), maxshape=(None, 3), **options)
        ds.attrs["text"] = "x" * 300  # the object header goes on elsewhere
        for i in chunks:
            payload = bytes(6) if not options else bytes(5 + i % 7)
            ds.id.write_direct_chunk((i, 0), payload, 0 if not options else i % 2)
    return path


def by_libhdf5(path):
    found = []
    with h5py.File(path) as file:
        file[DATA].id.chunk_iter(found.append)
    return {info.chunk_offset[0]: (info.byte_offset, info.size, info.filter_mask) for info in found}


def by_bytes(path, wanted, *, damage=None):
    with h5py.File(path) as file:
        header, base = h5py.h5o.get_info(file[DATA].id).addr, file.userblock_size
    raw = bytearray(path.read_bytes()[base:])
    for at, value in damage or ():
        raw[at % len(raw)] = value
    return found_chunks(lambda at, n: bytes(raw[at : at + n]), header=header, wanted=wanted, chunk_nbytes=6)


@settings(max_examples=25)
@given(
    length=st.sampled_from(EDGES),
    left_out=st.tuples(st.integers(2, 9), st.integers(0, 8)),
    options=st.sampled_from([{}, {"compression": "gzip"}]),
    part=st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted),
)
def test_it_says_what_libhdf5_says(tmp_path_factory, length, left_out, options, part):
    path = tmp_path_factory.mktemp("array") / "cam.h5"
    every, which = left_out
    written(path, [i for i in range(length) if i % every != which], **options)
    expected = by_libhdf5(path)
    wanted = range(int(part[0] * length), int(part[1] * length))
    for asked in (range(length), wanted, range(max(0, length - 1), length)):
        found = by_bytes(path, asked)
        assert found is not None
        assert {i: tuple(record) for i, record in found} == {i: expected[i] for i in asked if i in expected}
        assert [i for i, _ in found] == sorted(i for i, _ in found)


def test_far_chunks_are_found_where_pages_before_them_were_never_written(tmp_path):
    path = written(tmp_path / "cam.h5", [0, 5000, 40_000, 140_000])
    assert {i: tuple(record) for i, record in by_bytes(path, range(140_001))} == by_libhdf5(path)


CHILD = """
import sys
import numpy as np
from tests.stream_resource.hdf import DATA
from wingbeat.stream_resource.frame_writer import FrameDataset, create_frames
writer, total = create_frames(sys.argv[1], [FrameDataset(DATA, (2, 3), "u2", compression=sys.argv[2])]), 0
for line in sys.stdin:
    writer.append(DATA, np.full((int(line), 2, 3), 7, "u2"))
    print(writer.flush()[DATA], flush=True)
"""


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_growing_file_is_followed_without_asking_libhdf5(tmp_path, monkeypatch, compression):
    path = tmp_path / "cam.h5"
    command = [sys.executable, "-c", CHILD, str(path), compression]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        known, total = {}, 0
        for n in (1, 3, 17, 100, 1500, 8000):
            child.stdin.write(f"{n}\n")
            child.stdin.flush()
            committed = int(child.stdout.readline())
            with monkeypatch.context() as patch:
                patch.delattr(files, "_stored")
                known |= dict(chunk_records(path, DATA, rows=FrameRange(total, committed)))
            total = committed
            assert {i: tuple(record) for i, record in known.items()} == by_libhdf5_growing(path)
        child.stdin.close()


def by_libhdf5_growing(path):
    found = []
    with h5py.File(path, "r", swmr=True, locking=False) as file:
        file[DATA].id.chunk_iter(found.append)
    return {info.chunk_offset[0]: (info.byte_offset, info.size, info.filter_mask) for info in found}


@pytest.mark.parametrize("userblock", [512, 4096])
def test_a_file_that_begins_with_something_else_is_understood(tmp_path, monkeypatch, userblock):
    path = written(tmp_path / "cam.h5", range(300), userblock_size=userblock)
    monkeypatch.delattr(files, "_stored")
    found = chunk_records(path, DATA, rows=FrameRange(0, 300))
    assert {i: tuple(record) for i, record in found} == by_libhdf5(path)


@pytest.mark.parametrize(
    ("libver", "shape", "maxshape"),
    [
        ("earliest", (5, 3), (None, 3)),
        ("latest", (5, 3), (5, 3)),
        ("latest", (1, 3), (1, 3)),
        ("latest", (5, 3), (None, None)),
        ("latest", (5, 3), (None, 9)),
    ],
)
def test_every_other_index_is_left_to_libhdf5(tmp_path, libver, shape, maxshape):
    path = tmp_path / "cam.h5"
    with h5py.File(path, "w", libver=libver) as file:
        file.create_dataset(DATA, data=np.ones(shape, "u2"), chunks=(1, 3), maxshape=maxshape)
    if maxshape != (None, 9):  # of which it is seen only when the file is asked how wide it may become
        assert by_bytes(path, range(shape[0])) is None
    found = chunk_records(path, DATA, rows=FrameRange(0, shape[0]))
    assert {i: tuple(record) for i, record in found} == by_libhdf5(path)


def test_what_a_writer_in_this_process_has_not_flushed_is_left_to_libhdf5(tmp_path):
    path = tmp_path / "cam.h5"
    with h5py.File(path, "w", libver="latest", locking=False) as file:
        ds = file.create_dataset(DATA, (0, 3), "u2", chunks=(1, 3), maxshape=(None, 3))
        file.swmr_mode = True
        for rows in (3, 30):
            ds.resize(rows, axis=0)
            ds[:] = 7
            assert [i for i, _ in chunk_records(path, DATA, rows=FrameRange(0, rows))] == list(range(rows))


@given(damage=st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), min_size=1, max_size=20))
def test_damaged_bytes_end_the_look_and_nothing_else(tmp_path_factory, damage):
    path = tmp_path_factory.getbasetemp() / "damaged.h5"
    if not path.exists():
        written(path, range(60), compression="gzip")
    found = by_bytes(path, range(60), damage=damage)
    assert found is None or len(found) <= 60


def test_a_file_that_is_cut_off_ends_the_look(tmp_path):
    path = written(tmp_path / "cam.h5", range(100))
    with h5py.File(path) as file:
        header = h5py.h5o.get_info(file[DATA].id).addr
    raw = path.read_bytes()
    whole = found_chunks(lambda at, n: raw[at : at + n], header=header, wanted=range(100), chunk_nbytes=6)
    for size in range(0, os.path.getsize(path), 97):
        cut = raw[:size]
        found = found_chunks(lambda at, n, cut=cut: cut[at : at + n], header=header, wanted=range(100), chunk_nbytes=6)
        assert found is None or found == whole
