"""A camera (cam1:) that exposes on triggers, in areaDetector's layout, with its plugins.

Theory of operation. `Exposures` decides what becomes of each trigger; the camera hands it the trigger box' edges and,
from the pump or whenever the world is settled, collects the frames read out until now, gives them time stamps and the
sample's position, and passes them to the plugins. Acquire completes when the frames asked for have been read out or
Acquire = 0 was put; with WaitForPlugins, when the plugins are done with them as well, which AcquireBusy shows in any
case. Read-backs follow in the order of a real driver: counters, then Acquire_RBV and the state, then Acquire.

A restart (`RestartWithSize`) is what clients see of an IOC that comes back with another detector: the acquisition and
the capture end, for RESTART seconds the state is Disconnected and nothing can be acquired, then every setting of the
driver is as at power-on, and the sensor has the new size.
"""

import asyncio
import random
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from p4p.server.asyncio import SharedPV

from .camera_faults import CameraFaults
from .camera_pvs import DriverPVs
from .camera_settings import CameraSettings, Trap
from .clock import NS
from .exposure import Exposures, Frames, Mode, Programme
from .faults import Switch
from .nd_file import FileOptions
from .ndarray import DTYPES, Ports, post_layout
from .picture import Scene
from .plugin_chain import PluginChain
from .pv_group import PVGroup
from .severities import alarm_healthy
from .shots import Shots
from .world import World

POST_NS = NS // 25
JITTER_NS = 20_000_000
RESTART_NS = NS // 2
ATTRIBUTES_SECONDS = 0.5


