"""A beamline with its servers, which come and go together.

Theory of operation. The servers stand until they are told to disconnect: then both close every connection, and after
the seconds asked for come back at the same ports with the same PVs; the beamline goes on meanwhile, as hardware does
when its IOC is restarted. A silent IOC is a process that is stopped: its connections stay, and nobody answers; since
nothing of the physics is ticked, the world is where it should be when the process goes on. A child process wakes it.
"""

import asyncio
import os
import subprocess
from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from p4p.server.asyncio import SharedPV

from .beamline import Beamline
from .ca_server import ChannelAccessServer
from .clock import RealClock
from .faults import Switch
from .pace import Pace
from .ports import Ports
from .pv import Kind
from .pva_server import PVAccessServer
from .repeater import Repeater
from .settings import BeamlineSettings


class ServerFaults:
    """What can go wrong with the servers.

    Attributes:
        pace: How they serve.
        leave: Set when they shall disconnect.
        away: For how many seconds.
    """

    def __init__(self) -> None:
        self.pace = Pace()
        self.leave = asyncio.Event()
        self.away = 0.0

    def switches(self) -> Iterable[Switch]:
        """Give the faults of servers."""
        yield Switch(name="SlowIOC", kind=Kind.FLOAT, default=0.0, apply=self._slow)
        yield Switch(name="SilentIOC", kind=Kind.FLOAT, default=0.0, apply=_stop_this_process, momentary=True)
        yield Switch(name="Disconnect", kind=Kind.FLOAT, default=0.0, apply=self._disconnect, momentary=True)
        yield Switch(name="CircuitBlocks", kind=Kind.ENUM, default=0, apply=self._block)

    def _slow(self, seconds: float) -> None:
        self.pace.delay = max(seconds, 0.0)

    def _block(self, value: int) -> None:
        self.pace.circuit_blocks = bool(value)

    def _disconnect(self, seconds: float) -> None:
        if seconds > 0:
            self.away = seconds
            self.leave.set()


def _stop_this_process(seconds: float) -> None:
    if seconds > 0:
        pid = os.getpid()
        subprocess.Popen(["/bin/sh", "-c", f"sleep 0.1; kill -STOP {pid}; sleep {seconds:.3f}; kill -CONT {pid}"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A beamline that clients can reach.

    Attributes:
        beamline: Its devices.
        environment: Environment variables for clients.
    """

    beamline: Beamline
    environment: dict[str, str]


@asynccontextmanager
async def serving(settings: BeamlineSettings, ports: Ports) -> AsyncGenerator[Served]:
    """Run and serve a beamline inside the block, in this process.

    Args:
        settings: What there is.
        ports: Where to serve.

    Raises:
        PortTakenError: A port that was asked for is in use.
        SettingsError: The settings ask for a fault that no device has.
    """
    async with AsyncExitStack() as stack:
        faults = ServerFaults()
        beamline = Beamline(settings, RealClock(), switches=faults.switches())
        shared: dict[str, SharedPV] = {}
        for panda in beamline.pandas.values():
            panda.pace = faults.pace
            await panda.start()
            shared |= panda.pvs()
        for camera in beamline.cameras.values():
            shared |= camera.shared()
        pvs = list(beamline.pvs)
        channel_access = ChannelAccessServer(pvs, port=ports.ca, pace=faults.pace)
        stack.callback(channel_access.close)
        pv_access = PVAccessServer(
            pvs,
            port=ports.pva,
            others=shared,
            pace=faults.pace,
            texts_are_bytes=settings.texts == "bytes",
        )
        stack.callback(pv_access.close)
        await stack.enter_async_context(beamline.running())
        async with asyncio.TaskGroup() as group:
            ready = asyncio.Event()
            servers = group.create_task(_stand(channel_access, pv_access, faults, ready=ready), name="servers")
            await ready.wait()
            transport, repeater_port = await Repeater.serve()
            repeater = {"EPICS_CA_REPEATER_PORT": str(repeater_port)}
            environment = channel_access.environment() | repeater | pv_access.environment()
            try:
                yield Served(beamline=beamline, environment=environment)
            finally:
                transport.close()
                servers.cancel()


async def _stand(
    channel_access: ChannelAccessServer, pv_access: PVAccessServer, faults: ServerFaults, *, ready: asyncio.Event
) -> None:
    """Serve, disconnect and come back as the faults ask, until cancelled."""
    while True:
        pv_access.start()
        try:
            await channel_access.serve(ready, faults.leave)
        finally:
            pv_access.stop()
        # What asked for this is answered before the connection ends, or never: as on a real IOC.
        faults.leave.clear()
        ready = asyncio.Event()
        await asyncio.sleep(faults.away)
