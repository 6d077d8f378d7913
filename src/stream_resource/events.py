"""The events of one stream as columns.

Theory of operation. One row per seq_num. A rewound plan emits a seq_num again under a new uid (bluesky restores its
counters at a rewind): the newer event takes the place of the older. An event that is delivered twice, known by its
uid, changes nothing, also when it comes again after it was replaced.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .errors import RunIndexError, UnknownKeyError


class EventRow(NamedTuple):
    """One event: its number from 1, its time in Unix seconds, the values and their times by data key."""

    seq_num: int
    time: float
    data: Mapping[str, Any]
    timestamps: Mapping[str, float]


class EventColumns:
    """The newest event of every seq_num, in order of seq_num.

    Args:
        stream: The stream's name, for messages.
    """

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._rows: dict[int, EventRow] = {}
        self._uids: set[str] = set()
        self._sorted = True

    def add(self, uid: str, row: EventRow) -> bool:
        """Add an event; False if one with this uid was added before.

        Raises:
            RunIndexError: The seq_num is below 1.
        """
        if uid in self._uids:
            return False
        if row.seq_num < 1:
            msg = f"event {uid} of stream {self._stream!r}: expected a seq_num from 1, seen {row.seq_num}"
            raise RunIndexError(msg)
        self._uids.add(uid)
        self._sorted = self._sorted and row.seq_num > next(reversed(self._rows), 0)
        self._rows[row.seq_num] = row
        return True

    def knows(self, uid: str) -> bool:
        """Whether an event with this uid was added, also if a newer one has replaced it."""
        return uid in self._uids

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[EventRow]:
        if not self._sorted:
            self._rows = dict(sorted(self._rows.items()))
            self._sorted = True
        return iter(self._rows.values())

    @property
    def seq_nums(self) -> NDArray[np.int64]:
        """The numbers of the events, ascending."""
        return np.array([row.seq_num for row in self], np.int64)

    @property
    def times(self) -> NDArray[np.float64]:
        """The times of the events in Unix seconds."""
        return np.array([row.time for row in self], np.float64)

    @property
    def keys(self) -> tuple[str, ...]:
        """The data keys that at least one event holds, in order of appearance."""
        return tuple(dict.fromkeys(key for row in self for key in row.data))

    def column(self, key: str) -> list[Any]:
        """The values of a data key, one per event, as they came.

        Raises:
            UnknownKeyError: An event of the stream does not hold the key.
        """
        return self._column(key, "data")

    def timestamps(self, key: str) -> NDArray[np.float64]:
        """When each value of a data key was taken, in Unix seconds.

        Raises:
            UnknownKeyError: An event of the stream does not hold the key.
        """
        return np.array(self._column(key, "timestamps"), np.float64)

    def _column(self, key: str, part: str) -> list[Any]:
        try:
            return [getattr(row, part)[key] for row in self]
        except KeyError as error:
            msg = f"not every event of stream {self._stream!r} holds {part} of {key!r}; its keys are {self.keys}"
            raise UnknownKeyError(msg) from error
