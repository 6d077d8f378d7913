"""Gate the camera's exposures with an output of the trigger box; prints JSON. argv: prefix, directory, source."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from p4p import Type, Value
from p4p.client.asyncio import Context
from wingbeat.sim_iocs.picture import read_trigger

HIGH_US, SPACED_US, TIGHT_US = 3000, 1000, 300
TICKS_PER_US = 125
EACH = 10


def table(high_us: int) -> Value:
    """Ten gates that leave the camera time to read out, and ten that do not, by their periods."""
    periods = [HIGH_US + SPACED_US, HIGH_US + TIGHT_US]
    lines = {
        "repeats": ("aH", [EACH, EACH]),
        "trigger": ("as", ["Immediate"] * 2),
        "position": ("ai", [0, 0]),
        "time1": ("aI", [high_us * TICKS_PER_US] * 2),
        "outa1": ("a?", [True] * 2),
        "time2": ("aI", [(period - high_us) * TICKS_PER_US for period in periods]),
    }
    for output in ("outb1", "outc1", "outd1", "oute1", "outf1", "outa2", "outb2", "outc2", "outd2", "oute2", "outf2"):
        lines[output] = ("a?", [False] * 2)
    kind = Type([("value", ("S", None, [(name, code) for name, (code, _) in lines.items()]))])
    return Value(kind, {"value": {name: column for name, (_, column) in lines.items()}})


async def main(prefix: str, directory: Path, source: str) -> None:
    cam, hdf, panda = f"{prefix}CAM:cam1:", f"{prefix}CAM:HDF1:", f"{prefix}PANDA:"
    with Context("pva", nt=False) as context:

        async def put(name: str, value: Any, *, wait: bool = True) -> None:
            await context.put(name, value if isinstance(value, Value) else {"value": value}, wait=wait)

        async def until(name: str, reached) -> None:
            met = asyncio.Event()

            async def look(value: Value) -> None:
                if reached(value["value"]):
                    met.set()

            with context.monitor(name, look):
                await asyncio.wait_for(met.wait(), 20)

        file = {"FilePath": str(directory), "FileName": "gated", "FileTemplate": "%s%s.h5", "NumCapture": 0}
        for name, value in (file | {"LazyOpen": 1, "SWMRMode": 1, "EnableCallbacks": 1}).items():
            await put(hdf + name, value)
        for name, value in {"TriggerMode": 2, "ImageMode": 2, "AcquireTime": 1e-4, "ReadoutTime": 5e-4}.items():
            await put(cam + name, value)
        await put(f"{panda}PULSE1:TRIG", "SEQ1.OUTA")
        await put(f"{panda}PULSE1:ENABLE", "ONE")
        await put(f"{panda}PULSE1:WIDTH_UNITS", "us")
        await put(f"{panda}PULSE1:WIDTH", float(HIGH_US))
        await put(f"{panda}TTLOUT1:VAL", source)
        await put(f"{panda}SEQ1:REPEATS", 1)
        await put(f"{panda}SEQ1:TABLE", table(HIGH_US if source.startswith("SEQ") else 1000))
        await put(hdf + "Capture", 1, wait=False)
        await put(cam + "Acquire", 1, wait=False)
        await until(cam + "DetectorState_RBV", lambda value: value["choices"][value["index"]] == "Acquire")
        await put(f"{panda}SEQ1:ENABLE", "ONE")
        await until(hdf + "NumCaptured_RBV", lambda value: value == EACH * 3 // 2)
        # The last gate is missed, and comes after the last frame.
        await until(cam + "MissedTriggers_RBV", lambda value: value == EACH // 2)
        await put(f"{panda}SEQ1:ENABLE", "ZERO")
        await put(cam + "Acquire", 0)
        await put(hdf + "Capture", 0)
        counts = {"exposed": "NumExposed_RBV", "missed": "MissedTriggers_RBV"}
        seen = {key: int((await context.get(cam + name))["value"]) for key, name in counts.items()}
        await put(f"{panda}TTLOUT1:VAL", "SEQ1.OUTA")
        await put(cam + "TriggerMode", 0)
        await put(cam + "ReadoutTime", 5e-5)
    with h5py.File(directory / "gated.h5") as file:
        attributes = file["/entry/instrument/NDAttributes"]
        seconds = attributes["NDArrayEpicsTSSec"][:].astype(np.int64)
        stamps = (seconds - seconds[0]) * 1_000_000_000 + attributes["NDArrayEpicsTSnSec"][:]
        triggers = [read_trigger(image) for image in file["/entry/data/data"]]
    print(json.dumps(seen | {"triggers": triggers, "stamps": stamps.tolist()}))


asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
