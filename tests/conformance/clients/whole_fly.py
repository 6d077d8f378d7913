"""bluesky's RunEngine flies ophyd-async's PMAC, PandA and cameras together; prints JSON. argv: prefix, directory.

The controller flies a snake and tells the trigger box by an output at which points it is on a line; the box' sequencer,
filled from the same scan specification, waits for that and for the position of the first frame, and triggers. One
camera is triggered by it, the other one, which knows no triggers, counts along by itself.
"""

import json
import sys
from collections import Counter
from pathlib import Path

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
from bluesky.run_engine import RunEngine
from event_model import DocumentNames, schema_validators
from ophyd_async.core import DetectorTrigger, StaticFilenameProvider, StaticPathProvider, TriggerInfo, init_devices
from ophyd_async.epics.adaravis import AravisDetector
from ophyd_async.epics.adcore import ADWriterFactory
from ophyd_async.epics.adsimdetector import SimDetector
from ophyd_async.epics.motor import Motor
from ophyd_async.epics.pmac import PmacIO, PmacScanInfo, PmacTrajectoryFlyableLogic
from ophyd_async.fastcs.panda import HDFPanda, PosOutScaleOffset, ScanSpecInfo, ScanSpecSeqTableFlyableLogic
from scanspec.specs import Fly, Line

PREFIX, DIRECTORY = sys.argv[1], Path(sys.argv[2])
LINES, FRAMES, PERIOD, DEAD = 4, 25, 0.01, 2e-3
CA = f"ca://{PREFIX}"


def named(name):
    return StaticPathProvider(StaticFilenameProvider(name), DIRECTORY)


engine = RunEngine({}, context_managers=[])
documents = []


def keep(name, document):
    schema_validators[DocumentNames[name]].validate(document)
    documents.append((name, document))


engine.subscribe(keep)
with init_devices():
    x, y = Motor(f"{CA}X"), Motor(f"{CA}Y")
    panda = HDFPanda(f"{PREFIX}PANDA:", path_provider=named("panda"))
    triggered = AravisDetector(f"{CA}GIGE:", ADWriterFactory.hdf(named("triggered")))
    free = SimDetector(f"{CA}CAM:", ADWriterFactory.hdf(named("free")))
with init_devices():
    pmac = PmacIO(f"{CA}PMAC:", raw_motors=[x, y], coord_nums=[1])
DETECTORS = (panda, triggered, free)


def wired():
    for signal, value in (
        (panda.inenc[1].val_dataset, "x"),
        (panda.inenc[2].val_dataset, "y"),
        (panda.counter[1].out_dataset, "number"),
        (panda.pcap.ts_start_dataset, "opened"),
        (panda.pcap.ts_trig_dataset, "closed"),
        (panda.pcap.gate, "SEQ1.OUTA"),
        (panda.pcap.trig, "SEQ1.OUTA"),
        (panda.counter[1].trig, "SEQ1.OUTA"),
        (panda.seq[1].bita, "TTLIN1.VAL"),
        (panda.ttlout[1].val, "SEQ1.OUTA"),
    ):
        yield from bps.abs_set(signal, value, wait=True)


def prepared(spec, motion, sequence):
    frames = LINES * FRAMES
    rows = TriggerInfo(number_of_events=frames, trigger=DetectorTrigger.EXTERNAL_LEVEL)
    edges = TriggerInfo(number_of_events=frames, trigger=DetectorTrigger.EXTERNAL_EDGE, livetime=5e-3, deadtime=DEAD)
    alone = TriggerInfo(number_of_events=frames, livetime=5e-3, deadtime=DEAD)
    for detector, info in zip(DETECTORS, (rows, edges, alone), strict=True):
        yield from bps.prepare(detector, info, group="ready")
    yield from bps.prepare(sequence, ScanSpecInfo(spec=spec, deadtime=DEAD), group="ready")
    yield from bps.prepare(motion, PmacScanInfo(spec=spec, ramp_time=None, turnaround_time=None), group="ready")
    yield from bps.wait("ready", timeout=30)


def fly():
    motion = PmacTrajectoryFlyableLogic(pmac).with_device("motion")
    positions = {x: PosOutScaleOffset.from_inenc(panda, 1)}
    sequence = ScanSpecSeqTableFlyableLogic(panda.seq[1], positions).with_device("sequence")
    spec = Fly(PERIOD @ (Line(y, 0, 0.3, LINES) * ~Line(x, 0, 1, FRAMES)))

    @bpp.stage_decorator([*DETECTORS, sequence, motion])
    @bpp.run_decorator()
    def inner():
        yield from wired()
        yield from prepared(spec, motion, sequence)
        yield from bps.declare_stream(*DETECTORS, name="primary", collect=True)
        yield from bps.kickoff_all(*DETECTORS, sequence, wait=True)
        yield from bps.kickoff(motion, wait=True)
        yield from bps.collect_while_completing(
            flyers=[motion, sequence, *DETECTORS], dets=DETECTORS, flush_period=0.2, stream_name="primary"
        )

    yield from inner()


def rows():
    """Rows that the documents promise, by data key; each range must follow the one before."""
    keys = {document["uid"]: document["data_key"] for name, document in documents if name == "stream_resource"}
    counted = Counter()
    for name, document in documents:
        if name == "stream_datum":
            key, indices = keys[document["stream_resource"]], document["indices"]
            assert indices["start"] == counted[key], (key, indices, counted[key])
            counted[key] = indices["stop"]
    return dict(counted)


engine(fly())
stop = documents[-1][1]
print(json.dumps({"exit": stop["exit_status"], "rows": rows()}))
