"""Scaler, analyser, shutter, valve, temperature stage and storage ring against the simulated ones."""

import asyncio

import pytest
from wingbeat.async_devices import signal_rw
from wingbeat.async_devices.epics import (
    Beam,
    Scaler,
    Shutter,
    StorageRing,
    TemperatureController,
    Valve,
    Xspress3,
)
from wingbeat.async_devices.epics.errors import (
    BeamLostError,
    CountInterruptedError,
    InterlockError,
    SetpointChangedError,
    TemperatureError,
    TemperatureFaultError,
    ValveFaultError,
)
from wingbeat.async_devices.errors import AcquireError, ValueRefusedError, WaitTimeoutError

pytestmark = pytest.mark.system


@pytest.fixture
async def made(simulated_beamline):
    devices = []

    async def make(kind, suffix, **options):
        device = kind(f"{simulated_beamline.prefix}{suffix}", **({"protocol": "pva"} | options))
        await device.connect()
        devices.append(device)
        return device

    yield make
    for device in devices:
        assert not device.tasks.statistics().running
        await device.disconnect()


@pytest.fixture
async def put(simulated_beamline):
    async def write(pv, value):
        signal = signal_rw(type(value), f"pva://{simulated_beamline.prefix}{pv}")
        await signal.connect()
        await signal.put(value, wait=False)
        await signal.get_value()
        await signal.disconnect()

    return write


async def test_a_scaler_counts_for_its_preset_under_the_names_of_its_channels(made):
    scaler = await made(Scaler, "SCALER", name="scaler")
    await scaler.prepare(0.2)
    seen = []
    status = scaler.trigger()
    status.watch(lambda **progress: seen.append(progress["current"]))
    await status
    reading = await scaler.read()
    assert (
        set(reading)
        == set(await scaler.describe())
        == {f"scaler-{key}" for key in ("elapsed", "time", "I0", "It", "If")}
    )
    assert reading["scaler-elapsed"]["value"] == pytest.approx(0.2, rel=1e-3)
    assert reading["scaler-time"]["value"] == pytest.approx(0.2 * await scaler.frequency.get_value(), rel=1e-3)
    assert reading["scaler-I0"]["value"] > 0
    assert scaler.hints == {"fields": ["scaler-I0", "scaler-It", "scaler-If"]}
    assert seen == sorted(seen)


async def test_a_scaler_counts_until_a_gated_channel_has_its_preset(made):
    scaler = await made(Scaler, "SCALER", name="scaler")
    await scaler.prepare({2: 1000.0})
    assert await scaler.gates() == {2}
    await scaler.trigger()
    assert await scaler.channels[2].counts.get_value() >= 1000
    await scaler.prepare(0.1)
    assert await scaler.gates() == {1}


async def test_a_count_that_somebody_stops_is_no_count(made, put):
    scaler = await made(Scaler, "SCALER", name="scaler")
    await scaler.prepare(20.0)
    status = scaler.trigger()
    await scaler.count.wait_for_value(True)
    second = await made(Scaler, "SCALER", protocol="ca", name="other")
    with pytest.raises(AcquireError, match="other: counts already"):
        await second.trigger()
    await second.count.put(False, wait=False)
    with pytest.raises(CountInterruptedError, match=r"scaler: was stopped after .* before any of its presets \(20 s\)"):
        await status
    status = scaler.trigger()
    await scaler.count.wait_for_value(True)
    await scaler.stop()
    await status


async def test_staged_a_scaler_does_not_count_by_itself(made):
    scaler = await made(Scaler, "SCALER", name="scaler")
    await scaler.prepare(0.1)
    await scaler.auto_count.put(True, wait=False)
    await scaler.auto_count.wait_for_value(True)
    await scaler.stage()
    assert await scaler.auto_count.get_value() is False
    await scaler.trigger()
    await scaler.unstage()
    assert await scaler.auto_count.wait_for_value(True) is True
    await scaler.auto_count.put(False)
    await scaler.stop()
    await scaler.count.wait_for_value(False)


