"""What files and journals say, read with h5py, numpy and the standard library alone."""

import json
import struct
import zlib
from pathlib import Path

import h5py
import numpy as np


def written_rows(report: dict) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unique ids, exposure times and stamped trigger numbers of the camera's file, read by h5py alone."""
    (path,) = report["files"]["cam"]
    with h5py.File(path, "r", locking=False) as file:
        attributes = file["/entry/instrument/NDAttributes"]
        ids = attributes["NDArrayUniqueId"][:]
        seconds, nanoseconds = attributes["NDArrayEpicsTSSec"][:], attributes["NDArrayEpicsTSnSec"][:]
        digits = file["/entry/data/data"][:, 0, 0:4].astype(np.int64)
    return ids, seconds.astype(np.int64) * 10**9 + nanoseconds, digits @ (10_000 ** np.arange(4))


def journal_documents(segment: Path) -> list[tuple[str, dict]]:
    """Names and documents of a journal segment, read as docs/reference/journal.md describes it."""
    data, documents = segment.read_bytes(), []
    assert data[:8] == b"WBJRNL01"
    at, expected = 8, None
    while at < len(data):
        length, sequence, name_length, checksum, head_checksum = struct.unpack_from("<IQBII", data, at)
        body = data[at + 21 : at + 21 + length]
        assert zlib.crc32(data[at : at + 17]) == head_checksum
        assert zlib.crc32(body) == checksum
        assert expected in (None, sequence)
        expected = sequence + 1
        documents.append((body[:name_length].decode(), json.loads(body[name_length:])))
        at += 21 + length
    return documents
