"""Servers of their own on free ports, known to EPICS before any test runs."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests import leaks

SERVERS = Path(__file__).parent / "servers"


def free_port() -> int:
    with socket.socket() as tcp:
        tcp.bind(("127.0.0.1", 0))
        return tcp.getsockname()[1]


CA_PORT, PVA_PORT, PVA_UDP_PORT = free_port(), free_port(), free_port()

# The house's environment leads to the simulated beamline by UDP; these servers are found by TCP beside it. libca reads
# its environment once per process, so this is set before any test runs; a PVA client reads it when it is made.
os.environ["EPICS_CA_NAME_SERVERS"] = f"127.0.0.1:{CA_PORT}"


class ServerProcess:
    """A Python script that says a line when it is ready and ends when its stdin does."""

    def __init__(self, *arguments: str, environment: dict[str, str] | None = None) -> None:
        with leaks.allowed():
            self.process = subprocess.Popen(
                [sys.executable, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=os.environ | (environment or {}),
            )
            self.ready_line = self.process.stdout.readline()
        if not self.ready_line:
            raise ValueError(f"{arguments} ended with {self.process.wait()} before it was ready")

    def end(self) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture(scope="session")
def ca_server():
    """Prefix of a small Channel Access server."""
    server = ServerProcess(
        str(SERVERS / "ca_server.py"),
        "T:",
        environment={"EPICS_CA_SERVER_PORT": str(CA_PORT), "EPICS_CAS_SERVER_PORT": str(CA_PORT)},
    )
    yield "T:"
    server.end()


@pytest.fixture(scope="module")
def pva_server():
    """Prefix of a small PV Access server."""
    server = ServerProcess(str(SERVERS / "pva_server.py"), "T:", str(PVA_PORT), str(PVA_UDP_PORT))
    os.environ["EPICS_PVA_NAME_SERVERS"] = f"127.0.0.1:{PVA_PORT}"
    yield "T:"
    del os.environ["EPICS_PVA_NAME_SERVERS"]
    server.end()
