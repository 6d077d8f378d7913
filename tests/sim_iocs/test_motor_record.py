"""The fields of the motor record do what they do on a real one."""

import asyncio
from itertools import pairwise

import pytest
from wingbeat.sim_iocs.pv import SimPV
from wingbeat.sim_iocs.record import COMPLETION
from wingbeat.sim_iocs.settings import BeamlineSettings

from .stage import Stage, staged

X = "SIM:X"


def motor(**settings: object) -> BeamlineSettings:
    return BeamlineSettings.model_validate({"motors": {"X": settings, "Y": {}}, "cameras": {}, "panda": {}})


async def put(stage: Stage, **fields: object) -> None:
    for field, value in fields.items():
        await stage.pvs[f"{X}.{field}"].put(value)


async def turning_points(stage: Stage, target: float) -> list[float]:
    """Move, and give where the axis was when it turned round or rested."""
    task, seen = stage.start(X, target), [stage.beamline.world.axes["X"].position(stage.clock.now_ns())]
    while not task.done():
        await stage.clock.run(0.01)
        seen.append(stage.beamline.world.axes["X"].position(stage.clock.now_ns()))
    steps = [round(b - a, 9) for a, b in pairwise(seen)]
    return [seen[i + 1] for i in range(len(steps) - 1) if steps[i] * steps[i + 1] < 0] + [seen[-1]]


async def test_backlash_approaches_every_target_from_the_same_side() -> None:
    async with staged(motor()) as stage:
        await put(stage, BDST=1.0, BVEL=2.0)
        assert await turning_points(stage, 5.0) == pytest.approx([5.0], abs=1e-6)
        assert await turning_points(stage, 2.0) == pytest.approx([1.0, 2.0], abs=0.06)
        assert stage.get(f"{X}.RBV") == 2.0
        # Within the backlash and in its direction: straight there, slowly.
        assert await stage.put(X, 2.5) == pytest.approx(0.5 / 2 + 0.1, abs=0.03)


async def test_the_far_side_of_the_backlash_must_be_inside_the_limits() -> None:
    async with staged(motor(start=5.0)) as stage:
        await put(stage, BDST=2.0, LLM=0.0)
        await stage.put(X, 1.0)
        assert (stage.get(f"{X}.LVIO"), stage.get(f"{X}.RBV")) == (1, 5.0)


async def test_a_slipped_encoder_is_put_right_by_a_retry() -> None:
    async with staged(motor()) as stage:
        await stage.set(FAULTS__EncoderSlip=500)
        assert stage.get(f"{X}.RBV") == 0.05
        await stage.put(X, 2.0)
        assert (stage.get(f"{X}.RBV"), stage.get(f"{X}.RCNT"), stage.get(f"{X}.MISS")) == (2.0, 1, 0)
        assert stage.beamline.world.axes["X"].position(stage.clock.now_ns()) == pytest.approx(1.95)


async def test_without_retries_a_missed_target_is_told() -> None:
    async with staged(motor()) as stage:
        await put(stage, RTRY=0)
        await stage.set(FAULTS__EncoderSlip=500)
        await stage.put(X, 2.0)
        assert stage.get(f"{X}.RBV") == pytest.approx(2.05)
        assert (stage.get(f"{X}.MISS"), stage.get(f"{X}.DMOV")) == (1, 1)


async def test_a_jog_goes_on_until_it_is_ended_or_reaches_the_soft_limit() -> None:
    async with staged(motor()) as stage:
        jog = stage.start(f"{X}.JOGF", 1)
        await stage.clock.run(1.0)
        assert (stage.get(f"{X}.DMOV"), stage.get(f"{X}.JOGF")) == (0, 1)
        await put(stage, JOGF=0)
        await stage.clock.run(0.3)
        assert jog.done()
        assert stage.get(f"{X}.VAL") == stage.get(f"{X}.RBV") == pytest.approx(10.0, abs=0.2)
        await stage.put(f"{X}.JOGR", 1)
        assert stage.get(f"{X}.RBV") == -20.0


async def test_tweaks_step_by_twv() -> None:
    async with staged(motor()) as stage:
        await put(stage, TWV=0.5)
        await stage.put(f"{X}.TWF", 1)
        await stage.put(f"{X}.TWF", 1)
        await stage.put(f"{X}.TWR", 1)
        assert (stage.get(f"{X}.VAL"), stage.get(f"{X}.RBV"), stage.get(f"{X}.TWF")) == (0.5, 0.5, 0)


