"""Stored HDF5 chunks passed through to Zarr, against numcodecs and zarr-python."""

import json
import struct
import tracemalloc

import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wingbeat.stream_resource.codecs import Passthrough, bitshuffle_block, passthrough
from wingbeat.stream_resource.errors import UnreadableError
from wingbeat.stream_resource.layout import Filter
from wingbeat.stream_resource.reframe import (
    Framing,
    NotPassable,
    Packing,
    bit_untransposed,
    unpacked_lz4,
)

NOT_INSTALLED = "the readers of Zarr come with the peers of `wingbeat[bench]`"
numcodecs = pytest.importorskip("numcodecs", reason=NOT_INSTALLED)
zarr = pytest.importorskip("zarr", reason=NOT_INSTALLED)

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3 specification")

Blosc, Bitshuffle = hdf5plugin.Blosc, hdf5plugin.Bitshuffle

AS_STORED = {
    "none": {},
    "shuffle": {"shuffle": True},
    "deflate": {"compression": "gzip"},
    "shuffle, deflate": {"compression": "gzip", "shuffle": True},
    "shuffle, deflate, fletcher32": {"compression": "gzip", "shuffle": True, "fletcher32": True},
    "fletcher32": {"fletcher32": True},
    "bzip2": hdf5plugin.BZip2(),
    "zstd": hdf5plugin.Zstd(clevel=5),
    "zstd below zero": {"compression": hdf5plugin.ZSTD_ID, "compression_opts": (2**32 - 4,)},
    "shuffle, zstd": {**hdf5plugin.Zstd(), "shuffle": True},
    "zstd, fletcher32": {**hdf5plugin.Zstd(), "fletcher32": True},
    **{
        f"blosc, {cname}, {shuffle}": Blosc(cname=cname, shuffle=shuffle, clevel=3)
        for cname in ("blosclz", "lz4", "lz4hc", "zlib", "zstd")
        for shuffle in (Blosc.NOSHUFFLE, Blosc.SHUFFLE, Blosc.BITSHUFFLE)
    },
}
REFRAMED = {
    "bitshuffle, lz4": Bitshuffle(cname="lz4"),
    "bitshuffle, zstd": Bitshuffle(cname="zstd"),
    "bitshuffle, lz4 in small blocks": Bitshuffle(cname="lz4", nelems=16),
    "bitshuffle, zstd in small blocks": Bitshuffle(cname="zstd", nelems=16),
    "shuffle, bitshuffle, lz4": {**Bitshuffle(cname="lz4"), "shuffle": True},
    "lz4": hdf5plugin.LZ4(),
    "lz4 in small blocks": hdf5plugin.LZ4(nbytes=100),
    "shuffle, lz4": {**hdf5plugin.LZ4(), "shuffle": True},
}
PIPELINES = {**AS_STORED, **REFRAMED}


def stored(data, options):
    """The one chunk that libhdf5 makes of `data`: its pipeline, filter mask and bytes."""
    with h5py.File("chunk.h5", "w", driver="core", backing_store=False) as file:
        dataset = file.create_dataset("d", data=data, chunks=data.shape, **options)
        plist = dataset.id.get_create_plist()
        steps = [plist.get_filter(i) for i in range(plist.get_nfilters())]
        filters = [Filter(code, name.decode(), tuple(values)) for code, _, values, name in steps]
        return filters, *dataset.id.read_direct_chunk((0,) * data.ndim)


def passed(data, options):
    """What of the chunk is served, and what its array's metadata say."""
    filters, mask, payload = stored(data, options)
    result = passthrough(filters, dtype=data.dtype, chunk_shape=data.shape)
    return result, result.reframe(payload, mask) if isinstance(result, Passthrough) else result


def by_numcodecs(result, chunk):
    for codec in [result.v2_compressor, *reversed(result.v2_filters or ())]:
        chunk = chunk if codec is None else numcodecs.get_codec(dict(codec)).decode(chunk)
    return bytes(chunk)


def by_zarr(files):
    buffer = zarr.core.buffer.default_buffer_prototype().buffer
    store = zarr.storage.MemoryStore({name: buffer.from_bytes(content) for name, content in files.items()})
    return zarr.open_array(store, mode="r")[...]


