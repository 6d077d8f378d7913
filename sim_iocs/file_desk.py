"""Who writes a file: a desk in this process, or one in a process of its own.

Theory of operation. A desk has at most one open file and does what it is told, one verb at a time, blocking; the plugin
calls it in one thread. HDF5 holds Python's lock while the kernel copies a frame, three quarters of the time at full
rate, so in a process with the servers they would starve. A `RemoteDesk` sends each verb, pickled, to a child process
and waits for the reply without that lock. Only descriptions of frames are sent, never pixels.

The child ends when its standard input does. When the server is killed, it leaves its file as it is, as an IOC that is
killed does; an orderly end closes the file first.
"""

import os
import pickle
import signal
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Literal, Protocol, cast

from .shots import Shots

_LENGTH = struct.Struct("<Q")
Verb = Literal["open", "write", "flush", "close"]


class OpenFile(Protocol):
    """A file, or a series of them, that frames are written to; every method gives the frames taken in so far."""

    def write(self, shots: Shots) -> int:
        """Append frames."""
        ...

    def flush(self) -> int:
        """Make everything readable."""
        ...

    def close(self) -> int:
        """Write what is left and close."""
        ...


class Layout(Protocol):
    """How to lay out a file; can be pickled."""

    def make(self, path: Path) -> OpenFile:
        """Make the file."""
        ...


class Desk(Protocol):
    """Where files are written."""

    def open(self, path: Path, layout: Layout) -> int:
        """Make a file, closing what is open."""
        ...

    def write(self, shots: Shots) -> int:
        """Append frames; gives the rows of the file."""
        ...

    def flush(self) -> int:
        """Make everything readable; gives the rows of the file."""
        ...

    def close(self) -> int:
        """Close the file, if one is open; gives its rows."""
        ...

    def end(self) -> None:
        """Close, and give back what the desk holds."""
        ...


class LocalDesk:
    """Writes in the calling thread."""

    def __init__(self) -> None:
        self._file: OpenFile | None = None

    def open(self, path: Path, layout: Layout) -> int:
        """Make a file, closing what is open.

        Raises:
            OSError: It cannot be made.
        """
        self.close()
        self._file = layout.make(path)
        return 0

    def write(self, shots: Shots) -> int:
        """Append frames; gives the rows of the file."""
        return self._file.write(shots) if self._file is not None else 0

    def flush(self) -> int:
        """Make everything readable; gives the rows of the file."""
        return self._file.flush() if self._file is not None else 0

    def close(self) -> int:
        """Close the file, if one is open; gives its rows."""
        file, self._file = self._file, None
        return file.close() if file is not None else 0

    def end(self) -> None:
        """Close."""
        self.close()


class RemoteDesk:
    """Has a child process write; it is started with the first file."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None

    def open(self, path: Path, layout: Layout) -> int:
        """Make a file, closing what is open.

        Raises:
            OSError: It cannot be made, or the child has died.
        """
        return self._ask("open", path, layout)

    def write(self, shots: Shots) -> int:
        """Append frames; gives the rows of the file."""
        return self._ask("write", shots)

    def flush(self) -> int:
        """Make everything readable; gives the rows of the file."""
        return self._ask("flush") if self._child is not None else 0

    def close(self) -> int:
        """Close the file, if one is open; gives its rows."""
        return self._ask("close") if self._child is not None else 0

    def end(self) -> None:
        """Close, and wait for the child's end."""
        if self._child is None:
            return
        try:
            self.close()
        finally:
            child, self._child = self._child, None
            child.communicate()

    def _ask(self, verb: Verb, *arguments: Any) -> int:
        if self._child is None:
            self._child = self._started()
        child = self._child
        try:
            _send(cast("IO[bytes]", child.stdin), (verb, arguments))
            reply = _receive(cast("IO[bytes]", child.stdout))
        except (EOFError, BrokenPipeError) as error:
            self._child = None
            with suppress(BrokenPipeError):
                cast("IO[bytes]", child.stdin).close()
            cast("IO[bytes]", child.stdout).close()
            status = child.wait()
            msg = f"the process that writes files ended with status {status}; the next capture starts another"
            raise OSError(msg) from error
        if isinstance(reply, BaseException):
            raise reply
        return int(reply)

    @staticmethod
    def _started() -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", __name__]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _send(stream: IO[bytes], message: object) -> None:
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(_LENGTH.pack(len(body)) + body)
    stream.flush()


def _receive(stream: IO[bytes]) -> Any:
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    body = stream.read(length)
    if len(body) < length:
        raise EOFError
    return pickle.loads(body)  # from the parent that started us


def main() -> None:
    """Serve a desk on standard input and output until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which closes the file
    stdin, stdout, desk = sys.stdin.buffer, sys.stdout.buffer, LocalDesk()
    while True:
        try:
            verb, arguments = _receive(stdin)
        except EOFError:
            # Without a farewell from the parent: its file stays as an IOC leaves it that is killed.
            stdout.close()
            os._exit(0)
        try:
            reply: object = getattr(desk, verb)(*arguments)
        except (OSError, RuntimeError, ValueError, MemoryError) as error:
            reply = error
        _send(stdout, reply)


if __name__ == "__main__":
    main()
