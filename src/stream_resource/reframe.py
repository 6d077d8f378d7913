"""Chunks of the HDF5 filters bitshuffle (32008) and LZ4 (32004) as Blosc-1 frames, without decompressing them.

Theory of operation. Both filters cut a chunk into blocks and compress each with LZ4 or Zstandard (bitshuffle
transposes its bits first), and so does Blosc-1. What is between the blocks differs::

    filter    total u64 | block u32 | size u32 | block 0   | size u32 | block 1 ...  | loose         big endian
    Blosc-1   head 16 bytes | starts u32 x n | size u32 | block 0   | size u32 | block 1 ...      little endian

The filters' form: `bshuf_h5filter.c` and `bshuf_blocked_wrap_fun` in bitshuffle; HDF5_LZ4.pdf of The HDF Group. The
frame: README_HEADER.rst of c-blosc; `starts` (the place of every block in the frame) and the sizes: `serial_blosc` and
`blosc_d` in blosc.c. The head is version 2, codec version 1, flags, element size, total, block, and the size of the
frame. Flag 0x04 is the bit transposition. Flag 0x10 (dont_split) says that a block is one stream: without it Blosc
looks in every whole block for one stream per byte of an element. Flags 0xe0 are the codec: 1 for LZ4, 4 for Zstandard.

How a chunk is cut, in bytes, e bytes per element, B per block (8192 unless the writer chose another)::

    0           B          2B          3B            3B + P       total
    |  block 0  |  block 1  |  block 2  |   block 3     | loose |
                                        P: the part of the rest that is a multiple of 8 e
                                        loose = rest - P < 8 e: bitshuffle stores up to 7 elements as they are

Three places where the two differ, so that a block has to change:

1. P and loose are both there. For Blosc they are one block, and it transposes no block whose elements do not divide
   by 8: the block is decoded here and stored as it was before bitshuffle. (P alone is passed as it is, loose alone
   becomes a raw block of its own.)
2. A packed block is as long as what it unpacks to. Blosc takes that for "stored raw". LZ4: it is unpacked here, and is
   raw then. Zstandard: an empty skippable frame (RFC 8878, 3.1.2) makes it longer.
3. LZ4 (32004) has Blosc's own rule for raw blocks, transposes nothing, and so needs no change.

Nothing in the standard library unpacks Zstandard, and LZ4 is slow in Python: what would need either is `NotPassable`.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np

from .errors import UnreadableError

Block = bytes | bytearray | memoryview

LZ4_NBYTES_MAX: Final = 1 << 16
"""The longest block that is unpacked here: 10 ms in Python at the worst."""

_INT32_MAX: Final = 2**31 - 1
_TOTAL_MAX: Final = _INT32_MAX - 16
_BLOCK_MAX: Final = (_INT32_MAX - 255 * 4) // 3
# BLOSC_MAX_BUFFERSIZE and BLOSC_MAX_BLOCKSIZE of blosc.h

_HEAD: Final = struct.Struct(">QI")
_SIZE: Final = struct.Struct(">I")
_FRAME_HEAD: Final = struct.Struct("<BBBBIII")
_FORMAT: Final = 2
_CODEC_FORMAT: Final = 1
_TRANSPOSED: Final = 0x04
_NOT_SPLIT: Final = 0x10
_SKIPPABLE: Final = struct.pack("<II", 0x184D2A50, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotPassable:
    """Why a dataset or a chunk cannot be passed through; it has to be decoded and encoded anew."""

    reason: str

    def __str__(self) -> str:
        return f"cannot be passed through, because {self.reason}"


class Packing(IntEnum):
    """What compressed the blocks, by Blosc's number for it."""

    LZ4 = 1
    ZSTD = 4