def by_zarr_v2(result, chunk, like):
    zarray = {
        "zarr_format": 2,
        "shape": like.shape,
        "chunks": like.shape,
        "dtype": like.dtype.str,
        "compressor": result.v2_compressor,
        "filters": result.v2_filters,
        "fill_value": 0,
        "order": "C",
    }
    return by_zarr({".zarray": json.dumps(zarray).encode(), ".".join("0" * like.ndim): chunk})


def by_zarr_v3(result, chunk, like):
    metadata = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": like.shape,
        "data_type": like.dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": like.shape}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": result.v3_codecs,
    }
    return by_zarr({"zarr.json": json.dumps(metadata).encode(), "/".join(("c", *("0" * like.ndim))): chunk})


def values(kind, dtype, shape, seed=0):
    rng = np.random.default_rng(seed)
    match kind:
        case "noise":
            return np.frombuffer(rng.bytes(int(np.prod(shape)) * np.dtype(dtype).itemsize), dtype).reshape(shape)
        case "counts":
            return rng.poisson(5, shape).astype(dtype)
        case _:
            return np.zeros(shape, dtype)


CHUNKS = st.tuples(
    st.sampled_from(["noise", "counts", "zeros"]),
    st.sampled_from(["|u1", "<u2", ">u2", "<u4", "<f8"]),
    st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 70)),
    st.integers(0, 2**32),
)


@pytest.mark.parametrize("pipeline", PIPELINES)
@given(CHUNKS)
@example(("counts", "<u2", (1, 64, 64), 0))
@example(("counts", "<u4", (2, 41, 53), 0))
@settings(max_examples=15, deadline=None)
def test_a_chunk_passed_through_decodes_bit_by_bit(pipeline, chunk):
    data = values(*chunk)
    filters, mask, payload = stored(data, PIPELINES[pipeline])
    result = passthrough(filters, dtype=data.dtype, chunk_shape=data.shape)
    if isinstance(result, NotPassable):
        assert "zstd" in pipeline
        assert f"{data.size} elements do not divide by 8" in str(result)
        return
    served = result.reframe(payload, mask)
    if mask:  # the chunk was too small, or noise
        assert "filter mask" in str(served)
        return
    assert by_numcodecs(result, served) == data.tobytes()
    for read in (by_zarr_v2(result, served, data), by_zarr_v3(result, served, data)):
        assert read.shape == data.shape
        assert read.astype(data.dtype).tobytes() == data.tobytes()  # the v3 array comes in this machine's byte order


@pytest.mark.parametrize("pipeline", AS_STORED)
def test_a_chunk_that_needs_no_new_frame_is_the_very_same_object(pipeline):
    data = values("counts", "<u2", (3, 41, 53))
    filters, mask, payload = stored(data, AS_STORED[pipeline])
    assert passthrough(filters, dtype=data.dtype, chunk_shape=data.shape).reframe(payload, mask) is payload


@pytest.mark.parametrize("dtype", ["|u1", "<u2", "<u4", "<f8"])
@pytest.mark.parametrize("cname", ["lz4", "zstd"])
@pytest.mark.parametrize("kind", ["counts", "noise"])
@pytest.mark.parametrize("count", [1, 7, 8, 9, 16, 17, 24, 31, 32, 33, 37, 40, 41, 64, 71])
def test_every_way_in_which_bitshuffle_cuts_a_chunk(kind, cname, dtype, count):
    # Blocks of 16 elements: none, one and more of them, with and without a partial one of 8 and loose elements.
    data = values(kind, dtype, (count,), count)
    result, served = passed(data, Bitshuffle(cname=cname, nelems=16))
    if cname == "zstd" and count % 8 and count % 16 > 8:
        assert isinstance(result, NotPassable)
        assert f"{count} elements do not divide by 8" in str(result)
        return
    assert by_numcodecs(result, served) == data.tobytes()


