"""What the HDF5 filters of a dataset are called in Zarr, so that its stored chunks can be served as they are.

Theory of operation. A pipeline is a chain of bytes to bytes in both formats, and encoding goes left to right::

    HDF5     elements ─ filter 0 ─ filter 1 ─ … ─ filter n-1 ─ stored chunk
    Zarr v2  elements ─ filters[0] ─ … ─ filters[n-2] ─ compressor ─ chunk      compressor: none if n-1 is shuffle
    Zarr v3  elements ─ codecs[0] "bytes" ─ codecs[1] ─ … ─ codecs[n] ─ chunk
    mask             bit 0      bit 1            bit n-1: set where this one chunk did not go through the filter

Zarr has no mask per chunk: a chunk that left a filter out cannot be served under its array's codecs. (Filters leave
themselves out where they cannot make noise smaller: Blosc and LZF do, for one.)

===============================  ==========================  =================================
HDF5                             Zarr v2                     Zarr v3
===============================  ==========================  =================================
deflate (1)                      zlib                        numcodecs.zlib
shuffle (2)                      shuffle                     numcodecs.shuffle
fletcher32 (3)                   fletcher32                  numcodecs.fletcher32
bzip2 (307)                      bz2                         numcodecs.bz2
Blosc (32001)                    blosc                       blosc
LZ4 (32004)                      blosc, after `reframe`      blosc, after `reframe`
bitshuffle + LZ4, Zstd (32008)   blosc, after `reframe`      blosc, after `reframe`
Zstandard (32015)                zstd                        zstd
===============================  ==========================  =================================

HDF5's deflate has a zlib head (RFC 1950), which Zarr's `gzip` (RFC 1952) has not; `numcodecs.*` are extensions that
zarr-python reads. Three filters count the bytes they are given, so only shuffle, which keeps their number, may come
before them: shuffle itself, LZ4 and bitshuffle. The last two are re-framed from what is stored, so no other filter may
come after them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from .layout import Filter
from .reframe import Framing, NotPassable, Packing

Codec = Mapping[str, Any]
"""A codec as its array's metadata hold it: JSON."""

DEFLATE: Final = 1
SHUFFLE: Final = 2
FLETCHER32: Final = 3
BZIP2: Final = 307
BLOSC: Final = 32001
LZ4: Final = 32004
BITSHUFFLE: Final = 32008
ZSTD: Final = 32015

_NO_CODEC: Final = {
    4: "szip",
    5: "nbit",
    6: "scaleoffset",
    32000: "LZF",
    32013: "ZFP",
    32026: "Blosc2, of which the stored form is another than Blosc-1's",
}

_BLOSC_CNAMES: Final = ("blosclz", "lz4", "lz4hc", "snappy", "zlib", "zstd")
_BLOSC_SHUFFLES: Final = ("noshuffle", "shuffle", "bitshuffle")
_BITSHUFFLE_PACKINGS: Final = {2: Packing.LZ4, 3: Packing.ZSTD}
_BITSHUFFLE_TARGET: Final = 8192
_BITSHUFFLE_BLOCK_MIN: Final = 128
_LZ4_BLOCK: Final = 1 << 30


class _Chunk(NamedTuple):
    itemsize: int
    nbytes: int


class _Step(NamedTuple):
    """One filter in Zarr's words; both None if it changes nothing."""

    v2: Codec | None
    v3: Codec | None
    framing: Framing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Passthrough:
    """What to write into a Zarr array's metadata, and what to do with its stored chunks.

    Attributes:
        v2_compressor: `compressor` of a `.zarray`.
        v2_filters: `filters` of a `.zarray`; None, as JSON has it, if there are none.
        v3_codecs: `codecs` of a `zarr.json`, the `bytes` codec with them.
        filters: The HDF5 pipeline that these stand for.
        required: The bits of a filter mask that must not be set.
        framing: How a stored chunk becomes a Blosc-1 frame; None if it is passed as it is.
    """

    v2_compressor: Codec | None
    v2_filters: tuple[Codec, ...] | None
    v3_codecs: tuple[Codec, ...]
    filters: tuple[Filter, ...]
    required: int
    framing: Framing | None

    def reframe(self, chunk: bytes, filter_mask: int) -> bytes | NotPassable:
        """A stored chunk as it is to be served; the very same object where nothing is to be done.

        Args:
            chunk: The bytes of a whole chunk in the file.
            filter_mask: As HDF5 stores it with the chunk: bit i set means that filter i was left out.

        Raises:
            UnreadableError: A chunk to be re-framed is damaged.
        """
        skipped = filter_mask & self.required
        if skipped:
            names = ", ".join(_named(step) for i, step in enumerate(self.filters) if skipped >> i & 1)
            return NotPassable(reason=f"this chunk was stored without {names} (filter mask {filter_mask:#x})")
        return chunk if self.framing is None else self.framing.frame(chunk)


