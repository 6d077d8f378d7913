"""How frames that arise in Python are packed into stored chunks: HDF5's filter forms, made without libhdf5.

Theory of operation. A chunk that is packed here and written as it is needs no filter plugin in this process, and
packing needs no lock of libhdf5's. The forms are those of the registered filters, for every reader with their plugins::

    gzip (1)             a zlib stream (RFC 1950)
    lz4 (32004)          >Q bytes in all, >I bytes per block, then per block >I its size and the LZ4 block
    zstd (32015)         a Zstandard frame
    bitshuffle (32008)   >Q bytes in all, >I bytes per block, then per block of bit-transposed elements >I its size and
                         the LZ4 block or Zstandard frame; fewer than 8 elements at the end stay as they are

`imagecodecs` packs all but gzip, and is asked for when one of them is chosen.
"""

import struct
import zlib
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from .codecs import BITSHUFFLE, DEFLATE, LZ4, ZSTD, bitshuffle_block
from .errors import FrameWriteError
from .layout import Filter

Compression = Literal["none", "gzip", "lz4", "zstd", "bitshuffle-lz4", "bitshuffle-zstd"]
"""What a dataset of the frame writer is packed with."""

GZIP_LEVEL: Final = 4
ZSTD_LEVEL: Final = 3

_HEAD = struct.Struct(">QI")
_SIZE = struct.Struct(">I")

Stored = bytes | memoryview
"""A chunk, or a part of one, as bytes."""

Pack = Callable[[Stored], bytes]
Encode = Callable[[NDArray[Any]], Stored]


class FrameCodec(NamedTuple):
    """The filters that a dataset declares, and what makes a chunk of its form; `encode` takes a whole chunk."""

    filters: tuple[Filter, ...]
    encode: Encode


def frame_codec(compression: Compression, *, dtype: "np.dtype[Any]") -> FrameCodec:
    r"""How chunks of elements of `dtype` are packed.

    Raises:
        FrameWriteError: The compression is not known, or needs imagecodecs and that is not installed.

    Example:
        >>> codec = frame_codec("gzip", dtype=np.dtype("u2"))
        >>> (codec.filters[0].id, zlib.decompress(codec.encode(np.arange(3, dtype="u2"))))
        (1, b'\x00\x00\x01\x00\x02\x00')
    """
    if compression not in get_args(Compression):
        msg = f"compression {compression!r} is not known: take one of {', '.join(get_args(Compression))}"
        raise FrameWriteError(msg)
    match compression:
        case "none":
            return FrameCodec((), _as_it_is)
        case "gzip":
            return FrameCodec(_filters(DEFLATE, "deflate", GZIP_LEVEL), _whole(_deflated))
        case "lz4":
            return FrameCodec(_filters(LZ4, "lz4", 0), _whole(_packer("lz4h5_encode")))
        case "zstd":
            pack = _packer("zstd_encode", ZSTD_LEVEL)
            return FrameCodec(_filters(ZSTD, "zstd", ZSTD_LEVEL), _whole(pack))
        case "bitshuffle-lz4":
            return _bitshuffled(_packer("lz4_encode"), dtype.itemsize, 2)
        case "bitshuffle-zstd":
            return _bitshuffled(_packer("zstd_encode", ZSTD_LEVEL), dtype.itemsize, 3)


def _filters(code: int, name: str, *options: int) -> tuple[Filter, ...]:
    return (Filter(code, name, options),)


def _as_it_is(chunk: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(chunk).reshape(-1).view(np.uint8).data


def _deflated(data: Stored) -> bytes:
    return zlib.compress(data, GZIP_LEVEL)


def _whole(pack: Pack) -> Encode:
    return lambda chunk: pack(_as_it_is(chunk))


def _imagecodec(name: str) -> Callable[..., bytes]:
    try:
        import imagecodecs
    except ImportError as error:
        msg = f"{name} needs imagecodecs, which is not installed: pip install 'wingbeat[server]', or compress with gzip"
        raise FrameWriteError(msg) from error
    return getattr(imagecodecs, name)


def _packer(name: str, *options: int) -> Pack:
    encode = _imagecodec(name)
    return lambda data: encode(data, *options)


def _bitshuffled(pack: Pack, element_nbytes: int, packing: int) -> FrameCodec:
    """`packing` is the filter's own number of what packs its blocks: 2 LZ4, 3 Zstandard (bshuf_h5filter.h)."""
    transpose = _imagecodec("bitshuffle_encode")
    block = bitshuffle_block(element_nbytes)  # elements; what block size 0 means
    block_nbytes = block * element_nbytes

    def encode(chunk: NDArray[Any]) -> bytes:
        raw = _as_it_is(chunk)
        transposed = memoryview(transpose(raw, itemsize=element_nbytes, blocksize=block))
        end = len(raw) // (8 * element_nbytes) * 8 * element_nbytes
        parts: list[Stored] = [_HEAD.pack(len(raw), block_nbytes)]
        for start in range(0, end, block_nbytes):
            packed = pack(transposed[start : min(start + block_nbytes, end)])
            parts += (_SIZE.pack(len(packed)), packed)
        return b"".join((*parts, raw[end:]))

    return FrameCodec(_filters(BITSHUFFLE, "bitshuffle", 0, 4, element_nbytes, 0, packing), encode)
