"""Open files for `pread`, a bounded number of them.

Used from several threads at once: a handle in use is never closed under its reader. A path whose file has been replaced
(another device or inode) gets a new handle, so that nobody is served from a file that is no longer there.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from .errors import UnreadableError
from .roots import ReadableRoots


class FileIdentity(NamedTuple):
    """What stays the same while a path means the same file."""

    device: int
    inode: int


@dataclass(slots=True)
class OpenFile:
    """One open file, lent by `FileHandles.lend`."""

    path: Path
    descriptor: int
    identity: FileIdentity
    users: int = 0
    retired: bool = False

    @property
    def size_nbytes(self) -> int:
        """The size of the file now."""
        return os.fstat(self.descriptor).st_size

    def read(self, offset: int, nbytes: int) -> bytes:
        """Exactly `nbytes` bytes from `offset`.

        Raises:
            UnreadableError: The file is shorter, or reading failed.
        """
        try:
            payload = os.pread(self.descriptor, nbytes, offset)
            while len(payload) < nbytes and (
                more := os.pread(self.descriptor, nbytes - len(payload), offset + len(payload))
            ):
                payload += more
        except OSError as error:
            raise unreadable(self.path, error) from error
        if len(payload) == nbytes:
            return payload
        msg = f"{self.path} is shorter than its own index says"
        raise UnreadableError(
            msg,
            expected=f"{nbytes} bytes at offset {offset}",
            seen=f"{len(payload)} bytes",
            do="it was cut off after it was written: restore it",
        )


def unreadable(path: Path, error: Exception) -> UnreadableError:
    """What a failure to open or read `path` is to a client."""
    return UnreadableError(
        f"{path} cannot be read",
        expected="a readable HDF5 file",
        seen=str(error),
        do="check that the file exists, is whole and may be read by the data API",
    )


class FileHandles:
    """At most `limit` open files that nobody uses at the moment, least recently used closed first."""

    def __init__(self, roots: ReadableRoots, *, limit: int = 64) -> None:
        self._roots = roots
        self._limit = limit
        self._open: OrderedDict[Path, OpenFile] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def lend(self, path: Path) -> Generator[OpenFile]:
        """The open file of `path`, for the length of the block. Blocks.

        Raises:
            UnreadableError: It is not there or cannot be opened.
            OutsideRootsError: It is outside the readable roots.
        """
        file = self._take(path)
        try:
            yield file
        finally:
            with self._lock:
                file.users -= 1
                self._close_unused()

    def _take(self, path: Path) -> OpenFile:
        real = self._roots.resolve(path)
        try:
            found = os.stat(real)
            identity = FileIdentity(found.st_dev, found.st_ino)
            with self._lock:
                file = self._open.get(real)
                if file is not None and file.identity == identity:
                    self._open.move_to_end(real)
                    file.users += 1
                    return file
            # `real` has no link left in it: one that appears there now was put there to lead us out.
            descriptor = os.open(real, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise unreadable(real, error) from error
        opened = os.fstat(descriptor)
        return self._keep(OpenFile(real, descriptor, FileIdentity(opened.st_dev, opened.st_ino), users=1))

    def _keep(self, file: OpenFile) -> OpenFile:
        with self._lock:
            before = self._open.pop(file.path, None)
            if before is not None:
                self._retire(before)
            self._open[file.path] = file
            self._close_unused()
        return file

    def _retire(self, file: OpenFile) -> None:
        file.retired = True
        if file.users == 0:
            os.close(file.descriptor)
        else:
            self._open[file.path / f".retired-{file.descriptor}"] = file  # closed by its last reader

    def _close_unused(self) -> None:
        idle = [key for key, file in self._open.items() if file.users == 0]
        surplus = max(0, len(self._open) - self._limit)
        retired = [key for key in idle if self._open[key].retired]
        for key in dict.fromkeys(retired + idle[:surplus]):
            os.close(self._open.pop(key).descriptor)

    def close(self) -> None:
        """Close every file. No reader may be left."""
        with self._lock:
            for file in self._open.values():
                os.close(file.descriptor)
            self._open.clear()

    def statistics(self) -> dict[str, int]:
        """How many files are open, and how many of them are in use."""
        with self._lock:
            return {"open": len(self._open), "in_use": sum(file.users > 0 for file in self._open.values())}
