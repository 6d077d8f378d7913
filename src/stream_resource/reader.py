"""A run read from its journal and its files, without a server. Blocks: it reads files."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from .array_reader import ArrayReader as ArrayReader
from .errors import CorruptJournalError, UnknownKeyError, UnreadableError
from .journal import JOURNAL_SUFFIX, JournalRecord, decode_records
from .runindex import RunIndex, StreamIndex

LATEST = "latest"
"""In place of a uid: the run that was started last."""


class StreamReader(Mapping[str, "ArrayReader | NDArray[Any]"]):
    """One stream: `stream[key]` is an ArrayReader for an external key, the column of its events for another.

    Attributes:
        index: What the documents say.
    """

    def __init__(self, index: StreamIndex) -> None:
        self.index = index

    def __getitem__(self, key: str) -> "ArrayReader | NDArray[Any]":
        """The data of a key.

        Raises:
            UnknownKeyError: The stream has no such key, or not every event holds it.
        """
        if key in self.index.arrays:
            return ArrayReader(self.index.arrays[key])
        if key in self.index.data_keys:
            return _column(self.index.events.column(key))
        msg = f"stream {self.index.name!r} has no data key {key!r}; it has {list(self.index.data_keys)}"
        raise UnknownKeyError(msg)

    def __iter__(self) -> Iterator[str]:
        return iter(self.index.data_keys)

    def __len__(self) -> int:
        return len(self.index.data_keys)


class RunReader(Mapping[str, StreamReader]):
    """One run: `run["primary"]["cam"][0]` is the first frame of `cam`.

    Attributes:
        index: What the documents say; a live run's reader sees what is applied to it.
    """

    def __init__(self, index: RunIndex) -> None:
        self.index = index

    @property
    def uid(self) -> str:
        """The run's uid."""
        return self.index.uid

    @property
    def start(self) -> dict[str, Any] | None:
        """The start document."""
        return self.index.start

    @property
    def stop(self) -> dict[str, Any] | None:
        """The stop document, or None while the run goes on."""
        return self.index.stop

    def __getitem__(self, stream: str) -> StreamReader:
        """A stream by name.

        Raises:
            UnknownKeyError: The run has no such stream.
        """
        if stream not in self.index.streams:
            msg = f"run {self.uid} has no stream {stream!r}; it has {list(self.index.streams)}"
            raise UnknownKeyError(msg)
        return StreamReader(self.index.streams[stream])

    def __iter__(self) -> Iterator[str]:
        return iter(self.index.streams)

    def __len__(self) -> int:
        return len(self.index.streams)


def open_run(directory: Path | str, uid: str = LATEST) -> RunReader:
    """Read a run from the journal of a data directory, as far as it is written.

    Args:
        directory: The data directory (its `journal` is read), or a directory of journal segments.
        uid: The run's uid, the beginning of one that no other run shares, or "latest".

    Raises:
        UnknownKeyError: No run, or more than one, fits.
        UnreadableError: There is no journal.
        CorruptJournalError: The journal is damaged.
    """
    segments = journal_segments(directory)
    found = _find(segments, uid)
    index = RunIndex()
    for record in _records(segments):
        doc = orjson.loads(record.payload)
        if (record.name == "start" and doc["uid"] == found) or (index.start and index.owns(doc)):
            index.apply(record.name, doc)
        if index.stop is not None:
            break
    return RunReader(index)


def journal_segments(directory: Path | str) -> list[Path]:
    """The segments of a journal, oldest first.

    Raises:
        UnreadableError: There are none.
    """
    root = Path(directory)
    folder = root / "journal" if (root / "journal").is_dir() else root
    segments = sorted(folder.glob(f"*{JOURNAL_SUFFIX}"))
    if not segments:
        msg = f"{root} holds no journal: expected {root / 'journal'} with files *{JOURNAL_SUFFIX}"
        raise UnreadableError(msg)
    return segments


def _records(segments: list[Path]) -> Iterator[JournalRecord]:
    for path in segments:
        try:
            decoded = decode_records(path.read_bytes())
        except CorruptJournalError as error:
            msg = f"{path}: {error}"
            raise CorruptJournalError(msg) from error
        except OSError as error:
            msg = f"{path} cannot be read: {error}"
            raise UnreadableError(msg) from error
        yield from decoded.records
        # The newest segment may end within a record that is being written; an older one was closed behind a whole one.
        if decoded.torn and path != segments[-1]:
            msg = f"{path} ends within a record at byte {decoded.consumed}, and a newer segment follows"
            raise CorruptJournalError(msg)


def _find(segments: list[Path], uid: str) -> str:
    uids = [orjson.loads(record.payload)["uid"] for record in _records(segments) if record.name == "start"]
    if uid == LATEST and uids:
        return uids[-1]
    fitting = [uid] if uid in uids else [known for known in dict.fromkeys(uids) if known.startswith(uid)]
    if len(fitting) != 1:
        msg = f"{len(fitting)} of the {len(uids)} runs in {segments[0].parent} have a uid that begins with {uid!r}"
        raise UnknownKeyError(msg)
    return fitting[0]


def _column(values: list[Any]) -> NDArray[Any]:
    try:
        return np.array(values)
    except ValueError:  # events of unequal shape make no rectangular array
        column = np.empty(len(values), object)
        column[:] = values
        return column
