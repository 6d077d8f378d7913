"""Frames read through references, by fsspec and Zarr and xarray, are the frames of the files bit by bit."""

import json
import sys
from io import BytesIO

import fsspec
import h5py
import hdf5plugin
import numpy as np
import pandas
import pytest
import xarray
import zarr
from fsspec.implementations.reference import LazyReferenceMapper
from pyarrow import parquet
from wingbeat.stream_resource.chunkindex import ChunkIndex, ChunkRecord
from wingbeat.stream_resource.errors import SidecarError, UnsupportedLayoutError
from wingbeat.stream_resource.files import dataset_info
from wingbeat.stream_resource.kerchunk import kerchunk_json, kerchunk_parquet
from wingbeat.stream_resource.references import ReferencedArray, stored_rows
from wingbeat.stream_resource.runindex import RunIndex
from wingbeat.stream_resource.sidecar import IndexedDataset, read_sidecar, write_sidecar
from wingbeat.stream_resource.sourcemap import Region, SourceMap, logical_rows

from tests.stream_resource.runs import Documents

PIPELINES = {
    "as they are": {},
    "gzip": {"compression": "gzip"},
    "shuffled gzip": {"compression": "gzip", "shuffle": True},
    "fletcher32": {"fletcher32": True},
    "Blosc": dict(hdf5plugin.Blosc(cname="lz4", shuffle=hdf5plugin.Blosc.BITSHUFFLE)),
    "Zstandard": dict(hdf5plugin.Zstd()),
}


def frames(count, shape=(2, 3), dtype="<u2"):
    # Mostly alike, so that every compression makes them smaller: a chunk that does not shrink leaves filters out.
    return (np.arange(count).reshape(-1, *(1,) * len(shape)) + np.zeros(shape)).astype(dtype)


