"""The Channel Access and the PV Access server of one beamline, on loopback and private ports."""

import asyncio
import os
import socket
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import caproto.asyncio.server
from caproto.server import common as caproto_common
from p4p.server import Server
from p4p.server.asyncio import SharedPV

from .ca_face import CaFace
from .errors import PortTakenError
from .pv import SimPV
from .pva_face import PvaFace

LOOPBACK = "127.0.0.1"
# caproto lengthens its batches up to this under load (its default is 1 s, in which a client sees nothing).
caproto_common.MAX_LATENCY = 0.05
# What it warns of then is what a client of monitors must expect anyway.
caproto_common.HIGH_LOAD_WARN_LATENCY_SEC = 0.0


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


class ChannelAccessServer:
    """Serves PVs over Channel Access with caproto."""

    def __init__(self, pvs: Iterable[SimPV], *, port: int) -> None:
        # No beacons: on loopback they only cause errors, and clients of private ports do not listen for them.
        os.environ.update(EPICS_CAS_AUTO_BEACON_ADDR_LIST="NO", EPICS_CAS_BEACON_ADDR_LIST="")
        self.port = reserve_port(port, purpose="Channel Access")
        self._context = caproto.asyncio.server.Context({pv.name: CaFace(pv).channel for pv in pvs}, [LOOPBACK])
        self._context.ca_server_port = self.port
        self._ready = asyncio.Event()

    async def run(self) -> None:
        """Serve until cancelled."""

        async def started(_: object) -> None:
            self._ready.set()

        await self._context.run(startup_hook=started)

    async def started(self) -> None:
        """Wait until clients can connect.

        Raises:
            PortTakenError: Somebody has taken the port since it was found free.
        """
        await self._ready.wait()
        if self._context.port != self.port:
            msg = f"Channel Access port {self.port} on {LOOPBACK} was taken while the server started: start it again"
            raise PortTakenError(msg)

    def environment(self) -> dict[str, str]:
        """Give what a client needs to find this server and no other."""
        return {
            "EPICS_CA_ADDR_LIST": LOOPBACK,
            "EPICS_CA_AUTO_ADDR_LIST": "NO",
            "EPICS_CA_SERVER_PORT": str(self.port),
            "EPICS_CA_MAX_ARRAY_BYTES": "40000000",
        }


class PVAccessServer:
    """Serves PVs over PV Access with p4p."""

    def __init__(self, pvs: Iterable[SimPV], *, port: int, others: Mapping[str, SharedPV]) -> None:
        search_port = reserve_port(port, purpose="PV Access")
        provider = {pv.name: PvaFace(pv).shared for pv in pvs} | dict(others)
        self._server = Server(
            providers=[provider],
            useenv=False,
            conf={
                "EPICS_PVAS_INTF_ADDR_LIST": LOOPBACK,
                "EPICS_PVAS_BEACON_ADDR_LIST": "",
                "EPICS_PVAS_AUTO_BEACON_ADDR_LIST": "NO",
                "EPICS_PVAS_SERVER_PORT": "0",
                "EPICS_PVAS_BROADCAST_PORT": str(search_port),
            },
        )
        self.port = int(self._server.conf()["EPICS_PVAS_BROADCAST_PORT"])

    def environment(self) -> dict[str, str]:
        """Give what a client needs to find this server and no other."""
        return {
            "EPICS_PVA_ADDR_LIST": LOOPBACK,
            "EPICS_PVA_AUTO_ADDR_LIST": "NO",
            "EPICS_PVA_BROADCAST_PORT": str(self.port),
        }

    def stop(self) -> None:
        """Close every connection and stop serving."""
        self._server.stop()
