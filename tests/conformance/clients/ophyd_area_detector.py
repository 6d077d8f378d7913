"""ophyd-async's area detectors, unmodified, under bluesky's RunEngine; prints JSON. argv: protocol, directory."""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import h5py
import tifffile
from bluesky import RunEngine
from bluesky.run_engine import call_in_bluesky_event_loop
from event_model import DocumentNames, schema_validators
from ophyd_async.core import StaticPathProvider, TriggerInfo, init_devices
from ophyd_async.epics.adaravis import AravisDetector
from ophyd_async.epics.adcore import (
    NDROIIO,
    ADWriterFactory,
    ContAcqDetector,
    NDPluginBaseIO,
    NDROIStatIO,
    NDStatsIO,
)
from ophyd_async.epics.adcore._data_logic import PluginSignalDataLogic
from ophyd_async.epics.adcore._io import NDProcessIO
from ophyd_async.epics.adsimdetector import SimDetector
from ophyd_async.epics.motor import Motor

PROTOCOL, DIRECTORY = sys.argv[1], Path(sys.argv[2])
FRAMES = 20


class Names:
    """A file name that tests may change between runs."""

    name = "frames"

    def __call__(self, datakey_name: str | None = None) -> str:
        return self.name


names = Names()
provider = StaticPathProvider(names, DIRECTORY)
documents: list[tuple[str, dict[str, Any]]] = []


def keep(name: str, document: dict[str, Any]) -> None:
    schema_validators[DocumentNames[name]].validate(document)
    documents.append((name, document))


def run(engine: RunEngine, name: str, plan: Any) -> dict[str, Any]:
    """Run a plan into a file of its own, and give what the documents and the file say."""
    names.name = name
    documents.clear()
    engine(plan)
    of = {kind: [doc for other, doc in documents if other == kind] for kind in ("descriptor", "stream_datum", "stop")}
    seen: dict[str, Any] = {
        "kinds": Counter(kind for kind, _ in documents),
        "rows": max((doc["indices"]["stop"] for doc in of["stream_datum"]), default=0),
        "exit": of["stop"][0]["exit_status"],
        "shapes": {key: value["shape"] for doc in of["descriptor"] for key, value in doc["data_keys"].items()},
        "events": [doc["data"] for kind, doc in documents if kind == "event"],
    }
    path = DIRECTORY / f"{name}.h5"
    if path.exists():
        with h5py.File(path) as file:
            seen["file"] = file["/entry/data/data"].shape
            seen["ids"] = file["/entry/instrument/NDAttributes/NDArrayUniqueId"][:].tolist()
    return seen


def fly(detector: Any) -> Any:
    @bp.bpp.stage_decorator([detector])
    @bp.bpp.run_decorator()
    def inner() -> Any:
        yield from bps.prepare(
            detector, TriggerInfo(number_of_events=FRAMES, livetime=0.002, deadtime=0.001), wait=True
        )
        yield from bps.declare_stream(detector, name="primary")
        yield from bps.kickoff(detector, wait=True)
        yield from bps.collect_while_completing(
            flyers=[detector], dets=[detector], flush_period=0.1, stream_name="primary"
        )

    return inner()


async def buffered(detector: ContAcqDetector) -> dict[str, Any]:
    """Take frames of a camera that runs on; the buffer must be triggered by us: ophyd-async's own logic does not."""
    names.name = "buffer"
    await detector.hdf.nd_array_port.set("CB1")
    await detector.driver.image_mode.set("Continuous")
    running = detector.driver.acquire.set(True, timeout=None)
    await detector.stage()
    await detector.prepare(TriggerInfo(number_of_events=3))
    await detector.kickoff()
    await detector.cb.trigger_.set(True)
    await detector.complete()
    captured = await detector.hdf.num_captured.get_value()
    await detector.unstage()
    # Without a callback, which would queue behind that of Acquire = 1 on a real IOC.
    await detector.driver.acquire.set(False)
    await running
    with h5py.File(DIRECTORY / "buffer.h5") as file:
        ids = file["/entry/instrument/NDAttributes/NDArrayUniqueId"][:].tolist()
        return {"captured": captured, "file": file["/entry/data/data"].shape, "ids": ids}


def main() -> None:
    engine = RunEngine({}, context_managers=[])
    engine.subscribe(keep)
    prefix = f"{PROTOCOL}://SIM:CAM:"
    with init_devices():
        plugins: dict[str, NDPluginBaseIO] = {
            "stats": NDStatsIO(prefix + "STAT1:"),
            "roi": NDROIIO(prefix + "ROI1:"),
            "process": NDProcessIO(prefix + "PROC1:"),
            "roistat": NDROIStatIO(prefix + "ROISTAT1:"),
        }
        cam = SimDetector(prefix, ADWriterFactory.hdf(provider), plugins=plugins)
        tiff = SimDetector(prefix, ADWriterFactory.tiff(provider))
        gige = AravisDetector(f"{PROTOCOL}://SIM:GIGE:", ADWriterFactory.hdf(provider))
        ring = ContAcqDetector(f"{PROTOCOL}://SIM:GIGE:", ADWriterFactory.hdf(provider))
        motor = Motor(f"{PROTOCOL}://SIM:X")
    cam.add_detector_logics(PluginSignalDataLogic(cam.driver, plugins["stats"].total))

    def with_statistics() -> Any:
        yield from bps.abs_set(plugins["stats"].enable_callbacks, "Enable", wait=True)
        yield from bps.abs_set(plugins["stats"].compute_statistics, True, wait=True)
        yield from bp.count([cam], num=3)

    def tiff_files() -> Any:
        yield from bps.abs_set(tiff.tiff.enable_callbacks, "Enable", wait=True)
        yield from bp.count([tiff], num=4)

    seen = {
        "count": run(engine, "count", with_statistics()),
        "scan": run(engine, "scan", bp.scan([gige], motor, 0.0, 0.4, 5)),
        "fly": run(engine, "fly", fly(gige)),
        "buffer": call_in_bluesky_event_loop(buffered(ring), timeout=60),
        "tiff": run(engine, "tiff", tiff_files()),
        "tiffs": [tifffile.imread(path).shape for path in sorted(DIRECTORY.glob("tiff_*.tiff"))],
    }
    print(json.dumps(seen))


main()