class Cut(NamedTuple):
    """How a chunk is cut, in bytes: whole blocks, a shorter one, and what is left over."""

    block: int
    whole: int
    partial: int
    loose: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """How every chunk of one dataset becomes a Blosc-1 frame.

    Attributes:
        packing: What compressed the blocks.
        transposed: Whether their bits were transposed before (bitshuffle), or not (LZ4).
        element_nbytes: Of one element, as the filter was told.
        chunk_nbytes: Of a whole decoded chunk.
    """

    packing: Packing
    transposed: bool
    element_nbytes: int
    chunk_nbytes: int

    def cut(self, block_nbytes: int) -> Cut:
        """Where the blocks of a chunk end.

        Example:
            >>> framing = Framing(packing=Packing.LZ4, transposed=True, element_nbytes=2, chunk_nbytes=50)
            >>> framing.cut(32)
            Cut(block=32, whole=1, partial=16, loose=2)
        """
        granule = 8 * self.element_nbytes if self.transposed else 1
        whole, rest = divmod(self.chunk_nbytes, block_nbytes)
        return Cut(block_nbytes, whole, rest - rest % granule, rest % granule)

    def refusal(self, cut: Cut) -> NotPassable | None:
        """Why no chunk that is cut like this can be re-framed; None if nothing is against it."""
        block = min(cut.block, self.chunk_nbytes)
        if self.chunk_nbytes > _TOTAL_MAX or block > _BLOCK_MAX or self.element_nbytes > 255:
            return NotPassable(
                reason=f"a Blosc-1 frame holds no chunk of {self.chunk_nbytes} bytes in blocks of {block},"
                f" elements of {self.element_nbytes} (at most {_TOTAL_MAX}, {_BLOCK_MAX} and 255)"
            )
        if cut.partial and cut.loose and not self._can_unpack(cut.partial):
            return NotPassable(
                reason=f"{self.chunk_nbytes // self.element_nbytes} elements do not divide by 8, and"
                f" {self._unpacking(cut.partial)}"
            )
        return None

    def frame(self, payload: bytes) -> bytes | NotPassable:
        """A stored chunk as a Blosc-1 frame that decodes to the same bytes.

        Raises:
            UnreadableError: The payload's sizes do not add up: it is damaged.
        """
        cut = self.cut(self._block_nbytes(payload))
        refused = self.refusal(cut)
        if refused is not None:
            return refused
        blocks: list[Block] = [*_stored_blocks(memoryview(payload), cut)]
        tail: list[Block] = []
        if cut.loose:
            last = self._elements(blocks.pop(), cut.partial) if cut.partial else b""
            tail = [last + payload[-cut.loose :]]
        clash = self._mend(blocks, cut) if self.transposed else None
        return clash if clash is not None else self._frame([*blocks, *tail], cut)

    def _block_nbytes(self, payload: bytes) -> int:
        if len(payload) < _HEAD.size:
            raise _damaged(f"at least {_HEAD.size} bytes", f"{len(payload)}")
        total, block_nbytes = _HEAD.unpack_from(payload)
        if total != self.chunk_nbytes:
            raise _damaged(f"{self.chunk_nbytes} bytes when decoded", f"{total} in its head")
        if block_nbytes == 0 or (self.transposed and block_nbytes % (8 * self.element_nbytes)):
            raise _damaged(f"blocks of a multiple of 8 elements of {self.element_nbytes} bytes", f"{block_nbytes}")
        return block_nbytes

    def _elements(self, block: Block, nbytes: int) -> bytes:
        return bit_untransposed(unpacked_lz4(block, nbytes), self.element_nbytes)

    def _mend(self, blocks: list[Block], cut: Cut) -> NotPassable | None:
        """Replace, in place, the blocks that Blosc would take for raw ones; give why if that cannot be."""
        for i, block in enumerate(blocks):
            room = cut.block if i < cut.whole else cut.partial
            if len(block) != room:
                continue
            if self.packing is Packing.ZSTD:
                blocks[i] = bytes(block) + _SKIPPABLE
            elif self._can_unpack(room):
                blocks[i] = unpacked_lz4(block, room)
            else:
                return NotPassable(reason=f"block {i} is as long as what it unpacks to, and {self._unpacking(room)}")
        return None

    def _can_unpack(self, nbytes: int) -> bool:
        return self.packing is Packing.LZ4 and nbytes <= LZ4_NBYTES_MAX

    def _unpacking(self, nbytes: int) -> str:
        return f"a block of {nbytes} bytes in {self.packing.name} would have to be unpacked"

    def _frame(self, blocks: list[Block], cut: Cut) -> bytes | NotPassable:
        sizes = np.fromiter(map(len, blocks), np.int64, len(blocks))
        ends = _FRAME_HEAD.size + 4 * len(blocks) + np.cumsum(sizes + 4)
        total = int(ends[-1])
        if total > _INT32_MAX:
            return NotPassable(reason=f"its Blosc-1 frame would have {total} bytes: at most {_INT32_MAX}")
        flags = _NOT_SPLIT | self.packing << 5 | (_TRANSPOSED if self.transposed else 0)
        block_nbytes = min(cut.block, self.chunk_nbytes)
        head = _FRAME_HEAD.pack(
            _FORMAT, _CODEC_FORMAT, flags, self.element_nbytes, self.chunk_nbytes, block_nbytes, total
        )
        starts = (ends - sizes - 4).astype("<u4").tobytes()
        return b"".join((head, starts, *_interleaved(sizes.astype("<u4").tobytes(), blocks)))


