"""Frames written by our own writer: read back as they were while the file grows, after a crash, and by everybody."""

import subprocess
import sys

import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wingbeat.stream_resource.codecs import passthrough
from wingbeat.stream_resource.errors import FrameWriteError, NotYetVisibleError, UnwritableError
from wingbeat.stream_resource.files import chunk_records, dataset_info, read_identities, read_rows
from wingbeat.stream_resource.frame_writer import IDENTITIES, FrameDataset, create_frames
from wingbeat.stream_resource.frames import FrameRange

from tests.stream_resource.hdf import DATA, frames
from tests.stream_resource.test_codecs import by_numcodecs

EVERY_COMPRESSION = ("none", "gzip", "lz4", "zstd", "bitshuffle-lz4", "bitshuffle-zstd")
NAMES = tuple(column.name for column in IDENTITIES)


def camera(**options):
    return FrameDataset(DATA, (2, 3), "u2", **options)


def rows(start, stop):
    return FrameRange(start, stop)


@pytest.mark.parametrize("compression", EVERY_COMPRESSION)
@pytest.mark.parametrize("per_chunk", [1, 4])
def test_a_growing_file_shows_what_is_committed(tmp_path, compression, per_chunk):
    path = tmp_path / "cam.h5"
    with create_frames(path, [camera(frames_per_chunk=per_chunk, compression=compression)]) as writer:
        assert writer.append(DATA, frames(0, 3)) == 3
        assert writer.committed == {DATA: 0}
        assert writer.flush() == {DATA: 3}
        np.testing.assert_array_equal(read_rows(path, DATA, rows=rows(0, 3)), frames(0, 3))
        with pytest.raises(NotYetVisibleError):
            read_rows(path, DATA, rows=rows(0, 4))
        assert writer.append(DATA, frames(3, 10)) == 10
        assert writer.flush() == writer.committed == {DATA: 10}
        np.testing.assert_array_equal(read_rows(path, DATA, rows=rows(0, 10)), frames(0, 10))
        assert dataset_info(path, DATA).chunk_shape == camera(frames_per_chunk=per_chunk).chunk_shape
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file[DATA], frames(0, 10))


CHILD = """
import sys
from tests.stream_resource.hdf import DATA, frames
from wingbeat.stream_resource.frame_writer import FrameDataset, create_frames
camera = FrameDataset(DATA, (2, 3), "u2", frames_per_chunk=int(sys.argv[2]), compression=sys.argv[3])
assert "hdf5plugin" not in sys.modules  # its filters are not to be had here
writer, total = create_frames(sys.argv[1], [camera]), 0
for line in sys.stdin:
    command, n = line.split()
    writer.append(DATA, frames(total, total + int(n)))
    total += int(n)
    print(writer.flush()[DATA] if command == "flush" else "held", flush=True)
"""


def child(path, per_chunk, compression):
    command = [sys.executable, "-c", CHILD, str(path), str(per_chunk), compression]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def tell(process, command, n):
    process.stdin.write(f"{command} {n}\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


@pytest.mark.parametrize(("per_chunk", "compression"), [(1, "none"), (4, "gzip"), (4, "bitshuffle-lz4")])
def test_another_process_that_dies_leaves_what_it_committed_and_no_fill(tmp_path, per_chunk, compression):
    path = tmp_path / "cam.h5"
    with child(path, per_chunk, compression) as process:
        for n, total in ((3, 3), (6, 9), (40, 49)):
            assert tell(process, "flush", n) == str(total)
            np.testing.assert_array_equal(read_rows(path, DATA, rows=rows(0, total)), frames(0, total))
            with h5py.File(path, "r", swmr=True, locking=False) as file:  # as tiled's adapter reads
                np.testing.assert_array_equal(file[DATA][:], frames(0, total))
        assert tell(process, "append", 30) == "held"
        process.kill()
    seen = dataset_info(path, DATA).shape[0]
    assert 49 <= seen <= 79
    np.testing.assert_array_equal(read_rows(path, DATA, rows=rows(0, seen)), frames(0, seen))


@settings(max_examples=20)
@given(
    steps=st.lists(st.one_of(st.integers(0, 9), st.just("flush")), max_size=12),
    per_chunk=st.integers(1, 5),
    compression=st.sampled_from(EVERY_COMPRESSION),
)
def test_however_frames_come_and_are_flushed_they_are_read_as_they_came(
    tmp_path_factory, steps, per_chunk, compression
):
    path = tmp_path_factory.mktemp("steps") / "cam.h5"
    total = 0
    with create_frames(path, [camera(frames_per_chunk=per_chunk, compression=compression)]) as writer:
        for step in steps:
            if step == "flush":
                assert writer.flush() == {DATA: total}
                np.testing.assert_array_equal(read_rows(path, DATA, rows=rows(0, total)), frames(0, total))
            else:
                assert writer.append(DATA, frames(total, total + step)) == total + step
                total += step
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file[DATA], frames(0, total))


