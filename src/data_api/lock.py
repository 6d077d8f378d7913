"""One data API per data directory: the catalogue counts positions in one process."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from .errors import AlreadyServedError, DirectoryError

LOCK_FILE = "catalog.lock"


@contextmanager
def hold_directory(directory: Path) -> Generator[None]:
    """Hold `directory` for the length of the block; the kernel lets go of it when the process dies.

    Raises:
        DirectoryError: It is missing or cannot be written.
        AlreadyServedError: Another process holds it.
    """
    if not directory.is_dir():
        raise DirectoryError(
            f"{directory} cannot be served", expected="a directory", seen="none", do="name the data directory"
        )
    try:
        descriptor = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise DirectoryError(
            f"{directory} cannot be written", seen=str(error), do="check its owner and the disk"
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(descriptor, 64, 0).decode(errors="replace").strip() or "unknown"
            msg = f"{directory} is served already"
            raise AlreadyServedError(msg, seen=f"process {owner}", do="use that server, or stop it first") from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
