"""Two columns of a run as it grows, from its documents alone: values of events, and of frames in files.

Theory of operation. A point is what x and y have under one seq_num. A value of an event comes in the event; a value of
an external key is read from its file when a stream_datum announces it, a frame of several pixels reduced to one number.
A row that is announced again under its seq_num replaces the older one, as everywhere. What cannot be read yet (a file
that another machine has not flushed) is tried again with the next document; at the end of the run it is left out, and
the log says so. A frame that is missing is a gap: NaN stands between its neighbours.
"""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..stream_resource.array_reader import ArrayReader
from ..stream_resource.errors import StreamResourceError
from ..stream_resource.frames import FrameRange
from ..stream_resource.runindex import RunIndex
from .documents import Document

log = logging.getLogger(__name__)

READ_NBYTES = 32 * 2**20
"""So many bytes of frames are read at once at most."""

Reduce = Callable[[NDArray[Any]], Any]


class LiveSeries:
    """The points of one run.

    Args:
        x: Data key; None: the seq_num.
        y: Data key.
        stream: That both are in.
        reduce: Makes one number of a frame that has several.
    """

    def __init__(self, x: str | None, y: str, *, stream: str = "primary", reduce: Reduce = np.sum) -> None:
        self._keys = (y,) if x is None else (x, y)
        self._x, self._y, self._stream, self._reduce = x, y, stream, reduce
        self._index = RunIndex()
        self._descriptors: set[str] = set()
        self._values: dict[str, dict[int, float]] = {key: {} for key in self._keys}
        self._unread: list[tuple[str, FrameRange]] = []

    def take(self, name: str, doc: Document) -> bool:
        """Take in a document of the run; True if there are new points.

        Raises:
            StreamResourceError: It contradicts those before it.
        """
        match name:
            case "descriptor" if doc["name"] == self._stream:
                self._descriptors.add(doc["uid"])
                self._index.apply(name, doc)
            case "event" if doc["descriptor"] in self._descriptors:
                return self._event(doc)
            case "stream_datum" if doc["descriptor"] in self._descriptors:
                self._index.apply(name, doc)
                self._announced(doc)
                return self._read()
            case "start" | "stream_resource":
                self._index.apply(name, doc)
            case "stop":
                return self._last_read()
            case _:
                pass
        return False

    @property
    def points(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The x and y of all points, in order of seq_num; NaN in both where seq_nums are missing in between."""
        ys = self._values[self._y]
        numbers = np.array(sorted(ys if self._x is None else ys.keys() & self._values[self._x].keys()), np.int64)
        y = np.array([ys[number] for number in numbers.tolist()], np.float64)
        xs = self._values.get(self._x or "")
        x = numbers.astype(np.float64) if xs is None else np.array([xs[n] for n in numbers.tolist()], np.float64)
        gaps = np.flatnonzero(np.diff(numbers) > 1) + 1
        return np.insert(x, gaps, np.nan), np.insert(y, gaps, np.nan)

    def _event(self, doc: Document) -> bool:
        found = False
        for key in self._keys:
            if doc["data"].get(key) is not None:
                self._values[key][doc["seq_num"]] = self._number(np.asarray(doc["data"][key]))
                found = True
        return found

    def _number(self, value: NDArray[Any]) -> float:
        return float(value.reshape(-1)[0] if value.size == 1 else self._reduce(value))

    def _announced(self, doc: Document) -> None:
        arrays = self._index.streams[self._stream].arrays
        frames = FrameRange(doc["seq_nums"]["start"] - 1, doc["seq_nums"]["stop"] - 1)
        for key in self._keys:
            if key in arrays and doc["stream_resource"] in arrays[key].resources:
                self._unread.append((key, frames))

    def _read(self) -> bool:
        waiting, self._unread = self._unread, []
        found = False
        for key, frames in waiting:
            try:
                self._read_frames(key, frames)
                found = True
            except (StreamResourceError, OSError):
                log.debug("frames %s of %s cannot be read yet", frames, key, exc_info=True)
                self._unread.append((key, frames))
        return found

    def _read_frames(self, key: str, frames: FrameRange) -> None:
        reader = ArrayReader(self._index.streams[self._stream].arrays[key])
        nbytes = max(1, int(np.prod(reader.shape[1:], dtype=np.int64)) * reader.dtype.itemsize)
        most = max(1, READ_NBYTES // nbytes)
        for start in range(frames.start, frames.stop, most):
            numbers, data = reader.good(FrameRange(start, min(start + most, frames.stop)))
            values = (self._number(frame) for frame in data)
            self._values[key].update(zip((numbers + 1).tolist(), values, strict=True))

    def _last_read(self) -> bool:
        found = self._read()
        for key, frames in self._unread:
            log.warning("frames %s of %s could not be read, and are not shown", frames, key)
        return found
