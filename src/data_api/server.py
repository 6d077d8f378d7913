"""The server process: uvicorn on a socket of our own, until a signal or the end of standard input.

uvicorn's own signal handling raises the signal again when it is done, so that the process ends as killed. A
supervisor that asked for an orderly end by SIGTERM gets status 0 from us.
"""

import asyncio
import os
import signal
import socket
import stat
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, cast

import orjson
import uvicorn
import uvloop

from ..task_owner import TaskOwner
from .app import make_app
from .errors import PortTakenError
from .hosts import LOOPBACK
from .lock import hold_directory
from .service import open_service

BACKLOG = 512
CLOSE_TIMEOUT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """How to serve.

    Attributes:
        directory: The data directory.
        host: The address to bind; loopback unless said otherwise.
        port: The port; 0 lets the kernel choose.
        readable_roots: More directories whose files may be read.
        host_names: More names that requests may be sent to.
        database: URL of the catalogue; by default SQLite in the directory.
        print_ready: Print one line of JSON when requests are answered.
        stay: Do not end when standard input does.
    """

    directory: Path
    host: str = "127.0.0.1"
    port: int = 8000
    readable_roots: tuple[Path, ...] = ()
    host_names: tuple[str, ...] = ()
    database: str | None = None
    print_ready: bool = False
    stay: bool = False


def serve(settings: ServeSettings) -> None:
    """Serve until SIGTERM, SIGINT or, unless `stay`, the end of standard input. Blocks.

    Raises:
        PortTakenError: The address cannot be bound.
        DirectoryError: The directory is missing or cannot be written.
        AlreadyServedError: Another process serves the directory.
        CatalogError: The catalogue cannot be opened.
    """
    with (
        hold_directory(settings.directory),
        listen(settings.host, settings.port) as listener,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_serve(settings, listener))


@contextmanager
def listen(host: str, port: int) -> Generator[socket.socket]:
    """A listening TCP socket.

    Raises:
        PortTakenError: It cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only on sockets that name their protocol; without it each reply waits ~45 ms for an ACK.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(BACKLOG)
        except (OSError, OverflowError) as error:
            msg = f"the data API cannot listen on {host}:{port}"
            raise PortTakenError(
                msg, expected="a free port", seen=str(error), do="stop what listens there, or use --port 0"
            ) from error
        yield listener


def url_of(listener: socket.socket) -> str:
    """The URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """uvicorn that tells when it is ready and leaves signals to us."""

    def __init__(self, config: uvicorn.Config, *, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


async def _serve(settings: ServeSettings, listener: socket.socket) -> None:
    async with open_service(settings.directory, roots=settings.readable_roots, database=settings.database) as service:
        app = make_app(service, host_names={*LOOPBACK, settings.host, *settings.host_names})
        config = uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=CLOSE_TIMEOUT,
        )
        server = _Server(config, on_ready=lambda: _announce(settings, listener))

        def leave() -> None:
            server.should_exit = True

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, leave)
        owner = TaskOwner("server")
        try:
            if not settings.stay and _has_input_to_end():
                owner.start(_leave_at_end_of_input(leave), name="standard input")
            await server.serve(sockets=[listener])
        finally:
            await owner.aclose()


def _has_input_to_end() -> bool:
    """Whether standard input can tell that our parent has gone. A terminal has signals for it, a closed one nothing."""
    stdin = cast("TextIO | None", sys.stdin)  # None where it was closed
    return stdin is not None and not stdin.isatty()


async def _leave_at_end_of_input(leave: Callable[[], None]) -> None:
    descriptor = sys.stdin.fileno()
    kind = os.fstat(descriptor).st_mode
    if stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind):
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
        )
        try:
            while await reader.read(4096):
                pass
        finally:
            transport.close()
    leave()  # a file or /dev/null is at its end from the beginning


def _announce(settings: ServeSettings, listener: socket.socket) -> None:
    if settings.print_ready:
        line = orjson.dumps({"ready": True, "url": url_of(listener), "pid": os.getpid()})
        sys.stdout.write(f"{line.decode()}\n")
    else:
        sys.stdout.write(f"serving {settings.directory} at {url_of(listener)}\n")
    sys.stdout.flush()
