"""A Channel Access repeater on a private port.

libca registers with a repeater on its host, tries to start one where there is none, and complains on stderr after a
minute if it cannot. A repeater forwards beacons, of which this beamline sends none; so that clients are content, it is
enough to confirm their registration. caproto makes and reads the messages.
"""

import asyncio

import caproto

from .ports import LOOPBACK


class Repeater(asyncio.DatagramProtocol):
    """Confirms registrations."""

    def __init__(self) -> None:
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def serve(cls) -> tuple[asyncio.DatagramTransport, int]:
        """Open a free port on loopback; give the transport, to be closed, and the port."""
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(cls, local_addr=(LOOPBACK, 0))
        return transport, int(transport.get_extra_info("sockname")[1])

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        """Keep the transport to answer with."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer a registration; an empty datagram is one, too, by the oldest clients."""
        broadcaster = caproto.Broadcaster(our_role=caproto.SERVER)
        commands = broadcaster.recv(data, addr) if data else [caproto.RepeaterRegisterRequest(LOOPBACK)]
        registers = any(isinstance(command, caproto.RepeaterRegisterRequest) for command in commands)
        if registers and self._transport is not None:
            self._transport.sendto(broadcaster.send(caproto.RepeaterConfirmResponse(LOOPBACK)), addr)
