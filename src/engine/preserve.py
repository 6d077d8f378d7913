"""What an engine keeps on disk between sessions: its metadata, and the lock that keeps a second engine away."""

import fcntl
import json
import os
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any, cast

import orjson

from .errors import DocumentError, EngineLockedError, JournalError


class PersistentMetadata(MutableMapping[str, Any]):
    """A mapping that is written to a JSON file at every change, whole or not at all.

    Only JSON's own types keep: lists come back for tuples. A value changed in place is written at the next
    assignment; assign it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._data: dict[str, Any] = {}
        if path.exists():
            self._data = self._read()

    def _read(self) -> dict[str, Any]:
        try:
            found = orjson.loads(self._path.read_bytes())
        except (orjson.JSONDecodeError, OSError) as error:
            msg = f"the metadata in {self._path} cannot be read: {error}; correct the file or move it away"
            raise JournalError(msg) from error
        return cast(dict[str, Any], found)

    def __getitem__(self, key: str) -> Any:
        return self._data[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._write({**self._data, key: value})

    def __delitem__(self, key: str) -> None:
        data = dict(self._data)
        del data[key]
        self._write(data)

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __repr__(self) -> str:
        return f"{self._data!r} in {self._path}"

    def _write(self, data: dict[str, Any]) -> None:
        try:
            payload = json.dumps(data, indent=1)
        except (TypeError, ValueError) as error:
            msg = f"RE.md cannot hold that: {error}; it is kept as JSON"
            raise DocumentError(msg) from error
        fresh = self._path.with_suffix(".new")
        fresh.write_text(payload)
        fresh.replace(self._path)
        self._data = data


class DirectoryLock:
    """Makes a directory and holds it for one engine; the kernel lets go of it when the process ends, however it ends.

    Raises:
        EngineLockedError: Another engine holds it; its process is named.
        JournalError: The directory cannot be made or written.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / "engine.lock"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            msg = f"the data directory {directory} cannot be made or written: {error}; check its path and rights"
            raise JournalError(msg) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(self._file, 32).decode(errors="replace").strip() or "unknown"
            os.close(self._file)
            msg = (
                f"the data directory {directory} is held by another engine, in process {holder};"
                " close that engine, or give this one a directory of its own"
            )
            raise EngineLockedError(msg) from error
        os.ftruncate(self._file, 0)
        os.write(self._file, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let go of the directory. May be called again."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
