"""The capture file of the DATA block: one-dimensional SWMR datasets that grow by rows. Blocking; called in one thread.

Theory of operation. The file is opened before PCAP is armed, and SWMR forbids new objects and attributes, but not new
values of old attributes: so `arm_time`, `start_time` (ISO 8601 with nanoseconds, fixed length) and `start_time_ns`
are made with placeholders and overwritten by the first arming. Time stamps of a later arming into the same file are
shifted so that start_time_ns + TS_* holds for all rows.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from .panda_rows import CaptureBatch, Column

CHUNK_ROWS = 1024
_TIME_TYPE = "S40"


class CaptureFile:
    """One open capture file.

    Args:
        path: the file; overwritten when it exists, as the real IOC does.
        columns: what will be captured.
        names: dataset name by column name.

    Attributes:
        rows: rows written.
        readable: rows that a SWMR reader can see.
    """

    def __init__(self, path: Path, *, columns: Sequence[Column], names: Mapping[str, str]) -> None:
        self.path = path
        self.rows = self.readable = 0
        self._start_ns: int | None = None
        self._file = h5py.File(path, "w", libver="latest")
        try:
            self._prepare(columns, names)
        except BaseException:
            self._file.close()
            raise

    def stamp(self, armed_ns: int, start_ns: int) -> None:
        """Set the times of the first arming; later ones are without effect."""
        if self._start_ns is not None:
            return
        self._start_ns = start_ns
        self._overwrite("arm_time", np.array(_iso(armed_ns).encode(), _TIME_TYPE))
        self._overwrite("start_time", np.array(_iso(start_ns).encode(), _TIME_TYPE))
        self._overwrite("start_time_ns", np.array(start_ns, np.int64))

    def append(self, batch: CaptureBatch, *, limit: int | None = None) -> int:
        """Write the rows of one batch, at most up to `limit` rows in the file; gives the rows written in all."""
        self.stamp(batch.armed_ns, batch.start_ns)
        stop = self.rows + batch.size if limit is None else min(limit, self.rows + batch.size)
        count = stop - self.rows
        shift_s = (batch.start_ns - (self._start_ns or 0)) / 1e9
        for name, dataset in self._datasets.items():
            values = batch.columns[name][:count]
            dataset.resize((stop,))
            dataset[self.rows : stop] = np.add(values, shift_s) if name.startswith("PCAP.TS_") else values
        self.rows = stop
        self._tear(batch)
        return stop

    def _tear(self, batch: CaptureBatch) -> None:
        """Some columns get a row more than the others, which the next rows, if any, will cover."""
        for name, value in batch.torn.items():
            self._datasets[name].resize((self.rows + 1,))
            self._datasets[name][self.rows] = value[0]

    def flush(self) -> int:
        """Make all rows readable; gives how many those are."""
        for dataset in self._datasets.values():
            dataset.flush()
        self._file.flush()
        self.readable = self.rows
        return self.readable

    def close(self) -> int:
        """Flush and close; gives the rows in the file."""
        self._file.close()
        self.readable = self.rows
        return self.rows

    def _prepare(self, columns: Sequence[Column], names: Mapping[str, str]) -> None:
        for name in ("arm_time", "start_time"):
            self._file.attrs[name] = np.array(b"not armed", _TIME_TYPE)
        self._file.attrs["start_time_ns"] = np.int64(0)
        self._datasets = {column.name: self._dataset(names[column.name], column.dtype) for column in columns}
        self._file.swmr_mode = True

    def _dataset(self, name: str, dtype: str) -> h5py.Dataset:
        return self._file.create_dataset(name, shape=(0,), maxshape=(None,), chunks=(CHUNK_ROWS,), dtype=dtype)

    def _overwrite(self, name: str, value: object) -> None:
        # `modify` writes in place what has the same shape; assignment would make a new attribute, which SWMR forbids.
        attributes: Any = self._file.attrs
        attributes.modify(name, value)


def _iso(t_ns: int) -> str:
    seconds, ns = divmod(t_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ns:09d}Z"
