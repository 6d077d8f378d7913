"""Ring, shutter, temperature, scaler and analyser are functions of time, and their PVs show them."""

import asyncio
from pathlib import Path

import h5py
import numpy as np
import pytest
from wingbeat.sim_iocs.settings import BeamlineSettings

from .stage import Stage, staged


def lit(**more: object) -> BeamlineSettings:
    """A beamline whose detectors see the ring through the shutter."""
    beam = {"ring": "SR", "shutters": ["SHTR", "VALVE"]}
    return BeamlineSettings.model_validate({"beam": beam, "cameras": {}, "panda": {}, **more})


async def intensity(stage: Stage, seconds: float) -> float:
    """Mean intensity over the next seconds."""
    start = stage.clock.now_ns()
    await stage.clock.run(seconds)
    return float(stage.beamline.world.intensity(np.array([start]), np.array([stage.clock.now_ns()]))[0])


async def test_the_ring_decays_counts_down_and_fills_itself_again() -> None:
    async with staged(lit(rings={"SR": {"current": 200, "lifetime": 1000, "period": 30, "fill": 2}})) as stage:
        await stage.clock.run(14.0)
        assert stage.get("SIM:SR:CURRENT") == pytest.approx(200 * np.exp(-14 / 1000), abs=0.05)
        assert stage.get("SIM:SR:COUNTDOWN") == pytest.approx(14.0, abs=0.11)
        assert (stage.get("SIM:SR:FILLING"), stage.get("SIM:SR:MODE")) == ("No", "User")
        await stage.clock.run(15.0)
        assert (stage.get("SIM:SR:FILLING"), stage.get("SIM:SR:COUNTDOWN")) == ("Yes", 0.0)
        await stage.clock.run(1.1)
        assert stage.get("SIM:SR:CURRENT") == pytest.approx(200, abs=0.1)
        assert stage.get("SIM:SR:COUNTDOWN") == pytest.approx(27.9, abs=0.2)


async def test_a_beam_dump_takes_the_beam_at_its_instant_until_it_is_taken_back() -> None:
    async with staged(lit()) as stage:
        await stage.set(FAULTS__Delay=1.25)
        await stage.set(FAULTS__BeamDump=1)
        assert await intensity(stage, 2.5) == pytest.approx(0.5, abs=1e-3)
        assert (stage.get("SIM:SR:CURRENT"), stage.get("SIM:SR:MODE")) == (0.0, "No Beam")
        await stage.set(FAULTS__Delay=0.0)
        await stage.set(FAULTS__BeamDump=0)
        await stage.clock.run(2.2)
        assert (stage.get("SIM:SR:MODE"), round(stage.get("SIM:SR:CURRENT"))) == ("User", 300)


async def test_a_top_up_on_demand_begins_at_once() -> None:
    async with staged(lit(rings={"SR": {"lifetime": 100}})) as stage:
        await stage.clock.run(50.0)
        before = stage.get("SIM:SR:CURRENT")
        await stage.set(FAULTS__TopUp=1)
        await stage.clock.run(0.1)
        assert (stage.get("SIM:SR:FILLING"), stage.get("SIM:FAULTS:TopUp")) == ("Yes", "No")
        await stage.clock.run(2.0)
        assert stage.get("SIM:SR:CURRENT") > before + 100


async def test_a_shutter_takes_its_time_and_lets_nothing_through_before_it_is_open() -> None:
    async with staged(lit()) as stage:
        assert await stage.put("SIM:SHTR:CON", "Close") == pytest.approx(0.3, abs=0.021)
        assert stage.get("SIM:SHTR:STA") == "Closed"
        assert await intensity(stage, 1.0) == 0.0
        opening = stage.start("SIM:SHTR:CON", "Open")
        assert await intensity(stage, 0.2) == 0.0
        assert (stage.get("SIM:SHTR:STA"), opening.done()) == ("Opening", False)
        assert await intensity(stage, 0.2) == pytest.approx(0.5, abs=0.01)
        assert (stage.get("SIM:SHTR:STA"), opening.done()) == ("Open", True)


