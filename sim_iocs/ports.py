"""Ports on loopback."""

import socket
from contextlib import ExitStack
from dataclasses import dataclass

from .errors import PortTakenError

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Ports to serve on; 0 takes a free one.

    Attributes:
        ca: Channel Access, UDP search and TCP.
        pva: PV Access, UDP search.
    """

    ca: int = 0
    pva: int = 0


def reserve_port(port: int, *, purpose: str) -> int:
    """Find a port that is free for both UDP and TCP on loopback.

    Args:
        port: The port wanted, or 0 for any.
        purpose: What the port is for, for the message.

    Raises:
        PortTakenError: The port is in use.
    """
    for _ in range(100):
        with ExitStack() as stack:
            tcp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            # Connections of a server that was killed linger on its port for a minute; an IOC takes it again.
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tcp.bind((LOOPBACK, port))
                udp.bind((LOOPBACK, tcp.getsockname()[1]))
            except OSError as error:
                if port:
                    msg = (
                        f"{purpose} port {port} on {LOOPBACK} is taken ({error.strerror}): "
                        "stop what uses it, or give another port, or none for a free one"
                    )
                    raise PortTakenError(msg) from error
                continue
            return int(tcp.getsockname()[1])
    msg = f"no port on {LOOPBACK} is free for {purpose}, UDP and TCP: close some programs"
    raise PortTakenError(msg)