class Camera:
    """A camera with its plugins.

    Args:
        prefix: PV prefix, as SIM:CAM:.
        settings: Sensor, triggers, clock, traps.
        world: Clock, axes, beam.

    Attributes:
        ports: Where its arrays and those of its plugins go.
    """

    def __init__(self, prefix: str, settings: CameraSettings, *, world: World) -> None:
        self.settings, self._world = settings, world
        self.faults = CameraFaults()
        self._next_id = 1
        self._random = random.Random(world.seed)
        self._began_ns = world.now_ns()
        self._exposures: Exposures | None = None
        self._programme: Programme | None = None
        self._posted_ns = 0
        self._restarts_ns: int | None = None
        self._stopped = asyncio.Event()
        self._stopped.set()
        self.driver = DriverPVs(
            prefix + "cam1:",
            settings,
            on_acquire=self._put_acquire,
            on_counter=self._put_array_counter,
            on_attributes=self._put_attributes,
        )
        self.pvs = self.driver.pvs
        self.ports = Ports()
        options = FileOptions(in_process=settings.writer == "process", faults=self.faults, traps=self._traps)
        self.plugins = PluginChain(prefix, settings, scene=self.scene, ports=self.ports, options=options)
        self.hdf = self.plugins.hdf
        self._post_layout()
        if Trap.HEALTHY_ALARMS in settings.traps:
            alarm_healthy(self.groups())

    @property
    def busy(self) -> bool:
        """Whether it acquires, restarts, or a plugin has work."""
        return self._exposures is not None or self._restarts_ns is not None or self.plugins.busy

    def groups(self) -> Iterable[PVGroup]:
        """Its PVs and its plugins'."""
        return (self.pvs, *(plugin.pvs for plugin in self.plugins.all))

    def shared(self) -> dict[str, SharedPV]:
        """What is served over PV Access alone; call it in the running loop."""
        return self.plugins.image.shared()

    def switches(self) -> Iterable[Switch]:
        """What can be made to go wrong."""
        return self.faults.switches(self._restart)

    async def run(self) -> None:
        """Write files until cancelled."""
        await self.plugins.run()

    def scene(self) -> Scene:
        """What its frames would look like now."""
        return Scene(
            seed=self._world.seed,
            shape=(int(self.pvs["SizeY"].value), int(self.pvs["SizeX"].value)),
            dtype=DTYPES[self.pvs["DataType"].label].name,
            color="RGB1" if self.pvs["ColorMode"].label == "RGB1" else "Mono",
            pool=int(self.pvs["PicturePool"].value),
        )

    def trigger(self, times_ns: Iterable[int]) -> None:
        """Take rising edges at the trigger input, in the order of their times."""
        if self._exposures is not None:
            self._exposures.trigger(times_ns)

    def levels(self, times_ns: NDArray[np.int64], levels: NDArray[np.bool_]) -> None:
        """Take all edges at the trigger input, in the order of their times."""
        if self._exposures is not None:
            self._exposures.levels(times_ns, levels)

    def update(self, now_ns: int) -> None:
        """Read out what has been exposed until now, post counters, end a complete acquisition; called by the pump."""
        exposures = self._exposures
        if exposures is not None:
            frames = exposures.collect(now_ns)
            if frames.trigger.size:
                self._pass_on(frames)
            if exposures.complete:
                self._stop(exposures)
            elif now_ns - self._posted_ns >= POST_NS:
                self._posted_ns = now_ns
                self._post_counters(exposures)
        self.plugins.update(now_ns)
        if self._exposures is None and not self.plugins.busy:
            self.pvs["AcquireBusy"].post_change(0)
        if self._restarts_ns is not None and now_ns >= self._restarts_ns:
            self._restarts_ns = None
            self.pvs["DetectorState_RBV"].post("Idle")
            self.pvs["StatusMessage_RBV"].post("")

    def _pass_on(self, frames: Frames) -> None:
        if self.pvs["ArrayCallbacks"].value:
            self._post_layout()
            self.ports.publish(self.driver.port, scenery=self.scene(), shots=self._shots(frames))

    def _post_layout(self) -> None:
        scene = self.scene()
        post_layout(self.pvs, scene.frame_shape, scene.frame_dtype)

    def _shots(self, frames: Frames) -> Shots:
        middles = (frames.start_ns + frames.stop_ns) // 2
        axes = [self._world.axes[name] for name in self.settings.picture_axes]
        x, y = (np.asarray(axis.readings(middles) * axis.resolution, dtype=np.float64) for axis in axes)
        name = self.settings.trigger_attribute
        return Shots(
            trigger=frames.trigger,
            unique_id=frames.unique_id,
            stamp_ns=self._stamps(frames),
            arrival_ns=frames.readout_ns,
            x=x,
            y=y,
            light=self._world.intensity(frames.start_ns, frames.stop_ns),
            attributes={name: frames.trigger.astype(np.int32)} if name else {},
        )

    def _stamps(self, frames: Frames) -> NDArray[np.int64]:
        if self.pvs["StampSource"].label == "IOC":
            late = [self._random.randrange(JITTER_NS) for _ in range(frames.trigger.size)]
            return frames.readout_ns + np.array(late, dtype=np.int64)
        # In integers: a double does not hold nanoseconds since 1970.
        error_ppb = round(self.pvs["ClockError"].value * 1000)
        return frames.start_ns + (frames.start_ns - self._began_ns) * error_ppb // NS

    def _post_counters(self, exposures: Exposures) -> None:
        self._next_id = exposures.next_id
        for suffix, value in (
            ("NumExposed_RBV", exposures.exposed),
            ("MissedTriggers_RBV", exposures.missed),
            ("LostTriggers_RBV", exposures.lost),
            ("FrameCount_RBV", exposures.frames),
            ("NumImagesCounter_RBV", exposures.frames),
            ("ArrayCounter", exposures.next_id - 1),
            ("ArrayCounter_RBV", exposures.next_id - 1),
            ("UniqueId_RBV", exposures.next_id - 1),
        ):
            self.pvs[suffix].post_change(value)

    def _stop(self, exposures: Exposures, *, state: str = "Idle") -> None:
        self._exposures = None
        self._post_counters(exposures)
        self.pvs["DetectorState_RBV"].post(state)
        self.pvs["StatusMessage_RBV"].post("")
        self.pvs["Acquire_RBV"].post(0)
        self.pvs["Acquire"].post(0)
        self._stopped.set()

    async def _put_acquire(self, value: int) -> None:
        if value and self._exposures is None:
            self._start()
        elif not value and self._exposures is not None:
            self.update(self._world.settle())
            self._abort()
        if value:
            await self._stopped.wait()
            if self.pvs["WaitForPlugins"].value and Trap.SHORT_PLUGIN_WAIT not in self._traps():
                await self.plugins.drained()

    def _abort(self, *, state: str = "Idle") -> None:
        # The read-out of the last frame asked for may just have ended the acquisition.
        if self._exposures is not None:
            self._exposures.disarm()
            self._stop(self._exposures, state=state)

    def _start(self) -> None:
        if self._restarts_ns is not None:
            self.pvs["Acquire"].post(0)
            return
        # Settling first: triggers until now are not for this acquisition.
        now_ns = self._world.settle()
        self._stopped.clear()
        self._programme = self._planned()
        self._exposures = Exposures(self._programme, armed_ns=now_ns, faults=self.faults, next_id=self._next_id)
        self._post_counters(self._exposures)
        waiting = self._programme.mode != "internal"
        self.pvs["StatusMessage_RBV"].post("Waiting for triggers" if waiting else "Acquiring")
        self.pvs["DetectorState_RBV"].post("Acquire")
        self.pvs["AcquireBusy"].post(1)
        self.pvs["Acquire_RBV"].post(1)
        self.pvs["Acquire"].post(1)

    def _planned(self) -> Programme:
        modes = {"Single": 1, "Multiple": int(self.pvs["NumImages"].value), "Continuous": 0}
        dead_ns = round(self.pvs["ReadoutTime_RBV"].value * NS)
        mode: Mode = self.driver.trigger_mode()
        return Programme(
            mode=mode,
            exposure_ns=round(self.pvs["AcquireTime"].value * NS),
            dead_ns=dead_ns + self.plugins.blocking_ns(self.scene().nbytes),
            period_ns=round(self.pvs["AcquirePeriod"].value * NS),
            frames=modes[self.pvs["ImageMode"].label],
            burst=int(self.pvs["FramesPerTrigger"].value),
            ids_count_triggers=self.pvs["IdSource"].label == "Triggers",
        )

    def _traps(self) -> frozenset[Trap]:
        return self.driver.traps()

    def _restart(self, width: int, height: int) -> None:
        self._abort(state="Aborted")
        self._restarts_ns = self._world.instant_ns() + RESTART_NS
        self._next_id = 1
        self.driver.power_on(width, height)
        self.plugins.power_on()
        self._post_layout()
        self.pvs["DetectorState_RBV"].post("Disconnected")
        self.pvs["StatusMessage_RBV"].post("The detector restarts")
        self._world.awake.set()

    async def _put_array_counter(self, value: int) -> None:
        self._next_id = value + 1
        if self._exposures is not None:
            self._exposures.next_id = value + 1
        self.pvs["ArrayCounter"].post(value)
        self.pvs["ArrayCounter_RBV"].post(value)

    async def _put_attributes(self, text: str) -> None:
        if Trap.SLOW_ATTRIBUTES in self._traps():
            await self._world.clock.sleep(ATTRIBUTES_SECONDS)
        self.driver.load_attributes(text)