async def test_a_shutter_that_loses_its_interlock_closes_and_needs_a_reset() -> None:
    async with staged(lit()) as stage:
        await stage.set(FAULTS__Interlock=1)
        assert (stage.get("SIM:SHTR:STA"), stage.get("SIM:SHTR:ILKSTA")) == ("Fault", "Failed")
        await stage.put("SIM:SHTR:CON", "Reset")
        assert stage.get("SIM:SHTR:STA") == "Fault"
        await stage.set(FAULTS__Interlock=0)
        await stage.put("SIM:SHTR:CON", "Open")
        assert stage.get("SIM:SHTR:STA") == "Fault"
        await stage.put("SIM:SHTR:CON", "Reset")
        await stage.put("SIM:SHTR:CON", "Open")
        assert stage.get("SIM:SHTR:STA") == "Open"


async def test_the_stage_ramps_lags_and_holds() -> None:
    async with staged(lit(temperatures={"TEMP": {"start": 300, "ramp": 60, "time_constant": 2, "noise": 0}})) as stage:
        await stage.set(TEMP__SP=320.0)
        await stage.clock.run(1.0)
        assert stage.get("SIM:TEMP:STAT") == "Off"
        await stage.set(TEMP__ON=1)
        await stage.clock.run(10.0)
        assert stage.get("SIM:TEMP:STAT") == "Ramping"
        # 1 K/s for 10 s, behind by rate × lag.
        truth = stage.beamline.temperatures["TEMP"].temperature(stage.clock.now_ns())
        begun = stage.beamline.temperatures["TEMP"].temperature(stage.clock.now_ns() - 10_000_000_000)
        assert truth == pytest.approx(begun + 8.0, abs=0.1)
        await stage.clock.run(40.0)
        assert (stage.get("SIM:TEMP:STAT"), round(stage.get("SIM:TEMP:RBV"), 2)) == ("Holding", 320.0)
        await stage.set(FAULTS__HeaterFault=1)
        await stage.clock.run(30.0)
        assert (stage.get("SIM:TEMP:STAT"), stage.get("SIM:TEMP:RBV") < 297) == ("Fault", True)


async def test_the_reading_is_noisy_by_what_the_settings_say_and_the_same_again() -> None:
    async with staged(lit()) as stage:
        stage_ = stage.beamline.temperatures["TEMP"]
        times = [stage.clock.now_ns() + i * 100_000_000 for i in range(1000)]
        readings = [stage_.reading(t) for t in times]
        assert np.std(readings) == pytest.approx(5e-3, rel=0.1)
        assert [stage_.reading(t) for t in times] == readings


async def test_a_scaler_counts_for_its_preset_time() -> None:
    async with staged() as stage:
        await stage.pvs["SIM:SCALER.TP"].put(0.5)
        assert await stage.put("SIM:SCALER.CNT", 1) == pytest.approx(0.5, abs=0.021)
        assert (stage.get("SIM:SCALER.S1"), stage.get("SIM:SCALER.T")) == (5_000_000, 0.5)
        assert stage.get("SIM:SCALER.S2") == pytest.approx(500_000, abs=4 * 500_000**0.5)
        assert (stage.get("SIM:SCALER.NM2"), stage.get("SIM:SCALER.CNT")) == ("I0", "Done")


async def test_a_scaler_stops_at_a_gated_preset_or_when_told() -> None:
    async with staged() as stage:
        await stage.pvs["SIM:SCALER.TP"].put(10.0)
        await stage.pvs["SIM:SCALER.PR2"].put(100_000)
        assert await stage.put("SIM:SCALER.CNT", 1) == pytest.approx(0.1, abs=0.03)
        assert stage.get("SIM:SCALER.S2") == 100_000
        await stage.pvs["SIM:SCALER.PR2"].put(0)
        counting = stage.start("SIM:SCALER.CNT", 1)
        await stage.clock.run(1.0)
        seen = stage.get("SIM:SCALER.S1")
        assert 8_000_000 < seen <= 10_000_000
        await stage.put("SIM:SCALER.CNT", 0)
        await stage.clock.run(0)
        assert counting.done()
        assert stage.get("SIM:SCALER.T") == pytest.approx(1.0, abs=0.011)