@pytest.mark.parametrize("compression", EVERY_COMPRESSION)
@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "<f8", "c8", "?"])
@pytest.mark.parametrize("shape", [(64, 64), (33, 7), (3,), ()])
def test_every_type_and_size_is_read_bit_by_bit_through_hdf5s_own_filters(tmp_path, compression, dtype, shape):
    dataset = FrameDataset(DATA, shape, dtype, frames_per_chunk=3, compression=compression)
    noise = np.random.default_rng(1).integers(0, 2, (7, *shape, np.dtype(dtype).itemsize), "u1", endpoint=True)
    if dtype != "?":
        noise[2] = np.random.default_rng(2).integers(0, 256, noise[2].shape, "u1")
    data = noise.reshape(-1).clip(0, 1 if dtype == "?" else 255).view(dtype).reshape(7, *shape)
    with create_frames(tmp_path / "cam.h5", [dataset]) as writer:
        writer.append(DATA, data)
    with h5py.File(tmp_path / "cam.h5") as file:
        assert file[DATA].dtype == np.dtype(dtype)
        assert file[DATA][:].tobytes() == data.tobytes()


@pytest.mark.parametrize("compression", EVERY_COMPRESSION)
def test_stored_chunks_of_another_file_are_taken_as_they_are(tmp_path, compression):
    made = camera(frames_per_chunk=4, compression=compression)
    theirs = {
        "none": {},
        "gzip": {"compression": "gzip"},
        "lz4": hdf5plugin.LZ4(),
        "zstd": hdf5plugin.Zstd(),
        "bitshuffle-lz4": hdf5plugin.Bitshuffle(cname="lz4"),
        "bitshuffle-zstd": hdf5plugin.Bitshuffle(cname="zstd"),
    }[compression]
    with h5py.File(tmp_path / "theirs.h5", "w") as file, create_frames(tmp_path / "ours.h5", [made]) as writer:
        ds = file.create_dataset(DATA, data=frames(0, 10), chunks=(4, 2, 3), **theirs)
        ds.flush()
        for chunk, count in ((0, 4), (4, 4), (8, 2)):
            mask, payload = ds.id.read_direct_chunk((chunk, 0, 0))
            assert writer.append_stored(DATA, payload, rows=count, filter_mask=mask) == chunk + count
        with pytest.raises(FrameWriteError, match="takes no rows behind it"):
            writer.append(DATA, frames(10, 11))
        assert writer.flush() == {DATA: 10}
        payloads = [record for _, record in chunk_records(tmp_path / "ours.h5", DATA, rows=rows(0, 10))]
    with h5py.File(tmp_path / "ours.h5") as file:
        np.testing.assert_array_equal(file[DATA], frames(0, 10))
        assert len(payloads) == 3


