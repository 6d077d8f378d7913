"""Our own writer of frames that arise in Python: HDF5, readable while it grows (SWMR).

Theory of operation. Only whole chunks are written, each packed here and stored as it is (direct chunk write), and a
dataset ends where its rows end::

    frames_per_chunk 4      0 1 2 3 | 4 5 6 7 | 8 9
                            in the file         held in memory until the chunk is full, or until `flush` or `close`

    flush                   0 1 2 3 | 4 5 6 7 | 8 9 · ·      10 rows by the dataset: what pads the chunk is not seen
    two more rows, flush    0 1 2 3 | 4 5 6 7 | 8 9 A B      the chunk is written again, with the same rows first

So no row is ever visible that was not written, and a full chunk never moves. A packed chunk that is written again moves
within the file and leaves its old place unused: flush packed datasets where chunks end, or keep one frame per chunk.

Rows are committed once `flush` has returned: readers in other processes see them then, and they survive the death of
this process (not of the machine). After a failed write the dataset ends where it did before, and the
writer takes nothing more: what was lost would shift the frames behind it.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .codecs import BITSHUFFLE, LZ4
from .dataset import DatasetInfo
from .errors import FrameWriteError, UnwritableError
from .files import GrowingFile
from .frame_codecs import Compression, FrameCodec, Stored, frame_codec
from .frames import FrameRange
from .identities import ATTRIBUTES, TIMES_NS, UNIQUE_IDS

NUMBERS = frozenset("biufc")
"""The kinds of element types that are written: booleans, integers, floats and complex numbers."""


@dataclass(frozen=True, slots=True)
class FrameDataset:
    """A dataset to be written, one row per frame.

    Attributes:
        name: Its path in the file, as "/entry/data/data".
        shape: Of one frame; () for a number per frame.
        dtype: Of one element.
        frames_per_chunk: How many frames are stored together.
        compression: What each chunk is packed with; all but "none" and "gzip" need imagecodecs.

    Raises:
        FrameWriteError: It cannot be written so.
    """

    name: str
    shape: tuple[int, ...]
    dtype: DTypeLike
    frames_per_chunk: int = field(default=1, kw_only=True)
    compression: Compression = field(default="none", kw_only=True)

    def __post_init__(self) -> None:
        if np.dtype(self.dtype).kind not in NUMBERS:
            msg = f"{self.name!r}: expected an element type of numbers, seen {np.dtype(self.dtype)}"
            raise FrameWriteError(msg)
        if self.frames_per_chunk < 1 or any(n < 1 for n in self.shape) or not self.name.strip("/"):
            msg = f"expected a name, a frame shape and frames_per_chunk of at least 1 each, seen {self}"
            raise FrameWriteError(msg)

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """What a StreamResource's `chunk_shape` says: frames per chunk, then the frame."""
        return (self.frames_per_chunk, *self.shape)


IDENTITIES = (
    FrameDataset(f"{ATTRIBUTES}/{UNIQUE_IDS}", (), "<i8", frames_per_chunk=1024),
    FrameDataset(f"{ATTRIBUTES}/{TIMES_NS}", (), "<i8", frames_per_chunk=1024),
)
"""Two datasets that `read_identities` understands: a unique id, and a time in Unix nanoseconds, per frame."""


def create_frames(path: Path | str, datasets: Sequence[FrameDataset], *, swmr: bool = True) -> "FrameWriter":
    """Make a file and open it for writing. Blocks, as all methods of the writer do.

    Args:
        path: A file that is not there yet, in a directory that is.
        datasets: What it will hold; with `swmr` none can be added later.
        swmr: Whether others may read the file while it grows.

    Raises:
        FrameWriteError: Two datasets of one name, or a compression that is not to be had.
        UnwritableError: The file is there already, or cannot be made.
    """
    columns = {dataset.name: _Column(dataset) for dataset in datasets}
    if len(columns) != len(datasets):
        msg = f"{path}: expected datasets of different names, seen {[dataset.name for dataset in datasets]}"
        raise FrameWriteError(msg)
    return FrameWriter(GrowingFile(path, {name: column.info for name, column in columns.items()}, swmr=swmr), columns)