def _interleaved(sizes: bytes, blocks: Iterable[Block]) -> Iterable[Block]:
    for i, block in enumerate(blocks):
        yield sizes[4 * i : 4 * i + 4]
        yield block


def _stored_blocks(payload: memoryview, cut: Cut) -> list[memoryview]:
    """The packed blocks, without their sizes."""
    blocks: list[memoryview] = []
    at = _HEAD.size
    for i in range(cut.whole + (cut.partial > 0)):
        start = at + _SIZE.size
        if start > len(payload):
            raise _damaged(f"the size of block {i} at byte {at}", f"{len(payload)} bytes in all")
        at = start + _SIZE.unpack_from(payload, at)[0]
        blocks.append(payload[start:at])
    if at + cut.loose != len(payload):
        raise _damaged(f"{at + cut.loose} bytes, by the sizes of its blocks", f"{len(payload)}")
    return blocks


def bit_untransposed(block: Block, element_nbytes: int) -> bytes:
    """The elements of a block that bitshuffle has transposed: row i holds bit i of every element, lowest first.

    Example:
        >>> [*bit_untransposed(bytes([0b00000010, 0, 0, 0, 0, 0, 0, 0b00000001]), 1)]
        [128, 1, 0, 0, 0, 0, 0, 0]
    """
    rows = np.frombuffer(block, np.uint8).reshape(8 * element_nbytes, -1)
    bits = np.unpackbits(rows, axis=1, bitorder="little")
    return np.packbits(bits.T, axis=1, bitorder="little").tobytes()


def unpacked_lz4(block: Block, nbytes: int) -> bytes:
    """What an LZ4 block (lz4_Block_format.md) unpacks to; up to 0.15 ms per KiB, so for a block or two.

    Raises:
        UnreadableError: It does not unpack to `nbytes` bytes.

    Example:
        >>> unpacked_lz4(bytes([0x14, 97, 1, 0, 0x20, 98, 99]), 11)
        b'aaaaaaaaabc'
    """
    out = bytearray()
    at = 0
    try:
        while True:
            token = block[at]
            literals, at = _lz4_length(block, at + 1, token >> 4)
            out += block[at : at + literals]
            at += literals
            if at >= len(block):
                break
            distance = block[at] | block[at + 1] << 8
            length, at = _lz4_length(block, at + 2, token & 15)
            _repeat(out, distance, min(length + 4, nbytes + 1 - len(out)))
    except IndexError as error:
        raise _damaged("an LZ4 block", "one that is cut off") from error
    if len(out) != nbytes or at != len(block):
        raise _damaged(f"a block that unpacks to {nbytes} bytes", f"{len(out)}")
    return bytes(out)


def _lz4_length(block: Block, at: int, nibble: int) -> tuple[int, int]:
    """A length and where it ends: 15 is continued, by bytes that are added, up to one that is not 255."""
    if nibble < 15:
        return nibble, at
    length = nibble
    while block[at] == 255:
        length += 255
        at += 1
    return length + block[at], at + 1


def _repeat(out: bytearray, distance: int, length: int) -> None:
    """Append `length` bytes, of which each is the one `distance` before it."""
    start = len(out) - distance
    if distance == 0 or start < 0:
        raise _damaged("a match within the LZ4 block", f"one {distance} bytes before byte {len(out)}")
    while length > 0:
        # A piece longer than `distance` would reach into itself: every round there is twice as much to copy from.
        piece = out[start : start + length]
        out += piece
        length -= len(piece)


def _damaged(expected: str, seen: str) -> UnreadableError:
    return UnreadableError(f"a stored chunk is damaged: expected {expected}, not {seen}. Restore its file")