def written(path, data, **layout):
    """A file with this dataset, indexed as libhdf5 says where its chunks are."""
    with h5py.File(path, "w", libver="latest") as file:
        made = file.create_dataset("data", data=data, **layout)
        chunks = made.chunks or (1, *made.shape[1:])
        grid = tuple(-(-n // c) for n, c in zip(made.shape[1:], chunks[1:], strict=True))
        index, found = ChunkIndex(chunks[0], grid=grid), []
        if made.chunks:
            made.id.chunk_iter(found.append)
            places = [tuple(o // c for o, c in zip(info.chunk_offset, chunks, strict=True)) for info in found]
            records = [ChunkRecord(info.byte_offset, info.size, info.filter_mask) for info in found]
            index.add(zip(places, records, strict=True))
        else:
            row_nbytes = made.dtype.itemsize * int(np.prod(made.shape[1:]))
            index = ChunkIndex.contiguous(made.id.get_offset(), rows=len(made), row_nbytes=row_nbytes)
    uri = path.as_uri().replace("file:///", "file://localhost/")
    return IndexedDataset(uri=uri, dataset="data", layout=dataset_info(path, "/data").layout, chunks=index)


def of_file(dataset, name="cam", **more):
    return ReferencedArray(name=name, sources=stored_rows(dataset), datasets={dataset.uri: dataset}, **more)


def opened(arrays, tmp_path, *, kind):
    """The group as fsspec and Zarr open it."""
    if kind == "json":
        made = tmp_path / "refs.json"
        made.write_bytes(kerchunk_json(arrays, {"uid": "run-1"}))
        references = str(made)
    else:
        for name, data in kerchunk_parquet(arrays, {"uid": "run-1"}, record_size=4).items():
            (tmp_path / "refs" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "refs" / name).write_bytes(data)
        references = LazyReferenceMapper(str(tmp_path / "refs"), fsspec.filesystem("file"), engine="pyarrow")
    fs = fsspec.filesystem("reference", fo=references, asynchronous=True, skip_instance_cache=True)
    return zarr.open_group(zarr.storage.FsspecStore(fs, read_only=True, path=""), mode="r", zarr_format=2)


BOTH = pytest.mark.parametrize("kind", ["json", "parquet"])


@BOTH
@pytest.mark.parametrize("pipeline", PIPELINES)
def test_every_pipeline_that_zarr_has_is_read_bit_by_bit(tmp_path, kind, pipeline):
    data = frames(7, (16, 24))
    dataset = written(tmp_path / "a b#1.h5", data, chunks=(2, 16, 24), **PIPELINES[pipeline])
    group = opened([of_file(dataset)], tmp_path, kind=kind)
    np.testing.assert_array_equal(group["cam"][:], data)
    assert group["cam_valid"][:].all()
    assert (group.attrs["uid"], group["cam"].attrs["missing_rows"]) == ("run-1", 0)


@BOTH
@pytest.mark.parametrize(
    ("layout", "dtype"),
    [({}, ">f8"), ({"chunks": (1, 2, 3)}, "<f4"), ({"chunks": (3, 2, 2)}, "|u1"), ({"chunks": (2, 1, 1)}, "<i8")],
)
def test_contiguous_files_cut_frames_ragged_chunks_and_other_types_are_read(tmp_path, kind, layout, dtype):
    data = frames(7, dtype=dtype) * np.arange(6).reshape(2, 3).astype(dtype)
    group = opened([of_file(written(tmp_path / "a.h5", data, **layout))], tmp_path, kind=kind)
    np.testing.assert_array_equal(group["cam"][:], data)
    assert group["cam"].dtype == np.dtype(dtype).newbyteorder("=")


def a_run(tmp_path):
    """Two files; frame 3 (seq_num 4) was lost and frame 1 taken again in the second."""
    docs, index = Documents(), RunIndex()
    places = [tmp_path / "a.h5", tmp_path / "b.h5"]
    datasets = [written(places[0], frames(5), chunks=(1, 2, 3)), written(places[1], 100 + frames(3), chunks=(1, 2, 3))]
    for name, doc in [
        docs.start(),
        docs.descriptor(),
        docs.resource(uri=datasets[0].uri),
        docs.datum((1, 4)),
        docs.datum((5, 7)),
        docs.resource(uri=datasets[1].uri),
        docs.datum((2, 3)),
        docs.datum((7, 9)),
    ]:
        index.apply(name, doc)
    array = index.streams["primary"].arrays["cam"]
    return array, dict(zip(array.resources, datasets, strict=True))


def referenced_run(tmp_path):
    array, datasets = a_run(tmp_path)
    sources = logical_rows(array)
    return ReferencedArray(name="cam", sources=sources, datasets=datasets, fill_value=65535, dimensions=("frame",))


def test_a_run_of_several_files_shows_its_good_frames_and_says_which_are_missing(tmp_path):
    group = opened([referenced_run(tmp_path)], tmp_path, kind="json")
    assert group["cam"][:, 0, 0].tolist() == [0, 100, 2, 65535, 3, 4, 101, 102]
    assert group["cam_valid"][:].tolist() == [True, True, True, False, True, True, True, True]
    assert group["cam"].attrs["missing_rows"] == 1
    assert group["cam"].fill_value == 65535


def test_a_chunk_that_is_missing_has_no_path_in_parquet(tmp_path):
    files = kerchunk_parquet([referenced_run(tmp_path)], record_size=3)
    paths = [
        path is not None
        for record in range(3)
        for path in parquet.read_table(BytesIO(files[f"cam/refs.{record}.parq"]))["path"].to_pylist()
    ]
    assert paths == [True, True, True, False, True, True, True, True]
    assert sorted(files) == [
        ".zmetadata",
        "cam/refs.0.parq",
        "cam/refs.1.parq",
        "cam/refs.2.parq",
        "cam_valid/refs.0.parq",
    ]


def test_a_run_with_a_missing_frame_is_read_from_parquet_around_it(tmp_path):
    group = opened([referenced_run(tmp_path)], tmp_path, kind="parquet")
    valid = group["cam_valid"][:]
    assert valid.tolist() == [True, True, True, False, True, True, True, True]
    assert [int(group["cam"][i, 0, 0]) for i in np.flatnonzero(valid)] == [0, 100, 2, 3, 4, 101, 102]
    if int(pandas.__version__.partition(".")[0]) < 3:
        assert group["cam"][3, 0, 0] == 65535
        return
    # pandas 3 gives fsspec NaN where there is no path, and fsspec looks for None: an error, but never made-up data.
    with pytest.raises(TypeError, match="float"):
        group["cam"][3]


def test_xarray_opens_the_references_without_a_server(tmp_path):
    array, datasets = a_run(tmp_path)
    cam = ReferencedArray(name="cam", sources=logical_rows(array), datasets=datasets, dimensions=("frame", "y", "x"))
    (tmp_path / "refs.json").write_bytes(kerchunk_json([cam]))
    options = {"consolidated": False, "storage_options": {"fo": str(tmp_path / "refs.json")}}
    with xarray.open_dataset("reference://", engine="zarr", mask_and_scale=False, backend_kwargs=options) as opened_run:
        assert opened_run["cam"].dims == ("frame", "y", "x")
        good = opened_run["cam"].isel(frame=opened_run["cam_valid"].values)
        assert (good.dtype, good.values[:, 0, 0].tolist()) == (np.dtype("<u2"), [0, 100, 2, 3, 4, 101, 102])


@BOTH
def test_a_chunk_that_is_not_complete_is_not_referred_to(tmp_path, kind):
    whole = written(tmp_path / "a.h5", frames(8), chunks=(3, 2, 3), compression="gzip")
    growing = IndexedDataset(uri=whole.uri, dataset="data", layout=whole.layout, chunks=whole.chunks, committed_rows=7)
    group = opened([of_file(growing)], tmp_path, kind=kind)
    assert group["cam"].shape == (7, 2, 3)
    assert group["cam_valid"][:].tolist() == [True] * 6 + [False]


def test_writers_that_take_turns_are_referred_to(tmp_path):
    a, b = (written(tmp_path / f"{n}.h5", 10 * n + frames(3), chunks=(1, 2, 3)) for n in (1, 2))
    frame = (slice(0, 2), slice(0, 3))
    regions = [Region(d.uri, (slice(0, 3), *frame), (slice(n, 6, 2), *frame)) for n, d in enumerate((a, b))]
    cam = ReferencedArray(name="cam", sources=SourceMap((6, 2, 3), regions), datasets={a.uri: a, b.uri: b})
    assert opened([cam], tmp_path, kind="json")["cam"][:, 0, 0].tolist() == [10, 20, 11, 21, 12, 22]


def test_files_whose_chunks_are_not_those_of_the_whole_are_refused(tmp_path):
    a, b = (written(tmp_path / f"{n}.h5", frames(rows), chunks=(2, 2, 3)) for n, rows in (("a", 3), ("b", 4)))
    frame = (slice(0, 2), slice(0, 3))
    regions = [
        Region(a.uri, (slice(0, 3), *frame), (slice(0, 3), *frame)),
        Region(b.uri, (slice(0, 4), *frame), (slice(3, 7), *frame)),
    ]
    cam = ReferencedArray(name="cam", sources=SourceMap((7, 2, 3), regions), datasets={a.uri: a, b.uri: b})
    with pytest.raises(UnsupportedLayoutError, match=r"2 rows per chunk, and rows .* do not share chunks"):
        kerchunk_json([cam])


def test_what_zarr_cannot_read_is_refused_by_name(tmp_path):
    bslz4 = written(tmp_path / "a.h5", frames(2, (64, 64)), chunks=(1, 64, 64), **hdf5plugin.Bitshuffle(cname="lz4"))
    with pytest.raises(UnsupportedLayoutError, match="have to be re-framed"):
        of_file(bslz4)
    lzf = written(tmp_path / "b.h5", frames(2, (64, 64)), chunks=(1, 64, 64), compression="lzf")
    with pytest.raises(UnsupportedLayoutError, match="Zarr has no codec for LZF"):
        of_file(lzf)
    gzip = written(tmp_path / "c.h5", frames(2), chunks=(1, 2, 3), compression="gzip")
    gzip.chunks.add([((1, 0, 0), ChunkRecord(4096, 12, 1))])
    with pytest.raises(UnsupportedLayoutError, match=r"chunk \(1, 0, 0\) of data .* left out filters 0x1"):
        kerchunk_json([of_file(gzip)])
    with pytest.raises(UnsupportedLayoutError, match="no file yet"):
        ReferencedArray(name="cam", sources=SourceMap((0, 2, 3), []), datasets={})
    other = written(tmp_path / "d.h5", frames(2, dtype="<f4"), chunks=(1, 2, 3))
    with pytest.raises(UnsupportedLayoutError, match=r"d\.h5 holds"):
        ReferencedArray(name="cam", sources=stored_rows(gzip), datasets={gzip.uri: gzip, other.uri: other})


def test_arrays_of_one_name_are_refused(tmp_path):
    cam = of_file(written(tmp_path / "a.h5", frames(2), chunks=(1, 2, 3)))
    with pytest.raises(UnsupportedLayoutError, match="names of their own"):
        kerchunk_json([cam, cam])
    with pytest.raises(UnsupportedLayoutError, match="names of their own"):
        kerchunk_json([of_file(next(iter(cam.datasets.values())), name="a/b")])


@pytest.mark.parametrize(("value", "written_as"), [(float("nan"), "NaN"), (float("-inf"), "-Infinity"), (1.5, 1.5)])
def test_fill_values_are_declared_as_zarr_has_them(tmp_path, value, written_as):
    cam = of_file(written(tmp_path / "a.h5", frames(2, dtype="<f4"), chunks=(1, 2, 3)), fill_value=value)
    refs = json.loads(kerchunk_json([cam]))["refs"]
    assert json.loads(refs["cam/.zarray"])["fill_value"] == written_as


def test_without_pyarrow_parquet_says_what_to_do(tmp_path, monkeypatch):
    cam = of_file(written(tmp_path / "a.h5", frames(2), chunks=(1, 2, 3)))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UnsupportedLayoutError, match="need pyarrow, which is not installed"):
        kerchunk_parquet([cam])


def test_a_sidecar_gives_the_datasets_of_a_run_back(tmp_path):
    closed = written(tmp_path / "a.h5", frames(7), chunks=(3, 2, 3), compression="gzip")
    tiled = written(tmp_path / "b.h5", frames(4), chunks=(2, 1, 2))
    growing = IndexedDataset(uri=tiled.uri, dataset="data", layout=tiled.layout, chunks=tiled.chunks, committed_rows=3)
    first, second = read_sidecar(write_sidecar([closed, growing]))
    assert (first.uri, first.dataset, first.layout, first.committed_rows) == (closed.uri, "data", closed.layout, None)
    assert dict(first.chunks.records()) == dict(closed.chunks.records())
    assert [first.complete(n) for n in range(3)] == [True, True, True]
    assert dict(second.chunks.records()) == {at: r for at, r in tiled.chunks.records() if at[0] == 0}
    assert [second.complete(n) for n in range(2)] == [True, False]
    assert kerchunk_json([of_file(first)]) == kerchunk_json([of_file(closed)])
    assert read_sidecar(write_sidecar([])) == ()


def test_a_sidecar_that_is_none_is_refused(tmp_path):
    whole = write_sidecar([written(tmp_path / "a.h5", frames(3), chunks=(1, 2, 3))])
    for wrong in (whole[:-1], whole + b"x", b"", whole.replace(b"WBSIDE01", b"WBSIDE02"), ChunkIndex().to_bytes()):
        with pytest.raises(SidecarError):
            read_sidecar(wrong)
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 1
    with pytest.raises(SidecarError, match="fails its checksum"):
        read_sidecar(bytes(damaged))


def test_records_do_not_go_into_a_sidecar(tmp_path):
    table = np.zeros(3, [("a", "<i4"), ("b", "<f8")])
    with pytest.raises(UnsupportedLayoutError, match="a sidecar holds plain types"):
        write_sidecar([written(tmp_path / "a.h5", table, chunks=(1,))])
