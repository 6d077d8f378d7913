"""Take 20 internal frames with ophyd-async's SimDetector and HDF writer; prints JSON. argv: protocol, directory."""

import asyncio
import json
import sys
from pathlib import Path

import h5py
from ophyd_async.core import StaticFilenameProvider, StaticPathProvider, TriggerInfo, init_devices
from ophyd_async.epics.adcore import ADWriterFactory
from ophyd_async.epics.adsimdetector import SimDetector


async def main(protocol: str, directory: Path) -> None:
    provider = StaticPathProvider(StaticFilenameProvider("frames"), directory)
    async with init_devices():
        cam = SimDetector(f"{protocol}://SIM:CAM:", ADWriterFactory.hdf(provider), driver_suffix="cam1:")
    await cam.stage()
    await cam.prepare(TriggerInfo(number_of_events=20, livetime=0.01, deadtime=0.001))
    await cam.kickoff()
    await cam.complete()
    documents = [document async for document in cam.collect_asset_docs()]
    await cam.unstage()
    with h5py.File(directory / "frames.h5") as file:
        group = file["/entry/instrument/NDAttributes"]
        stamps = group["NDArrayTimeStamp"][:]
        seen = {
            "documents": [name for name, _ in documents],
            "indices": documents[-1][1]["indices"],
            "shape": file["/entry/data/data"].shape,
            "ids": group["NDArrayUniqueId"][:].tolist(),
            "period": float((stamps[-1] - stamps[0]) / (len(stamps) - 1)),
        }
    print(json.dumps(seen))


asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