async def test_an_analyser_gives_a_spectrum_per_element(made):
    analyser = await made(Xspress3, "XSP3:", name="xsp3")
    await analyser.prepare(0.05)
    await analyser.trigger()
    reading, keys = await analyser.read(), await analyser.describe()
    spectra = [reading[f"xsp3-elements-{n}-spectrum"]["value"] for n in (1, 2, 3, 4)]
    assert keys["xsp3-elements-1-spectrum"]["shape"] == [4096]
    assert all(spectrum.sum() > 0 for spectrum in spectra)
    region = analyser.elements[1].regions[1]
    start, size = await region.start.get_value(), await region.size.get_value()
    total = reading["xsp3-elements-1-regions-1-total"]["value"]
    assert total == pytest.approx(spectra[0][start : start + size].sum())
    assert set(analyser.hints["fields"]) <= set(reading)


async def test_an_analyser_that_somebody_stops_gives_no_frame(made):
    analyser = await made(Xspress3, "XSP3:", name="xsp3")
    await analyser.prepare(20.0)
    status = analyser.trigger()
    await analyser.acquire.wait_for_value(True)
    other = await made(Xspress3, "XSP3:", protocol="ca", name="other")
    with pytest.raises(AcquireError, match="other: acquires already"):
        await other.trigger()
    await analyser.stop(success=False)
    with pytest.raises(CountInterruptedError, match="xsp3: no frame of 20 s came"):
        await status
    await analyser.prepare(0.05)
    await analyser.trigger()


@pytest.mark.parametrize(("kind", "suffix"), [(Shutter, "SHTR:"), (Valve, "VALVE:")])
async def test_a_shutter_is_open_when_it_says_so(made, kind, suffix):
    shutter = await made(kind, suffix, name="shutter")
    await shutter.set("Close")
    assert await shutter.locate() == {"setpoint": "Close", "readback": "Closed"}
    await shutter.set("Open")
    assert (await shutter.read())["shutter"]["value"] == "Open"
    await shutter.set("Open")
    with pytest.raises(ValueRefusedError, match=r"shutter: expected one of \['Open', 'Close'\], given 'Ajar'"):
        await shutter.set("Ajar")


async def test_a_shutter_that_somebody_closes_while_it_opens_is_not_waited_for(made, put):
    shutter = await made(Shutter, "SHTR:", name="shutter")
    other = await made(Shutter, "SHTR:", protocol="ca", name="other")
    await shutter.set("Close")
    status = shutter.set("Open")
    await shutter.state.wait_for_value("Opening")
    await other.control.put("Close", wait=False)
    with pytest.raises(ValveFaultError, match=r"shutter: told to open, its state is '(Closing|Closed)'"):
        await status
    await other.state.wait_for_value("Closed")
    await shutter.set("Open")


async def test_a_temperature_is_there_when_it_has_settled(made):
    stage = await made(TemperatureController, "TEMP:", tolerance=0.2, settle_time=0.3, name="temp")
    await stage.on.put(True)
    await stage.ramp_rate.put(600.0)
    start = await stage.setpoint.get_value()
    seen = []
    status = stage.set(start + 0.25)
    status.watch(lambda **progress: seen.append(progress))
    await status
    assert (await stage.read())["temp"]["value"] == pytest.approx(start + 0.25, abs=0.25)
    assert (await stage.locate())["setpoint"] == pytest.approx(start + 0.25)
    inside = [abs(progress["current"] - start - 0.25) <= 0.2 for progress in seen]
    assert not inside[0]
    assert all(inside[-3:]), "it was inside for a while before it was said to be there"


async def test_a_tripped_interlock_is_told_before_and_while_it_opens(made, put):
    shutter = await made(Shutter, "SHTR:", name="shutter")
    await shutter.set("Close")
    status = shutter.set("Open")
    await shutter.state.wait_for_value("Opening")
    await put("FAULTS:Interlock", 1)
    with pytest.raises(ValveFaultError, match="shutter: told to open, its state is 'Fault'"):
        await status
    with pytest.raises(InterlockError, match=r"shutter: its interlock is 'Failed'.*it cannot open"):
        await shutter.set("Open")
    with pytest.raises(ValveFaultError, match="shutter: is in fault"):
        await shutter.set("Close")
    await put("FAULTS:Interlock", 0)
    await shutter.reset()
    await shutter.set("Open")


