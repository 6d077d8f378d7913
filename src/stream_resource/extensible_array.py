"""The index of a growing HDF5 dataset's chunks, read from the file's bytes: new chunks are found without the old ones.

Theory of operation. libhdf5 (2.0) tells a chunk's place only by walking all of them, so that each look at a growing
file costs as much as the file is long. A dataset with one unlimited axis, written in the format that SWMR needs, keeps
its chunks in an extensible array (HDF5 File Format Specification 3.0, VII.D), where element i is found by arithmetic::

    index block     4 elements │ addresses of the data blocks of super blocks 0 … 3 │ addresses of super blocks 4 …
    super block u   2^⌊u/2⌋ data blocks of 16 · 2^⌈u/2⌉ elements each;  it begins with element 4 + 16 · (2^u − 1)
    data block      elements; where there are more than 1024, in pages of 1024 with a checksum behind each

    element         address of the chunk (all bits set: none); where there are filters, its size and its filter mask too

(4, 16 and 1024 are libhdf5's defaults; the array's header says them.) The writer flushes what an element refers to
before the dataset's extent, so the elements of visible rows are in the file and stay as they are. Whatever is not just
as described here gives None, and libhdf5 is asked: this is a short cut, never another opinion.
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from .chunkindex import ChunkRecord

ReadAt = Callable[[int, int], bytes]
"""Reads bytes: offset from the file's base address, how many. Fewer come back where the file ends."""

UNDEFINED: Final = 2**64 - 1
"""An address that leads nowhere."""

_LAYOUT: Final = 8
_CONTINUATION: Final = 16
_CHUNKED: Final = 2
_EXTENSIBLE_ARRAY: Final = 4
_POINTERS_MAX = 256
"""More addresses than an index block has: 6 of data blocks and 25 of super blocks, unless the writer chose others."""
_PREFIX = 6
"""Bytes of a signature, a version and a client id."""


class _Malformed(Exception):  # noqa: N818 (it ends a look, and is no error of anybody's)
    """The bytes are not as described above."""


class _Array(NamedTuple):
    """The header: how the array is cut, and where its index block is."""

    element_nbytes: int
    offset_nbytes: int
    direct: int
    smallest: int
    pointers: int
    page: int
    index_block: int


class _Block(NamedTuple):
    """A data block: its first element, how many it holds, where it is, and which of its pages, if any, are written."""

    first: int
    elements: int
    address: int
    pages: tuple[bool, ...]


def found_chunks(
    read_at: ReadAt, *, header: int, wanted: range, chunk_nbytes: int
) -> list[tuple[int, ChunkRecord]] | None:
    """Where these chunks are; those that are not stored are left out. None if libhdf5 has to be asked.

    Args:
        read_at: Reads the file.
        header: The address of the dataset's object header.
        wanted: The chunks' numbers along the growing axis, the only one that is cut.
        chunk_nbytes: The size of a chunk that no filter changes.
    """
    try:
        address = _array_address(read_at, header)
        if address is None or not wanted:
            return None if address is None else []
        array = _array(read_at, address)
        return [
            (i, record)
            for first, raw in _elements(read_at, array, wanted)
            for i, record in _records(raw, array, first=first, chunk_nbytes=chunk_nbytes)
            if i in wanted
        ]
    except (_Malformed, IndexError, OSError):
        return None


def _number(raw: bytes, at: int, nbytes: int) -> int:
    if at + nbytes > len(raw):
        raise _Malformed
    return int.from_bytes(raw[at : at + nbytes], "little")


def _signed(read_at: ReadAt, address: int, nbytes: int, *, signature: bytes) -> bytes:
    raw = read_at(address, nbytes) if address != UNDEFINED else b""
    if len(raw) != nbytes or raw[:4] != signature:
        raise _Malformed
    return raw


def _array_address(read_at: ReadAt, header: int) -> int | None:
    """The address of the extensible array's header, if that is how the dataset's chunks are found."""
    for kind, body in _messages(read_at, header):
        if kind == _LAYOUT:
            if len(body) < 5 or body[0] not in {4, 5} or body[1] != _CHUNKED:
                return None
            # Version, class, flags, number of axes (the element's is one of them), bytes per length, lengths, ...
            kind_at = 5 + body[3] * body[4]
            return _number(body, kind_at + 6, 8) if body[kind_at] == _EXTENSIBLE_ARRAY else None
    return None