@pytest.mark.parametrize("dtype", ["|u1", "<u2", "<u4", "<f8"])
@pytest.mark.parametrize("extra", [0, 5, 8, 13])
def test_default_blocks_with_a_partial_one_and_loose_elements(dtype, extra):
    data = values("counts", dtype, (2 * 8192 // np.dtype(dtype).itemsize + extra,))
    result, served = passed(data, Bitshuffle())
    assert by_numcodecs(result, served) == data.tobytes()
    assert by_zarr_v2(result, served, data).tobytes() == data.tobytes()


def block_of_its_own_length(options, *, loose):
    """Elements of which bitshuffle packs the one block of 256 bytes into exactly 256 bytes."""
    noise = np.random.default_rng(1).integers(0, 256, 256).astype("u1")
    for zeros in range(200):
        planes = noise.copy()
        planes[10 : 10 + zeros] = 0
        data = np.frombuffer(bit_untransposed(planes.tobytes(), 2) + bytes(2 * loose), "<u2")
        _, _, payload = stored(data, options)
        if int.from_bytes(payload[12:16], "big") == 256:
            return data
    pytest.fail("no such block")


@pytest.mark.parametrize("cname", ["lz4", "zstd"])
@pytest.mark.parametrize("loose", [0, 3])
def test_a_block_packed_into_its_own_length_is_not_taken_for_a_raw_one(cname, loose):
    options = Bitshuffle(cname=cname, nelems=128)
    data = block_of_its_own_length(options, loose=loose)
    result, served = passed(data, options)
    assert by_numcodecs(result, served) == data.tobytes()


def bitshuffle_lz4(blocks, nelems, loose=b""):
    """The filter's form of packed blocks of 16-bit elements."""
    total = len(blocks) * nelems * 2 + len(loose)
    parts = [struct.pack(">I", len(block)) + block for block in blocks]
    return struct.pack(">QI", total, nelems * 2) + b"".join(parts) + loose


def test_a_long_block_of_its_own_length_is_not_passable_and_says_so():
    nelems = 1 << 20
    framing = Framing(packing=Packing.LZ4, transposed=True, element_nbytes=2, chunk_nbytes=2 * nelems)
    refused = framing.frame(bitshuffle_lz4([bytes(2 * nelems)], nelems))
    assert "block 0 is as long as what it unpacks to" in str(refused)


def test_many_raw_lz4_blocks_are_passed():
    data = values("noise", "<u2", (40, 51))
    result, served = passed(data, hdf5plugin.LZ4(nbytes=512))
    assert by_numcodecs(result, served) == data.tobytes()
    assert by_zarr_v3(result, served, data).tobytes() == data.tobytes()


def test_an_edge_chunk_is_passed_whole_and_zarr_cuts_off_its_padding(tmp_path):
    data = values("counts", "<u2", (5, 9, 7))
    with h5py.File(tmp_path / "edge.h5", "w") as file:
        dataset = file.create_dataset("d", data=data, chunks=(4, 9, 7), **Bitshuffle())
        chunks = [dataset.id.read_direct_chunk((row, 0, 0))[1] for row in (0, 4)]
        code, _, options, name = dataset.id.get_create_plist().get_filter(0)
    result = passthrough([Filter(code, name.decode(), options)], dtype=data.dtype, chunk_shape=(4, 9, 7))
    zarray = {"zarr_format": 2, "shape": (5, 9, 7), "chunks": (4, 9, 7), "dtype": "<u2", "fill_value": 0, "order": "C"}
    zarray |= {"compressor": result.v2_compressor, "filters": result.v2_filters}
    files = {f"{i}.0.0": result.reframe(chunk, 0) for i, chunk in enumerate(chunks)}
    assert (by_zarr({".zarray": json.dumps(zarray).encode(), **files}) == data).all()


def test_bloscs_options_name_its_codec():
    data = values("counts", "<u4", (16, 16))
    result, _ = passed(data, Blosc(cname="zstd", clevel=7, shuffle=Blosc.BITSHUFFLE))
    assert result.v2_compressor == {"id": "blosc", "cname": "zstd", "clevel": 7, "shuffle": 2, "blocksize": 0}
    configuration = {"cname": "zstd", "clevel": 7, "shuffle": "bitshuffle", "typesize": 4, "blocksize": 0}
    assert result.v3_codecs[1:] == ({"name": "blosc", "configuration": configuration},)


def test_the_order_of_the_pipeline_is_kept():
    data = values("counts", "<u2", (16, 16))
    result, _ = passed(data, PIPELINES["shuffle, deflate, fletcher32"])
    assert [codec["id"] for codec in result.v2_filters] == ["shuffle", "zlib"]
    assert result.v2_compressor == {"id": "fletcher32"}
    names = ["bytes", "numcodecs.shuffle", "numcodecs.zlib", "numcodecs.fletcher32"]
    assert [codec["name"] for codec in result.v3_codecs] == names


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (Bitshuffle(cname="none"), "bitshuffle without LZ4 or Zstandard"),
        ({"compression": "szip"}, "szip"),
        ({"compression": "lzf"}, "LZF"),
        ({"scaleoffset": 4}, "scaleoffset"),
        (hdf5plugin.Blosc2(), "Blosc2"),
        (Blosc(cname="snappy"), "snappy"),
        ({**Bitshuffle(), "fletcher32": True}, "fletcher32 (filter 3) comes after bitshuffle"),
        ({**hdf5plugin.LZ4(), "fletcher32": True}, "fletcher32 (filter 3) comes after HDF5 lz4 filter (filter 32004)"),
    ],
)
def test_what_cannot_be_passed_through_says_why(options, reason):
    if options.get("compression") == "szip" and not h5py.h5z.filter_avail(h5py.h5z.FILTER_SZIP):
        pytest.skip("this libhdf5 is built without szip")
    result, _ = passed(values("counts", "<u2", (16, 16)), options)
    assert isinstance(result, NotPassable)
    assert str(result).startswith("cannot be passed through, because ")
    assert reason in str(result)


