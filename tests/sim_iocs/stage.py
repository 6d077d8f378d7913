"""A beamline in this process, on a clock that the test moves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from wingbeat.sim_iocs.beamline import Beamline
from wingbeat.sim_iocs.clock import VirtualClock
from wingbeat.sim_iocs.pv import SimPV
from wingbeat.sim_iocs.settings import BeamlineSettings

CAM, HDF = "SIM:CAM:cam1:", "SIM:CAM:HDF1:"


async def prepare(stage: "Stage", directory: Path, *, name: str = "frames", **hdf: Any) -> None:
    """Have the camera's file plugin ready for a capture."""
    settings = {"FilePath": str(directory), "FileName": name, "FileTemplate": "%s%s.h5", "NumCapture": 0}
    settings |= {"LazyOpen": 1, "SWMRMode": 1, "EnableCallbacks": 1} | hdf
    for suffix, value in settings.items():
        await stage.pvs[HDF + suffix].put(value)


class Stage:
    """A beamline, its PVs by name, and its clock."""

    def __init__(self, beamline: Beamline, clock: VirtualClock, group: asyncio.TaskGroup) -> None:
        self.beamline, self.clock, self._group = beamline, clock, group
        self.pvs: dict[str, SimPV] = {pv.name: pv for pv in beamline.pvs}

    def get(self, name: str) -> Any:
        pv = self.pvs[name]
        return pv.label if pv.meta.choices else pv.value

    def start(self, name: str, value: Any) -> asyncio.Task[None]:
        """Put without waiting for the completion."""
        return self._group.create_task(self.pvs[name].put(value))

    async def put(self, name: str, value: Any, *, within: float = 100.0) -> float:
        """Put and run the clock until it is complete; gives the seconds on that clock, to 10 ms."""
        task = self.start(name, value)
        start_ns = self.clock.now_ns()
        await self.clock.run(0)
        while not task.done() and self.clock.now_ns() - start_ns < within * 1e9:
            await self.clock.run(0.01)
        assert task.done(), f"{name} = {value} is not complete after {within} s"
        return (self.clock.now_ns() - start_ns) / 1e9

    async def set(self, **values: Any) -> None:
        """Put plain settings, with `__` for the colon: CAM__cam1__NumImages=3."""
        for name, value in values.items():
            await self.pvs["SIM:" + name.replace("__", ":")].put(value)


@asynccontextmanager
async def staged(settings: BeamlineSettings | None = None) -> AsyncIterator[Stage]:
    """Run a beamline inside the block."""
    clock = VirtualClock()
    beamline = Beamline(settings or BeamlineSettings(), clock)
    async with asyncio.TaskGroup() as group, beamline.running():
        yield Stage(beamline, clock, group)