class _Column:
    """One dataset: `rows` are in whole chunks, `held` more in `chunk`; of all these, `stored` are in the file."""

    def __init__(self, dataset: FrameDataset) -> None:
        self.dataset = dataset
        self.dtype: np.dtype[Any] = np.dtype(dataset.dtype)
        self.codec: FrameCodec = frame_codec(dataset.compression, dtype=self.dtype)
        self.chunk = np.zeros(dataset.chunk_shape, self.dtype)
        self.rows = self.held = self.stored = 0
        self.sealed = False

    @property
    def info(self) -> DatasetInfo:
        return DatasetInfo(
            shape=(0, *self.dataset.shape),
            dtype=self.dtype,
            chunk_shape=self.dataset.chunk_shape,
            filters=self.codec.filters,
            contiguous_offset=None,
            virtual=False,
        )

    def check(self, frames: NDArray[Any]) -> None:
        if frames.dtype != self.dtype or frames.ndim < 1 or frames.shape[1:] != self.dataset.shape:
            expected = f"{self.dtype} of shape (n, {', '.join(map(str, self.dataset.shape))})"
            msg = f"{self.dataset.name}: expected frames of {expected}, seen {frames.dtype} of shape {frames.shape}"
            raise FrameWriteError(msg)
        self.check_open()

    def check_open(self) -> None:
        if self.sealed:
            msg = f"{self.dataset.name} ends with a stored chunk that is not full: it takes no rows behind it"
            raise FrameWriteError(msg)

    def check_stored(self, payload: bytes, rows: int, filter_mask: int) -> None:
        per_chunk = self.dataset.frames_per_chunk
        if self.held or not 1 <= rows <= per_chunk:
            msg = (
                f"{self.dataset.name}: expected a chunk of 1 to {per_chunk} rows behind whole chunks, seen {rows} rows"
            )
            raise FrameWriteError(msg + f" behind {self.held} of an unfinished chunk" * bool(self.held))
        nbytes = prod(self.dataset.chunk_shape) * self.dtype.itemsize
        said = _nbytes_said(payload, self.codec, filter_mask=filter_mask, otherwise=nbytes)
        if said != nbytes:
            msg = f"{self.dataset.name}: expected a chunk that unpacks to {nbytes} bytes, seen one of {said}"
            raise FrameWriteError(msg)