async def test_homing_finds_the_switch_and_says_so() -> None:
    async with staged(motor(home=-3.0)) as stage:
        await stage.put(f"{X}.HOMR", 1)
        assert (stage.get(f"{X}.RBV"), stage.get(f"{X}.VAL"), stage.get(f"{X}.ATHM")) == (-3.0, -3.0, 1)
        assert stage.get(f"{X}.MSTA") & 1 << 14


async def test_a_pause_keeps_the_target_and_go_goes_on_to_it() -> None:
    async with staged(motor()) as stage:
        move = stage.start(X, 10.0)
        await stage.clock.run(0.5)
        await put(stage, SPMG="Pause")
        await stage.clock.run(0.5)
        assert (move.done(), stage.get(f"{X}.VAL"), stage.get(f"{X}.RBV") < 6) == (True, 10.0, True)
        going = stage.start(f"{X}.SPMG", "Go")
        await stage.clock.run(1.5)
        assert (going.done(), stage.get(f"{X}.RBV")) == (True, 10.0)


async def test_a_motor_in_stop_does_not_move_and_move_means_once() -> None:
    async with staged(motor()) as stage:
        await put(stage, SPMG="Stop")
        await stage.put(X, 1.0)
        assert stage.get(f"{X}.RBV") == 0.0
        await put(stage, SPMG="Move")
        await stage.put(X, 1.0)
        assert (stage.get(f"{X}.RBV"), stage.get(f"{X}.SPMG")) == (1.0, "Pause")


async def test_a_reversed_motor_turns_its_coordinates_and_limits_round() -> None:
    async with staged(motor()) as stage:
        await stage.put(X, 2.0)
        await put(stage, FOFF="Frozen", DIR="Neg")
        assert (stage.get(f"{X}.RBV"), stage.get(f"{X}.VAL"), stage.get(f"{X}.DRBV")) == (-2.0, -2.0, 2.0)
        assert (stage.get(f"{X}.LLM"), stage.get(f"{X}.HLM")) == (-40.0, 20.0)
        await stage.put(X, -3.0)
        assert stage.get(f"{X}.DRBV") == 3.0
        await put(stage, HLM=10.0)
        assert (stage.get(f"{X}.DLLM"), stage.get(f"{X}.DHLM")) == (-10.0, 40.0)


async def test_a_frozen_offset_lets_set_redefine_the_dial() -> None:
    async with staged(motor()) as stage:
        await stage.put(X, 2.0)
        await put(stage, FOFF="Frozen", SSET=1)
        await stage.put(X, 5.0)
        await put(stage, SUSE=1)
        assert (stage.get(f"{X}.OFF"), stage.get(f"{X}.DRBV"), stage.get(f"{X}.RBV")) == (0.0, 5.0, 5.0)
        await stage.put(X, 6.0)
        assert stage.beamline.world.axes["X"].position(stage.clock.now_ns()) == pytest.approx(3.0)


async def test_raw_relative_and_dial_puts_move_as_val_does() -> None:
    async with staged(motor()) as stage:
        await put(stage, OFF=1.0)
        await stage.put(f"{X}.DVAL", 2.0)
        assert (stage.get(f"{X}.RBV"), stage.get(f"{X}.RRBV")) == (3.0, 20_000)
        await stage.put(f"{X}.RLV", -0.5)
        assert (stage.get(f"{X}.RBV"), stage.get(f"{X}.RLV")) == (2.5, 0.0)
        await stage.put(f"{X}.RVAL", 30_000)
        assert stage.get(f"{X}.RBV") == 4.0


async def test_new_speed_limits_hold_for_all_speeds() -> None:
    async with staged(motor()) as stage:
        await put(stage, VMAX=5.0)
        assert [stage.get(f"{X}.{field}") for field in ("VELO", "BVEL", "JVEL", "HVEL")] == [5.0] * 4
        await put(stage, VMAX=0.0, VELO=500.0)
        assert stage.get(f"{X}.VELO") == 500.0