async def test_a_temperature_that_is_not_reached_in_time_says_where_it_is(made):
    stage = await made(TemperatureController, "TEMP:", tolerance=0.2, settle_time=0.3, name="temp")
    await stage.on.put(True)
    await stage.ramp_rate.put(600.0)
    start = await stage.readback.get_value()
    with pytest.raises(WaitTimeoutError, match=r"temp: .* not within 0.2 of .* for 0.3 s; it still regulates"):
        await stage.set(start + 50.0, timeout=0.3)
    status = stage.set(start + 50.0)
    await stage.readback.wait_for_value(lambda kelvin: kelvin > start + 0.5)
    await stage.stop(success=False)
    with pytest.raises(TemperatureError, match=r"temp: was stopped at"):
        await status


async def test_a_setpoint_that_somebody_changes_ends_the_wait(made):
    stage = await made(TemperatureController, "TEMP:", tolerance=0.2, settle_time=0.3, name="temp")
    await stage.on.put(True)
    start = await stage.readback.get_value()
    other = await made(TemperatureController, "TEMP:", protocol="ca", name="other")
    status, under_way = stage.set(start + 50.0), asyncio.Event()
    status.watch(lambda **_: under_way.set())
    await under_way.wait()
    await other.setpoint.put(start)
    with pytest.raises(SetpointChangedError, match=r"temp: on its way to .* somebody else set it to"):
        await status


async def test_a_stage_that_is_switched_off_is_not_waited_for(made):
    stage = await made(TemperatureController, "TEMP:", tolerance=0.2, settle_time=0.3, name="temp")
    await stage.on.put(True)
    status = stage.set(await stage.readback.get_value() + 50.0)
    await stage.setpoint.get_value()
    await stage.on.put(False)
    with pytest.raises(TemperatureFaultError, match="temp: is off"):
        await status
    with pytest.raises(TemperatureFaultError, match="temp: is off"):
        await stage.set(300.0)
    await stage.on.put(True)


def test_a_measurement_that_would_end_in_a_fill_does_not_fit_before_it():
    beam = Beam(current=300.0, countdown=5.0, filling=False, mode="User")
    assert beam.free_for(5.0)
    assert not beam.free_for(5.1)
    assert not Beam(current=300.0, countdown=600.0, filling=True, mode="User").free_for(1.0)
    assert Beam(current=0.0, countdown=600.0, filling=False, mode="No Beam").lost


async def test_the_next_fill_is_waited_for_and_seen(made, put):
    ring = await made(StorageRing, "SR:", name="ring")
    assert (await ring.read())["ring"]["value"] > 0
    now = await ring.wait_past_topup(1.0, timeout=30)
    assert now.free_for(1.0)
    waiting = asyncio.create_task(ring.wait_past_topup(now.countdown + 5.0, timeout=60))
    await put("FAULTS:TopUp", True)
    async with asyncio.timeout(10), ring.watching() as beams:
        async for beam in beams:
            if beam.filling:
                break
    assert (await waiting).free_for(now.countdown + 5.0)


async def test_a_dumped_beam_is_told_and_comes_back(made, put):
    ring = await made(StorageRing, "SR:", name="ring")
    await put("FAULTS:BeamDump", True)
    await ring.current.wait_for_value(0.0)
    with pytest.raises(BeamLostError, match="ring: machine mode 'No Beam', 0 mA"):
        await ring.wait_past_topup(1.0, timeout=10)
    with pytest.raises(WaitTimeoutError, match=r"ring: waited 0.3 s for 10 mA, seen last: Beam\(current=0.0"):
        await ring.wait_for_beam(10.0, timeout=0.3)
    await put("FAULTS:BeamDump", False)
    assert (await ring.wait_for_beam(10.0, timeout=20)).current >= 10.0
