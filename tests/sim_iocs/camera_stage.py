"""A camera in this process, alone in its world, on a clock that the test moves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from wingbeat.sim_iocs.axis import Axis
from wingbeat.sim_iocs.camera import Camera
from wingbeat.sim_iocs.camera_settings import CameraSettings
from wingbeat.sim_iocs.clock import VirtualClock
from wingbeat.sim_iocs.faults import FaultPanel
from wingbeat.sim_iocs.picture import read_trigger
from wingbeat.sim_iocs.pv import SimPV
from wingbeat.sim_iocs.world import World

PERIOD = 0.01
MS = 1_000_000


class CameraStage:
    """A camera with its faults, its PVs by their names behind the prefix, and its clock."""

    def __init__(self, settings: CameraSettings, group: asyncio.TaskGroup, *, x: float) -> None:
        self.clock, self._group = VirtualClock(), group
        axes = {name: Axis(name, position=at, resolution=1e-4, units="mm") for name, at in (("X", x), ("Y", 0.0))}
        self.world = World(clock=self.clock, axes=axes, seed=3)
        self.camera = Camera("CAM:", settings, world=self.world)
        self.faults = FaultPanel("FAULTS:", world=self.world, switches=self.camera.switches())
        groups = (*self.camera.groups(), self.faults.pvs)
        self.pvs: dict[str, SimPV] = {pv.name.removeprefix("CAM:"): pv for group in groups for pv in group.pvs.values()}

    def get(self, name: str) -> Any:
        pv = self.pvs[name]
        return pv.label if pv.meta.choices else pv.value

    def hdf(self, suffix: str) -> Any:
        return self.get("HDF1:" + suffix)

    def cam(self, suffix: str) -> Any:
        return self.get("cam1:" + suffix)

    def start(self, name: str, value: Any) -> asyncio.Task[None]:
        """Put without waiting for the completion."""
        return self._group.create_task(self.pvs[name].put(value))

    async def put(self, name: str, value: Any, *, within: float = 100.0) -> float:
        """Put and run the clock until it is complete; gives the seconds on that clock, to 10 ms."""
        task = self.start(name, value)
        start_ns = self.clock.now_ns()
        await self.run(0)
        while not task.done() and self.clock.now_ns() - start_ns < within * 1e9:
            await self.run(PERIOD)
        assert task.done(), f"{name} = {value} is not complete after {within} s"
        return (self.clock.now_ns() - start_ns) / 1e9

    async def set(self, **values: Any) -> None:
        """Put plain settings, with `__` for the colon: cam1__NumImages=3."""
        for name, value in values.items():
            await self.pvs[name.replace("__", ":")].put(value)

    async def run(self, seconds: float) -> None:
        """Move the clock, and let threads that write files catch up."""
        await self.clock.run(seconds)
        for plugin in self.camera.plugins.all:
            if thread := getattr(plugin, "_thread", None):
                # Each job's end may bring the next: until nothing is left for the thread.
                for _ in range(100):
                    await asyncio.wrap_future(thread.submit(lambda: None))
                    await self.clock.run(0)
                    if plugin._accepted == plugin._written:
                        break
        await self.clock.run(0)

    async def pump(self) -> None:
        while True:
            self.camera.update(self.world.settle())
            await self.clock.sleep(PERIOD)

    async def prepare(self, directory: Path, *, name: str = "frames", plugin: str = "HDF1", **settings: Any) -> None:
        """Have a file plugin ready for a capture."""
        base: dict[str, Any] = {"FilePath": str(directory), "FileName": name, "NumCapture": 0, "EnableCallbacks": 1}
        base |= {"LazyOpen": 1, "FileTemplate": "%s%s.h5"}
        if plugin == "HDF1":
            base |= {"SWMRMode": 1}
        for suffix, value in (base | settings).items():
            await self.pvs[f"{plugin}:{suffix}"].put(value)

    async def arm(self, **settings: Any) -> None:
        """Acquire with external triggers of 0.95 ms."""
        values = {"TriggerMode": "External", "AcquireTime": 0.95e-3} | settings
        await self.set(**{f"cam1__{name}": value for name, value in values.items()})
        self.start("cam1:Acquire", 1)
        await self.run(0)
        self.armed_ns = self.clock.now_ns()

    async def trigger(self, times_ns: list[int]) -> None:
        """Give triggers at `times_ns` after the arming, and run until they are read out."""
        self.camera.trigger([self.armed_ns + t for t in times_ns])
        await self.run(max(times_ns, default=0) / 1e9 + 0.1)

    async def expose(self, times_ns: list[int], **settings: Any) -> None:
        await self.arm(**settings)
        await self.trigger(times_ns)
        await self.put("cam1:Acquire", 0)

    async def capture(self, times_ns: list[int], **settings: Any) -> None:
        """Take frames into a file, from Capture = 1 to Capture = 0."""
        capturing = self.start("HDF1:Capture", 1)
        await self.run(0)
        assert self.hdf("Capture_RBV") == "Capturing"
        await self.expose(times_ns, **settings)
        await self.put("HDF1:Capture", 0)
        await capturing


@asynccontextmanager
async def camera_stage(*, x: float = 0.0, **settings: Any) -> AsyncIterator[CameraStage]:
    """Run a camera inside the block; by default it writes in a thread and stamps by its own clock; `x` in mm."""
    chosen = CameraSettings(**({"writer": "thread", "stamps": "Camera clock"} | settings))
    async with asyncio.TaskGroup() as group:
        stage = CameraStage(chosen, group, x=x)
        tasks = [group.create_task(stage.pump()), group.create_task(stage.camera.run())]
        try:
            yield stage
        finally:
            stage.camera.faults.stall_camera_at = 0
            await stage.pvs["cam1:Acquire"].put(0)
            for task in tasks:
                task.cancel()


class Written:
    """What a file holds."""

    def __init__(self, path: Path) -> None:
        with h5py.File(path) as file:
            self.data = file["/entry/data/data"][:]
            self.chunks = file["/entry/data/data"].chunks
            group = file.get("/entry/instrument/NDAttributes", {})
            self.attributes = {name: group[name][:] for name in group}
        self.ids = self.attributes.get("NDArrayUniqueId", np.array([])).tolist()
        seconds = self.attributes.get("NDArrayEpicsTSSec", np.array([])).astype(np.int64) + 631_152_000
        self.stamps_ns = seconds * 1_000_000_000 + self.attributes.get("NDArrayEpicsTSnSec", np.array([], np.int64))

    @property
    def triggers(self) -> list[int]:
        return [read_trigger(image) for image in self.data]