async def test_a_stalled_motor_stops_where_it_is_and_alarms() -> None:
    async with staged(motor()) as stage:
        move = stage.start(X, 10.0)
        await stage.clock.run(0.5)
        await stage.set(FAULTS__MotorStall="X")
        await stage.clock.run(0.1)
        assert move.done()
        assert (stage.get(f"{X}.STAT"), stage.get(f"{X}.SEVR")) == ("STATE", "MAJOR")
        assert stage.get(f"{X}.RBV") == pytest.approx(4.5, abs=0.1)
        assert await stage.put(X, 0.0) < 0.05
        assert (stage.get(f"{X}.MISS"), stage.get(f"{X}.MSTA") >> 9 & 1) == (1, 1)
        await stage.set(FAULTS__MotorStall="")
        await stage.put(X, 0.0)
        assert (stage.get(f"{X}.RBV"), stage.get(f"{X}.SEVR")) == (0.0, "NO_ALARM")


async def test_a_limit_switch_stops_forbids_one_direction_and_is_left_by_the_other() -> None:
    async with staged(motor()) as stage:
        move = stage.start(X, 10.0)
        await stage.clock.run(0.5)
        await stage.set(FAULTS__MotorLimit="X")
        await stage.clock.run(0.1)
        assert (move.done(), stage.get(f"{X}.HLS"), stage.get(f"{X}.LLS")) == (True, 1, 0)
        assert (stage.get(f"{X}.STAT"), stage.get(f"{X}.SEVR")) == ("HIGH", "MAJOR")
        here = stage.get(f"{X}.RBV")
        await stage.put(X, 20.0)
        assert stage.get(f"{X}.RBV") == here
        await stage.put(X, 1.0)
        assert (stage.get(f"{X}.RBV"), stage.get(f"{X}.HLS"), stage.get(f"{X}.SEVR")) == (1.0, 0, "NO_ALARM")


async def test_limit_switches_of_the_settings_are_where_the_axis_ends() -> None:
    async with staged(motor(travel=(-5.0, 5.0))) as stage:
        await put(stage, RTRY=0)
        await stage.put(X, 8.0)
        assert (stage.get(f"{X}.RBV"), stage.get(f"{X}.HLS"), stage.get(f"{X}.MISS")) == (5.0, 1, 1)


async def test_a_following_error_shows_while_it_moves_and_not_at_rest() -> None:
    async with staged(motor(lag=0.05)) as stage:
        stage.start(X, 10.0)
        await stage.clock.run(0.5)
        axis = stage.beamline.world.axes["X"]
        now = stage.clock.now_ns()
        assert axis.demand(now) - axis.position(now) == pytest.approx(0.5)
        await stage.clock.run(1.0)
        assert stage.get(f"{X}.RBV") == 10.0


async def test_a_glitch_is_over_when_it_is_over() -> None:
    async with staged(motor()) as stage:
        await stage.set(FAULTS__FaultAxis="X")
        await stage.set(FAULTS__EncoderGlitch=400)
        axis, now = stage.beamline.world.axes["X"], stage.clock.now_ns()
        assert (axis.counts(now), axis.counts(now + 1_000_000), axis.counts(now - 1)) == (400, 0, 0)


async def test_noise_and_lag_can_be_switched_while_it_runs() -> None:
    async with staged(motor()) as stage:
        await stage.set(FAULTS__AxisNoise=3.0, FAULTS__AxisLag=0.1)
        now, axis = stage.clock.now_ns(), stage.beamline.world.axes["X"]
        assert len({axis.counts(now + i * 1000) for i in range(100)}) > 5
        assert (axis.counts(now - 1), axis.lag_ns) == (0, 100_000_000)
        await stage.set(FAULTS__Clear=1)
        assert (axis.counts(now), axis.lag_ns) == (0, 0)


def later(pv: SimPV, value: object, *, completion: bool) -> asyncio.Task[None]:
    """Put as a client that wants to be told of the completion, or not."""

    async def served() -> None:
        COMPLETION.set(completion)
        await pv.put(value)

    return asyncio.get_running_loop().create_task(served())


@pytest.mark.parametrize("completion", [True, False])
async def test_where_puts_queue_a_stop_with_completion_does_not_stop(completion: bool) -> None:
    async with staged(motor()) as stage:
        await stage.set(FAULTS__PutNotifyQueues=1)
        move = later(stage.pvs[X], 10.0, completion=True)
        await stage.clock.run(0.5)
        stop = later(stage.pvs[f"{X}.STOP"], 1, completion=completion)
        await stage.clock.run(2.0)
        assert move.done()
        assert stop.done()
        assert (stage.get(f"{X}.RBV") == 10.0) is completion
