"""Ports on loopback, each for one server of this machine at a time.

Theory of operation. Between finding a port free and serving on it, others could take it; so could they while a server
is away (`Disconnect`) or between two servers that follow each other at the same port. Two kinds of others:

- The kernel, which gives ports of its ephemeral range to any connection. So free ports are looked for below it.
- Other beamlines, of this process or another. A port is chosen together with its upper neighbour, and a UDP socket
  stays bound to the neighbour for as long as the port is claimed: who chooses a port has to get the neighbour first.

A port that was asked for by number is not claimed: whoever names it answers for it, as a test that has claimed it for
the server that it starts.
"""

import random
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self

from .errors import PortTakenError

LOOPBACK = "127.0.0.1"
# Below the ephemeral ranges of Linux (32768 up) and of the others (49152 up); EPICS' own 5064 to 5076 are below it.
CHOICE = range(20000, 32000, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Ports to serve on; 0 takes a free one.

    Attributes:
        ca: Channel Access, UDP search and TCP.
        pva: PV Access, UDP search.
    """

    ca: int = 0
    pva: int = 0


class PortClaim:
    """A port for both UDP and TCP on loopback that nobody else who claims ports gets until it is closed.

    Args:
        port: The port wanted, which must be free now; or 0 for any.
        purpose: What the port is for, for the message.
        among: Ports to choose from, with an upper neighbour free for the claim.

    Attributes:
        port: The port.

    Raises:
        PortTakenError: The port is in use, or none is free.
    """

    def __init__(self, port: int = 0, *, purpose: str, among: Iterable[int] = CHOICE) -> None:
        self.port = port
        self._neighbour: socket.socket | None = None
        if port:
            _refuse_if_taken(port, purpose=purpose)
            return
        for candidate in _shuffled(among):
            self._neighbour = _claimed(candidate)
            if self._neighbour is not None:
                self.port = candidate
                return
        msg = f"no port on {LOOPBACK} is free for {purpose}, UDP and TCP: close some programs"
        raise PortTakenError(msg)

    def __enter__(self) -> Self:
        """Hold the claim inside the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the port back."""
        self.close()

    def close(self) -> None:
        """Give the port back."""
        if self._neighbour is not None:
            self._neighbour.close()
            self._neighbour = None


def _shuffled(ports: Iterable[int]) -> Iterator[int]:
    # From anywhere, so that a hundred beamlines started at once do not all knock at the same doors. Not from the
    # module's own generator, which a seeded test would have repeat itself.
    choice = list(ports)
    random.SystemRandom().shuffle(choice)
    yield from choice


def _claimed(port: int) -> socket.socket | None:
    """Bind the neighbour; None if it or the port is taken."""
    neighbour = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        neighbour.bind((LOOPBACK, port + 1))
        _probe(port)
    except OSError:
        neighbour.close()
        return None
    return neighbour


def _refuse_if_taken(port: int, *, purpose: str) -> None:
    try:
        _probe(port)
    except OSError as error:
        msg = (
            f"{purpose} port {port} on {LOOPBACK} is taken ({error.strerror}): "
            "stop what uses it, or give another port, or none for a free one"
        )
        raise PortTakenError(msg) from error


def _probe(port: int) -> None:
    with ExitStack() as stack:
        tcp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        # Connections of a server that was killed linger on its port for a minute; an IOC takes it again.
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind((LOOPBACK, port))
        udp.bind((LOOPBACK, port))
