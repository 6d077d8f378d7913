"""EPICS servers for the rows that need some: on loopback, in processes of their own; the clients are led to them.

Channel Access is served by EPICS base's own server, PV Access by that of p4p; both are compiled, so that a client's
cost is not hidden behind its server's.
"""

import asyncio
import atexit
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

PREFIX = "BENCH:"


def names(count: int) -> list[str]:
    """The PVs of a server with `count` of them: floats, the n-th of which holds n."""
    return [f"{PREFIX}{n}" for n in range(count)]


@contextmanager
def ca_server(count: int, *, rate: float = 0.0) -> Iterator[list[str]]:
    """Serve `count` PVs over Channel Access; with a rate (Hz), each counts from 1 by itself.

    Must be entered before the client library is imported: it reads its environment once.
    """
    port = _free_port()
    os.environ |= {"EPICS_CA_ADDR_LIST": "127.0.0.1", "EPICS_CA_AUTO_ADDR_LIST": "NO", "EPICS_CA_SERVER_PORT": port}
    with _running("ca", port, str(count), str(rate)):
        yield names(count)


@contextmanager
def pva_server(count: int, *, rate: float = 0.0) -> Iterator[list[str]]:
    """Serve `count` PVs over PV Access; with a rate (Hz), each counts from 1 by itself."""
    port, udp_port = _free_port(), _free_port()
    os.environ |= {
        "EPICS_PVA_ADDR_LIST": "127.0.0.1",
        "EPICS_PVA_AUTO_ADDR_LIST": "NO",
        "EPICS_PVA_BROADCAST_PORT": udp_port,
    }
    with _running("pva", port, udp_port, str(count), str(rate)):
        yield names(count)


@contextmanager
def _running(kind: str, *arguments: str) -> Iterator[None]:
    command = [sys.executable, "-m", f"{__name__}.{kind}", *arguments]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        while "ready" not in (line := server.stdout.readline()):
            if not line:
                msg = f"{' '.join(command)} ended with status {server.wait()} before it served"
                raise ChildProcessError(msg)
        yield
    finally:
        server.stdin.close()
        server.wait(timeout=10)
        server.stdout.close()


def _free_port() -> str:
    """A port that no other server of this machine gets while this process runs."""
    from wingbeat.sim_iocs.ports import PortClaim

    claim = PortClaim(purpose="a server of the benchmarks")
    atexit.register(claim.close)
    return str(claim.port)


async def until_stdin_ends(rate: float, post: Callable[[int], Awaitable[None]]) -> None:
    """Say that all is served; then, if there is a rate (Hz), post 1, 2, … until stdin ends."""
    print("ready", flush=True)
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    begun, n = time.monotonic(), 0
    while not ended.done():
        n += 1
        await asyncio.wait({ended}, timeout=max(0.0, begun + n / rate - time.monotonic()) if rate else None)
        if rate:
            await post(n)
