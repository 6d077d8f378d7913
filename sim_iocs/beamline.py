"""The beamline: devices made from settings, wired, pumped and served.

Theory of operation. All physics is computed for the past, by whoever needs it: `World.settle` has the PandA work out
everything until now and hands its edges to the cameras. The pump does no more than settle the world every 10 ms while
something moves or is armed, and have each device post what has changed. When nothing is busy it waits for an event
and costs nothing.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from p4p.server.asyncio import SharedPV

from .axis import Axis
from .camera import Camera
from .clock import Clock, RealClock
from .faults import FaultPanel
from .motor import Motor
from .panda import Panda
from .pmac import Pmac
from .pv import SimPV
from .repeater import Repeater
from .servers import ChannelAccessServer, Ports, PVAccessServer
from .settings import BeamlineSettings
from .world import Faults, World

PUMP_PERIOD = 0.01


class Beamline:
    """All devices of one beamline, in one world.

    Args:
        settings: What there is.
        clock: The time of everything.
    """

    def __init__(self, settings: BeamlineSettings, clock: Clock) -> None:
        axes = {
            name: Axis(name, position=motor.start, resolution=motor.resolution, units=motor.units)
            for name, motor in settings.motors.items()
        }
        faults = Faults(
            lose_triggers=frozenset(settings.faults.lose_triggers),
            drop_frames=frozenset(settings.faults.drop_frames),
            stall_camera_at=settings.faults.stall_camera_at,
        )
        prefix = settings.prefix
        self.world = World(clock=clock, axes=axes, faults=faults, seed=settings.seed, observers=[self._observe])
        self.motors = {
            name: Motor(prefix + name, motor, world=self.world, axis=axes[name])
            for name, motor in settings.motors.items()
        }
        self.pmacs = {
            name: Pmac(f"{prefix}{name}:", pmac, world=self.world, motors=self.motors)
            for name, pmac in settings.pmac.items()
        }
        self.cameras = {
            name: Camera(f"{prefix}{name}:", camera, world=self.world) for name, camera in settings.cameras.items()
        }
        self.pandas = {
            name: Panda(
                prefix=f"{prefix}{name}:",
                axes={block: axes[motor] for block, motor in panda.encoders.items()},
                clock=clock.now_ns,
            )
            for name, panda in settings.panda.items()
        }
        for panda in self.pandas.values():
            panda.wake = self.world.awake.set
        self.fault_panel = FaultPanel(f"{prefix}FAULTS:", faults)

    @property
    def pvs(self) -> Iterable[SimPV]:
        """Every PV that both servers serve."""
        for motor in self.motors.values():
            yield from motor.pvs.pvs.values()
        for pmac in self.pmacs.values():
            yield from pmac.pvs.pvs.values()
        for camera in self.cameras.values():
            yield from camera.pvs.pvs.values()
            yield from camera.hdf.pvs.pvs.values()
        yield from self.fault_panel.pvs.pvs.values()

    @property
    def busy(self) -> bool:
        """Whether something moves, is armed, or has not been posted or written yet."""
        devices = (*self.motors.values(), *self.pmacs.values(), *self.cameras.values(), *self.pandas.values())
        return any(device.busy for device in devices)

    def _observe(self, now_ns: int) -> None:
        for panda in self.pandas.values():
            panda.model.advance(now_ns)
            for output in {camera.settings.trigger for camera in self.cameras.values()}:
                edges = panda.model.take_edges(output)
                for camera in self.cameras.values():
                    if edges and camera.settings.trigger == output:
                        camera.trigger(edges)

    async def step(self) -> None:
        """Compute everything until now and post it; what the pump does."""
        now_ns = self.world.settle()
        for motor in self.motors.values():
            motor.update(now_ns)
        for pmac in self.pmacs.values():
            pmac.update(now_ns)
        for camera in self.cameras.values():
            camera.update(now_ns)
        for panda in self.pandas.values():
            await panda.publish()

    async def pump(self) -> None:
        """Step while something is busy, and wait without cost while nothing is; until cancelled."""
        while True:
            await self.world.awake.wait()
            await self.step()
            if not self.busy:
                self.world.awake.clear()
            await self.world.clock.sleep(PUMP_PERIOD)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Pump and write files inside the block; afterwards close the files."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.pump(), name="pump")]
            tasks += [
                group.create_task(camera.hdf.run(), name=f"{name} writer") for name, camera in self.cameras.items()
            ]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                for panda in self.pandas.values():
                    await panda.aclose()


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
    """Run and serve a beamline inside the block.

    Args:
        settings: What there is.
        ports: Where to serve.

    Raises:
        PortTakenError: A port that was asked for is in use.
    """
    async with AsyncExitStack() as stack:
        beamline = Beamline(settings, RealClock())
        shared: dict[str, SharedPV] = {}
        for panda in beamline.pandas.values():
            await panda.start()
            shared |= panda.pvs()
        pvs = list(beamline.pvs)
        channel_access = ChannelAccessServer(pvs, port=ports.ca)
        pv_access = PVAccessServer(pvs, port=ports.pva, others=shared)
        stack.callback(pv_access.stop)
        await stack.enter_async_context(beamline.running())
        group = await stack.enter_async_context(asyncio.TaskGroup())
        stack.callback(group.create_task(channel_access.run(), name="Channel Access server").cancel)
        await channel_access.started()
        transport, repeater_port = await Repeater.serve()
        stack.callback(transport.close)
        repeater = {"EPICS_CA_REPEATER_PORT": str(repeater_port)}
        yield Served(beamline=beamline, environment=channel_access.environment() | repeater | pv_access.environment())