async def test_scaler_counts_follow_the_beam() -> None:
    async with staged(lit()) as stage:
        await stage.put("SIM:SHTR:CON", "Close")
        await stage.put("SIM:SCALER.CNT", 1)
        assert (stage.get("SIM:SCALER.S2"), stage.get("SIM:SCALER.S1")) == (0, 10_000_000)


async def test_a_scaler_left_to_itself_counts_again_and_again() -> None:
    async with staged() as stage:
        await stage.pvs["SIM:SCALER.TP1"].put(0.2)
        await stage.pvs["SIM:SCALER.CONT"].put(1)
        await stage.clock.run(1.05)
        assert stage.beamline.scalers["SCALER"].busy
        await stage.pvs["SIM:SCALER.CONT"].put(0)
        await stage.clock.run(0.05)
        assert not stage.beamline.scalers["SCALER"].busy


async def test_the_analyser_takes_spectra_that_add_up() -> None:
    async with staged() as stage:
        await stage.set(XSP3__det1__NumImages=3, XSP3__det1__AcquireTime=0.2)
        assert await stage.put("SIM:XSP3:det1:Acquire", 1) == pytest.approx(0.6, abs=0.03)
        spectrum = stage.get("SIM:XSP3:MCA2:ArrayData")
        assert (len(spectrum), stage.get("SIM:XSP3:det1:ArrayCounter_RBV")) == (4096, 3)
        assert spectrum.sum() == pytest.approx(20_000, rel=0.05)
        low, size = stage.get("SIM:XSP3:MCA2ROI:2:MinX"), stage.get("SIM:XSP3:MCA2ROI:2:SizeX")
        assert stage.get("SIM:XSP3:MCA2ROI:2:Total_RBV") == spectrum[low : low + size].sum() > 5000
        assert stage.get("SIM:XSP3:C2SCA:0:Value_RBV") == 16_000_000
        assert stage.get("SIM:XSP3:C2SCA:4:Value_RBV") == spectrum.sum()
        assert stage.get("SIM:XSP3:C2SCA:8:Value_RBV") == pytest.approx(2.0, abs=0.2)


async def test_a_triggered_analyser_takes_a_frame_per_trigger_and_counts_what_it_missed() -> None:
    async with staged() as stage:
        await stage.set(XSP3__det1__NumImages=2, XSP3__det1__AcquireTime=0.1, XSP3__det1__TriggerMode="TTL Both")
        acquire = stage.start("SIM:XSP3:det1:Acquire", 1)
        await stage.clock.run(0.01)
        analyser, now = stage.beamline.mcas["XSP3"], stage.clock.now_ns()
        analyser.trigger([now, now + 50_000_000, now + 200_000_000])
        await stage.clock.run(0.5)
        assert acquire.done()
        assert stage.get("SIM:XSP3:det1:ArrayCounter_RBV") == 2
        assert stage.get("SIM:XSP3:det1:MissedTriggers_RBV") == 1


async def test_the_analyser_writes_every_frame(tmp_path: Path) -> None:
    async with staged() as stage:
        for name, value in (("FilePath", str(tmp_path)), ("FileName", "spectra"), ("FileTemplate", "%s%s.h5")):
            await stage.put(f"SIM:XSP3:HDF1:{name}", value)
        await stage.set(XSP3__HDF1__EnableCallbacks=1, XSP3__HDF1__LazyOpen=1, XSP3__HDF1__FileWriteMode="Stream")
        await stage.set(XSP3__HDF1__NumCapture=5, XSP3__det1__NumImages=5, XSP3__det1__AcquireTime=0.05)
        capture = stage.start("SIM:XSP3:HDF1:Capture", 1)
        await stage.clock.run(0.1)
        await stage.put("SIM:XSP3:det1:Acquire", 1)
        for _ in range(500):
            # The writer is a real thread: its time is not the beamline's.
            if capture.done():
                break
            await stage.clock.run(0.01)
            await asyncio.sleep(0.01)
        with h5py.File(tmp_path / "spectra.h5") as file:
            frames = file["/entry/data/data"][()]
        assert (frames.shape, frames.dtype) == ((5, 4, 4096), np.uint32)
        assert frames[4, 1].tolist() == stage.get("SIM:XSP3:MCA2:ArrayData").tolist()
        assert len({frame.tobytes() for frame in frames}) == 5
