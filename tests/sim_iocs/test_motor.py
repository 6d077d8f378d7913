"""The motor record behaves as clients of the real one must expect."""

import pytest

from .stage import staged


async def test_a_put_on_val_is_complete_when_the_motor_is_there() -> None:
    async with staged() as stage:
        seconds = await stage.put("SIM:X", 5.0)
        assert seconds == pytest.approx(0.6, abs=0.021)
        assert (stage.get("SIM:X.RBV"), stage.get("SIM:X.DMOV"), stage.get("SIM:X.MOVN")) == (5.0, 1, 0)


async def test_the_readback_follows_at_ten_hertz_while_the_motor_moves() -> None:
    async with staged() as stage:
        task, seen = stage.start("SIM:X", 10.0), []
        for _ in range(120):
            await stage.clock.run(0.01)
            seen.append(stage.get("SIM:X.RBV"))
        assert task.done()
        assert stage.get("SIM:X.DMOV") == 1
        assert 10 <= len(set(seen)) <= 13
        assert seen == sorted(seen)


async def test_a_new_target_in_flight_completes_both_puts_at_the_second() -> None:
    async with staged() as stage:
        first = stage.start("SIM:X", 20.0)
        await stage.clock.run(0.5)
        second = stage.start("SIM:X", -2.0)
        await stage.clock.run(0.3)
        assert not first.done()
        await stage.clock.run(2.0)
        assert first.done()
        assert second.done()
        assert stage.get("SIM:X.RBV") == -2.0


async def test_stop_ramps_down_completes_the_move_and_val_follows() -> None:
    async with staged() as stage:
        move = stage.start("SIM:X", 20.0)
        await stage.clock.run(0.5)
        await stage.put("SIM:X.STOP", 1, within=0)
        await stage.clock.run(0.2)
        assert move.done()
        assert 4.5 < stage.get("SIM:X.RBV") < 6.0
        assert stage.get("SIM:X.VAL") == stage.get("SIM:X.RBV")
        assert stage.get("SIM:X.DMOV") == 1


async def test_a_target_beyond_the_limits_only_sets_lvio() -> None:
    async with staged() as stage:
        assert await stage.put("SIM:X", 41.0) == 0.0
        assert (stage.get("SIM:X.LVIO"), stage.get("SIM:X.VAL"), stage.get("SIM:X.DMOV")) == (1, 0.0, 1)
        await stage.put("SIM:X", 1.0)
        assert stage.get("SIM:X.LVIO") == 0


async def test_velocity_is_held_between_vbas_and_vmax() -> None:
    async with staged() as stage:
        await stage.pvs["SIM:X.VELO"].put(1000.0)
        assert stage.get("SIM:X.VELO") == 50.0
        await stage.pvs["SIM:X.VBAS"].put(0.1)
        await stage.pvs["SIM:X.VELO"].put(0.05)
        assert stage.get("SIM:X.VELO") == 0.1


async def test_set_mode_moves_the_offset_and_the_limits_and_not_the_axis() -> None:
    async with staged() as stage:
        await stage.put("SIM:X", 2.0)
        await stage.pvs["SIM:X.SET"].put("Set")
        assert await stage.put("SIM:X", 10.0) == 0.0
        await stage.pvs["SIM:X.SET"].put("Use")
        assert (stage.get("SIM:X.OFF"), stage.get("SIM:X.RBV"), stage.get("SIM:X.DRBV")) == (8.0, 10.0, 2.0)
        assert (stage.get("SIM:X.LLM"), stage.get("SIM:X.HLM")) == (-12.0, 48.0)
        await stage.put("SIM:X", 9.0)
        assert stage.get("SIM:X.DRBV") == 1.0


async def test_new_limits_are_the_control_limits_of_val() -> None:
    async with staged() as stage:
        await stage.pvs["SIM:X.HLM"].put(5.0)
        assert stage.pvs["SIM:X"].meta.limits == (-20.0, 5.0)
        assert stage.get("SIM:X.DHLM") == 5.0


async def test_a_beamline_at_rest_does_not_step() -> None:
    async with staged() as stage:
        await stage.put("SIM:X", 1.0)
        await stage.clock.run(0.1)
        assert not stage.beamline.busy
        assert not stage.beamline.world.awake.is_set()
