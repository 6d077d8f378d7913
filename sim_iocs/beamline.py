"""The beamline: devices made from settings, wired and pumped.

Theory of operation. All physics is computed for the past, by whoever needs it: `World.settle` has the PandAs work out
everything until now and hands their edges to the cameras. The pump does no more than settle the world every 10 ms while
something moves or is armed, and have each device post what has changed. When nothing is busy it waits for an event
and costs nothing. In virtual time a longer period changes nothing but how often values are posted.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from itertools import chain

from .axis import Axis
from .camera import Camera
from .clock import NS, Clock
from .device import Breakable, Closing, Device, Running
from .encoder import EncoderErrors
from .faults import FaultPanel, Switch
from .mca import Mca
from .motor import Motor
from .motor_faults import MotorFaults
from .panda import Panda
from .panda_port import PortLimits
from .pmac import Pmac
from .pv import SimPV
from .ring import Ring
from .scaler import Scaler
from .settings import BeamlineSettings, MotorSettings
from .shutter import Shutter
from .temperature import TemperatureStage
from .wiring import Wiring
from .world import World

PUMP_PERIOD = 0.01


class Beamline:
    """All devices of one beamline, in one world.

    Args:
        settings: What there is.
        clock: The time of everything.
        period: Seconds between steps of the pump.
        switches: Faults that are not of the devices: of the servers.

    Raises:
        SettingsError: The settings ask for a fault that no device has.
    """

    def __init__(
        self, settings: BeamlineSettings, clock: Clock, *, period: float = PUMP_PERIOD, switches: Iterable[Switch] = ()
    ) -> None:
        self.settings, self._period = settings, period
        axes = {name: _make_axis(name, motor, seed=settings.seed) for name, motor in settings.motors.items()}
        self.world = World(clock=clock, axes=axes, seed=settings.seed)
        self._make_movers(settings)
        self._make_detectors(settings)
        self._make_sources(settings)
        self.wiring = Wiring(settings, pandas=self.pandas, pmacs=self.pmacs, listeners=self._listeners())
        self.world.observers.append(self.wiring.observe)
        self._devices = self._all_devices()
        offered = (device.switches() for device in self._devices if isinstance(device, Breakable))
        boxes = (panda.switches() for panda in self.pandas.values())
        self.fault_panel = FaultPanel(
            f"{settings.prefix}FAULTS:", world=self.world, switches=chain(switches, *offered, *boxes)
        )
        self.fault_panel.load(settings.faults)

    def _make_movers(self, settings: BeamlineSettings) -> None:
        prefix, world = settings.prefix, self.world
        self.motors = {
            name: Motor(prefix + name, motor, world=world, axis=world.axes[name])
            for name, motor in settings.motors.items()
        }
        self.motor_faults = MotorFaults(self.motors, world=world)
        self.pmacs = {
            name: Pmac(f"{prefix}{name}:", pmac, world=world, motors=self.motors)
            for name, pmac in settings.pmac.items()
        }

    def _make_detectors(self, settings: BeamlineSettings) -> None:
        prefix, world = settings.prefix, self.world
        self.cameras = {
            name: Camera(f"{prefix}{name}:", camera, world=world) for name, camera in settings.cameras.items()
        }
        self.scalers = {name: Scaler(prefix + name, scaler, world=world) for name, scaler in settings.scalers.items()}
        self.mcas = {name: Mca(f"{prefix}{name}:", mca, world=world) for name, mca in settings.mcas.items()}
        self.pandas = {
            name: Panda(
                prefix=f"{prefix}{name}:",
                axes={block: world.axes[motor] for block, motor in panda.encoders.items()},
                clock=world.now_ns,
                counts=panda.blocks,
                limits=PortLimits(rate=panda.data_rate, buffer=panda.data_buffer),
            )
            for name, panda in settings.panda.items()
        }
        for panda in self.pandas.values():
            panda.wake = world.awake.set

    def _make_sources(self, settings: BeamlineSettings) -> None:
        prefix, world = settings.prefix, self.world
        self.shutters = {
            name: Shutter(f"{prefix}{name}:", shutter, world=world)
            for name, shutter in (settings.shutters | settings.valves).items()
        }
        self.rings = {name: Ring(f"{prefix}{name}:", ring, world=world) for name, ring in settings.rings.items()}
        self.temperatures = {
            name: TemperatureStage(f"{prefix}{name}:", stage, world=world)
            for name, stage in settings.temperatures.items()
        }
        if settings.beam.ring:
            world.beam.append(self.rings[settings.beam.ring].intensity)
        world.beam += [self.shutters[name].intensity for name in settings.beam.shutters]

    def _listeners(self) -> dict[str, Camera | Mca]:
        return {**self.cameras, **self.mcas}

    def _all_devices(self) -> tuple[Device, ...]:
        """Give all devices but the trigger boxes, in the order in which they are updated: motors before PMACs."""
        return (
            *self.motors.values(),
            self.motor_faults,
            *self.pmacs.values(),
            *self.shutters.values(),
            *self.cameras.values(),
            *self.mcas.values(),
            *self.scalers.values(),
            *self.rings.values(),
            *self.temperatures.values(),
        )

    @property
    def pvs(self) -> Iterable[SimPV]:
        """Every PV that both servers serve; the trigger boxes serve their own."""
        for device in self._devices:
            for group in device.groups():
                yield from group.pvs.values()
        yield from self.fault_panel.pvs.pvs.values()

    @property
    def busy(self) -> bool:
        """Whether something moves, is armed, or has not been posted or written yet."""
        return any(device.busy for device in (*self._devices, *self.pandas.values()))

    async def step(self) -> None:
        """Compute everything until now and post it; what the pump does."""
        now_ns = self.world.settle()
        for device in self._devices:
            device.update(now_ns)
        for panda in self.pandas.values():
            await panda.publish()

    async def pump(self) -> None:
        """Step while something is busy, and wait without cost while nothing is; until cancelled."""
        while True:
            await self.world.awake.wait()
            await self.step()
            if not self.busy:
                self.world.awake.clear()
            await self.world.clock.sleep(self._period)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Pump and write files inside the block; afterwards close the files."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self.pump(), name="pump"),
                group.create_task(self.world.keep_agenda(), name="agenda"),
            ]
            tasks += [
                group.create_task(device.run(), name=type(device).__name__)
                for device in self._devices
                if isinstance(device, Running)
            ]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                for device in (*self._devices, *self.pandas.values()):
                    if isinstance(device, Closing):
                        await device.aclose()


def _make_axis(name: str, motor: MotorSettings, *, seed: int) -> Axis:
    # Each axis has noise of its own, the same for the same name and seed.
    own = sum(ord(letter) << (8 * (i % 6)) for i, letter in enumerate(name))
    errors = EncoderErrors(motor.noise, seed=seed * 1_000_003 + own, cell_ns=round(motor.noise_period * NS))
    return Axis(
        name,
        position=motor.start,
        resolution=motor.resolution,
        units=motor.units,
        lag_ns=round(motor.lag * NS),
        errors=errors,
    )
