"""The file that the HDF5 plugin writes; blocking, used in one thread.

Theory of operation. Frames go into their chunks directly (`write_direct_chunk`): no copy through HDF5's cache, 2.4
times the rate. The four identity datasets are appended in batches, when one of their chunks is full, at `flush` and
at `close`, because flushing them for every frame costs more than the frames do. So, as with areaDetector, a reader
sees image rows at once and identities late; after `flush` both are complete. Rows are never grown ahead of their
chunks: fill values would look like data.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from .picture import Sample, View

# Seconds from the Unix epoch to EPICS' (1990).
EPICS_EPOCH = 631_152_000
ATTRIBUTE_CHUNK = 16_384
ATTRIBUTES = {
    "NDArrayUniqueId": np.dtype("i4"),
    "NDArrayTimeStamp": np.dtype("f8"),
    "NDArrayEpicsTSSec": np.dtype("u4"),
    "NDArrayEpicsTSnSec": np.dtype("u4"),
}


class Shot(NamedTuple):
    """A frame on its way to the file: all that its picture is made from."""

    trigger: int
    unique_id: int
    stamp_ns: int
    x: float
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLayout:
    """How to lay the file out.

    Attributes:
        shape: (height, width) of a frame.
        dtype: Pixel type.
        chunk_frames: Frames per chunk.
        swmr: Readable while it is written.
    """

    shape: tuple[int, int]
    dtype: np.dtype[np.generic]
    chunk_frames: int = 1
    swmr: bool = True


class HdfFile:
    """An open file in areaDetector's layout.

    Args:
        path: Where; an existing file is overwritten.
        layout: Shape, type, chunks.
        sample: What the frames show.

    Raises:
        OSError: The file cannot be made.
    """

    def __init__(self, path: Path, layout: FileLayout, *, sample: Sample) -> None:
        self.path, self._layout = path, layout
        self._view = View(sample, shape=layout.shape, dtype=layout.dtype)
        self._file = h5py.File(path, "w", libver="latest")
        chunk = (layout.chunk_frames, *layout.shape)
        self._data = self._file.create_dataset(
            "/entry/data/data", (0, *layout.shape), maxshape=(None, *layout.shape), dtype=layout.dtype, chunks=chunk
        )
        self._attributes = {
            name: self._file.create_dataset(
                f"/entry/instrument/NDAttributes/{name}", (0,), maxshape=(None,), dtype=dtype, chunks=(ATTRIBUTE_CHUNK,)
            )
            for name, dtype in ATTRIBUTES.items()
        }
        self._pending: list[Shot] = []
        self.rows = 0
        if layout.swmr:
            self._file.swmr_mode = True

    def write(self, shots: Sequence[Shot]) -> None:
        """Append frames and make their rows readable."""
        first, self.rows = self.rows, self.rows + len(shots)
        self._data.resize(self.rows, axis=0)
        for row, shot in enumerate(shots, start=first):
            image = self._view.frame(shot.x, shot.y, shot.trigger)
            if self._layout.chunk_frames == 1:
                self._data.id.write_direct_chunk((row, 0, 0), image)
            else:
                self._data[row] = image
        self._data.flush()
        self._pending.extend(shots)
        if len(self._pending) >= ATTRIBUTE_CHUNK:
            self._write_attributes()

    def flush(self) -> None:
        """Make everything written so far readable, the identities last."""
        self._data.flush()
        self._write_attributes()
        for name in (*list(ATTRIBUTES)[1:], "NDArrayUniqueId"):
            self._attributes[name].flush()

    def close(self) -> None:
        """Write what is left and close."""
        try:
            self._write_attributes()
        finally:
            self._file.close()

    def _write_attributes(self) -> None:
        if not self._pending:
            return
        stamps = np.array([shot.stamp_ns for shot in self._pending], dtype=np.int64)
        seconds, nanoseconds = np.divmod(stamps - EPICS_EPOCH * 1_000_000_000, 1_000_000_000)
        columns = {
            "NDArrayUniqueId": np.array([shot.unique_id for shot in self._pending]),
            "NDArrayTimeStamp": seconds + nanoseconds * 1e-9,
            "NDArrayEpicsTSSec": seconds,
            "NDArrayEpicsTSnSec": nanoseconds,
        }
        for name, column in columns.items():
            dataset = self._attributes[name]
            first = dataset.shape[0]
            dataset.resize(first + len(column), axis=0)
            dataset[first:] = column
        self._pending.clear()