def test_a_chunk_that_was_left_unpacked_is_marked_so(tmp_path):
    made = camera(compression="bitshuffle-lz4")
    with create_frames(tmp_path / "cam.h5", [made]) as writer:
        writer.append_stored(DATA, frames(0, 1).tobytes(), rows=1, filter_mask=1)
        writer.append(DATA, frames(1, 2))
    assert [r.filter_mask for _, r in chunk_records(tmp_path / "cam.h5", DATA, rows=rows(0, 2))] == [1, 0]
    with h5py.File(tmp_path / "cam.h5") as file:
        np.testing.assert_array_equal(file[DATA], frames(0, 2))


@pytest.mark.parametrize(
    ("compression", "payload", "count", "reason"),
    [
        ("none", bytes(11), 1, "unpacks to 12 bytes, seen one of 11"),
        ("none", bytes(12), 2, "1 to 1 rows behind whole chunks, seen 2 rows"),
        ("gzip", b"", 1, "seen one of 0"),
        ("lz4", (24).to_bytes(8) + bytes(30), 1, "unpacks to 12 bytes, seen one of 24"),
        ("bitshuffle-lz4", (10).to_bytes(8) + bytes(30), 1, "unpacks to 12 bytes, seen one of 10"),
    ],
)
def test_a_stored_chunk_that_cannot_be_one_is_refused(tmp_path, compression, payload, count, reason):
    with create_frames(tmp_path / "cam.h5", [camera(compression=compression)]) as writer:
        with pytest.raises(FrameWriteError, match=reason):
            writer.append_stored(DATA, payload, rows=count)
        assert writer.append(DATA, frames(0, 1)) == 1


def test_a_stored_chunk_in_the_middle_of_another_is_refused(tmp_path):
    with create_frames(tmp_path / "cam.h5", [camera(frames_per_chunk=2)]) as writer:
        writer.append(DATA, frames(0, 1))
        with pytest.raises(FrameWriteError, match="behind 1 of an unfinished chunk"):
            writer.append_stored(DATA, frames(1, 3).tobytes(), rows=2)


@pytest.mark.parametrize(
    ("wrong", "seen"),
    [
        (frames(0, 1)[0], r"seen uint16 of shape \(2, 3\)"),
        (frames(0, 1).astype("i4"), r"seen int32 of shape \(1, 2, 3\)"),
        (frames(0, 1).astype(">u2"), r"seen >u2 of shape \(1, 2, 3\)"),
        (np.zeros((1, 3, 2), "u2"), r"seen uint16 of shape \(1, 3, 2\)"),
        (np.zeros((), "u2"), r"seen uint16 of shape \(\)"),
    ],
)
def test_frames_of_another_shape_or_type_are_refused_and_nothing_is_written(tmp_path, wrong, seen):
    with create_frames(tmp_path / "cam.h5", [camera()]) as writer:
        with pytest.raises(FrameWriteError, match=seen):
            writer.append(DATA, wrong)
        assert writer.flush() == {DATA: 0}


def test_what_is_wrong_from_the_start_is_refused(tmp_path):
    with pytest.raises(FrameWriteError, match="different names"):
        create_frames(tmp_path / "a.h5", [camera(), camera()])
    with pytest.raises(FrameWriteError, match="element type of numbers, seen object"):
        FrameDataset(DATA, (2,), object)
    with pytest.raises(FrameWriteError, match="at least 1 each"):
        FrameDataset(DATA, (0, 3), "u2")
    with pytest.raises(FrameWriteError, match="'snappy' is not known: take one of none, gzip"):
        create_frames(tmp_path / "a.h5", [camera(compression="snappy")])
    with create_frames(tmp_path / "a.h5", [camera()]) as writer:
        with pytest.raises(FrameWriteError, match="has no dataset '/other'; it has"):
            writer.append("/other", frames(0, 1))
        with pytest.raises(UnwritableError, match="cannot make it"):
            create_frames(tmp_path / "a.h5", [camera()])
    with pytest.raises(UnwritableError, match="cannot make it"):
        create_frames(tmp_path / "nowhere" / "a.h5", [camera()])


