"""bluesky's own RunEngine counts, scans, regulates and flies with our EPICS devices on the simulated beamline."""

import asyncio

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import bluesky.preprocessors as bpp
import numpy as np
import pytest
from bluesky import protocols as theirs
from wingbeat.async_devices import StaticPathProvider
from wingbeat.async_devices.epics import (
    FlyMotorInfo,
    Motor,
    Panda,
    Scaler,
    Shutter,
    StorageRing,
    TemperatureController,
    Valve,
    Xspress3,
)
from wingbeat.async_devices.flight import TriggerInfo

from tests.conformance.documents import Documents

pytestmark = [pytest.mark.conformance, pytest.mark.system]


@pytest.fixture
def connected(engine, simulated_beamline):
    """Devices that live in the engine's loop."""
    devices = []

    def on_loop(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, engine.loop).result(timeout=30)

    def connect(kind, suffix, **options):
        device = kind(f"{simulated_beamline.prefix}{suffix}", **options)
        devices.append(device)
        on_loop(device.connect())
        return device

    yield connect
    for device in devices:
        on_loop(device.disconnect())


def test_the_protocols_hold():
    motor = Motor("SIM:X", name="x")
    for protocol in (theirs.Readable, theirs.Movable, theirs.Locatable, theirs.Stoppable, theirs.Checkable):
        assert isinstance(motor, protocol), protocol
    for protocol in (theirs.Flyable, theirs.Preparable, theirs.Configurable, theirs.HasHints):
        assert isinstance(motor, protocol), protocol
    capture = Panda("SIM:PANDA:", name="panda").capture
    for protocol in (
        theirs.Flyable,
        theirs.Preparable,
        theirs.WritesStreamAssets,
        theirs.Stageable,
        theirs.Collectable,
    ):
        assert isinstance(capture, protocol), protocol
    scaler = Scaler("SIM:SCALER", name="scaler")
    for protocol in (theirs.Readable, theirs.Triggerable, theirs.Preparable, theirs.Stageable, theirs.Stoppable):
        assert isinstance(scaler, protocol), protocol
    assert isinstance(Xspress3("SIM:XSP3:", name="xsp3"), theirs.Triggerable)
    assert isinstance(TemperatureController("SIM:TEMP:", name="temp"), theirs.NamedMovable)
    for shutter in (Shutter("SIM:SHTR:", name="shutter"), Valve("SIM:VALVE:", name="valve")):
        assert isinstance(shutter, theirs.Movable)
        assert isinstance(shutter, theirs.Locatable)
    assert isinstance(StorageRing("SIM:SR:", name="ring"), theirs.Readable)


def test_a_scaler_is_counted_along_a_scanned_motor(engine, connected):
    motor, scaler = connected(Motor, "X", name="x"), connected(Scaler, "SCALER", name="scaler")
    ring, documents = connected(StorageRing, "SR:", name="ring"), Documents()

    def plan():
        yield from bps.prepare(scaler, 0.02, wait=True)
        return (yield from bp.scan([scaler, ring], motor, 0, 0.4, 3))

    engine(plan(), documents)
    events = documents.of("event")
    assert [event["data"]["x"] for event in events] == pytest.approx([0.0, 0.2, 0.4], abs=2e-3)
    assert all(event["data"]["scaler-I0"] > 0 and event["data"]["ring"] > 0 for event in events)
    descriptor = documents.of("descriptor")[0]
    assert descriptor["hints"]["scaler"]["fields"] == ["scaler-I0", "scaler-It", "scaler-If"]
    assert descriptor["configuration"]["scaler"]["data"]["scaler-preset_time"] == 0.02
    assert documents.of("stop")[0]["exit_status"] == "success"


def test_a_spectrum_is_an_event_and_a_shutter_opens_for_it(engine, connected):
    analyser, shutter = connected(Xspress3, "XSP3:", name="xsp3"), connected(Shutter, "SHTR:", name="shutter")
    documents = Documents()

    def plan():
        yield from bps.mv(shutter, "Open")
        yield from bps.prepare(analyser, 0.05, wait=True)
        yield from bp.count([analyser, shutter], 2)
        yield from bps.mv(shutter, "Close")
        yield from bps.mv(shutter, "Open")

    engine(plan(), documents)
    assert [event["data"]["shutter"] for event in documents.of("event")] == ["Open", "Open"]
    spectrum = documents.of("event")[0]["data"]["xsp3-elements-1-spectrum"]
    assert np.shape(spectrum) == (4096,)


def test_a_temperature_is_waited_for(engine, connected):
    stage = connected(TemperatureController, "TEMP:", tolerance=0.2, settle_time=0.2, name="temp")

    def plan():
        yield from bps.mv(stage.on, True, stage.ramp_rate, 600.0)
        start = yield from bps.rd(stage)
        yield from bps.mv(stage, start + 0.1)
        seen.extend((start, (yield from bps.rd(stage))))

    seen = []
    engine(plan())
    start, end = seen
    assert end == pytest.approx(start + 0.1, abs=0.25)


def test_a_motor_flies_while_a_panda_captures_where_it_is(engine, connected, simulated_beamline, tmp_path):
    motor = connected(Motor, "X", name="x")
    panda = connected(Panda, "PANDA:", path_provider=StaticPathProvider(tmp_path), name="panda")
    documents = Documents()

    table = {
        "repeats": np.array([20], np.uint16),
        "trigger": np.array(["POSA>=POSITION"]),
        "position": np.array([2000], np.int32),
        "time1": np.array([100_000], np.uint32),
        "time2": np.array([25_000], np.uint32),
    }
    for letter in "abcdef":
        table |= {f"out{letter}1": np.array([letter == "a"]), f"out{letter}2": np.array([False])}

    @bpp.stage_decorator([panda.capture])
    @bpp.run_decorator()
    def fly():
        yield from bps.prepare(panda.capture, TriggerInfo(kind="edge", frames=20), group="ready")
        flight = FlyMotorInfo(start_position=0.1, end_position=0.5, time_for_move=0.4)
        yield from bps.prepare(motor, flight, group="ready")
        yield from bps.wait("ready")
        yield from bps.declare_stream(panda.capture, name="primary", collect=True)
        yield from bps.kickoff(panda.capture, wait=True)
        yield from bps.abs_set(panda.seq[1].enable, "ONE", wait=True)
        yield from bps.kickoff(motor, wait=True)
        yield from bps.complete(motor, group="done")
        yield from bps.complete(panda.capture, group="done")
        yield from bps.wait("done")
        yield from bps.collect(panda.capture, name="primary")
        yield from bps.abs_set(panda.seq[1].enable, "ZERO", wait=True)

    asyncio.run_coroutine_threadsafe(panda.load_sequencer(table), engine.loop).result(timeout=10)
    try:
        engine(fly(), documents)
    finally:
        asyncio.run_coroutine_threadsafe(panda.disarm(), engine.loop).result(timeout=10)
    keys = {resource["data_key"] for resource in documents.of("stream_resource")}
    assert "panda-inenc1-val-mean" in keys
    rows = {datum["indices"]["stop"] for datum in documents.of("stream_datum")}
    assert rows == {20}
    assert {datum["seq_nums"]["stop"] for datum in documents.of("stream_datum")} == {21}
    assert documents.of("stop")[0]["exit_status"] == "success"
