"""One frame located among 10⁶ chunks: its newest row, the chunk slices of that row, and where the chunk is in the file.

The peer is the same at 10² chunks. In the case "one range" all frames are there; in the case "a gap every ten" one
frame is lost after every ten, so that there are 10⁵ ranges to search, beside 10.
"""

import time
from typing import TYPE_CHECKING

import numpy as np

from .bench import SEED, SideResult, Which, digest_of

if TYPE_CHECKING:
    from wingbeat.stream_resource import ChunkIndex, ChunkRecord, Layout
    from wingbeat.stream_resource.arrayindex import ArrayIndex
    from wingbeat.stream_resource.layout import Part

NAME = "locate"
PEER = "ours at 10² chunks"
SENSE = "at_most"
CASES = ("one range", "a gap every ten")
GOAL = 2.0
UNIT = "µs/frame"
SCALE = 1e6
PACKAGES = ("numpy",)

CHUNKS = {"ours": 1_000_000, "peer": 100}
ROWS_PER_DATUM = 10
REQUESTS = 20_000
FRAME = (64, 64)
FIRST, SPACE = 4_096, 8_192
"""Where the first chunk is in the file, and how far the next one is from it."""
STORED = np.random.default_rng(SEED).integers(1_000, SPACE, CHUNKS["peer"]).tolist()
"""Stored sizes of chunks; they repeat, so that both sides find the same in the row `i` and the row `i mod 100`."""


def side(which: Which) -> dict[str, SideResult]:
    """Locate frames in random order; the digest holds the stored size and the slice of each."""
    chunks = _chunks(CHUNKS[which])
    return {case: _case(which, chunks, gap=gap) for gap, case in enumerate(CASES)}


def _case(which: Which, chunks: "ChunkIndex", *, gap: int) -> SideResult:
    from wingbeat.stream_resource import Layout

    array = _array(CHUNKS[which], gap=gap)
    layout = Layout(shape=(CHUNKS[which], *FRAME), dtype=np.dtype("<u2"), chunk_shape=(1, *FRAME))
    rng = np.random.default_rng(SEED)
    rows = rng.integers(0, CHUNKS["peer"], REQUESTS)
    rows += CHUNKS["peer"] * rng.integers(0, CHUNKS[which] // CHUNKS["peer"], REQUESTS)
    frames = (rows + gap * (rows // ROWS_PER_DATUM)).tolist()
    _located(array, layout, chunks, frames=frames[: REQUESTS // 10])
    begun = time.perf_counter()
    found = _located(array, layout, chunks, frames=frames)
    elapsed = time.perf_counter() - begun
    offsets = np.array([record.offset for _, record in found])
    assert np.array_equal(offsets, FIRST + SPACE * rows), "a frame was located in another's chunk"
    sizes = np.array([record.nbytes for _, record in found])
    return SideResult(seconds=elapsed / REQUESTS, digest=digest_of(sizes, str({str(source) for source, _ in found})))


def _chunks(count: int) -> "ChunkIndex":
    from wingbeat.stream_resource import ChunkIndex, ChunkRecord

    chunks = ChunkIndex(1)
    chunks.add((row, ChunkRecord(FIRST + SPACE * row, STORED[row % len(STORED)], 0)) for row in range(count))
    return chunks


def _array(rows: int, *, gap: int) -> "ArrayIndex":
    from wingbeat.stream_resource.arrayindex import ArrayIndex

    array = ArrayIndex("cam", {"shape": [1, *FRAME], "dtype_numpy": "<u2"})
    array.add_resource({"uid": "r", "data_key": "cam", "mimetype": "", "uri": "", "parameters": {}})
    for number, row in enumerate(range(0, rows, ROWS_PER_DATUM)):
        first = row + number * gap + 1
        array.add_datum(
            {
                "uid": f"r/{number}",
                "stream_resource": "r",
                "descriptor": "d",
                "indices": {"start": row, "stop": row + ROWS_PER_DATUM},
                "seq_nums": {"start": first, "stop": first + ROWS_PER_DATUM},
            }
        )
    return array


def _located(
    array: "ArrayIndex", layout: "Layout", chunks: "ChunkIndex", *, frames: list[int]
) -> "list[tuple[tuple[Part, ...], ChunkRecord]]":
    found = []
    for frame in frames:
        for part in layout.locate(array.locate(frame).row):
            record = chunks.get(part.chunk[0])
            assert record is not None
            found.append((part.source, record))
    return found
