"""bluesky's own RunEngine drives our devices: the names and shapes of its protocols are ours."""

import asyncio
from typing import Annotated

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import pytest
from bluesky import protocols as theirs
from wingbeat.async_devices import (
    DeclaredDevice,
    Pv,
    Role,
    SignalRW,
    SoftDetector,
    SoftMotor,
    StaticPathProvider,
    connected,
    derived_r,
)
from wingbeat.async_devices.epics import AreaDetector, Motor

from tests.conformance.documents import Documents

pytestmark = pytest.mark.conformance


def on_loop_of(engine, coroutine):
    return asyncio.run_coroutine_threadsafe(coroutine, engine.loop).result(timeout=20)


def test_the_protocols_hold():
    motor, detector = SoftMotor("x"), SoftDetector("det")
    for protocol in (
        theirs.Readable,
        theirs.Movable,
        theirs.Locatable,
        theirs.Stoppable,
        theirs.HasHints,
        theirs.HasParent,
    ):
        assert isinstance(motor, protocol), protocol
    for protocol in (theirs.Readable, theirs.Triggerable, theirs.HasHints):
        assert isinstance(detector, protocol), protocol
    assert isinstance(motor.set(1.0), theirs.Status)
    cam = AreaDetector("SIM:CAM:", name="cam")
    for protocol in (
        theirs.WritesStreamAssets,
        theirs.Stageable,
        theirs.Preparable,
        theirs.Configurable,
        theirs.Triggerable,
    ):
        assert isinstance(cam, protocol), protocol


def test_soft_devices_scan(engine):
    motor = SoftMotor("x")
    detector = SoftDetector("det", value=lambda: motor.position**2)
    documents = Documents()
    engine(bp.scan([detector], motor, 0, 2, 3), documents)
    assert [event["data"] for event in documents.of("event")] == [
        {"det": 0.0, "x": 0.0},
        {"det": 1.0, "x": 1.0},
        {"det": 4.0, "x": 2.0},
    ]
    assert documents.of("stop")[0]["exit_status"] == "success"


def test_a_refused_target_fails_the_plan_and_not_the_engine(engine):
    motor, documents = SoftMotor("x", limits=(0, 1)), Documents()
    with pytest.raises(ValueError, match="outside its limits"):
        engine(bp.scan([SoftDetector("det")], motor, 0, 2, 3), documents)
    assert documents.of("stop")[0]["exit_status"] == "fail"
    engine(bp.count([SoftDetector("det")]), documents)
    assert documents.of("stop")[1]["exit_status"] == "success"


class Furnace(DeclaredDevice):
    temperature: Annotated[SignalRW[float], Pv("TEMP"), Role.HINTED]
    rate: Annotated[SignalRW[float], Pv.rbv("RATE"), Role.CONFIG]


def test_signals_are_moved_read_monitored_and_staged_in_the_engines_loop(engine):
    documents = Documents()
    with connected(loop=engine.loop, mock=True):
        furnace = Furnace("FURNACE:")
    kelvin = derived_r(_kelvin, name="kelvin", celsius=furnace.temperature)
    on_loop_of(engine, kelvin.connect())
    for protocol in (theirs.Readable, theirs.Movable, theirs.Locatable, theirs.Stageable, theirs.Subscribable):
        assert isinstance(furnace.temperature, protocol), protocol

    def plan():
        yield from bps.stage(furnace.temperature)
        yield from bps.open_run()
        yield from bps.monitor(furnace.temperature, name="warm")
        for target in (100.0, 200.0):
            yield from bps.mv(furnace.temperature, target)
            yield from bps.trigger_and_read([furnace, kelvin])
        yield from bps.unmonitor(furnace.temperature)
        yield from bps.close_run()
        yield from bps.unstage(furnace.temperature)
        return (yield from bps.rd(furnace.temperature))

    engine(plan(), documents)
    primary, warm = (
        [event["data"] for event in documents.of("event") if event["descriptor"] == descriptor["uid"]]
        for name in ("primary", "warm")
        for descriptor in documents.of("descriptor")
        if descriptor["name"] == name
    )
    assert primary == [
        {"furnace-temperature": 100.0, "kelvin": 373.15},
        {"furnace-temperature": 200.0, "kelvin": 473.15},
    ]
    assert [data["furnace-temperature"] for data in warm] == [0.0, 100.0, 200.0]
    descriptor = next(each for each in documents.of("descriptor") if each["name"] == "primary")
    assert descriptor["hints"]["furnace"] == {"fields": ["furnace-temperature"]}
    assert descriptor["configuration"]["furnace"]["data"] == {"furnace-rate": 0.0}
    on_loop_of(engine, furnace.disconnect())
    on_loop_of(engine, kelvin.disconnect())


def _kelvin(celsius: float) -> float:
    return celsius + 273.15


@pytest.mark.system
def test_a_motor_scans_and_is_read_where_it_is(engine, simulated_beamline):
    documents = Documents()
    with connected(loop=engine.loop) as devices:
        y = Motor(f"{simulated_beamline.prefix}Y")
    assert devices == {"y": y}

    def plan():
        yield from bp.scan([SoftDetector("det")], y, 0, 0.5, 3)
        return (yield from bps.rd(y))

    try:
        engine(plan(), documents)
        assert [event["data"]["y"] for event in documents.of("event")] == pytest.approx([0.0, 0.25, 0.5], abs=2e-3)
        descriptor = documents.of("descriptor")[0]
        assert descriptor["data_keys"]["y"]["units"] == "mm"
        assert descriptor["configuration"]["y"]["data"]["y-units"] == "mm"
    finally:
        on_loop_of(engine, y.disconnect())


@pytest.mark.system
def test_a_camera_counts_one_row_per_event(engine, simulated_beamline, tmp_path):
    cam = AreaDetector(f"{simulated_beamline.prefix}CAM:", path_provider=StaticPathProvider(tmp_path), name="cam")
    documents = Documents()
    on_loop_of(engine, cam.connect())
    try:
        engine(bp.count([cam], 3), documents)
    finally:
        on_loop_of(engine, cam.disconnect())
    (resource,) = [document for document in documents.of("stream_resource") if document["data_key"] == "cam"]
    assert resource["uri"].startswith("file://localhost/")
    datums = [document for document in documents.of("stream_datum") if document["stream_resource"] == resource["uid"]]
    assert [datum["indices"] for datum in datums] == [{"start": n, "stop": n + 1} for n in range(3)]
    assert [datum["seq_nums"] for datum in datums] == [{"start": n + 1, "stop": n + 2} for n in range(3)]
    assert documents.of("descriptor")[0]["data_keys"]["cam"]["shape"] == [1, 64, 64]
