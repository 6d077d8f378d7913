"""The framing of the journal's segments: bytes to records and back; no I/O.

Theory of operation. A segment is MAGIC and then records::

    | body length u32 | sequence u64 | name length u8 | body crc32 | crc32 of these 17 bytes | name | payload |
    |<---------------------- header, 21 bytes, little-endian ---------------------->|<--- body --->|

The header has a checksum of its own. Without it a damaged length in the middle of a segment would look like a record
that ends beyond the file, and everything after it would be given up as a torn tail. With it:

- a header or body that ends before it should is torn: a process was killed, or a reader came between two writes;
- a whole header that fails its checksum is corrupt, unless only zeros follow (a file system that lost power
  may keep the new length of a file and not its bytes): then it is torn;
- a whole body that fails its checksum is torn if it is the last (the same loss of power), corrupt if anything follows;
- sequence numbers go up by one; any other step is corrupt.

A cursor is two numbers: the byte behind the last whole record (`consumed`) and the sequence number that must come next.
What precedes damage is never given up with it: the error says at which byte it is.
"""

import struct
import zlib
from typing import NamedTuple

from .errors import CorruptJournalError

MAGIC = b"WBJRNL01"
"""The first bytes of every segment: format and version."""

JOURNAL_SUFFIX = ".wbj"
"""How the name of a segment's file ends."""

_FIELDS = struct.Struct("<IQBI")
_CHECKSUM = struct.Struct("<I")
HEADER_NBYTES = _FIELDS.size + _CHECKSUM.size
"""How many bytes of a record precede its name."""


class JournalRecord(NamedTuple):
    """One document in the journal: its number, its name ("start", "event", ...) and its JSON bytes."""

    sequence: int
    name: str
    payload: bytes


class DecodedRecords(NamedTuple):
    """What a buffer holds.

    `consumed` is the position in the buffer behind the last whole record; `torn` says that an incomplete record
    follows there.
    """

    records: list[JournalRecord]
    consumed: int
    torn: bool

    @property
    def next_sequence(self) -> int | None:
        """The number of the record that must follow; None if there was no record."""
        return self.records[-1].sequence + 1 if self.records else None


class _Header(NamedTuple):
    body_nbytes: int
    sequence: int
    name_nbytes: int
    body_crc: int


def segment_name(first_sequence: int) -> str:
    """The file name of the segment that begins with record `first_sequence`; names sort as their numbers do.

    Example:
        >>> segment_name(42)
        '0000000000000042.wbj'
    """
    return f"{first_sequence:016d}{JOURNAL_SUFFIX}"


def encode_record(record: JournalRecord) -> bytes:
    """One record as bytes, to be written in one call.

    Raises:
        CorruptJournalError: The name is longer than 255 bytes or the payload than 4 GiB: it could not be read back.
    """
    name = record.name.encode()
    body_nbytes = len(name) + len(record.payload)
    if len(name) > 0xFF or body_nbytes > 0xFFFF_FFFF or record.sequence < 0:
        msg = f"record {record.sequence} {record.name!r:.40} of {body_nbytes} bytes does not fit a journal record"
        raise CorruptJournalError(msg)
    crc = zlib.crc32(record.payload, zlib.crc32(name))
    fields = _FIELDS.pack(body_nbytes, record.sequence, len(name), crc)
    return b"".join((fields, _CHECKSUM.pack(zlib.crc32(fields)), name, record.payload))


def decode_records(buffer: bytes, *, offset: int = 0, expected: int | None = None) -> DecodedRecords:
    """Every whole record of `buffer` from `offset` on.

    Args:
        buffer: The bytes of a segment, or of a part of one that begins between two records.
        offset: Where in the buffer to begin: 0, or what an earlier call gave as `consumed`. A MAGIC found there is
            skipped.
        expected: The sequence number of the first record, if it is known.

    Raises:
        CorruptJournalError: Bytes in the middle are damaged, or a record is not there. What precedes it can be read:
            decode `buffer[: error.offset]`.
    """
    records: list[JournalRecord] = []
    if buffer.startswith(MAGIC, offset):
        offset += len(MAGIC)
    elif MAGIC.startswith(buffer[offset : offset + len(MAGIC)]):
        return DecodedRecords(records, offset, len(buffer) > offset)
    while offset < len(buffer):
        header = _header(buffer, offset)
        record = _body(buffer, offset, header) if header else None
        if header is None or record is None:
            return DecodedRecords(records, offset, torn=True)
        if expected is not None and record.sequence != expected:
            msg = f"journal record at byte {offset}: expected sequence number {expected}, seen {record.sequence}"
            raise CorruptJournalError(msg, offset=offset)
        expected = record.sequence + 1
        records.append(record)
        offset += HEADER_NBYTES + header.body_nbytes
    return DecodedRecords(records, offset, torn=False)


def _header(buffer: bytes, offset: int) -> _Header | None:
    """The header at `offset`, or None if it is torn."""
    if len(buffer) - offset < HEADER_NBYTES:
        return None
    fields = buffer[offset : offset + _FIELDS.size]
    (crc,) = _CHECKSUM.unpack_from(buffer, offset + _FIELDS.size)
    # An all-zero header fails this as well: the crc32 of zeros is not zero.
    if zlib.crc32(fields) == crc:
        return _Header(*_FIELDS.unpack(fields))
    if not any(buffer[offset:]):
        return None
    msg = (
        f"journal damaged at byte {offset}: the record header fails its checksum and {len(buffer) - offset} bytes"
        " follow. Restore the segment from a copy; what precedes can be read"
    )
    raise CorruptJournalError(msg, offset=offset)


def _body(buffer: bytes, offset: int, header: _Header) -> JournalRecord | None:
    """The record at `offset`, or None if it is torn."""
    start = offset + HEADER_NBYTES
    stop = start + header.body_nbytes
    if stop > len(buffer):
        return None
    split = start + header.name_nbytes
    if split <= stop and zlib.crc32(buffer[start:stop]) == header.body_crc:
        return JournalRecord(header.sequence, buffer[start:split].decode(), buffer[split:stop])
    if stop == len(buffer) or not any(buffer[stop:]):
        return None
    msg = (
        f"journal damaged at byte {offset}: record {header.sequence} of {header.body_nbytes} bytes fails its checksum"
        f" and {len(buffer) - stop} bytes follow. Restore the segment from a copy; what precedes can be read"
    )
    raise CorruptJournalError(msg, offset=offset)
