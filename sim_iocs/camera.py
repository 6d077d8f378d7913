"""A camera (cam1:) that exposes on triggers, in areaDetector's layout.

Theory of operation. `Exposures` decides what becomes of each trigger; the camera hands it the trigger box' edges and,
from the pump or whenever the world is settled, collects the frames read out until now, gives them time stamps and the
sample's position, and passes them to the HDF5 plugin. Acquire completes when the frames asked for have been read out
or Acquire = 0 was put; with WaitForPlugins, when they are in the file as well. Read-backs follow in the order of a
real driver: counters, then Acquire_RBV and the state, then Acquire.
"""

import asyncio
import random
from collections.abc import Iterable
from typing import Any

import numpy as np

from .clock import NS
from .exposure import Exposures, Frame, Programme
from .hdf_file import Shot
from .hdf_plugin import HdfPlugin
from .ndarray import DISABLE_ENABLE, DTYPES, NO_YES, add_ndarray_pvs, post_shape
from .pv import Kind
from .pv_group import PVGroup
from .settings import CameraSettings
from .world import World

STATES = (
    *("Idle", "Acquire", "Readout", "Correct", "Saving", "Aborting", "Error", "Waiting", "Initializing"),
    *("Disconnected", "Aborted"),
)
LARGEST = 2048
SHORTEST_EXPOSURE = 1e-6
POST_NS = NS // 25
JITTER_NS = 20_000_000


