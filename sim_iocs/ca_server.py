"""The Channel Access server of a beamline: caproto's, which can also be slow, awkward, or away for a while.

Order. caproto gathers updates for some milliseconds and sends replies at once, so that a client could be told that a
move is complete before the read-back that came with it. A real server has sent that by then, and clients read what
their monitors brought last. So a completion waits, for a moment at most, until the updates posted before it are sent.
"""

import asyncio
import os
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import caproto
import caproto.asyncio.server
from caproto.server import common as caproto_common

from .ca_face import CaFace
from .errors import PortTakenError
from .pace import Pace
from .ports import LOOPBACK, PortClaim
from .pv import SimPV
from .record import COMPLETION

# caproto lengthens its batches up to this under load (its default is 1 s, in which a client sees nothing).
caproto_common.MAX_LATENCY = 0.05
# What it warns of then is what a client of monitors must expect anyway.
caproto_common.HIGH_LOAD_WARN_LATENCY_SEC = 0.0

UPDATES_FIRST_SECONDS = 0.5


class _Circuit(caproto.asyncio.server.VirtualCircuit):
    """One client's connection, served at the server's pace."""

    def __init__(self, circuit: Any, client: Any, context: "_Context") -> None:
        super().__init__(circuit, client, context)
        self._pace = context.pace
        # Puts with completion that are pending: the last one of each channel, and each by its number.
        self._last: dict[int, asyncio.Event] = {}
        self._pending: dict[int, asyncio.Event] = {}
        # Updates taken out of the queue and not sent yet.
        self._gathered = 0
        self.looked = asyncio.Event()

    async def get_from_sub_queue(self, timeout: float | None = None) -> Any:
        """Give the next update for this client, or None after `timeout` seconds."""
        update = await super().get_from_sub_queue(timeout)
        # The queue holds weak references: what was too much for a slow client is gone, and will not be sent.
        if update is None:
            self.looked.set()
        elif update() is not None:
            self._gathered += 1
        return update

    @property
    def _updates_wait(self) -> bool:
        return bool(self._gathered) or not (self.subscription_queue.empty() and self.context.subscription_queue.empty())

    async def _send_updates_first(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(UPDATES_FIRST_SECONDS):
                while self.connected and self._updates_wait:
                    self.looked.clear()
                    await self.looked.wait()

    async def _process_command(self, command: Any) -> Any:
        if self._pace.delay > 0:
            await asyncio.sleep(self._pace.delay)
        waits = isinstance(command, caproto.WriteNotifyRequest)
        # The task that serves a write inherits this.
        COMPLETION.set(waits)
        if waits and self._pace.circuit_blocks:
            await self._take_turn(command.sid, command.ioid)
        return await super()._process_command(command)

    async def _take_turn(self, channel: int, number: int) -> None:
        """Wait for the channel's last put with completion; everything behind it on this circuit waits, too."""
        if channel in self._last:
            with suppress(TimeoutError):
                async with asyncio.timeout(Pace.BLOCKED_SECONDS):
                    await self._last[channel].wait()
        self._last[channel] = self._pending[number] = asyncio.Event()

    async def send(self, *commands: Any) -> None:
        """Send, and note which puts are complete."""
        completions = [command for command in commands if isinstance(command, caproto.WriteNotifyResponse)]
        if completions:
            await self._send_updates_first()
        await super().send(*commands)
        if any(isinstance(command, caproto.EventAddResponse) for command in commands):
            self._gathered = 0
            self.looked.set()
        for command in completions:
            if command.ioid in self._pending:
                self._pending.pop(command.ioid).set()


class _Context(caproto.asyncio.server.Context):
    CircuitClass = _Circuit

    def __init__(self, channels: dict[str, caproto.ChannelData], *, pace: Pace) -> None:
        super().__init__(channels, [LOOPBACK])
        self.pace = pace

    async def _subscription_queue_iteration(self, *update: Any) -> None:
        await super()._subscription_queue_iteration(*update)
        for circuit in self.circuits:
            circuit.looked.set()

    async def hang_up(self) -> None:
        """Close what clients are connected to; caproto leaves its connections and its listener open."""
        loop = asyncio.get_running_loop()
        for sock in self.tcp_sockets.values():
            loop.remove_reader(sock.fileno())
        for circuit in tuple(self.circuits):
            circuit.client.close()


class ChannelAccessServer:
    """Serves PVs over Channel Access with caproto.

    Args:
        pvs: What is served.
        port: UDP and TCP; 0 = a free one.
        pace: How it serves.

    Raises:
        PortTakenError: The port is in use.
    """

    def __init__(self, pvs: Iterable[SimPV], *, port: int, pace: Pace) -> None:
        # No beacons: on loopback they only cause errors, and clients of private ports do not listen for them.
        os.environ.update(EPICS_CAS_AUTO_BEACON_ADDR_LIST="NO", EPICS_CAS_BEACON_ADDR_LIST="")
        self._claim = PortClaim(port, purpose="Channel Access")
        self.port = self._claim.port
        self._channels = {pv.name: CaFace(pv).channel for pv in pvs}
        self._pace = pace

    async def serve(self, ready: asyncio.Event, leave: asyncio.Event) -> None:
        """Serve until told to leave; then close every connection.

        Args:
            ready: Set when clients can connect.
            leave: Set by others when the server shall go.

        Raises:
            PortTakenError: Somebody has taken the port since it was found free.
        """
        context = _Context(self._channels, pace=self._pace)
        context.ca_server_port = self.port

        async def started(_: object) -> None:
            ready.set()

        async with asyncio.TaskGroup() as group:
            running = group.create_task(context.run(startup_hook=started), name="Channel Access server")
            try:
                await ready.wait()
                if context.port != self.port:
                    msg = (
                        f"Channel Access port {self.port} on {LOOPBACK} was taken while the server started: "
                        "start it again"
                    )
                    raise PortTakenError(msg)
                await leave.wait()
            finally:
                await context.hang_up()
                running.cancel()

    def close(self) -> None:
        """Give the port back; nothing is served afterwards."""
        self._claim.close()

    def environment(self) -> dict[str, str]:
        """Give what a client needs to find this server and no other."""
        return {
            "EPICS_CA_ADDR_LIST": LOOPBACK,
            "EPICS_CA_AUTO_ADDR_LIST": "NO",
            "EPICS_CA_SERVER_PORT": str(self.port),
            "EPICS_CA_MAX_ARRAY_BYTES": "40000000",
        }
