"""bluesky's RunEngine flies ophyd-async's HDFPanda with one of its own flyers; prints JSON.

argv: prefix, directory, flyer (seq, pcomp, scanspec).
"""

import json
import sys
from pathlib import Path

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
from bluesky.run_engine import RunEngine
from ophyd_async.core import DetectorTrigger, StaticFilenameProvider, StaticPathProvider, TriggerInfo, init_devices
from ophyd_async.epics.motor import Motor
from ophyd_async.fastcs.panda import (
    HDFPanda,
    PandaPcompDirection,
    PcompInfo,
    PosOutScaleOffset,
    ScanSpecInfo,
    ScanSpecSeqTableFlyableLogic,
    SeqTable,
    SeqTableInfo,
    StaticPcompFlyableLogic,
    StaticSeqTableFlyableLogic,
)
from scanspec.specs import Fly, Line

prefix, directory, kind = sys.argv[1:]
engine = RunEngine({}, context_managers=[])
documents = []
engine.subscribe(lambda name, document: documents.append((name, document)))
with init_devices():
    panda = HDFPanda(
        f"{prefix}PANDA:",
        path_provider=StaticPathProvider(StaticFilenameProvider(f"flown-{kind}"), Path(directory)),
    )
    x = Motor(f"{prefix}X")


def name_datasets():
    """Without names of their own they are called INENC1.VAL.Mean and so on, and event-model takes no key with a dot."""
    yield from bps.abs_set(panda.inenc[1].val_dataset, "x", wait=True)
    yield from bps.abs_set(panda.inenc[2].val_dataset, "y", wait=True)
    yield from bps.abs_set(panda.counter[1].out_dataset, "number", wait=True)
    yield from bps.abs_set(panda.pcap.ts_start_dataset, "opened", wait=True)
    yield from bps.abs_set(panda.pcap.ts_trig_dataset, "triggered", wait=True)


def wire(source):
    for mux in (panda.pcap.gate, panda.pcap.trig, panda.counter[1].trig):
        yield from bps.abs_set(mux, source, wait=True)


def seq():
    """200 frames of 1 ms by time alone, as two lines repeated twice."""
    table = SeqTable.row(repeats=60, trigger="Immediate", time1=800, outa1=True, time2=200)
    table += SeqTable.row(repeats=40, trigger="Immediate", time1=800, outa1=True, time2=200)
    logic = StaticSeqTableFlyableLogic(panda.seq[1])
    return logic, SeqTableInfo(sequence_table=table, repeats=2), 200, "SEQ1.OUTA", iter(())


def pcomp():
    """50 pulses, one every 0.02 mm, while the axis moves."""

    def move():
        yield from bps.abs_set(x, 1.5, wait=True)

    info = PcompInfo(
        start_position=0,
        pulse_width=100,
        rising_edge_step=200,
        number_of_pulses=50,
        direction=PandaPcompDirection.POSITIVE,
    )
    return StaticPcompFlyableLogic(panda.pcomp[1]), info, 50, "PCOMP1.OUT", move()


def scanspec():
    """A line of 50 frames that begins where the axis crosses its lower bound, once BITA has come."""

    def move():
        yield from bps.abs_set(panda.bits.a, True, wait=True)
        yield from bps.abs_set(x, 1.5, wait=True)

    scale = PosOutScaleOffset.from_inenc(panda, 1)
    logic = ScanSpecSeqTableFlyableLogic(panda.seq[1], {x: scale})
    spec = Fly(2e-3 @ Line(x, 0.01, 0.99, 50))
    return logic, ScanSpecInfo(spec=spec, deadtime=2e-4), 50, "SEQ1.OUTA", move()


def fly():
    logic, info, events, source, move = {"seq": seq, "pcomp": pcomp, "scanspec": scanspec}[kind]()
    flyer = logic.with_device("flyer")

    @bpp.stage_decorator([panda, flyer])
    @bpp.run_decorator()
    def inner():
        yield from name_datasets()
        yield from wire(source)
        yield from bps.abs_set(panda.pcomp[1].inp, "INENC1.VAL", wait=True)
        yield from bps.abs_set(panda.seq[1].bita, "BITS.OUTA", wait=True)
        yield from bps.abs_set(panda.bits.a, False, wait=True)
        yield from bps.abs_set(x, -0.5, wait=True)
        triggers = TriggerInfo(number_of_events=events, trigger=DetectorTrigger.EXTERNAL_LEVEL)
        yield from bps.prepare(panda, triggers, wait=True)
        yield from bps.prepare(flyer, info, wait=True)
        yield from bps.declare_stream(panda, name="primary", collect=True)
        yield from bps.kickoff_all(panda, flyer, wait=True)
        yield from move
        yield from bps.complete_all(flyer, panda, group="done", wait=False)
        yield from bps.wait("done", timeout=20)
        yield from bps.collect(panda, name="primary", return_payload=False)

    yield from inner()


def of(kind):
    return [document for name, document in documents if name == kind]


engine(fly())
print(
    json.dumps(
        {
            "exit": of("stop")[0]["exit_status"],
            "keys": sorted(of("descriptor")[0]["data_keys"]),
            "resources": sorted(document["parameters"]["dataset"] for document in of("stream_resource")),
            "rows": sorted({tuple(document["indices"].values()) for document in of("stream_datum")}),
            "blocks": sorted(name for name, _ in panda.children()),
            "uri": of("stream_resource")[0]["uri"],
        }
    )
)