DEFLATE = Filter(1, "deflate", (4,))
SHUFFLE = Filter(2, "shuffle", (2,))
BSLZ4 = Filter(32008, "bitshuffle", (0, 4, 2, 0, 2))


@pytest.mark.parametrize(
    ("filters", "reason"),
    [
        ([Filter(60_000, "", ())], "no codec for a filter (filter 60000)"),
        ([DEFLATE, SHUFFLE], "shuffle (filter 2) comes after deflate (filter 1)"),
        ([DEFLATE, BSLZ4], "bitshuffle (filter 32008) comes after deflate (filter 1)"),
        ([BSLZ4, BSLZ4], "bitshuffle (filter 32008) comes after bitshuffle (filter 32008), which"),
        ([Filter(2, "shuffle", (7,))], "200 bytes is shuffled by 7"),
        ([Filter(32001, "blosc", (2, 2, 2, 200, 5, 1, 9))], "a compressor or shuffle that it has not"),
        ([Filter(32008, "bitshuffle", (0, 4, 3, 0, 2))], "do not cut a chunk of 200 bytes"),
        ([Filter(32008, "bitshuffle", (0, 4, 2, 0, 3, 3))], "100 elements do not divide by 8"),
        ([Filter(32008, "bitshuffle", (0, 4, 2, 8, 3, 3))], None),
    ],
)
def test_a_pipeline_in_an_order_or_with_options_that_zarr_has_not(filters, reason):
    result = passthrough(filters, dtype=np.dtype("<u2"), chunk_shape=(10, 10))
    assert isinstance(result, Passthrough) if reason is None else reason in str(result)


@pytest.mark.parametrize("dtype", ["O", "S4", "V8", "M8[s]", [("a", "u2"), ("b", "f4")]])
def test_elements_that_are_no_numbers_are_not_passable(dtype):
    assert "elements of type" in str(passthrough([], dtype=np.dtype(dtype), chunk_shape=(4,)))


def test_a_chunk_too_long_for_blosc_is_not_passable():
    assert "Blosc-1" in str(passthrough([BSLZ4], dtype=np.dtype("<u2"), chunk_shape=(2**30,)))
    assert "Blosc-1" in str(passthrough([Filter(32004, "", ())], dtype=np.dtype("u1"), chunk_shape=(10**9,)))


