"""The file that the HDF5 plugin writes; blocking, used in one thread or in a process of its own.

Theory of operation. Frames are drawn, packed and put into their chunks directly (`write_direct_chunk`): no copy through
HDF5's cache, 2.4 times the rate. A chunk of several frames is gathered until it is full; `flush` and `close` write what
is there of it, padded, and it is written again when it is full. The dataset is extended over rows that are in their
chunks only, so that nothing unwritten can be read, and becomes visible to readers every `frames_per_flush` frames.
A file made with `zero_rows` does as areaDetector does instead: it is extended with every frame, and the rows of a
chunk that is not full yet read as zeros.

The NDAttributes are appended when one of their chunks is full, at `flush` and at `close`, because flushing them for
every frame costs more than the frames do. So, as with areaDetector, a reader sees image rows at once and identities
late; after `flush` both are complete, the unique ids last.
"""

from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from .direct_chunks import BLOCK, DirectChunks, suits
from .hdf_codecs import BITSHUFFLE, Compression, Filter, filter_of
from .scenery import Pixels, Scenery
from .shots import Shots

# Seconds from the Unix epoch to EPICS' (1990).
EPICS_EPOCH = 631_152_000
NS = 1_000_000_000
ATTRIBUTE_CHUNK = 16_384
UNIQUE_ID = "NDArrayUniqueId"
ATTRIBUTES = {
    "NDArrayTimeStamp": np.dtype("f8"),
    "NDArrayEpicsTSSec": np.dtype("u4"),
    "NDArrayEpicsTSnSec": np.dtype("u4"),
    UNIQUE_ID: np.dtype("i4"),
}
CLASSES = {
    "/entry": "NXentry",
    "/entry/data": "NXdata",
    "/entry/instrument": "NXinstrument",
    "/entry/instrument/detector": "NXdetector",
    "/entry/instrument/NDAttributes": "NXcollection",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLayout:
    """How to lay the file out.

    Attributes:
        scenery: What the frames show, how large they are, and their pixel type.
        chunk_frames: Frames per chunk.
        frames_per_flush: Frames after which rows become visible; at least a chunk's.
        swmr: Readable while it is written.
        compression: What chunks are packed with.
        limit: Frames that will be captured; 0 = unknown.
        attribute_chunk: Chunk of the attributes; 0 = `limit`, or ATTRIBUTE_CHUNK.
        store_attributes: Whether there are NDAttributes at all.
        attributes: Those of the frames' own, by name, with their types.
        color: Value of the ColorMode attribute.
        zero_rows: Extend the dataset ahead of chunks that are not full.
        phantom_row: Begin with a row of zeros, which the first frame replaces.
        temporary: Suffix of the name until the file is closed.
        direct: Write large uncompressed frames past the page cache, where the file system lets it.
    """

    scenery: Scenery
    chunk_frames: int = 1
    frames_per_flush: int = 1
    swmr: bool = True
    compression: Compression = field(default_factory=Compression)
    limit: int = 0
    attribute_chunk: int = 0
    store_attributes: bool = True
    attributes: tuple[tuple[str, str], ...] = ()
    color: int = 0
    zero_rows: bool = False
    phantom_row: bool = False
    temporary: str = ""
    direct: bool = True

    def make(self, path: Path) -> "HdfFile":
        """Make the file.

        Raises:
            OSError: It cannot be made.
        """
        return HdfFile(path, self)


class HdfFile:
    """An open file in areaDetector's layout.

    Args:
        path: Where; an existing file is overwritten.
        layout: Shape, type, chunks.

    Attributes:
        rows: Frames taken in.

    Raises:
        OSError: The file cannot be made.
    """

    def __init__(self, path: Path, layout: FileLayout) -> None:
        self.path, self._layout = path, layout
        self._paint = layout.scenery.painter()
        self._packed: dict[int, bytes | Pixels] = {}
        self._gathered: list[Pixels] = []
        self._pending: list[Shots] = []
        self.rows = self._visible = self._extent = self._attribute_rows = 0
        shape, dtype = layout.scenery.frame_shape, layout.scenery.frame_dtype
        nbytes = layout.scenery.nbytes * layout.chunk_frames
        self._filter = filter_of(layout.compression, dtype=dtype, chunk_nbytes=nbytes)
        self._written_to = path.with_name(path.name + layout.temporary)
        wanted = layout.direct and self._filter is None and layout.chunk_frames == 1 and suits(nbytes)
        threshold, interval = (nbytes, BLOCK) if wanted else (1, 1)
        self._file = h5py.File(
            self._written_to, "w", libver="latest", alignment_threshold=threshold, alignment_interval=interval
        )
        self._direct = self._opened_directly() if wanted else None
        for group, name in CLASSES.items():
            self._file.require_group(group).attrs["NX_class"] = name
        self._data = self._make_data(shape, dtype)
        self._file["/entry/instrument/detector/data"] = self._data
        self._attributes = self._make_attributes() if layout.store_attributes else {}
        if layout.phantom_row:
            self._extend(1)
            for dataset in self._attributes.values():
                dataset.resize(1, axis=0)
        if layout.swmr:
            self._file.swmr_mode = True

    def _make_data(self, shape: tuple[int, ...], dtype: "np.dtype[np.generic]") -> h5py.Dataset:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        if self._direct is not None:
            plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            plist.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        if self._filter is not None:
            plist.set_filter(self._filter.number, h5py.h5z.FLAG_OPTIONAL, _options(self._filter))
        return self._file.create_dataset(
            "/entry/data/data",
            (0, *shape),
            dtype,
            maxshape=(self._layout.limit or None, *shape),
            chunks=(self._layout.chunk_frames, *shape),
            dcpl=plist,
        )

    def _opened_directly(self) -> DirectChunks | None:
        scenery = self._layout.scenery
        try:
            return DirectChunks(self._written_to, shape=scenery.frame_shape, dtype=scenery.frame_dtype)
        except OSError:
            return None  # a file system without: through the cache, then

    def _make_attributes(self) -> dict[str, h5py.Dataset]:
        columns = {name: np.dtype(kind) for name, kind in self._layout.attributes} | ATTRIBUTES
        paths = {name: (f"/entry/instrument/NDAttributes/{name}", dtype) for name, dtype in columns.items()}
        paths["ColorMode"] = ("/entry/instrument/detector/NDAttributes/ColorMode", np.dtype("i4"))
        chunk = (self._layout.attribute_chunk or self._layout.limit or ATTRIBUTE_CHUNK,)
        return {
            name: self._file.create_dataset(path, (0,), maxshape=(None,), dtype=dtype, chunks=chunk)
            for name, (path, dtype) in paths.items()
        }

    def write(self, shots: Shots) -> int:
        """Append frames, make their rows visible when it is time, and give the number of rows taken in."""
        done = 0
        while done < shots.size:
            room = self._layout.frames_per_flush - (self.rows - self._visible)
            # When every frame is to be flushed, once per call does: nobody can look in between.
            part = shots.size - done if self._layout.frames_per_flush == 1 else min(room, shots.size - done)
            self._append(shots.rows(slice(done, done + part)))
            done += part
            if self.rows - self._visible >= self._layout.frames_per_flush:
                self._data.flush()
                self._visible = self.rows
        return self.rows

    def _append(self, shots: Shots) -> None:
        first = self.rows
        if self._layout.chunk_frames == 1:
            self._extend(first + shots.size)
        try:
            self._write_frames(shots)
        finally:
            # Also when the disk is full: what is in the file has its identities.
            if self._attributes:
                self._pending.append(shots.rows(slice(self.rows - first)))
        if self._layout.zero_rows:
            self._extend(self.rows)
        if sum(part.size for part in self._pending) >= ATTRIBUTE_CHUNK:
            self._write_attributes()

    def _write_frames(self, shots: Shots) -> None:
        if self._direct is not None:
            self._write_directly(shots, self._direct)
            return
        for trigger, x, y, light in shots.looks():
            self._put(trigger, x, y, light)
            self.rows += 1
            if len(self._gathered) == self._layout.chunk_frames:
                self._write_gathered()
                self._gathered.clear()

    def _write_directly(self, shots: Shots, direct: DirectChunks) -> None:
        looks, most = list(shots.looks()), len(direct.frames)
        for start in range(0, len(looks), most):
            run = looks[start : start + most]
            for k, (trigger, x, y, light) in enumerate(run):
                direct.frames[k] = self._paint(x, y, trigger, light)
            direct.write(self._data, self.rows, count=len(run))
            self.rows += len(run)

    def _put(self, trigger: int, x: float, y: float, light: float) -> None:
        distinct = self._layout.scenery.distinct
        if self._layout.chunk_frames > 1:
            self._gathered.append(self._paint(x, y, trigger, light))
            return
        key = (trigger - 1) % distinct if distinct else -1
        stored = self._packed.get(key)
        if stored is None:
            image = self._paint(x, y, trigger, light)
            stored = self._filter.encode(image) if self._filter and self._filter.encode else image
            if distinct:
                self._packed[key] = stored
        self._store(self.rows, stored)

    def _store(self, row: int, stored: bytes | Pixels) -> None:
        if self._filter is not None and self._filter.encode is None:
            # HDF5's own encoder: through its pipeline.
            self._data[row : row + 1] = stored
            return
        offsets = (row, *(0 for _ in self._layout.scenery.frame_shape))
        self._data.id.write_direct_chunk(offsets, stored)

    def _write_gathered(self) -> None:
        scenery, size = self._layout.scenery, self._layout.chunk_frames
        chunk = np.zeros((size, *scenery.frame_shape), dtype=scenery.frame_dtype)
        chunk[: len(self._gathered)] = self._gathered
        first = self.rows - len(self._gathered)
        self._extend(self.rows)
        if self._filter is not None and self._filter.encode is None:
            self._data[first : self.rows] = chunk[: len(self._gathered)]
            return
        stored = self._filter.encode(chunk) if self._filter and self._filter.encode else chunk
        self._store(first, stored)

    def _extend(self, rows: int) -> None:
        if rows > self._extent:
            self._data.resize(rows, axis=0)
            self._extent = rows

    def flush(self) -> int:
        """Make everything taken in so far readable, the unique ids last, and give the number of rows."""
        self._complete()
        for dataset in self._attributes.values():
            dataset.flush()
        return self.rows

    def _complete(self) -> None:
        if self._extent > self.rows > 0:
            # A write failed halfway: rows without their pixels must not look like data.
            self._data.resize(self.rows, axis=0)
            self._extent = self.rows
        if self._gathered:
            self._write_gathered()
        self._data.flush()
        self._visible = self.rows
        self._write_attributes()

    def close(self) -> int:
        """Write what is left, close, and give the number of rows."""
        try:
            self._complete()
        finally:
            if self._direct is not None:
                self._direct.close()
            self._file.close()
        self._written_to.rename(self.path)
        return self.rows

    def _write_attributes(self) -> None:
        if not self._pending:
            return
        shots = Shots.joined(self._pending)
        seconds, nanoseconds = np.divmod(shots.stamp_ns - EPICS_EPOCH * NS, NS)
        columns = {
            **shots.attributes,
            "NDArrayTimeStamp": seconds + nanoseconds * 1e-9,
            "NDArrayEpicsTSSec": seconds,
            "NDArrayEpicsTSnSec": nanoseconds,
            "ColorMode": np.full(shots.size, self._layout.color),
            UNIQUE_ID: shots.unique_id,
        }
        first, self._attribute_rows = self._attribute_rows, self._attribute_rows + shots.size
        for name, dataset in self._attributes.items():
            dataset.resize(self._attribute_rows, axis=0)
            if name in columns:
                dataset[first:] = columns[name]
        self._pending.clear()


def _options(chosen: Filter) -> tuple[int, ...]:
    # Bitshuffle's own plugin, where the process has it, puts the first three in front by itself.
    taken = chosen.number == BITSHUFFLE and h5py.h5z.filter_avail(BITSHUFFLE)
    return chosen.options[3:] if taken else chosen.options
