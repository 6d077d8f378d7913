"""A logical array as references into the files that hold its chunks, for readers on the same file system.

Theory of operation. A Zarr array whose chunks are byte ranges of other files needs no server: fsspec's "reference"
file system reads them (kerchunk.py writes its formats). A chunk can be referred to if it is stored as Zarr wants it
(codecs.py), and if it is a chunk of the logical array, too. With one row per chunk every row is; with more, a file's
rows must begin at a chunk's edge in both, and end at one or at the end of the array::

    3 rows per chunk      a 0:6 → 0:6, b 0:3 → 6:9        can be referred to
                          a 0:5 → 0:5, b 0:3 → 5:8        chunk 3:6 of the array is in no file: refused

Where there is no chunk — a frame that is missing, or not complete yet — there is no reference, and a reader shows the
declared fill value. So that it is never taken for data, `valid` stands beside the array, true where rows are there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .chunkindex import ChunkRecord
from .codecs import Passthrough, passthrough
from .errors import UnsupportedLayoutError
from .frames import FrameRange
from .layout import Layout
from .reframe import NotPassable
from .sidecar import IndexedDataset
from .sourcemap import Region, SourceMap, SourceSlice


class Reference(NamedTuple):
    """One chunk of a logical array and where it is: the URI of the file, and its bytes there."""

    chunk: tuple[int, ...]
    uri: str
    record: ChunkRecord


class _Run(NamedTuple):
    """Rows of the logical array that are rows of one dataset."""

    origin: str
    source: range
    target: range


@dataclass(frozen=True, kw_only=True)
class ReferencedArray:
    """A logical array whose chunks are in the files of `datasets`.

    Attributes:
        name: Of the array in its group.
        sources: Which rows of which dataset make it up.
        datasets: The sources' datasets, of one type, frame shape, chunk shape and pipeline.
        fill_value: What stands where nothing is.
        dimensions: A name per axis.

    Raises:
        UnsupportedLayoutError: The array cannot be referred to; the message says why, and the data API serves it.
    """

    name: str
    sources: SourceMap[str]
    datasets: Mapping[str, IndexedDataset]
    fill_value: complex = 0
    dimensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.datasets:
            msg = f"array {self.name!r} has no file yet: its type and chunks are not known"
            raise UnsupportedLayoutError(msg)
        first, *others = self.datasets.values()
        for other in others:
            if _kind(other.layout) != _kind(first.layout):
                msg = f"array {self.name!r}: {other.uri} holds {_kind(other.layout)}, {first.uri} {_kind(first.layout)}"
                raise UnsupportedLayoutError(msg)
        if not self.sources.shape or self.sources.shape[1:] != first.layout.shape[1:]:
            msg = (
                f"array {self.name!r}: {first.uri} holds rows of {first.layout.shape[1:]}, not of {self.sources.shape}"
            )
            raise UnsupportedLayoutError(msg)
        if self.codecs.framing is not None:
            msg = f"array {self.name!r}: its chunks have to be re-framed for Zarr, which a reference cannot do"
            raise UnsupportedLayoutError(msg)

    @cached_property
    def layout(self) -> Layout:
        """Of the logical array."""
        stored = next(iter(self.datasets.values())).layout
        return Layout(shape=self.sources.shape, dtype=stored.dtype, chunk_shape=stored.chunk_sizes)

    @cached_property
    def codecs(self) -> Passthrough:
        """What Zarr calls the pipeline of the files."""
        stored = next(iter(self.datasets.values())).layout
        found = passthrough(stored.filters, dtype=stored.dtype, chunk_shape=stored.chunk_sizes)
        if isinstance(found, NotPassable):
            msg = f"array {self.name!r} {found}"
            raise UnsupportedLayoutError(msg)
        return found

    def references(self) -> Iterator[Reference]:
        """Every chunk that is there and complete, by source; made one by one.

        Raises:
            UnsupportedLayoutError: A chunk left out a filter, or is not a chunk of the logical array.
        """
        return (reference for run in self._runs() for reference in self._referred(run))

    @cached_property
    def valid(self) -> NDArray[np.bool_]:
        """True for every row of the logical array whose chunks are all there and complete; shape (rows,).

        Raises:
            UnsupportedLayoutError: As `references`.
        """
        valid = np.zeros(self.sources.shape[0], np.bool_)
        for run in self._runs():
            rows = np.arange(run.source.start, run.source.stop, run.source.step) // self.layout.chunk_sizes[0]
            chunk_rows = FrameRange(int(rows[0]), int(rows[-1]) + 1)
            present = np.ones(chunk_rows.size, np.bool_)
            for absent in self.datasets[run.origin].absent(chunk_rows):
                present[absent.start - chunk_rows.start : absent.stop - chunk_rows.start] = False
            valid[run.target.start : run.target.stop : run.target.step] = present[rows - chunk_rows.start]
        return valid

    def _runs(self) -> Iterator[_Run]:
        for part in self.sources.locate(()):
            run = self._run(part)
            if self.layout.chunk_sizes[0] > 1 and not self._aligned(run):
                msg = (
                    f"array {self.name!r} has {self.layout.chunk_sizes[0]} rows per chunk, and rows {run.source} of"
                    f" {self.datasets[run.origin].uri} are its rows {run.target}: they do not share chunks"
                )
                raise UnsupportedLayoutError(msg)
            yield run

    def _run(self, part: SourceSlice[str]) -> _Run:
        whole = tuple(slice(0, n, 1) for n in self.sources.shape[1:])
        source, target = part.source[0], part.target[0]
        if isinstance(source, int) or isinstance(target, int) or part.source[1:] != whole or part.target[1:] != whole:
            msg = f"array {self.name!r} is made of parts of frames of {self.datasets[part.origin].uri}: {part}"
            raise UnsupportedLayoutError(msg)
        return _Run(
            part.origin, range(source.start, source.stop, source.step), range(target.start, target.stop, target.step)
        )

    def _aligned(self, run: _Run) -> bool:
        n = self.layout.chunk_sizes[0]
        begins = run.source.start % n == run.target.start % n == 0
        ends = len(run.source) % n == 0 or run.target.stop == self.sources.shape[0]
        return begins and ends and run.source.step == run.target.step == 1

    def _referred(self, run: _Run) -> Iterator[Reference]:
        n, dataset = self.layout.chunk_sizes[0], self.datasets[run.origin]
        chunk_rows = FrameRange(run.source[0] // n, run.source[-1] // n + 1)
        for place, record in dataset.chunks.records(chunk_rows):
            step, beyond = divmod(place[0] * n - run.source.start, run.source.step)
            if beyond or not dataset.complete(place[0]):
                continue
            self._check_mask(dataset, place, record)
            rest = place[1:] or (0,) * (len(self.sources.shape) - 1)
            yield Reference((run.target[step] // n, *rest), dataset.uri, record)

    def _check_mask(self, dataset: IndexedDataset, place: tuple[int, ...], record: ChunkRecord) -> None:
        if record.filter_mask & self.codecs.required:
            skipped = f"chunk {place} of {dataset.dataset} in {dataset.uri} left out filters {record.filter_mask:#x}"
            msg = f"array {self.name!r}: {skipped}, which Zarr cannot say of a single chunk"
            raise UnsupportedLayoutError(msg)


def stored_rows(dataset: IndexedDataset) -> SourceMap[str]:
    """One dataset's committed rows as they are, for `ReferencedArray`; the source is called by its URI."""
    rows = dataset.layout.shape[0] if dataset.committed_rows is None else dataset.committed_rows
    sides = (slice(0, rows), *(slice(0, n) for n in dataset.layout.shape[1:]))
    return SourceMap((rows, *dataset.layout.shape[1:]), [Region(dataset.uri, sides, sides)])


def _kind(layout: Layout) -> tuple[Any, ...]:
    return layout.dtype.str, layout.shape[1:], layout.chunk_sizes, layout.filters
