"""The simulated beamline as the tests run it."""

import json
import os
import select
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from wingbeat.sim_iocs.ports import PortClaim

LOOPBACK = "127.0.0.1"
START_SECONDS = 60.0
STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Beamline:
    """A simulated beamline that is being served.

    Attributes:
        prefix: Of every PV, for example "SIM:".
        environment: What a client in another process needs to find it; this process has it already.
        pid: Of the serving process.
    """

    prefix: str
    environment: dict[str, str]
    pid: int


def _stand_in_for_the_repeater() -> socket.socket:
    # A CA client starts a `caRepeater` that outlives it, unless the repeater's port is taken: then it believes that one
    # runs.
    repeater = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    repeater.bind(("", 0))
    return repeater


# Held until this process ends: another one, as a second worker of the tests, cannot come by the same ports meanwhile.
_CA, _PVA = PortClaim(purpose="the tests' Channel Access"), PortClaim(purpose="the tests' PV Access")
CA_PORT, PVA_PORT = _CA.port, _PVA.port
REPEATER = _stand_in_for_the_repeater()


def environment() -> dict[str, str]:
    """EPICS variables that confine every client of this process and its children to this session's servers."""
    return {
        "EPICS_CA_ADDR_LIST": LOOPBACK,
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "EPICS_CA_SERVER_PORT": str(CA_PORT),
        "EPICS_CA_REPEATER_PORT": str(REPEATER.getsockname()[1]),
        "EPICS_CA_MAX_ARRAY_BYTES": "40000000",
        "EPICS_PVA_ADDR_LIST": LOOPBACK,
        "EPICS_PVA_AUTO_ADDR_LIST": "NO",
        "EPICS_PVA_BROADCAST_PORT": str(PVA_PORT),
        "EPICS_CAS_INTF_ADDR_LIST": LOOPBACK,
        "EPICS_PVAS_INTF_ADDR_LIST": LOOPBACK,
    }


@contextmanager
def running() -> Iterator[Beamline]:
    """Serve the simulated beamline at this session's ports until the block ends."""
    command = [sys.executable, "-m", "wingbeat.sim_iocs", "--ca-port", str(CA_PORT), "--pva-port", str(PVA_PORT)]
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            yield _ready(process, log)
        finally:
            _stop(process)


def close() -> None:
    """Give back the session's ports."""
    for held in (_CA, _PVA, REPEATER):
        held.close()


def forget_channels() -> None:
    """Close the Channel Access channels of this process, before their server does.

    aioca keeps channels for ever, those of closed event loops too, and libca would report each disconnection to its
    loop.
    """
    if "aioca" in sys.modules:
        sys.modules["aioca"].purge_channel_caches()


def _ready(process: subprocess.Popen[str], log: IO[str]) -> Beamline:
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], START_SECONDS)
    line = process.stdout.readline() if readable else ""
    if not line.startswith("{"):
        log.seek(0)
        message = (
            f"the simulated beamline was not ready within {START_SECONDS:.0f} s; it said {line!r} and\n{log.read()}"
        )
        raise ChildProcessError(message)
    ready = json.loads(line)
    theirs = {name: value for name, value in ready["environment"].items() if "REPEATER" not in name}  # ours stands in
    other = {name: value for name, value in theirs.items() if os.environ.get(name) != value}
    assert not other, f"the simulated beamline is served where this process does not look: {other}"
    return Beamline(prefix=ready["prefix"], environment=ready["environment"], pid=ready["pid"])


def _stop(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    for end in (process.terminate, process.kill):
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            end()