def passthrough(
    filters: Sequence[Filter], *, dtype: "np.dtype[Any]", chunk_shape: Sequence[int]
) -> Passthrough | NotPassable:
    """How the stored chunks of a dataset can be served as Zarr chunks, or why they cannot.

    Args:
        filters: The pipeline, in the order of writing.
        dtype: Of one element, with its byte order.
        chunk_shape: Of a whole chunk.

    Example:
        >>> gzip = Filter(1, "deflate", (4,))
        >>> served = passthrough([gzip], dtype=np.dtype("<u2"), chunk_shape=(1, 512, 512))
        >>> served.v2_compressor
        {'id': 'zlib', 'level': 4}
        >>> print(passthrough([Filter(4, "szip", ())], dtype=np.dtype("<u2"), chunk_shape=(1, 512, 512)))
        cannot be passed through, because Zarr has no codec for szip (filter 4)
    """
    refused = _type_refusal(dtype) or _order_refusal(filters)
    if refused is not None:
        return refused
    chunk = _Chunk(dtype.itemsize, int(np.prod(chunk_shape, dtype=np.int64)) * dtype.itemsize)
    steps: list[_Step] = []
    for each in filters:
        step = _STEPS.get(each.id, _no_codec)(each, chunk)
        if isinstance(step, NotPassable):
            return step
        steps.append(step)
    return _assembled(tuple(filters), steps, dtype=dtype)


def _assembled(filters: tuple[Filter, ...], steps: Sequence[_Step], *, dtype: "np.dtype[Any]") -> Passthrough:
    v2 = [step.v2 for step in steps if step.v2 is not None]
    compressor = v2.pop() if v2 and v2[-1]["id"] != "shuffle" else None
    return Passthrough(
        v2_compressor=compressor,
        v2_filters=tuple(v2) or None,
        v3_codecs=(_bytes_codec(dtype), *(step.v3 for step in steps if step.v3 is not None)),
        filters=filters,
        required=sum(1 << i for i, step in enumerate(steps) if step.v2 is not None),
        framing=steps[-1].framing if steps else None,
    )


def _bytes_codec(dtype: "np.dtype[Any]") -> Codec:
    if dtype.itemsize == 1:
        return {"name": "bytes"}
    return {"name": "bytes", "configuration": {"endian": "big" if dtype.str[0] == ">" else "little"}}


def _type_refusal(dtype: "np.dtype[Any]") -> NotPassable | None:
    if dtype.kind in "biufc" and dtype.itemsize <= (16 if dtype.kind == "c" else 8):
        return None
    return NotPassable(reason=f"elements of type {dtype} are not the same in HDF5, Zarr v2 and Zarr v3: numbers are")


def _order_refusal(filters: Sequence[Filter]) -> NotPassable | None:
    before: list[Filter] = []
    for i, each in enumerate(filters):
        if before and each.id in (SHUFFLE, LZ4, BITSHUFFLE):
            return NotPassable(reason=f"{_named(each)} comes after {_named(before[-1])}")
        if each.id in (LZ4, BITSHUFFLE) and i + 1 < len(filters):
            return NotPassable(reason=f"{_named(filters[i + 1])} comes after {_named(each)}, which has to be re-framed")
        if each.id != SHUFFLE:
            before.append(each)
    return None


def _named(step: Filter) -> str:
    # The registered names carry a web address behind a semicolon.
    return f"{step.name.partition(';')[0] or 'a filter'} (filter {step.id})"


def _option(step: Filter, i: int, default: int) -> int:
    return step.options[i] if i < len(step.options) else default


def _no_codec(step: Filter, _chunk: _Chunk) -> NotPassable:
    named = f"{_NO_CODEC[step.id]} (filter {step.id})" if step.id in _NO_CODEC else _named(step)
    return NotPassable(reason=f"Zarr has no codec for {named}")


def _deflate(step: Filter, _chunk: _Chunk) -> _Step:
    return _extension("zlib", level=_option(step, 0, 6))


def _fletcher32(_step: Filter, _chunk: _Chunk) -> _Step:
    return _extension("fletcher32")


def _bzip2(step: Filter, _chunk: _Chunk) -> _Step:
    return _extension("bz2", level=_option(step, 0, 9))


def _shuffle(step: Filter, chunk: _Chunk) -> _Step | NotPassable:
    element_nbytes = _option(step, 0, chunk.itemsize)
    if element_nbytes == 1:
        return _Step(None, None)
    if element_nbytes == 0 or chunk.nbytes % element_nbytes:
        return NotPassable(reason=f"a chunk of {chunk.nbytes} bytes is shuffled by {element_nbytes}")
    return _extension("shuffle", elementsize=element_nbytes)


