"""The chunk indexes of a run's datasets as one file's bytes, so that its frames can be found without opening HDF5.

Theory of operation. The header lists the datasets: where each is, how it is laid out, how many of its rows were
committed. The payload is their chunk indexes one after the other, each with its own checksums (chunkindex.py). Only
chunks that can never change again are in it, so a sidecar may be old, but not wrong: a reader of a run that goes on
adds what came later.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from .blockframe import pack, unpack
from .chunkindex import ChunkIndex
from .errors import SidecarError, UnsupportedLayoutError
from .frames import FrameRange, RangeSet
from .layout import Filter, Layout

MAGIC = b"WBSIDE01"
"""The first bytes of a sidecar: format and version."""

SIDECAR_SUFFIX = ".wbx"
"""How the name of a sidecar's file ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedDataset:
    """One (file, dataset) and where its chunks are.

    Attributes:
        uri: Of the file.
        dataset: Its path in the file.
        layout: Of the whole dataset, as it was when it was looked at.
        chunks: Where its chunks are.
        committed_rows: How many of its rows are committed; None if the file is closed and all of them are.
    """

    uri: str
    dataset: str
    layout: Layout
    chunks: ChunkIndex
    committed_rows: int | None = None

    def complete(self, chunk_row: int) -> bool:
        """Whether the chunks of a chunk row can never change again."""
        return self.committed_rows is None or self.chunks.complete(chunk_row, self.committed_rows)

    def absent(self, chunk_rows: FrameRange) -> RangeSet:
        """The chunk rows of the range of which a chunk has no record, or can still change."""
        unknown = self.chunks.unknown(chunk_rows)
        if self.committed_rows is None:
            return unknown
        growing = FrameRange(self.committed_rows // self.chunks.rows_per_chunk, chunk_rows.stop)
        return unknown | RangeSet([part] if (part := growing.meet(chunk_rows)) else [])


def write_sidecar(datasets: Iterable[IndexedDataset]) -> bytes:
    """The complete chunks of these datasets as the bytes of a sidecar.

    Raises:
        UnsupportedLayoutError: A dataset's elements are records.
    """
    entries: list[dict[str, Any]] = []
    blocks: list[bytes] = []
    for each in datasets:
        if each.layout.dtype.fields is not None:
            msg = f"{each.dataset} of {each.uri} has elements {each.layout.dtype}: a sidecar holds plain types"
            raise UnsupportedLayoutError(msg)
        blocks.append(each.chunks.to_bytes(each.committed_rows))
        entries.append(_entry(each, nbytes=len(blocks[-1])))
    return pack(MAGIC, {"datasets": entries}, payload=b"".join(blocks))


def _entry(each: IndexedDataset, *, nbytes: int) -> dict[str, Any]:
    return {
        "uri": each.uri,
        "dataset": each.dataset,
        "shape": each.layout.shape,
        "dtype": each.layout.dtype.str,
        "chunk_shape": each.layout.chunk_shape,
        "filters": each.layout.filters,
        "committed_rows": each.committed_rows,
        "nbytes": nbytes,
    }


def read_sidecar(data: bytes) -> tuple[IndexedDataset, ...]:
    """Read back what `write_sidecar` gave.

    Raises:
        SidecarError: The bytes are torn, damaged, or of another kind or version.
    """
    header, payload = unpack(MAGIC, data)
    try:
        ends = np.cumsum([0, *(entry["nbytes"] for entry in header["datasets"])]).tolist()
        blocks = [payload[a:b] for a, b in pairwise(ends)]
        datasets = tuple(_dataset(entry, block) for entry, block in zip(header["datasets"], blocks, strict=True))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        msg = f"{MAGIC.decode()}: expected a list of datasets with their layouts and indexes: {error}"
        raise SidecarError(msg) from error
    if ends[-1] != len(payload):
        msg = f"{MAGIC.decode()}: its indexes are said to have {ends[-1]} bytes, seen {len(payload)}"
        raise SidecarError(msg)
    return datasets


def _dataset(entry: dict[str, Any], block: bytes) -> IndexedDataset:
    layout = Layout(
        shape=tuple(entry["shape"]),
        dtype=np.dtype(entry["dtype"]),
        chunk_shape=tuple(entry["chunk_shape"]),
        filters=tuple(Filter(number, name, tuple(options)) for number, name, options in entry["filters"]),
    )
    return IndexedDataset(
        uri=entry["uri"],
        dataset=entry["dataset"],
        layout=layout,
        chunks=ChunkIndex.from_bytes(block),
        committed_rows=entry["committed_rows"],
    )
