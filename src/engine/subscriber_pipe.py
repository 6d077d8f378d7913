"""Frames in the pipes between the engine and the process of a subscriber: a name and bytes."""

import struct
from typing import IO

_FRAME = struct.Struct("<II")


def send(pipe: IO[bytes], name: bytes, payload: bytes) -> None:
    """Write one frame: the lengths of name and payload as u32, then both.

    Raises:
        OSError: Nobody reads it any more.
    """
    pipe.write(_FRAME.pack(len(name), len(payload)))
    pipe.write(name)
    pipe.write(payload)
    pipe.flush()


def receive(pipe: IO[bytes]) -> tuple[str, bytes] | None:
    """Read one frame; None at the end of the pipe, also within a frame."""
    head = pipe.read(_FRAME.size)
    if len(head) < _FRAME.size:
        return None
    name_nbytes, nbytes = _FRAME.unpack(head)
    body = pipe.read(name_nbytes + nbytes)
    return (body[:name_nbytes].decode(), body[name_nbytes:]) if len(body) == name_nbytes + nbytes else None
