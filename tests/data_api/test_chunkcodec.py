"""Filter pipelines undone without libhdf5, against libhdf5 and its plugins."""

import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wingbeat.data_api.chunkcodec import FilterSpec, applied, decodable, decode, read_pipeline, write_pipeline
from wingbeat.data_api.errors import UnreadableError

PIPELINES = {
    "none": {},
    "deflate": {"compression": "gzip"},
    "shuffle and deflate": {"compression": "gzip", "shuffle": True},
    "bitshuffle": hdf5plugin.Bitshuffle(cname="none"),
    "bitshuffle and lz4": hdf5plugin.Bitshuffle(cname="lz4"),
    "bitshuffle and zstd": hdf5plugin.Bitshuffle(cname="zstd"),
    "bitshuffle in small blocks": hdf5plugin.Bitshuffle(nelems=16, cname="lz4"),
    "lz4": hdf5plugin.LZ4(),
    "lz4 in small blocks": hdf5plugin.LZ4(nbytes=64),
    "zstd": hdf5plugin.Zstd(),
    "blosc": hdf5plugin.Blosc(cname="zstd", shuffle=hdf5plugin.Blosc.BITSHUFFLE),
}


def stored(data, pipeline):
    """The one chunk that libhdf5 makes of `data`, and its pipeline."""
    with h5py.File("chunk.h5", "w", driver="core", backing_store=False) as file:
        dataset = file.create_dataset("d", data=data, chunks=data.shape, **PIPELINES[pipeline])
        plist = dataset.id.get_create_plist()
        steps = [plist.get_filter(i) for i in range(plist.get_nfilters())]
        mask, payload = dataset.id.read_direct_chunk((0,) * data.ndim)
        return payload, applied(tuple(FilterSpec(code, options) for code, _, options, _ in steps), mask)


@pytest.mark.parametrize("pipeline", PIPELINES)
@given(
    data=st.tuples(
        st.sampled_from(["<u1", "<u2", ">u2", "<i4", "<f8"]),
        st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 70)),
        st.sampled_from(["noise", "counts", "zeros"]),
        st.integers(0, 2**32),
    )
)
@settings(max_examples=12)
def test_what_libhdf5_stored_decodes_bit_by_bit(pipeline, data):
    dtype, shape, kind, seed = data
    rng = np.random.default_rng(seed)
    nbytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    frames = {
        "noise": lambda: np.frombuffer(rng.bytes(nbytes), dtype).reshape(shape),
        "counts": lambda: rng.poisson(5, shape).astype(dtype),
        "zeros": lambda: np.zeros(shape, dtype),
    }[kind]()
    payload, steps = stored(frames, pipeline)
    assert decodable(steps)
    decoded = decode(payload, read_pipeline(write_pipeline(steps)), shape=shape, dtype=np.dtype(dtype))
    assert decoded.dtype == frames.dtype
    assert decoded.shape == frames.shape
    assert decoded.tobytes() == frames.tobytes()


@pytest.mark.parametrize("pipeline", [name for name in PIPELINES if name not in ("none", "bitshuffle")])
@given(cut=st.integers(0, 60), flip=st.integers(0, 11), seed=st.integers(0, 1000))
@settings(max_examples=15)
def test_a_damaged_chunk_is_an_error_or_of_the_right_size_but_never_a_crash(pipeline, cut, flip, seed):
    data = np.random.default_rng(seed).poisson(3, (16, 32)).astype("<u2")
    payload, steps = stored(data, pipeline)
    bad = bytearray(payload[: max(0, len(payload) - cut)])
    if bad:
        bad[flip % len(bad)] ^= 0x5A
    try:
        decoded = decode(bytes(bad), steps, shape=data.shape, dtype=data.dtype)
    except UnreadableError:
        return
    assert decoded.shape == data.shape


def test_a_payload_that_claims_another_size_is_refused_before_anything_is_allocated():
    data = np.zeros((8, 8), "<u2")
    payload, steps = stored(data, "bitshuffle and lz4")
    huge = (1 << 60).to_bytes(8, "big") + payload[8:]
    with pytest.raises(UnreadableError, match="claims"):
        decode(huge, steps, shape=data.shape, dtype=data.dtype)


def test_a_plain_chunk_of_another_size_is_refused():
    with pytest.raises(UnreadableError, match="expected 8 bytes"):
        decode(b"123", (), shape=(4,), dtype=np.dtype("<u2"))


def test_a_filter_mask_leaves_its_steps_out():
    steps = (FilterSpec(2, (2,)), FilterSpec(1, (4,)))
    assert applied(steps, 0b10) == steps[:1]
    assert applied(steps, 0b11) == ()
    assert not decodable((FilterSpec(32000, ()),))
