"""Ports: nobody gets one that somebody else has claimed, whatever process asks and whether it is served on or not."""

import socket
import subprocess
import sys
from contextlib import ExitStack

import pytest
from wingbeat.sim_iocs.errors import PortTakenError
from wingbeat.sim_iocs.ports import CHOICE, LOOPBACK, PortClaim

FEW = CHOICE[:400:100]
OTHER = """
import sys
from wingbeat.sim_iocs.errors import PortTakenError
from wingbeat.sim_iocs.ports import PortClaim
few = [int(port) for port in sys.argv[1:]]
claims = []
try:
    while True:
        claims.append(PortClaim(purpose="a test", among=few))
except PortTakenError:
    print(*sorted(claim.port for claim in claims), flush=True)
sys.stdin.read()
"""


def claimed_by_another() -> subprocess.Popen[str]:
    """Start a process that claims all it can get of a few ports, and keeps them until its stdin ends."""
    command = [sys.executable, "-c", OTHER, *map(str, FEW)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_claimed_port_is_free_to_be_served_on_and_nobody_else_gets_it() -> None:
    with ExitStack() as stack:
        mine = {stack.enter_context(PortClaim(purpose="a test", among=FEW)).port for _ in FEW}
        assert mine == set(FEW)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind((LOOPBACK, FEW[0]))
            tcp.bind((LOOPBACK, FEW[0]))
        with pytest.raises(PortTakenError, match=r"no port on 127\.0\.0\.1 is free for a test"):
            PortClaim(purpose="a test", among=FEW)
    with PortClaim(purpose="a test", among=FEW) as again:
        assert again.port in FEW


def test_processes_that_choose_at_once_share_no_port() -> None:
    with ExitStack() as stack:
        others = [stack.enter_context(claimed_by_another()) for _ in range(3)]
        try:
            theirs = [list(map(int, other.stdout.readline().split())) for other in others if other.stdout]
        finally:
            for other in others:
                other.communicate()
    assert sorted(port for ports in theirs for port in ports) == list(FEW)


def test_what_is_claimed_is_no_port_that_the_kernel_gives_to_connections() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, PortClaim(purpose="a test") as claim:
        udp.bind((LOOPBACK, 0))
        assert claim.port in CHOICE
        assert udp.getsockname()[1] not in range(CHOICE.start, CHOICE.stop)


def test_a_port_in_use_is_refused_by_number_and_passed_over_otherwise() -> None:
    with PortClaim(purpose="a test") as mine, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((LOOPBACK, mine.port))
        with pytest.raises(PortTakenError, match=rf"a test port {mine.port} on 127\.0\.0\.1 is taken"):
            PortClaim(mine.port, purpose="a test")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((LOOPBACK, FEW[0]))
        with PortClaim(purpose="a test", among=FEW[:2]) as claim:
            assert claim.port == FEW[1]
