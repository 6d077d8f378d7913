"""Bytes that say what they are: a magic, a JSON header and a payload, each with its checksum.

Theory of operation::

    | magic, 8 bytes | header length u32 | payload length u64 | header crc32 | payload crc32 | crc32 of these 28 bytes |
    | header | payload |

All little-endian. Lengths are checked before anything is taken from them, so that a torn file, one with more bytes
behind it, and one of another kind or version are told apart from a damaged one, and none of them is ever believed.
"""

import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

from .errors import SidecarError

_FIELDS = struct.Struct("<8sIQII")
_CHECKSUM = struct.Struct("<I")
_HEAD_NBYTES = _FIELDS.size + _CHECKSUM.size


def pack(magic: bytes, header: Mapping[str, Any], *, payload: bytes) -> bytes:
    """A header of JSON types and a payload as bytes.

    Example:
        >>> unpack(b"WBTEST01", pack(b"WBTEST01", {"a": 1}, payload=b"xyz"))
        ({'a': 1}, b'xyz')
    """
    text = json.dumps(header, separators=(",", ":"), sort_keys=True).encode()
    fields = _FIELDS.pack(magic, len(text), len(payload), zlib.crc32(text), zlib.crc32(payload))
    return b"".join((fields, _CHECKSUM.pack(zlib.crc32(fields)), text, payload))


def unpack(magic: bytes, data: bytes) -> tuple[dict[str, Any], bytes]:
    """What `pack` was given.

    Raises:
        SidecarError: The bytes are torn, damaged, longer than they say, or begin with another magic.
    """
    named = magic.decode()
    if not data.startswith(magic):
        msg = f"expected bytes that begin with {named}, seen {data[:8]!r}: another kind of file, or another version"
        raise SidecarError(msg)
    if len(data) < _HEAD_NBYTES:
        msg = f"{named}: torn, it ends after {len(data)} bytes, within its head of {_HEAD_NBYTES}"
        raise SidecarError(msg)
    _, header_nbytes, payload_nbytes, header_crc, payload_crc = _FIELDS.unpack_from(data)
    if _CHECKSUM.unpack_from(data, _FIELDS.size)[0] != zlib.crc32(data[: _FIELDS.size]):
        msg = f"{named}: damaged, its head fails its checksum; make it anew from the files"
        raise SidecarError(msg)
    split, end = _HEAD_NBYTES + header_nbytes, _HEAD_NBYTES + header_nbytes + payload_nbytes
    if len(data) != end:
        msg = f"{named}: {'torn' if len(data) < end else 'not ended'}, expected {end} bytes, seen {len(data)}"
        raise SidecarError(msg)
    text, payload = data[_HEAD_NBYTES:split], data[split:]
    if (zlib.crc32(text), zlib.crc32(payload)) != (header_crc, payload_crc):
        msg = f"{named}: damaged, {'payload' if zlib.crc32(text) == header_crc else 'header'} fails its checksum"
        raise SidecarError(msg)
    return json.loads(text), payload
