"""HDF5 files, finished or still growing: what a dataset is, where its chunks are, what its rows hold.

This is the only importer of h5py. Every function opens, reads and closes, and blocks: call them in threads. h5py holds
one lock for all of them.

Theory of operation. Rows that are not in the file must never be read as the fill value, and HDF5 gives fill, or
worse, in six silent ways:

- A dataset may be longer than what was written. Each chunk that a reading needs is looked up; one that is not
  stored is an error. (`read_direct_chunk` finds it in constant time; `get_chunk_info_by_coord` walks to it, which
  `extensible_array` does not.)
- A reader sees what the writer had flushed when it opened the file. A row beyond that is "not yet visible", never
  clipped as a slice would be; the extent is `ds.id.shape`, since h5py's `Dataset.shape` caches.
- All handles of one file in a process share its metadata, and a refresh while another has the dataset open mixes old
  and new: HDF5 2.0 then reads wrong rows without an error (measured). So nothing is refreshed here; each call opens
  the file anew and holds h5py's lock until it has closed it, so that no two calls share a file. Where somebody else in
  the process has the file open, what that one sees is what there is.
- A virtual dataset fills in for a source that is not there. Sources are resolved and read one by one.
- A contiguous dataset that was never written has no storage: it is refused.
- A file that is cut short gives zeros for what is behind its end, but only with `swmr=True`; where metadata are
  behind the end, HDF5 2.0 then retries with doubling pauses, for ever and under its lock (both measured). So a file
  is opened plainly first, which refuses one shorter than its superblock says, and with `swmr=True`
  ("Single-Writer/Multiple-Readers", HDF5 user guide) only if it says that its writer has it open. Then a stored
  chunk that ends in zeros is compared with the size of the file.

Files are opened without locks, since a reader must never stop a writer.
"""

import os
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np
from h5py._objects import phil  # h5py's lock around every call of its own
from numpy.typing import NDArray

from .chunkindex import ChunkRecord
from .codecs import BITSHUFFLE, DEFLATE
from .dataset import DatasetInfo as DatasetInfo
from .errors import NotYetVisibleError, StreamResourceError, UnreadableError, UnsupportedLayoutError, UnwritableError
from .extensible_array import found_chunks
from .frames import FrameRange, RangeSet
from .identities import ATTRIBUTES, COLUMNS, UNIQUE_IDS, times_ns
from .identities import Identities as Identities
from .layout import Filter as Filter
from .uris import path_of_uri as path_of_uri
from .virtual import VirtualDataset, VirtualRun, by_source, odd_value, virtual_run

FEW_CHUNKS = 8
"""Up to so many chunks libhdf5 looks up one by one: at 100 000 chunks 6 ms each, all at once 86 ms (measured)."""


def dataset_info(path: Path | str, dataset: str) -> DatasetInfo:
    """What a dataset is now.

    Raises:
        UnreadableError: The file or the dataset is not there, or cannot be read.
    """
    with _opened(path) as file:
        return _info(_dataset(file, path, dataset))