class Camera:
    """A camera with its HDF5 plugin.

    Args:
        prefix: PV prefix, as SIM:CAM:.
        settings: Size, read-out time, trigger wiring.
        world: Clock, axes, faults.
    """

    def __init__(self, prefix: str, settings: CameraSettings, *, world: World) -> None:
        self.settings, self._world = settings, world
        self.pvs = PVGroup(prefix + "cam1:")
        self._next_id = 1
        self._random = random.Random(world.seed)
        self._exposures: Exposures | None = None
        self._posted_ns = 0
        self._stopped = asyncio.Event()
        self._stopped.set()
        add_ndarray_pvs(self.pvs, "CAM", dtype="UInt16", on_counter=self._put_array_counter)
        self._add_acquisition_pvs()
        self._add_sensor_pvs()
        self.hdf = HdfPlugin(prefix + "HDF1:", seed=world.seed, camera_layout=self.layout)
        post_shape(self.pvs, *self.layout())

    @property
    def busy(self) -> bool:
        """Whether it acquires, or frames wait to be written."""
        return self._exposures is not None or self.hdf.busy

    def layout(self) -> tuple[tuple[int, int], np.dtype[np.generic]]:
        """Shape (height, width) and pixel type of the frames it would make now."""
        shape = int(self.pvs["SizeY"].value), int(self.pvs["SizeX"].value)
        return shape, DTYPES[self.pvs["DataType"].label]

    def trigger(self, times_ns: Iterable[int]) -> None:
        """Take rising edges at the trigger input, in the order of their times."""
        if self._exposures is not None:
            self._exposures.trigger(times_ns)

    def update(self, now_ns: int) -> None:
        """Read out what has been exposed until now, post counters, end a complete acquisition; called by the pump."""
        self.hdf.update()
        exposures = self._exposures
        if exposures is None:
            return
        frames = exposures.collect(now_ns)
        if frames:
            self._pass_on(frames)
        if exposures.complete:
            self._stop(exposures)
        elif now_ns - self._posted_ns >= POST_NS:
            self._posted_ns = now_ns
            self._post_counters(exposures)

    def _pass_on(self, frames: list[Frame]) -> None:
        if not self.pvs["ArrayCallbacks"].value:
            return
        shape, dtype = self.layout()
        post_shape(self.pvs, shape, dtype)
        dropped = self._world.faults.drop_frames
        kept = [self._shot(frame) for frame in frames if frame.trigger not in dropped]
        if self.hdf.pvs["EnableCallbacks"].value:
            self.hdf.drop(len(frames) - len(kept))
        self.hdf.accept(kept, shape=shape, dtype=dtype)

    def _shot(self, frame: Frame) -> Shot:
        middle_ns = (frame.start_ns + frame.stop_ns) // 2
        x, y = (self._world.axes[name].measured(middle_ns) for name in self.settings.picture_axes)
        stamp_ns = frame.start_ns
        if self.pvs["StampSource"].label == "IOC":
            stamp_ns = frame.readout_ns + self._random.randrange(JITTER_NS)
        return Shot(frame.trigger, frame.unique_id, stamp_ns, x, y)

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

    def _stop(self, exposures: Exposures) -> None:
        self._exposures = None
        self._post_counters(exposures)
        self.pvs["DetectorState_RBV"].post("Idle")
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
            if self.pvs["WaitForPlugins"].value:
                await self.hdf.drained()

    def _abort(self) -> None:
        # The read-out of the last frame asked for may just have ended the acquisition.
        if self._exposures is not None:
            self._exposures.disarm()
            self._stop(self._exposures)

    def _start(self) -> None:
        # Settling first: triggers until now are not for this acquisition.
        now_ns = self._world.settle()
        self._stopped.clear()
        self._exposures = Exposures(
            self._programme(), armed_ns=now_ns, faults=self._world.faults, next_id=self._next_id
        )
        self._post_counters(self._exposures)
        self.pvs["DetectorState_RBV"].post("Acquire")
        self.pvs["Acquire_RBV"].post(1)
        self.pvs["Acquire"].post(1)

    def _programme(self) -> Programme:
        modes = {"Single": 1, "Multiple": int(self.pvs["NumImages"].value), "Continuous": 0}
        return Programme(
            internal=self.pvs["TriggerMode"].label == "Internal",
            exposure_ns=round(self.pvs["AcquireTime"].value * NS),
            dead_ns=round(self.pvs["ReadoutTime_RBV"].value * NS),
            period_ns=round(self.pvs["AcquirePeriod"].value * NS),
            frames=modes[self.pvs["ImageMode"].label],
        )

    async def _put_array_counter(self, value: int) -> None:
        self._next_id = value + 1
        if self._exposures is not None:
            self._exposures.next_id = value + 1
        self.pvs["ArrayCounter"].post(value)
        self.pvs["ArrayCounter_RBV"].post(value)

    async def _put_time(self, suffix: str, seconds: float) -> None:
        for name in (suffix, suffix + "_RBV"):
            self.pvs[name].post(max(seconds, SHORTEST_EXPOSURE))

    async def _put_exposure(self, seconds: float) -> None:
        await self._put_time("AcquireTime", seconds)

    async def _put_readout(self, seconds: float) -> None:
        self.pvs["ReadoutTime"].post(max(seconds, 0.0))
        for suffix in ("ReadoutTime_RBV", "DeadTime_RBV"):
            self.pvs[suffix].post(max(seconds, 0.0))

    async def _put_width(self, pixels: int) -> None:
        self._put_size("SizeX", pixels)

    async def _put_height(self, pixels: int) -> None:
        self._put_size("SizeY", pixels)

    def _put_size(self, suffix: str, pixels: int) -> None:
        for name in (suffix, suffix + "_RBV"):
            self.pvs[name].post(min(max(pixels, 4), LARGEST))

    def _add_acquisition_pvs(self) -> None:
        pvs = self.pvs
        seconds: dict[str, Any] = {"units": "s", "precision": 6}
        pvs.add("AcquireTime", Kind.FLOAT, 1e-3, handler=self._put_exposure, **seconds)
        pvs.add("AcquireTime_RBV", Kind.FLOAT, 1e-3, read_only=True, **seconds)
        pvs.pair("AcquirePeriod", Kind.FLOAT, 5e-3, **seconds)
        pvs.add("ReadoutTime", Kind.FLOAT, self.settings.readout_time, handler=self._put_readout, **seconds)
        for suffix in ("ReadoutTime_RBV", "DeadTime_RBV"):
            pvs.add(suffix, Kind.FLOAT, self.settings.readout_time, read_only=True, **seconds)
        pvs.pair("NumImages", Kind.INT, 100)
        pvs.pair("NumExposures", Kind.INT, 1)
        pvs.pair("ImageMode", Kind.ENUM, 2, choices=("Single", "Multiple", "Continuous"))
        pvs.pair("TriggerMode", Kind.ENUM, 0, choices=("Internal", "External"))
        pvs.pair("StampSource", Kind.ENUM, 0, choices=("Camera clock", "IOC"))
        pvs.enum("Acquire", ("Done", "Acquire"), handler=self._put_acquire)
        pvs.enum("Acquire_RBV", ("Done", "Acquiring"), read_only=True)
        pvs.enum("WaitForPlugins", NO_YES)
        pvs.pair("ArrayCallbacks", Kind.ENUM, 1, choices=DISABLE_ENABLE)
        pvs.enum("DetectorState_RBV", STATES, read_only=True)
        for suffix in ("NumExposed", "MissedTriggers", "LostTriggers", "FrameCount", "NumImagesCounter"):
            pvs.add(suffix + "_RBV", Kind.INT, 0, read_only=True)

    def _add_sensor_pvs(self) -> None:
        pvs, width, height = self.pvs, self.settings.width, self.settings.height
        pvs.pair("DataType", Kind.ENUM, list(DTYPES).index("UInt16"), choices=tuple(DTYPES))
        for suffix, value, handler in (("SizeX", width, self._put_width), ("SizeY", height, self._put_height)):
            pvs.add(suffix, Kind.INT, value, handler=handler)
            pvs.add(suffix + "_RBV", Kind.INT, value, read_only=True)
        for suffix in ("MaxSizeX_RBV", "MaxSizeY_RBV"):
            pvs.add(suffix, Kind.INT, LARGEST, read_only=True)
        for suffix, text in (
            ("Manufacturer", "Wingbeat"),
            ("Model", "simulated camera"),
            ("SerialNumber", "0"),
            ("SDKVersion", "0.1.0"),
            ("FirmwareVersion", "0.1.0"),
        ):
            pvs.add(suffix + "_RBV", Kind.STRING, text, read_only=True)
