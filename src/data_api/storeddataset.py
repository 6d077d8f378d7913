"""One HDF5 dataset in one file, read with `pread`. Everything here blocks: ChunkReader calls it in threads.

Theory of operation. A dataset is chunked along its leading axis: chunk c holds rows [c·n, (c+1)·n). Its place in the
file comes from a ChunkIndex, which `grow` fills with one look by libhdf5. Only complete chunks are indexed: a chunk
whose rows are all committed never moves and never changes, while a partly filled compressed chunk is written again at
another place.

    committed rows   0 1 2 3 | 4 5 6 7 | 8 9          n = 4: chunks 0 and 1 are complete, the last one grows
    found by            index     index   a look

The growing chunk is looked up for each reading, and read until two readings agree: the writer may be at it. libhdf5
reads what is left: virtual datasets, chunks that split a row, filters that `chunkcodec` does not know (its plugins must
then be there).
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from ..stream_resource import ChunkIndex, ChunkRecord, FrameRange, RangeSet, StreamResourceError
from ..stream_resource.errors import NotYetVisibleError
from ..stream_resource.files import DatasetInfo, chunk_records, dataset_info, read_rows
from .chunkcodec import FilterSpec, Pipeline, applied, decodable, decode
from .errors import UnreadableError
from .filehandles import FileHandles, FileIdentity, OpenFile, unreadable

READINGS = 6
Array = npt.NDArray[np.generic]


class Source(NamedTuple):
    """A dataset with the number of its rows that are committed: nothing behind them is ever read.

    `growing` says that its run goes on, so that a row the file does not show yet may still come.
    """

    path: Path
    dataset: str
    committed_rows: int
    growing: bool


class StoredChunk(NamedTuple):
    """A chunk as it lies in the file, with the filters it went through."""

    payload: bytes
    pipeline: Pipeline


class StoredDataset:
    """A dataset in the file that was found at `path` when it was opened. Make it with `open`."""

    def __init__(self, handles: FileHandles, source: Source, *, identity: FileIdentity, info: DatasetInfo) -> None:
        self._handles = handles
        self._path = source.path
        self._name = source.dataset
        self._identity = identity
        self._pipeline: Pipeline = tuple(FilterSpec(step.id, tuple(step.options)) for step in info.filters)
        self._decodable = decodable(self._pipeline) and not info.dtype.hasobject
        self.info = info
        self.chunk_rows = _chunk_rows(info)
        self._index = ChunkIndex(self.chunk_rows or 1)
        self.indexed_chunks = 0

    @classmethod
    def open(cls, handles: FileHandles, source: Source) -> Self:
        """Look at the dataset's shape, type, chunks and filters.

        Raises:
            UnreadableError: The file or the dataset is not there, or is none of ours.
        """
        with handles.lend(source.path) as file, _libhdf5(file.path):
            info = dataset_info(file.path, source.dataset)
            return cls(handles, source, identity=file.identity, info=info)

    @contextmanager
    def _file(self) -> Generator[OpenFile]:
        with self._handles.lend(self._path) as file:
            if file.identity != self._identity:
                msg = f"{self._path} was replaced by another file while it was served"
                raise UnreadableError(msg, expected=str(self._identity), seen=str(file.identity), do="ask again")
            yield file

    def grow(self, committed_rows: int) -> None:
        """Index every chunk that is complete with this many rows. Not for two threads at a time."""
        complete = committed_rows // self.chunk_rows if self.chunk_rows else 0
        if complete <= self.indexed_chunks:
            return
        rows = FrameRange(self.indexed_chunks * self.chunk_rows, complete * self.chunk_rows)
        with self._file() as file, _libhdf5(file.path):
            self._index.add(chunk_records(file.path, self._name, rows=rows))
        self.indexed_chunks = complete

    def stored(self, chunk: int) -> StoredChunk | None:
        """An indexed chunk as it lies in the file; None if no client could decode it."""
        if not self._decodable:
            return None
        with self._file() as file:
            return self._stored(file, chunk)

    def rows(self, rows: FrameRange) -> Array:
        """The decoded rows: shape (rows.size, *row shape), C order, stored type."""
        shape = (rows.size, *self.info.shape[1:])
        with self._file() as file:
            if (offset := self.info.contiguous_offset) is not None:
                payload = file.read(offset + rows.start * self._row_nbytes, rows.size * self._row_nbytes)
                return np.frombuffer(payload, self.info.dtype).reshape(shape)
            parts = [(chunk, part) for chunk, part in self._parts(rows)]
            if len(parts) == 1:
                return self._part(file, *parts[0])
            out = np.empty(shape, self.info.dtype)
            for chunk, part in parts:
                out[part.start - rows.start : part.stop - rows.start] = self._part(file, chunk, part)
            return out

    def check(self, rows: FrameRange) -> None:
        """Raise what reading these rows would raise for a file that is gone or short, without reading all of them."""
        with self._file() as file:
            size = file.size_nbytes
            for chunk, _ in self._parts(rows):
                if chunk is not None and not self._in_file(self._index.get(chunk), size):
                    self._stored(file, chunk)

    def located(self, committed_rows: int) -> RangeSet:
        """The rows whose bytes are in the file: located, of the right size, and before the file's end."""
        committed = FrameRange(0, committed_rows)
        with self._file() as file:
            size = file.size_nbytes
            if (offset := self.info.contiguous_offset) is not None:
                rows = max(0, size - offset) // max(1, self._row_nbytes)
                return RangeSet([FrameRange(0, min(rows, committed_rows))])
            good: list[FrameRange] = []
            for chunk, part in self._parts(committed):
                if chunk is None:
                    good += self._visible(file, part)
                elif self._in_file(self._index.get(chunk), size):
                    good.append(part)
            return RangeSet(good)

    def _visible(self, file: OpenFile, part: FrameRange) -> list[FrameRange]:
        with _libhdf5(file.path):
            length = dataset_info(file.path, self._name).shape[0]
        both = part.meet(FrameRange(0, length))
        return [both] if both else []

    def _parts(self, rows: FrameRange) -> Iterator[tuple[int | None, FrameRange]]:
        """Rows by the chunk that holds them; None for those that libhdf5 must read."""
        n = self.chunk_rows
        indexed = FrameRange(0, self.indexed_chunks * n)
        if both := rows.meet(indexed):
            for chunk in range(both.start // n, -(-both.stop // n)):
                yield chunk, FrameRange(max(both.start, chunk * n), min(both.stop, (chunk + 1) * n))
        if rows.stop > indexed.stop:
            yield None, FrameRange(max(rows.start, indexed.stop), rows.stop)

    def _part(self, file: OpenFile, chunk: int | None, part: FrameRange) -> Array:
        n = self.chunk_rows
        if not self._decodable or n == 0 or (chunk is None and part.start // n != (part.stop - 1) // n):
            return self._by_libhdf5(file, part)
        first = part.start // n * n
        stored = self._growing(file, part) if chunk is None else self._stored(file, chunk)
        whole = decode(stored.payload, stored.pipeline, shape=(n, *self.info.shape[1:]), dtype=self.info.dtype)
        return whole[part.start - first : part.stop - first]

    def _growing(self, file: OpenFile, part: FrameRange) -> StoredChunk:
        """The chunk of rows whose chunk is not complete, as it is now."""
        before: tuple[ChunkRecord, bytes] | None = None
        for _ in range(READINGS):
            with _libhdf5(file.path):
                records = chunk_records(file.path, self._name, rows=part)
            if not records:
                break
            record = records[0][1]
            reading = (record, file.read(record.offset, record.nbytes))
            if reading == before:
                return StoredChunk(reading[1], applied(self._pipeline, record.filter_mask))
            before = reading
        msg = f"{self._path}: {self._name} does not yield rows {part}, which were committed"
        raise UnreadableError(
            msg, expected="a stored chunk", seen="a chunk that changes" if before else "none", do="ask again"
        )

    def _by_libhdf5(self, file: OpenFile, part: FrameRange) -> Array:
        with _libhdf5(file.path):
            data = read_rows(file.path, self._name, rows=part)
        if len(data) == part.size:
            return data
        msg = f"{self._path}: {self._name} is shorter than what was committed"
        raise UnreadableError(
            msg, expected=f"rows {part}", seen=f"{len(data)} rows", do="the file was cut off: restore it"
        )

    def _stored(self, file: OpenFile, chunk: int) -> StoredChunk:
        record = self._index.get(chunk)
        if record is None:
            rows = FrameRange(chunk * self.chunk_rows, (chunk + 1) * self.chunk_rows)
            msg = f"{self._path}: {self._name} holds no chunk for rows {rows}, which were committed"
            raise UnreadableError(
                msg, expected="a stored chunk", seen="none", do="the writer lost it: see the run's ledger"
            )
        return StoredChunk(file.read(record.offset, record.nbytes), applied(self._pipeline, record.filter_mask))

    def _in_file(self, record: ChunkRecord | None, size_nbytes: int) -> bool:
        if record is None or record.nbytes == 0 or record.offset + record.nbytes > size_nbytes:
            return False
        plain = not applied(self._pipeline, record.filter_mask)
        return not plain or record.nbytes == self.chunk_rows * self._row_nbytes

    @property
    def _row_nbytes(self) -> int:
        return int(np.prod(self.info.shape[1:], dtype=np.int64)) * self.info.dtype.itemsize


def _chunk_rows(info: DatasetInfo) -> int:
    """Rows per chunk if rows lie whole in chunks, else 0."""
    chunk = info.chunk_shape
    return chunk[0] if chunk and chunk[1:] == info.shape[1:] else 0


@contextmanager
def _libhdf5(path: Path) -> Generator[None]:
    try:
        yield
    except NotYetVisibleError:
        raise  # whether it can still come is for the reader to say
    except (StreamResourceError, OSError, KeyError, ValueError) as error:
        raise unreadable(path, error) from error