def chunk_records(path: Path | str, dataset: str, *, rows: FrameRange) -> list[tuple[int, ChunkRecord]]:
    """Where the chunks with these rows are in the file, each with its place along the leading axis, ascending.

    A chunk that is not stored is left out: its rows were never written.

    Raises:
        NotYetVisibleError: A row lies beyond the visible extent.
        UnsupportedLayoutError: The dataset has no chunks, or is cut along another axis than the first.
        UnreadableError: The file or the dataset is not there, or cannot be read.
    """
    with _opened(path) as file:
        ds = _dataset(file, path, dataset)
        info = _info(ds)
        _check_visible(path, dataset, info, rows)
        chunk_shape = info.chunk_shape
        if chunk_shape is None or any(c < n for c, n in zip(chunk_shape[1:], info.shape[1:], strict=True)):
            msg = (
                f"{dataset} of {path} cannot be indexed by chunk rows: expected chunks of whole frames"
                f" {info.shape[1:]}, seen {chunk_shape}; use read_rows"
            )
            raise UnsupportedLayoutError(msg)
        wanted = range(rows.start // chunk_shape[0], -(-rows.stop // chunk_shape[0]) if rows.size else 0)
        return _indexed(file, ds, info, wanted) or sorted(_stored(ds, chunk_shape[0], wanted))


def read_rows(path: Path | str, dataset: str, *, rows: FrameRange) -> NDArray[Any]:
    """The data of these rows, decoded; shape (rows.size, *frame shape).

    Raises:
        NotYetVisibleError: A row lies beyond the visible extent.
        UnreadableError: The file or the dataset is not there, is cut short, or holds nothing for one of the rows.
        UnsupportedLayoutError: A virtual dataset that is not made of runs of whole rows.
    """
    with _opened(path) as file:
        ds = _dataset(file, path, dataset)
        info = _info(ds)
        _check_visible(path, dataset, info, rows)
        if not info.virtual:
            return _read(path, ds, info, rows)
        runs = [virtual_run(path, ds.id.shape[1:], source) for source in ds.virtual_sources()]
    return _read_runs(path, dataset, info, rows=rows, runs=runs)


def read_identities(path: Path | str, *, rows: FrameRange, group: str = ATTRIBUTES) -> Identities:
    """The identities that areaDetector's HDF5 plugin, or our own frame writer, stored for these rows.

    Times are the frame writer's FrameTimeNs; else NDArrayEpicsTSSec and NDArrayEpicsTSnSec, exact to the nanosecond;
    where the camera never set them, NDArrayTimeStamp, a float64 with a resolution of 120 ns. The last two count from
    1990.

    Raises:
        NotYetVisibleError: The attributes of one of the rows are not flushed yet.
        UnreadableError: The file is not there, or cannot be read.
    """
    with _opened(path) as file:
        columns = {
            name: _column(file, path, f"{group}/{name}", rows=rows) for name in COLUMNS if f"{group}/{name}" in file
        }
    ids = columns.get(UNIQUE_IDS)
    return Identities(None if ids is None else ids.astype(np.int64), times_ns(columns, where=str(path)))


def read_attribute(path: Path | str, name: str, *, dataset: str = "/") -> Any:
    """The value of an HDF5 attribute as a Python scalar or string, or as an array.

    Args:
        path: The file.
        name: The attribute's name.
        dataset: The dataset or group that has it; the root unless given.

    Raises:
        UnreadableError: The file, the object or the attribute is not there.
    """
    with _opened(path) as file:
        if dataset not in file or name not in file[dataset].attrs:
            msg = f"{path} has no attribute {name!r} at {dataset}"
            raise UnreadableError(msg)
        value: Any = file[dataset].attrs[name]
    if isinstance(value, bytes):
        return value.decode()
    return cast("Any", value.item()) if isinstance(value, np.generic) else value


def _open(path: Path | str) -> h5py.File:
    # HDF5 wants the same locking of every handle in one process; another may be a writer's, in tests and demos.
    for locking in (False, None):
        try:
            return _open_with(path, locking=locking)
        except OSError as error:
            if "locking" not in str(error):
                raise
    return _open_with(path, locking=True)


def _open_with(path: Path | str, *, locking: bool | None) -> h5py.File:
    try:
        return h5py.File(path, "r", locking=locking)
    except OSError as error:
        if "already open for write" not in str(error):
            raise
    return h5py.File(path, "r", swmr=True, locking=locking)


@contextmanager
def _opened(path: Path | str) -> Generator[h5py.File]:
    try:
        with phil, _open(path) as file:
            yield file
    except StreamResourceError:
        raise
    except FileNotFoundError as error:
        msg = f"{path} is not there: was it moved, or is its directory not mounted here?"
        raise UnreadableError(msg) from error
    # h5py raises RuntimeError for errors of the HDF5 library that it has no class for.
    except (OSError, RuntimeError) as error:
        msg = f"{path} cannot be read as HDF5: {error}"
        raise UnreadableError(msg) from error


def _dataset(file: h5py.File, path: Path | str, name: str) -> h5py.Dataset:
    try:
        ds = file[name]
    except KeyError as error:
        msg = f"{path} has no dataset {name}: {error}"
        raise UnreadableError(msg) from error
    if not isinstance(ds, h5py.Dataset):
        msg = f"{name} of {path} is a group: expected a dataset"
        raise UnreadableError(msg)
    return ds


def _info(ds: h5py.Dataset) -> DatasetInfo:
    plist = ds.id.get_create_plist()
    layout = plist.get_layout()
    filters = (plist.get_filter(i) for i in range(plist.get_nfilters()))
    inside = layout == h5py.h5d.CONTIGUOUS and plist.get_external_count() == 0
    return DatasetInfo(
        shape=tuple(ds.id.shape),
        dtype=ds.dtype,
        chunk_shape=tuple(plist.get_chunk()) if layout == h5py.h5d.CHUNKED else None,
        filters=tuple(Filter(code, name.decode(), tuple(options)) for code, _flags, options, name in filters),
        contiguous_offset=ds.id.get_offset() if inside else None,
        virtual=layout == h5py.h5d.VIRTUAL,
    )


def _check_visible(path: Path | str, dataset: str, info: DatasetInfo, rows: FrameRange) -> None:
    if not info.shape:
        msg = f"{dataset} of {path} is a scalar: expected rows {rows}"
        raise UnreadableError(msg)
    if rows.stop > info.shape[0]:
        msg = (
            f"{dataset} of {path} shows {info.shape[0]} rows, expected {rows.stop}: the writer has not flushed them, or"
            " another handle of the file in this process holds an old view of it: close that"
        )
        raise NotYetVisibleError(msg)


def _read(path: Path | str, ds: h5py.Dataset, info: DatasetInfo, rows: FrameRange) -> NDArray[Any]:
    if info.chunk_shape is None:
        if ds.id.get_storage_size() == 0 and ds.size:
            msg = f"{ds.name} of {path} was never written: it has no storage"
            raise UnreadableError(msg)
        return ds[rows.start : rows.stop]
    # What is stored unfiltered is taken as it is, which saves a second reading; else this only looks that it is there.
    plain = not info.filters and not info.dtype.hasobject
    result = np.empty((rows.size, *info.shape[1:]) if plain else (0,), info.dtype)
    for part in info.layout.locate(slice(rows.start, rows.stop)):
        raw = _stored_bytes(path, ds, tuple(i * n for i, n in zip(part.chunk, info.chunk_shape, strict=True)))
        if plain:
            result[part.target] = np.frombuffer(raw, info.dtype).reshape(info.chunk_shape)[part.source]
    return result if plain else ds[rows.start : rows.stop]


def _stored_bytes(path: Path | str, ds: h5py.Dataset, origin: tuple[int, ...]) -> bytes:
    try:
        raw = ds.id.read_direct_chunk(origin)[1]
    except RuntimeError as error:
        msg = f"{ds.name} of {path} holds nothing for its chunk at {origin}: {error}"
        raise UnreadableError(msg) from error
    if ds.file.swmr_mode and not any(raw[-ds.dtype.itemsize :]):
        offset, size = ds.id.get_chunk_info_by_coord(origin).byte_offset, Path(path).stat().st_size
        if offset is None or offset + len(raw) > size:
            msg = (
                f"{path} is cut short: the chunk of {ds.name} at {origin} needs {len(raw)} bytes at {offset} of {size}"
            )
            raise UnreadableError(msg)
    return raw


def _indexed(
    file: h5py.File, ds: h5py.Dataset, info: DatasetInfo, wanted: range
) -> list[tuple[int, ChunkRecord]] | None:
    """All of the wanted chunks, from the file's own index of them; None if libhdf5 has to be asked."""
    chunk_shape = info.chunk_shape or ()
    whole = all(most is not None and most <= n for most, n in zip(ds.maxshape[1:], chunk_shape[1:], strict=True))
    # What a writer in this process has not flushed is in libhdf5 alone.
    if not whole or file.id.get_intent() & h5py.h5f.ACC_RDWR:
        return None
    base, descriptor = file.id.get_create_plist().get_userblock(), file.id.get_vfd_handle()
    found = found_chunks(
        lambda offset, nbytes: os.pread(descriptor, nbytes, base + offset),
        header=h5py.h5o.get_info(ds.id).addr,
        wanted=wanted,
        chunk_nbytes=prod(chunk_shape) * info.dtype.itemsize,
    )
    if found is None or len(found) < len(wanted):
        return None
    return [(chunk, record._replace(offset=base + record.offset)) for chunk, record in found]


def _stored(ds: h5py.Dataset, rows_per_chunk: int, wanted: range) -> list[tuple[int, ChunkRecord]]:
    if len(wanted) <= FEW_CHUNKS:
        rest = (0,) * (len(ds.id.shape) - 1)
        found: Iterable[h5py.h5d.StoreInfo] = [
            ds.id.get_chunk_info_by_coord((row * rows_per_chunk, *rest)) for row in wanted
        ]
    else:
        found = []
        ds.id.chunk_iter(found.append)
    return [
        (info.chunk_offset[0] // rows_per_chunk, ChunkRecord(info.byte_offset, info.size, info.filter_mask))
        for info in found
        if info.byte_offset is not None and info.chunk_offset[0] // rows_per_chunk in wanted
    ]


def _read_runs(
    path: Path | str, dataset: str, info: DatasetInfo, *, rows: FrameRange, runs: list[VirtualRun]
) -> NDArray[Any]:
    result = np.empty((rows.size, *info.shape[1:]), info.dtype)
    filled: list[FrameRange] = []
    for run in runs:
        part = run.rows.meet(rows)
        if part is None:
            continue
        data = read_rows(run.path, run.dataset, rows=part.shift(run.source.start - run.rows.start))
        if data.shape != (part.size, *info.shape[1:]):
            msg = f"virtual {dataset} of {path}: expected rows {info.shape[1:]} in {run.path}, seen {data.shape[1:]}"
            raise UnsupportedLayoutError(msg)
        result[part.start - rows.start : part.stop - rows.start] = data
        filled.append(part)
    _check_mapped(path, dataset, RangeSet(filled).gaps(rows))
    return result


def _column(file: h5py.File, path: Path | str, name: str, *, rows: FrameRange) -> NDArray[Any]:
    ds = _dataset(file, path, name)
    info = _info(ds)
    _check_visible(path, name, info, rows)
    return _read(path, ds, info, rows)


def check_virtual(dataset: VirtualDataset) -> bool:
    """Whether a file behind a virtual dataset is still open in its writer: readers then need `swmr=True`.

    Raises:
        UnreadableError: A source is not there, is of another type, or holds nothing for one of the rows.
        NotYetVisibleError: A source does not show one of the rows.
        UnsupportedLayoutError: A source has frames of another shape.
    """
    return _check_sources(dataset.runs, dataset)


def write_virtual(path: Path | str, datasets: Iterable[VirtualDataset]) -> None:
    """Make a file of virtual datasets, or replace it at once; sources are not looked at (`check_virtual` does).

    Sources at or below the file's directory are named relative to it, so that the tree can be moved; others by their
    full path. A source that goes away later is read by HDF5 as fill without an error: as NaN, or the largest integer.

    Raises:
        UnwritableError: The file cannot be made.
    """
    target = Path(path).resolve()
    part = target.with_name(f"{target.name}.part")
    with _writing(target, "make it"):
        with h5py.File(part, "w", libver="latest", locking=False) as file:
            for dataset in datasets:
                file.create_virtual_dataset(
                    dataset.name, _virtual_layout(target, dataset), fillvalue=odd_value(dataset.dtype)
                )
        part.replace(target)


def _virtual_layout(target: Path, dataset: VirtualDataset) -> h5py.VirtualLayout:
    layout = h5py.VirtualLayout((dataset.rows, *dataset.frame_shape), dataset.dtype)
    for run in dataset.runs:
        full = run.path.resolve()
        name = full.relative_to(target.parent) if full.is_relative_to(target.parent) else full
        source = h5py.VirtualSource(name, run.dataset, shape=(run.source.stop, *dataset.frame_shape))
        layout[run.rows.start : run.rows.stop] = source[run.source.start : run.source.stop]
    return layout


def _check_sources(runs: Iterable[VirtualRun], dataset: VirtualDataset) -> bool:
    growing = [_check_source(*source, dataset, rows=rows) for source, rows in by_source(runs).items()]
    return any(growing)


def _check_source(path: Path, name: str, dataset: VirtualDataset, *, rows: RangeSet) -> bool:
    with _opened(path) as file:
        ds = _dataset(file, path, name)
        info = _info(ds)
        _check_visible(path, name, info, FrameRange(0, max(part.stop for part in rows)))
        if info.shape[1:] != dataset.frame_shape or info.dtype != dataset.dtype:
            expected, seen = f"{dataset.dtype} {dataset.frame_shape}", f"{info.dtype} {info.shape[1:]}"
            msg = f"{name} of {path} cannot be part of {dataset.name}: expected rows of {expected}, seen {seen}"
            raise UnsupportedLayoutError(msg)
        if not info.virtual:
            _check_stored(path, ds, info, rows=rows)
            return file.swmr_mode
        runs = [virtual_run(path, info.shape[1:], source) for source in ds.virtual_sources()]
    inner = [cut for run in runs for part in rows if (cut := run.cut(part)) is not None]
    _check_mapped(path, name, rows - RangeSet(run.rows for run in inner))
    return _check_sources(inner, dataset)


def _check_mapped(path: Path | str, dataset: str, holes: RangeSet) -> None:
    if holes:
        msg = f"virtual dataset {dataset} of {path} maps nothing to rows {holes}: they would be read as fill"
        raise UnreadableError(msg)


def _check_stored(path: Path, ds: h5py.Dataset, info: DatasetInfo, *, rows: RangeSet) -> None:
    if info.chunk_shape is None:
        missing = RangeSet() if ds.id.get_storage_size() else rows
    else:
        leading: list[int] = []
        ds.id.chunk_iter(lambda stored: leading.append(stored.chunk_offset[0]))
        across = prod(-(-n // c) for n, c in zip(info.shape[1:], info.chunk_shape[1:], strict=True))
        starts, counts = np.unique(np.array(leading, np.int64), return_counts=True)
        whole = starts[counts == across].tolist()
        missing = rows - RangeSet(FrameRange(start, start + info.chunk_shape[0]) for start in whole)
    if missing:
        msg = f"{ds.name} of {path} holds nothing for its rows {missing}: they would be read as fill"
        raise UnreadableError(msg)


class GrowingFile:
    """A file of our own, with datasets that grow by whole chunks; nothing is visible in it that was not written.

    One thread at a time. With `swmr`, other processes may read it from the moment it is made.

    Args:
        path: A file that is not there yet.
        datasets: By path in the file; `shape` counts the rows from 0, one filter at most.
        swmr: Whether others may read it meanwhile.

    Raises:
        UnwritableError: The file is there, or cannot be made.
    """

    def __init__(self, path: Path | str, datasets: Mapping[str, DatasetInfo], *, swmr: bool = True) -> None:
        self.path = Path(path)
        with _writing(self.path, "make it"):
            self._file = h5py.File(path, "x", libver="latest", locking=False)
            self._datasets = {name: _create(self._file, name, info) for name, info in datasets.items()}
            if swmr:
                self._file.swmr_mode = True

    def write_chunk(self, name: str, payload: bytes | memoryview, *, rows: FrameRange, filter_mask: int = 0) -> None:
        """Store a chunk as it is, whether it is there or not; its dataset ends at `rows.stop` then.

        Raises:
            UnwritableError: The disk did not take it; the dataset ends where it did before.
        """
        ds = self._datasets[name]
        frame_shape = ds.id.shape[1:]
        # Under one lock: a reader in another thread must not find the row before its chunk.
        with _writing(self.path, f"write rows {rows} of {name}"), phil:
            before = ds.id.shape[0]
            ds.id.set_extent((max(before, rows.stop), *frame_shape))
            try:
                ds.id.write_direct_chunk((rows.start, *[0] * len(frame_shape)), payload, filter_mask)
            except (OSError, RuntimeError):
                ds.id.set_extent((before, *frame_shape))
                raise

    def flush(self) -> None:
        """Make every row that was written visible to readers.

        Raises:
            UnwritableError: The disk did not take it.
        """
        with _writing(self.path, "flush it"):
            for ds in self._datasets.values():
                ds.flush()

    def close(self) -> None:
        """Flush and close; a second time does nothing.

        Raises:
            UnwritableError: The disk did not take what was left.
        """
        with _writing(self.path, "close it"):
            self._file.close()


@contextmanager
def _writing(path: Path, what: str) -> Generator[None]:
    try:
        yield
    # h5py raises RuntimeError for errors of the HDF5 library that it has no class for, ValueError for closed files.
    except (OSError, RuntimeError, ValueError) as error:
        msg = f"{path}: cannot {what}: {error}"
        raise UnwritableError(msg) from error


def _create(file: h5py.File, name: str, info: DatasetInfo) -> h5py.Dataset:
    method: int | str | None = None
    options: object = None
    for step in info.filters:
        # h5py has a name for HDF5's own filter, and reads the number 1 as a level.
        method, options = ("gzip", step.options[0]) if step.id == DEFLATE else (step.id, step.options)
        # Where bitshuffle's plugin is loaded, it writes its version and the element's size itself.
        if step.id == BITSHUFFLE and h5py.h5z.filter_avail(BITSHUFFLE):
            options = step.options[3:]
    return file.create_dataset(
        name,
        info.shape,
        info.dtype,
        chunks=info.chunk_shape,
        maxshape=(None, *info.shape[1:]),
        compression=method,
        compression_opts=options,
        allow_unknown_filter=True,
    )
