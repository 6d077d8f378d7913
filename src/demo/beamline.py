"""The simulated beamline as a client sees it: its devices and their wiring."""

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..async_devices import connected
from ..async_devices.epics import AreaDetector, Motor, Panda, Pmac
from ..async_devices.flight import Identity
from ..async_devices.signal import SignalRW
from ..async_devices.signals import signal_rw
from ..flyscan import Rig
from .child import child_server
from .faults import Faults

WIRING = Path(__file__).with_name("beamline.yaml")
Triggers = NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beamline:
    """Connected devices of the simulated beamline.

    Attributes:
        cam: The camera that exposes on hardware triggers.
        rig: How all is wired.
        size: Width and height of a frame in pixels.
        lose_triggers: Numbers of triggers, from 1, that never reach the camera.
        drop_frames: Numbers of triggers whose frames are dropped before the file.
    """

    cam: AreaDetector
    rig: Rig
    size: tuple[SignalRW[int], SignalRW[int]]
    lose_triggers: SignalRW[Triggers]
    drop_frames: SignalRW[Triggers]

    async def set_frame_size(self, pixels: int) -> None:
        """Have the camera take square frames."""
        for signal in self.size:
            await signal.put(pixels)

    async def inject(self, faults: Faults) -> None:
        """Have the simulated beamline lose these frames; the trigger box numbers triggers from 1."""
        for signal, frames in ((self.lose_triggers, faults.lost), (self.drop_frames, faults.dropped)):
            await signal.put(np.array(frames, dtype=np.int32) + 1)


@asynccontextmanager
async def simulated_beamline(logs: Path, *, seed: int) -> AsyncGenerator[Beamline]:
    """Start the simulated beamline in a process of its own and connect to it over Channel Access and PV Access.

    Raises:
        ServerStartError: It did not start.
        NotConnectedError: A device did not connect; the message is a tree of what is wrong.
    """
    async with child_server("wingbeat.sim_iocs", ["--seed", str(seed)], log=logs / "sim_iocs.log") as ready:
        _confine_epics(ready["environment"])
        prefix: str = ready["prefix"]
        async with connected() as devices:
            x, y = Motor(f"{prefix}X"), Motor(f"{prefix}Y")
            cam = AreaDetector(f"{prefix}CAM:", identity=Identity.HARDWARE_TIME)
            panda, pmac = Panda(f"{prefix}PANDA:"), Pmac(f"{prefix}PMAC:")
            size_x, size_y = (
                signal_rw(int, f"ca://{prefix}CAM:cam1:SizeX"),
                signal_rw(int, f"ca://{prefix}CAM:cam1:SizeY"),
            )
            lose_triggers = signal_rw(Triggers, f"ca://{prefix}FAULTS:LoseTriggers")
            drop_frames = signal_rw(Triggers, f"ca://{prefix}FAULTS:DropFrames")
        try:
            rig = Rig.load(WIRING, x=x, y=y, cam=cam, panda=panda, pmac=pmac)
            faults = {"lose_triggers": lose_triggers, "drop_frames": drop_frames}
            yield Beamline(cam=cam, rig=rig, size=(size_x, size_y), **faults)
        finally:
            for device in devices.values():
                await device.disconnect()


def _confine_epics(environment: Mapping[str, str]) -> None:
    """Let the EPICS clients of this process see the simulated beamline alone.

    The libraries read their variables when the first signal connects. What a facility sets (name servers, say) is taken
    away: no packet of a demonstration leaves the loopback interface.
    """
    for name in [name for name in os.environ if name.startswith(("EPICS_CA_", "EPICS_PVA_"))]:
        del os.environ[name]
    os.environ.update(environment)
