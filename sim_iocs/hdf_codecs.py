"""How the HDF5 plugin packs chunks: the filters of areaDetector's Compression, in the forms that HDF5 stores.

Theory of operation. Chunks are packed here and written as they are, so HDF5 itself needs none of these filters:

    zlib   filter 1       a zlib stream
    Blosc  filter 32001   a Blosc 1 buffer
    LZ4    filter 32004   >Q bytes in all, >I bytes per block, then per block >I its packed size and the block
    BSLZ4  filter 32008   >Q bytes in all, >I bytes per block, then per block of bit-transposed elements the same;
                          up to seven elements at the end stay as they are

szip and N-bit are left to HDF5, which has their encoders (N-bit never); so is no filter. All but zlib need
imagecodecs: without it they are absent, as they are from an IOC that was built without their libraries.
"""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from .scenery import Pixels

COMPRESSIONS = ("None", "N-bit", "szip", "zlib", "Blosc", "BSLZ4", "LZ4", "JPEG")
NEED_IMAGECODECS = frozenset({"Blosc", "BSLZ4", "LZ4"})
# No encoder of these can be had without libraries that nobody else needs.
NEVER = frozenset({"N-bit", "JPEG"})
BLOSC_COMPRESSORS = ("BloscLZ", "LZ4", "LZ4HC", "SNAPPY", "ZLIB", "ZSTD")
BLOSC_SHUFFLES = ("None", "ByteShuffle", "BitShuffle")
LZ4_BLOCK = 1 << 18
BITSHUFFLE = 32008
BITSHUFFLE_BLOCK_NBYTES = 8192
_HEAD, _SIZE = struct.Struct(">QI"), struct.Struct(">I")

Encode = Callable[[Pixels], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compression:
    """What was chosen by the plugin's PVs.

    Attributes:
        name: One of COMPRESSIONS.
        level: zlib 1 to 9, or Blosc 0 to 9.
        blosc_compressor: Index into BLOSC_COMPRESSORS.
        blosc_shuffle: Index into BLOSC_SHUFFLES.
    """

    name: str = "None"
    level: int = 6
    blosc_compressor: int = 0
    blosc_shuffle: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A filter that a dataset declares, with what packs a chunk for it; `encode` None leaves it to HDF5."""

    number: int
    options: tuple[int, ...]
    encode: Encode | None


def available(name: str) -> bool:
    """Whether frames can be packed so in this installation."""
    return name not in NEVER and (name not in NEED_IMAGECODECS or find_spec("imagecodecs") is not None)


def filter_of(compression: Compression, *, dtype: "np.dtype[np.generic]", chunk_nbytes: int) -> Filter | None:
    """The filter of a dataset with such elements and chunks; None for none.

    >>> chosen = filter_of(Compression(name="zlib"), dtype=np.dtype("u2"), chunk_nbytes=8)
    >>> packed = chosen.encode(np.arange(4, dtype="u2"))
    >>> np.frombuffer(zlib.decompress(packed), "u2").tolist()
    [0, 1, 2, 3]
    """
    size, level = dtype.itemsize, compression.level
    match compression.name:
        case "szip":
            return Filter(number=4, options=(4 | 32, 16), encode=None)
        case "zlib":
            return Filter(number=1, options=(level,), encode=lambda chunk: zlib.compress(chunk.tobytes(), level))
        case "Blosc":
            shuffle, compressor = compression.blosc_shuffle, compression.blosc_compressor
            options = (2, 2, size, chunk_nbytes, level, shuffle, compressor)
            return Filter(number=32001, options=options, encode=lambda chunk: _blosc(chunk, compression))
        case "LZ4":
            return Filter(number=32004, options=(LZ4_BLOCK,), encode=_lz4)
        case "BSLZ4":
            return Filter(number=BITSHUFFLE, options=(0, 4, size, 0, 2), encode=_bitshuffle_lz4)
        case _:
            return None


def _codecs() -> Any:
    import imagecodecs

    return imagecodecs


def _blosc(chunk: Pixels, compression: Compression) -> bytes:
    name = BLOSC_COMPRESSORS[compression.blosc_compressor].lower()
    return _codecs().blosc_encode(
        chunk.tobytes(),
        level=compression.level,
        compressor=name,
        shuffle=compression.blosc_shuffle,
        typesize=chunk.dtype.itemsize,
        numthreads=1,
    )


def _lz4(chunk: Pixels) -> bytes:
    plain = memoryview(chunk.tobytes())
    parts = [_HEAD.pack(plain.nbytes, LZ4_BLOCK)]
    for start in range(0, plain.nbytes, LZ4_BLOCK):
        block = plain[start : start + LZ4_BLOCK]
        packed = _codecs().lz4_encode(block)
        # A block that does not shrink is stored as it is: its size says so.
        best = packed if len(packed) < block.nbytes else bytes(block)
        parts += [_SIZE.pack(len(best)), best]
    return b"".join(parts)


def _bitshuffle_lz4(chunk: Pixels) -> bytes:
    plain = np.ascontiguousarray(chunk).reshape(-1)
    size = plain.dtype.itemsize
    block = max(BITSHUFFLE_BLOCK_NBYTES // size // 8 * 8, 128)
    raw, stop = plain.tobytes(), plain.size // 8 * 8 * size
    shuffled = memoryview(_codecs().bitshuffle_encode(raw, itemsize=size, blocksize=block))
    parts = [_HEAD.pack(len(raw), block * size)]
    for start in range(0, stop, block * size):
        packed = _codecs().lz4_encode(shuffled[start : min(start + block * size, stop)])
        parts += [_SIZE.pack(len(packed)), packed]
    parts.append(raw[stop:])
    return b"".join(parts)
