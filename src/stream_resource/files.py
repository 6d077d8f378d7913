"""HDF5 files, finished or still growing: what a dataset is, where its chunks are, what its rows hold.

This is the only importer of h5py. Every function opens, reads and closes, and blocks: call them in threads. h5py holds
one lock for all of them.

Theory of operation. Rows that are not in the file must never be read as the fill value, and HDF5 gives fill, or
worse, in six silent ways:

- A dataset may be longer than what was written. Each chunk that a reading needs is looked up; one that is not
  stored is an error. (`read_direct_chunk` finds it in constant time; `get_chunk_info_by_coord` walks to it.)
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

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np
from h5py._objects import phil  # h5py's lock around every call of its own
from numpy.typing import NDArray

from .chunkindex import ChunkRecord
from .dataset import DatasetInfo as DatasetInfo
from .errors import NotYetVisibleError, StreamResourceError, UnreadableError, UnsupportedLayoutError
from .frames import FrameRange, RangeSet
from .identities import Identities as Identities
from .identities import times_ns
from .layout import Filter as Filter
from .uris import path_of_uri as path_of_uri
from .virtual import VirtualRun, virtual_run

FEW_CHUNKS = 8
"""Up to so many chunks are looked up one by one: measured at 100 000 chunks, 6 ms each; all at once takes 86 ms."""


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
        return sorted(_stored(ds, chunk_shape[0], wanted))


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


def read_identities(path: Path | str, *, rows: FrameRange, group: str = "/entry/instrument/NDAttributes") -> Identities:
    """The identities that areaDetector's HDF5 plugin stored for these rows.

    Times are NDArrayEpicsTSSec and NDArrayEpicsTSnSec, exact to the nanosecond; where the camera never set them,
    NDArrayTimeStamp, a float64 with a resolution of 120 ns. Both count from 1990.

    Raises:
        NotYetVisibleError: The attributes of one of the rows are not flushed yet.
        UnreadableError: The file is not there, or cannot be read.
    """
    names = ("NDArrayUniqueId", "NDArrayEpicsTSSec", "NDArrayEpicsTSnSec", "NDArrayTimeStamp")
    with _opened(path) as file:
        columns = {
            name: _column(file, path, f"{group}/{name}", rows=rows) for name in names if f"{group}/{name}" in file
        }
    ids = columns.get("NDArrayUniqueId")
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
    holes = RangeSet(filled).gaps(rows)
    if holes:
        msg = f"virtual dataset {dataset} of {path} maps nothing to rows {holes}: they would be read as fill"
        raise UnreadableError(msg)
    return result


def _column(file: h5py.File, path: Path | str, name: str, *, rows: FrameRange) -> NDArray[Any]:
    ds = _dataset(file, path, name)
    info = _info(ds)
    _check_visible(path, name, info, rows)
    return _read(path, ds, info, rows)