def _extension(name: str, **configuration: int) -> _Step:
    return _Step({"id": name, **configuration}, {"name": f"numcodecs.{name}", "configuration": configuration})


def _zstd(step: Filter, _chunk: _Chunk) -> _Step:
    level = _option(step, 0, 3)
    signed = level - 2**32 if level >= 2**31 else level  # options are unsigned, levels are not
    configuration = {"level": signed, "checksum": False}
    return _Step({"id": "zstd", "level": signed}, {"name": "zstd", "configuration": configuration})


def _blosc(step: Filter, chunk: _Chunk) -> _Step | NotPassable:
    """`blosc_filter.c` of hdf5-blosc: format versions (2), element size, chunk size, level, shuffle, compressor."""
    code, shuffle = _option(step, 6, 0), _option(step, 5, 1)
    if code >= len(_BLOSC_CNAMES) or shuffle >= len(_BLOSC_SHUFFLES):
        return NotPassable(reason=f"Blosc's options {step.options} name a compressor or shuffle that it has not")
    if _BLOSC_CNAMES[code] == "snappy":
        return NotPassable(reason="Zarr's Blosc is built without snappy")
    return _blosc_step(
        _BLOSC_CNAMES[code],
        shuffle=shuffle,
        level=_option(step, 4, 5),
        typesize=_option(step, 2, chunk.itemsize),
    )


def _blosc_step(cname: str, *, shuffle: int, level: int, typesize: int, framing: Framing | None = None) -> _Step:
    both = {"cname": cname, "clevel": level, "blocksize": 0}
    name = _BLOSC_SHUFFLES[shuffle]
    v3 = {"name": "blosc", "configuration": {**both, "shuffle": name, "typesize": max(typesize, 1)}}
    return _Step({"id": "blosc", **both, "shuffle": shuffle}, v3, framing)


def _lz4(step: Filter, chunk: _Chunk) -> _Step | NotPassable:
    """`H5Zlz4.c` of The HDF Group: the size of a block in bytes, 0 for 1 GiB, and never more than the chunk."""
    block_nbytes = min(_option(step, 0, 0) or _LZ4_BLOCK, chunk.nbytes)
    framing = Framing(packing=Packing.LZ4, transposed=False, element_nbytes=chunk.itemsize, chunk_nbytes=chunk.nbytes)
    return _framed(framing, block_nbytes)


def _bitshuffle(step: Filter, chunk: _Chunk) -> _Step | NotPassable:
    """`bshuf_h5filter.c`: versions (2), element size, elements per block (0: by default), compression, level."""
    packing = _BITSHUFFLE_PACKINGS.get(_option(step, 4, 0))
    if packing is None:
        return NotPassable(reason="Zarr has no codec for bitshuffle without LZ4 or Zstandard (filter 32008)")
    element_nbytes = _option(step, 2, 0) or chunk.itemsize
    block = _option(step, 3, 0) or bitshuffle_block(element_nbytes)
    if block % 8 or chunk.nbytes % element_nbytes:
        return NotPassable(reason=f"bitshuffle's options {step.options} do not cut a chunk of {chunk.nbytes} bytes")
    framing = Framing(packing=packing, transposed=True, element_nbytes=element_nbytes, chunk_nbytes=chunk.nbytes)
    return _framed(framing, block * element_nbytes)


def bitshuffle_block(element_nbytes: int) -> int:
    """How many elements bitshuffle puts in a block by default (`bshuf_default_block_size` in bitshuffle_core.c).

    Example:
        >>> bitshuffle_block(2)
        4096
    """
    return max(_BITSHUFFLE_TARGET // element_nbytes // 8 * 8, _BITSHUFFLE_BLOCK_MIN)


def _framed(framing: Framing, block_nbytes: int) -> _Step | NotPassable:
    refused = framing.refusal(framing.cut(block_nbytes))
    if refused is not None:
        return refused
    # The level is a hint for writers, of which there are none: 5 is Blosc's default.
    shuffle = 2 if framing.transposed else 0
    typesize = framing.element_nbytes
    return _blosc_step(framing.packing.name.lower(), shuffle=shuffle, level=5, typesize=typesize, framing=framing)


_STEPS: Final[dict[int, Callable[[Filter, _Chunk], _Step | NotPassable]]] = {
    DEFLATE: _deflate,
    SHUFFLE: _shuffle,
    FLETCHER32: _fletcher32,
    BZIP2: _bzip2,
    BLOSC: _blosc,
    LZ4: _lz4,
    BITSHUFFLE: _bitshuffle,
    ZSTD: _zstd,
}