def _messages(read_at: ReadAt, header: int) -> Iterator[tuple[int, bytes]]:
    """The messages of a version 2 object header."""
    prefix = _signed(read_at, header, 30, signature=b"OHDR")
    version, flags = prefix[4], prefix[5]
    if version != 2:
        raise _Malformed
    size_at = 6 + 16 * bool(flags & 0x20) + 4 * bool(flags & 0x10)
    size_nbytes = 1 << (flags & 3)
    size = _number(prefix, size_at, size_nbytes)
    head = 4 + 2 * bool(flags & 4)
    pieces = [read_at(header + size_at + size_nbytes, size)]
    for piece in pieces:
        at = 0
        while at + head <= len(piece):
            kind, nbytes = piece[at], _number(piece, at + 1, 2)
            body = piece[at + head : at + head + nbytes]
            at += head + nbytes
            if kind == _CONTINUATION:
                where, length = _number(body, 0, 8), _number(body, 8, 8)
                pieces.append(_signed(read_at, where, length, signature=b"OCHK")[4:-4])
            else:
                yield kind, body


def _array(read_at: ReadAt, address: int) -> _Array:
    raw = _signed(read_at, address, 72, signature=b"EAHD")
    element, bits, direct, smallest, pointers, page_bits = raw[6:12]
    if raw[4] != 0 or not smallest or not pointers or element < 8:
        raise _Malformed
    return _Array(element, -(-bits // 8), direct, smallest, pointers, 1 << page_bits, _number(raw, 60, 8))


def _elements(read_at: ReadAt, array: _Array, wanted: range) -> Iterator[tuple[int, bytes]]:
    """Runs of elements that hold the wanted ones: the number of the first, and their bytes."""
    start, own = _PREFIX + 8, array.direct * array.element_nbytes
    index = read_at(array.index_block, start + own + 8 * _POINTERS_MAX)
    if index[:4] != b"EAIB":
        raise _Malformed
    yield 0, index[start : start + own]
    for u in range(64):
        first, size = array.direct + array.smallest * ((1 << u) - 1), array.smallest << u
        if first >= wanted.stop:
            return
        if first + size > wanted.start:
            for block in _blocks(read_at, array, index[start + own :], u=u):
                yield from _block_elements(read_at, array, block, wanted=wanted)


def _blocks(read_at: ReadAt, array: _Array, pointers: bytes, *, u: int) -> Iterator[_Block]:
    """The data blocks of super block u. `pointers` are the addresses in the index block."""
    first, count = array.direct + array.smallest * ((1 << u) - 1), 1 << u // 2
    elements = array.smallest << (u + 1) // 2
    # The first super blocks have no block of their own.
    inlined = 2 * (array.pointers.bit_length() - 1)
    before = sum(1 << v // 2 for v in range(min(u, inlined)))
    pages = elements // array.page if elements > array.page else 0
    if u < inlined:
        addresses, filled = pointers[8 * before :], b""
    else:
        bitmap = count * (-(-pages // 8))
        head = _PREFIX + 8 + array.offset_nbytes
        address = _number(pointers, 8 * (before + u - inlined), 8)
        if address == UNDEFINED:
            return
        raw = _signed(read_at, address, head + bitmap + 8 * count, signature=b"EASB")
        addresses, filled = raw[head + bitmap :], raw[head : head + bitmap]
    for i in range(count):
        address = _number(addresses, 8 * i, 8)
        if address != UNDEFINED:
            written = tuple(_bit(filled, i * pages + page) for page in range(pages))
            yield _Block(first + i * elements, elements, address, written)


def _bit(bitmap: bytes, i: int) -> bool:
    return bool(bitmap[i // 8] & 128 >> i % 8)


def _block_elements(read_at: ReadAt, array: _Array, block: _Block, *, wanted: range) -> Iterator[tuple[int, bytes]]:
    low, high = max(block.first, wanted.start), min(block.first + block.elements, wanted.stop)
    if low >= high:
        return
    head = _PREFIX + 8 + array.offset_nbytes
    _signed(read_at, block.address, head, signature=b"EADB")
    size = array.page if block.pages else block.elements
    for page in range((low - block.first) // size, (high - 1 - block.first) // size + 1):
        first = block.first + page * size
        start, stop = max(low, first), min(high, first + size)
        # The checksum of a block in pages stands in front of them, and each page has its own behind it.
        at = head + (4 + page * (size * array.element_nbytes + 4) if block.pages else 0)
        if not block.pages or block.pages[page]:
            where = block.address + at + (start - first) * array.element_nbytes
            yield start, read_at(where, (stop - start) * array.element_nbytes)


def _records(raw: bytes, array: _Array, *, first: int, chunk_nbytes: int) -> Iterator[tuple[int, ChunkRecord]]:
    step = array.element_nbytes
    for at in range(0, len(raw), step):
        address = _number(raw, at, 8)
        if address == UNDEFINED:
            continue
        if step == 8:
            yield first + at // step, ChunkRecord(address, chunk_nbytes, 0)
        else:
            size, mask = _number(raw, at + 8, step - 12), _number(raw, at + step - 4, 4)
            yield first + at // step, ChunkRecord(address, size, mask)