@given(skipped=st.sets(st.integers(0, 5)))
def test_a_chunk_that_left_a_filter_out_is_not_passable(skipped):
    data = values("counts", "<u2", (16, 16))
    filters, _, payload = stored(data, PIPELINES["shuffle, deflate, fletcher32"])
    served = passthrough(filters, dtype=data.dtype, chunk_shape=data.shape).reframe(
        payload, sum(1 << i for i in skipped)
    )
    if not skipped & {0, 1, 2}:  # bits beyond the pipeline mean nothing
        assert served is payload
        return
    for i, step in enumerate(filters):
        assert (step.name in served.reason) == (i in skipped)


def test_noise_that_blosc_left_as_it_was_is_not_passed_for_a_frame():
    data = values("noise", "<u2", (16, 16))
    filters, mask, payload = stored(data, Blosc())
    assert mask == 1
    result = passthrough(filters, dtype=data.dtype, chunk_shape=data.shape)
    assert "this chunk was stored without blosc (filter 32001)" in str(result.reframe(payload, mask))


def test_leaving_out_a_shuffle_of_single_bytes_does_not_matter():
    filters = [Filter(2, "shuffle", (1,)), DEFLATE]
    result = passthrough(filters, dtype=np.dtype("u1"), chunk_shape=(8,))
    assert result.v2_filters is None
    assert result.reframe(b"as it is", 0b01) == b"as it is"
    assert isinstance(result.reframe(b"as it is", 0b10), NotPassable)


@pytest.mark.parametrize("pipeline", ["bitshuffle, lz4 in small blocks", "bitshuffle, zstd", "lz4"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda payload: b"",
        lambda payload: payload[:5],
        lambda payload: payload[:14],
        lambda payload: payload[:-1],
        lambda payload: payload + b"\0",
        lambda payload: bytes([1]) + payload[1:],
        lambda payload: payload[:8] + bytes(4) + payload[12:],
        lambda payload: payload[:12] + b"\xff" + payload[13:],
    ],
)
def test_a_damaged_chunk_is_unreadable(pipeline, damage):
    data = values("counts", "<u2", (16, 16))
    filters, mask, payload = stored(data, PIPELINES[pipeline])
    result = passthrough(filters, dtype=data.dtype, chunk_shape=data.shape)
    with pytest.raises(UnreadableError, match="damaged: expected"):
        result.reframe(damage(payload), mask)


@given(st.binary(max_size=300), st.integers(0, 40), st.integers(1, 9))
def test_lz4_is_unpacked_as_it_was(noise, run, repeats):
    data = (noise + bytes(run)) * repeats
    packed = numcodecs.LZ4().encode(data) if data else bytes(5)
    assert unpacked_lz4(packed[4:], len(data)) == data


@given(st.binary(max_size=60), st.integers(0, 100))
def test_arbitrary_bytes_are_no_lz4_of_another_length(packed, nbytes):
    try:
        assert len(unpacked_lz4(packed, nbytes)) == nbytes
    except UnreadableError:
        return


@pytest.mark.parametrize(
    ("packed", "nbytes"),
    [
        (b"", 0),
        (b"\x30ab", 2),  # three literals, of which two are there
        (b"\x10a\x01", 5),  # half a distance
        (b"\x10a\x00\x00\x00", 5),  # a distance of nothing
        (b"\x10a\x02\x00\x00", 5),  # a match before the first byte
        (b"\x1fa\x01\x00\xff", 5),  # a length without an end
    ],
)
def test_a_damaged_lz4_block_is_unreadable(packed, nbytes):
    with pytest.raises(UnreadableError, match="damaged"):
        unpacked_lz4(packed, nbytes)


def test_an_lz4_block_that_claims_much_takes_no_memory():
    bomb = b"\x1fa\x01\x00" + b"\xff" * 50_000 + b"\x00"  # a match of 12 MB
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableError):
            unpacked_lz4(bomb, 1000)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("element_nbytes", "block"), [(1, 8192), (2, 4096), (3, 2728), (8, 1024), (100, 128)])
def test_the_default_block_of_bitshuffle(element_nbytes, block):
    assert bitshuffle_block(element_nbytes) == block
