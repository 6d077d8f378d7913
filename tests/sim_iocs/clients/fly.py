"""Fly over both protocols; prints JSON. argv: prefix, directory; stdin: JSON with table, profile, live."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import aioca
import h5py
import numpy as np
from p4p import Type, Value
from p4p.client.asyncio import Context

TYPES = {"repeats": "aH", "trigger": "as", "position": "ai", "time1": "aI", "time2": "aI"}


async def put(name: str, value: Any, **options: Any) -> None:
    if isinstance(value, str) and ("HDF1:File" in name):
        options["datatype"], value = aioca.DBR_CHAR_STR, value + "\0"
    await aioca.caput(name, value, **({"wait": True, "timeout": 60} | options))


async def prepare(prefix: str, directory: Path, asked: dict[str, Any]) -> None:
    pmac, cam = f"{prefix}PMAC:", f"{prefix}CAM:"
    await put(f"{prefix}X", -1.0)
    profile = asked["profile"]
    for letter, p, v in (("X", "x", "vx"), ("Y", "y", "vy")):
        await put(f"{pmac}{letter}:UseAxis", 1)
        await put(f"{pmac}{letter}:Positions", profile[p])
        await put(f"{pmac}{letter}:Velocities", profile[v])
    await put(f"{pmac}ProfileTimeArray", profile["durations"])
    await put(f"{pmac}ProfilePointsToBuild", len(profile["durations"]))
    await put(f"{pmac}ProfileBuild", 1)
    settings = {"FilePath": str(directory), "FileName": "cam", "FileTemplate": "%s%s.h5", "NumCapture": 0}
    for suffix, value in (settings | {"LazyOpen": 1, "SWMRMode": 1, "EnableCallbacks": 1}).items():
        await put(f"{cam}HDF1:{suffix}", value)
    for suffix, value in {"TriggerMode": 1, "ImageMode": 2, "AcquireTime": asked["live"]}.items():
        await put(f"{cam}cam1:{suffix}", value)


async def main(prefix: str, directory: Path) -> None:
    asked = json.load(sys.stdin)
    pmac, cam, panda = f"{prefix}PMAC:", f"{prefix}CAM:", f"{prefix}PANDA:"
    await prepare(prefix, directory, asked)
    with Context("pva") as context:

        async def pva(name: str, value: Any) -> None:
            await context.put(panda + name, {"value": value}, wait=True)

        names = {name: TYPES.get(name, "a?") for name in asked["table"]}
        table = Value(Type([("value", ("S", None, list(names.items())))]), {"value": asked["table"]})
        await context.put(f"{panda}SEQ1:TABLE", table, wait=True)
        await pva("SEQ1:REPEATS", 1)
        await pva("DATA:HDF_DIRECTORY", str(directory))
        await pva("DATA:HDF_FILE_NAME", "panda.h5")
        await pva("DATA:CAPTURE", True)
        await put(f"{cam}HDF1:Capture", 1, wait=False)
        await put(f"{cam}cam1:Acquire", 1, wait=False)
        await pva("PCAP:ARM", True)
        await pva("SEQ1:ENABLE", "ONE")
        await put(f"{pmac}ProfileExecute", 1)
        await pva("SEQ1:ENABLE", "ZERO")
        await pva("PCAP:ARM", False)
        await asyncio.sleep(0.2)
        await put(f"{cam}cam1:Acquire", 0)
        await put(f"{cam}HDF1:Capture", 0)
        await pva("DATA:CAPTURE", False)
    print(json.dumps(await report(prefix, directory)))


async def report(prefix: str, directory: Path) -> dict[str, Any]:
    with h5py.File(directory / "cam.h5") as file:
        group = file["/entry/instrument/NDAttributes"]
        seconds = group["NDArrayEpicsTSSec"][:].astype(np.int64) + 631_152_000
        stamps = seconds * 1_000_000_000 + group["NDArrayEpicsTSnSec"][:]
        triggers = [int(image[0, 0]) for image in file["/entry/data/data"]]
    with h5py.File(directory / "panda.h5") as file:
        starts = int(file.attrs["start_time_ns"]) + np.rint(file["PCAP.TS_START.Value"][:] * 1e9).astype(np.int64)
        return {
            "status": str(await aioca.caget(f"{prefix}PMAC:ProfileExecuteStatus_RBV", datatype=str)),
            "missed": int(await aioca.caget(f"{prefix}CAM:cam1:MissedTriggers_RBV")),
            "triggers": triggers,
            "counter": file["COUNTER1.OUT.Value"][:].astype(int).tolist(),
            "x": file["INENC1.VAL.Mean"][:].tolist(),
            "y": file["INENC2.VAL.Mean"][:].tolist(),
            "stamp minus start": (stamps - starts[: len(stamps)]).tolist(),
        }


asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