def test_a_closed_writer_takes_nothing_and_closes_twice(tmp_path):
    writer = create_frames(tmp_path / "cam.h5", [camera(frames_per_chunk=8)])
    writer.append(DATA, frames(0, 3))
    writer.close()
    writer.close()
    assert writer.committed == {DATA: 3}
    with pytest.raises(FrameWriteError, match="takes no more frames: it is closed"):
        writer.append(DATA, frames(3, 4))
    np.testing.assert_array_equal(read_rows(writer.path, DATA, rows=rows(0, 3)), frames(0, 3))


def test_identities_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "cam.h5"
    ids, times = np.arange(1, 2001), 1_800_000_000_000_000_001 + np.arange(2000) * 999_999_937
    with create_frames(path, IDENTITIES) as writer:
        for part in (slice(0, 5), slice(5, 1030), slice(1030, 2000)):
            writer.append(NAMES[0], ids[part])
            writer.append(NAMES[1], times[part])
            committed = writer.flush()
            assert committed == dict.fromkeys(NAMES, part.stop)
            seen = read_identities(path, rows=rows(0, part.stop))
            np.testing.assert_array_equal(seen.unique_ids, ids[: part.stop])
            np.testing.assert_array_equal(seen.times_ns, times[: part.stop])
            with pytest.raises(NotYetVisibleError):
                read_identities(path, rows=rows(0, part.stop + 1))


FULL_DISK = """
import resource, signal, sys
import numpy as np
from tests.stream_resource.hdf import DATA, frames
from wingbeat.stream_resource.codecs import passthrough
from wingbeat.stream_resource.errors import FrameWriteError, UnwritableError
from wingbeat.stream_resource.frame_writer import FrameDataset, create_frames
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
writer = create_frames(sys.argv[1], [FrameDataset(DATA, (64, 64), "u2")])
writer.append(DATA, frames(0, 5, (64, 64)))
writer.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
try:
    writer.append(DATA, frames(5, 50, (64, 64)))
except UnwritableError as error:
    print("refused", "cannot write rows" in str(error))
try:
    writer.append(DATA, frames(50, 51, (64, 64)))
except FrameWriteError as error:
    print("stays refused", "writing failed before" in str(error))
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
writer.close()
"""


def test_what_a_full_disk_did_not_take_is_not_in_the_file(tmp_path):
    path = tmp_path / "cam.h5"
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == "refused True\nstays refused True\n"
    seen = dataset_info(path, DATA).shape[0]
    assert 5 < seen < 50
    np.testing.assert_array_equal(read_rows(path, DATA, rows=rows(0, seen)), frames(0, seen, (64, 64)))


def test_without_imagecodecs_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(FrameWriteError, match="needs imagecodecs, which is not installed: pip install"):
        create_frames(tmp_path / "cam.h5", [camera(compression="lz4")])
    with create_frames(tmp_path / "cam.h5", [camera(compression="gzip")]) as writer:
        assert writer.append(DATA, frames(0, 2)) == 2


@pytest.mark.parametrize("compression", EVERY_COMPRESSION)
@pytest.mark.parametrize("shape", [(64, 64), (33, 8)])
def test_what_is_written_can_be_passed_through_to_zarr(tmp_path, compression, shape):
    data = np.random.default_rng(3).poisson(5, (1, *shape)).astype("u2")
    with create_frames(tmp_path / "cam.h5", [FrameDataset(DATA, shape, "u2", compression=compression)]) as writer:
        writer.append(DATA, data)
    info = dataset_info(tmp_path / "cam.h5", DATA)
    ((_, record),) = chunk_records(tmp_path / "cam.h5", DATA, rows=rows(0, 1))
    payload = (tmp_path / "cam.h5").read_bytes()[record.offset :][: record.nbytes]
    result = passthrough(info.filters, dtype=info.dtype, chunk_shape=info.chunk_shape)
    assert by_numcodecs(result, result.reframe(payload, record.filter_mask)) == data.tobytes()
