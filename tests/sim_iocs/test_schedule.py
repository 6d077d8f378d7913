"""What the settings file schedules happens at its instant, without anybody looking, and is over when it says so."""

import pytest
from wingbeat.sim_iocs.settings import BeamlineSettings

from .stage import staged


def scheduled(*entries: tuple[float, dict[str, object]]) -> BeamlineSettings:
    """The beamline of the demo, with faults at seconds after the start."""
    schedule = [{"after": after, "set": faults} for after, faults in entries]
    return BeamlineSettings.model_validate({"faults": {"schedule": schedule}})


async def test_scheduled_faults_fire_and_end_in_the_order_of_their_times() -> None:
    entries = (2.0, {"beam_dump": 0}), (0.5, {"beam_dump": 1, "encoder_slip": 25}), (1.0, {"interlock": 1})
    async with staged(scheduled(*entries)) as stage:
        counts = stage.beamline.world.axes["X"].counts(stage.clock.now_ns())
        await stage.clock.run(0.45)
        assert (stage.get("SIM:SR:MODE"), stage.get("SIM:SHTR:STA")) == ("User", "Open")
        await stage.clock.run(0.2)
        assert (stage.get("SIM:SR:MODE"), stage.get("SIM:FAULTS:BeamDump")) == ("No Beam", "Yes")
        assert stage.beamline.world.axes["X"].counts(stage.clock.now_ns()) == counts + 25
        assert stage.get("SIM:SHTR:STA") == "Open"
        await stage.clock.run(0.5)
        assert stage.get("SIM:SHTR:STA") == "Fault"
        await stage.clock.run(1.0)
        assert (stage.get("SIM:SR:MODE"), stage.get("SIM:FAULTS:BeamDump")) == ("User", "No")


async def test_a_scheduled_stall_stops_a_move_at_its_nanosecond_however_late_it_is_computed() -> None:
    rests = []
    for period in (0.01, 0.3):
        async with staged(scheduled((1.0, {"motor_stall": "X"}))) as stage:
            stage.start("SIM:X.VAL", 20.0)
            for _ in range(round(3.0 / period)):
                await stage.clock.run(period)
            axis = stage.beamline.world.axes["X"]
            rests.append(axis.position(stage.clock.now_ns()))
            # 10 mm/s, reached in 0.1 s: half a millimetre is lost in the ramp.
            assert rests[-1] == pytest.approx(9.5, abs=0.2)
            assert (stage.get("SIM:X.STAT"), stage.get("SIM:X.SEVR")) == ("STATE", "MAJOR")
    assert rests[0] == pytest.approx(rests[1], abs=1e-6)
