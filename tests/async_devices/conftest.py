"""Small servers of their own, where the EPICS clients of this process look."""

import atexit
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from wingbeat.sim_iocs.ports import PortClaim

from tests import beamline, leaks

SERVERS = Path(__file__).parent / "servers"


def free_port() -> int:
    """A port on loopback that no other server of these tests gets, in whichever process."""
    claim = PortClaim(purpose="a server of these tests")
    atexit.register(claim.close)
    return claim.port


PVA_PORT, PVA_UDP_PORT = free_port(), free_port()


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

    def freeze(self) -> None:
        """Its circuits stay open and nobody answers on them."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def start_ca(prefix: str, variant: str = "") -> ServerProcess:
    port = str(beamline.CA_PORT)
    environment = {"EPICS_CA_SERVER_PORT": port, "EPICS_CAS_SERVER_PORT": port}
    return ServerProcess(str(SERVERS / "ca_server.py"), prefix, variant, environment=environment)


def start_pva(prefix: str, variant: str = "") -> ServerProcess:
    return ServerProcess(str(SERVERS / "pva_server.py"), prefix, str(PVA_PORT), str(PVA_UDP_PORT), variant)


@pytest.fixture(scope="module")
def ca_server():
    """Prefix of a small Channel Access server.

    libca reads its environment once per process, so it serves where the simulated beamline does in other modules.
    """
    server = start_ca("T:")
    yield "T:"
    beamline.forget_channels()
    server.end()


@pytest.fixture(scope="module")
def pva_server():
    """Prefix of a small PV Access server."""
    server = start_pva("T:")
    os.environ["EPICS_PVA_NAME_SERVERS"] = f"127.0.0.1:{PVA_PORT}"
    yield "T:"
    del os.environ["EPICS_PVA_NAME_SERVERS"]
    server.end()