class FrameWriter:
    """Writes frames; made by `create_frames`. For one thread at a time.

    Example:
        >>> import tempfile
        >>> camera = FrameDataset("/entry/data/data", (2, 3), "u2")
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     with create_frames(f"{directory}/cam.h5", [camera]) as writer:
        ...         appended = writer.append(camera.name, np.ones((5, 2, 3), "u2"))
        ...         committed = writer.flush()
        >>> appended, committed
        (5, {'/entry/data/data': 5})
    """

    def __init__(self, file: GrowingFile, columns: "Mapping[str, _Column]") -> None:
        self._file = file
        self._columns = columns
        self._failure: str | None = None
        self._committed = dict.fromkeys(columns, 0)

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    @property
    def committed(self) -> Mapping[str, int]:
        """Rows of each dataset that the last `flush` made visible."""
        return dict(self._committed)

    def append(self, name: str, frames: NDArray[Any]) -> int:
        """Add frames to a dataset; shape (n, *frame shape), of just its type.

        Returns:
            How many rows the dataset has now, those of an unfinished chunk with them.

        Raises:
            FrameWriteError: Shape or type differ, there is no such dataset, or the writer takes no more.
            UnwritableError: The disk did not take them.
        """
        column = self._open_column(name)
        column.check(frames)
        done, per_chunk = 0, column.dataset.frames_per_chunk
        while done < len(frames):
            if not column.held and len(frames) - done >= per_chunk:
                self._write(column, frames[done : done + per_chunk], rows=per_chunk)
                done += per_chunk
                continue
            part = frames[done : done + per_chunk - column.held]
            column.chunk[column.held : column.held + len(part)] = part
            column.held += len(part)
            done += len(part)
            if column.held == per_chunk:
                self._write(column, column.chunk, rows=per_chunk)
        return column.rows + column.held

    def append_stored(self, name: str, payload: bytes, *, rows: int, filter_mask: int = 0) -> int:
        """Add a chunk that is packed already, as a detector or another file has it.

        Args:
            name: The dataset.
            payload: The chunk in the form of the dataset's compression. Where that form says what it unpacks to, this
                is compared; otherwise nothing here can tell whether it is what it should be.
            rows: How many of its rows are frames. If they do not fill it, nothing can be added behind it.
            filter_mask: Bit 0 set: this chunk was not packed.

        Returns:
            How many rows the dataset has now.

        Raises:
            FrameWriteError: It cannot be that chunk, or is not at a chunk's beginning.
            UnwritableError: The disk did not take it.
        """
        column = self._open_column(name)
        column.check_open()
        column.check_stored(payload, rows, filter_mask)
        self._store(column, payload, rows=rows, filter_mask=filter_mask)
        column.sealed = rows < column.dataset.frames_per_chunk
        column.rows += rows
        return column.rows

    def flush(self) -> Mapping[str, int]:
        """Write what is held, and make all rows visible to readers.

        Returns:
            The rows of each dataset that are committed.

        Raises:
            FrameWriteError: The writer has failed or is closed.
            UnwritableError: The disk did not take them.
        """
        self._check_working()
        for column in self._columns.values():
            if column.stored < column.rows + column.held:
                column.chunk[column.held :] = 0
                self._store(column, column.codec.encode(column.chunk), rows=column.held)
        with self._failing():
            self._file.flush()
        self._committed = {name: column.stored for name, column in self._columns.items()}
        return self.committed

    def close(self) -> None:
        """Write what is held and close the file; after a failure, or a second time, only close it.

        Raises:
            UnwritableError: The disk did not take what was left.
        """
        try:
            if self._failure is None:
                self.flush()
        finally:
            self._failure = self._failure or "it is closed"
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open_column(self, name: str) -> _Column:
        self._check_working()
        if name not in self._columns:
            msg = f"{self.path} has no dataset {name!r}; it has {list(self._columns)}"
            raise FrameWriteError(msg)
        return self._columns[name]

    def _check_working(self) -> None:
        if self._failure is not None:
            msg = f"{self.path} takes no more frames: {self._failure}"
            raise FrameWriteError(msg)

    def _write(self, column: _Column, frames: NDArray[Any], *, rows: int) -> None:
        self._store(column, column.codec.encode(frames), rows=rows)
        column.rows += rows
        column.held = 0

    def _store(self, column: _Column, payload: Stored, *, rows: int, filter_mask: int = 0) -> None:
        written = FrameRange(column.rows, column.rows + rows)
        with self._failing():
            self._file.write_chunk(column.dataset.name, payload, rows=written, filter_mask=filter_mask)
        column.stored = written.stop

    @contextmanager
    def _failing(self) -> Generator[None]:
        try:
            yield
        except UnwritableError as error:
            self._failure = f"writing failed before ({error})"
            raise


def _nbytes_said(payload: bytes, codec: FrameCodec, *, filter_mask: int, otherwise: int) -> int:
    """How many bytes a stored chunk says that it unpacks to; `otherwise` where its form does not say."""
    if not codec.filters or filter_mask & 1:
        return len(payload)
    if codec.filters[0].id not in {LZ4, BITSHUFFLE}:
        return otherwise if payload else 0
    return int.from_bytes(payload[:8])
