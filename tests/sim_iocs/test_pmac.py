"""The trajectory controller runs what was built, as it was built, or says why not."""

import re

import numpy as np
import pytest
from wingbeat.sim_iocs.settings import BeamlineSettings

from .stage import Stage, staged

PMAC = "SIM:PMAC:"


async def load(stage: Stage, *, durations, x, vx, y=None, vy=None) -> None:
    """Write a profile and build it."""
    axes = {"X": (x, vx)} | ({} if y is None else {"Y": (y, vy)})
    for letter, (positions, velocities) in axes.items():
        await stage.pvs[f"{PMAC}{letter}:UseAxis"].put(1)
        await stage.pvs[f"{PMAC}{letter}:Positions"].put(positions)
        await stage.pvs[f"{PMAC}{letter}:Velocities"].put(velocities)
    await stage.pvs[f"{PMAC}ProfileTimeArray"].put(durations)
    await stage.pvs[f"{PMAC}ProfilePointsToBuild"].put(len(durations))


async def build(stage: Stage, **profile) -> str:
    await load(stage, **profile)
    await stage.pvs[f"{PMAC}ProfileBuild"].put(1)
    return stage.get(f"{PMAC}ProfileBuildStatus_RBV")


RAMP = {"durations": [100_000.0, 1e6, 100_000.0], "x": [0.5, 10.5, 11.0], "vx": [10.0, 10.0, 0.0]}


async def test_a_profile_passes_its_points_at_their_times_with_their_velocities() -> None:
    async with staged() as stage:
        assert await build(stage, **RAMP) == "Success"
        start_ns = stage.clock.now_ns()
        assert await stage.put(f"{PMAC}ProfileExecute", 1) == pytest.approx(1.2, abs=0.025)
        axis = stage.beamline.world.axes["X"]
        assert axis.position(start_ns + 100_000_000) == pytest.approx(0.5)
        assert axis.velocity(start_ns + 600_000_000) == pytest.approx(10.0)
        assert axis.position(start_ns + 1_200_000_000) == 11.0
        assert stage.get(f"{PMAC}ProfileExecuteStatus_RBV") == "Success"
        assert stage.get(f"{PMAC}TotalPoints_RBV") == 3
        assert stage.get("SIM:X.RBV") == stage.get("SIM:X.VAL") == 11.0


async def test_the_motors_and_the_point_counter_follow_the_profile() -> None:
    async with staged() as stage:
        await build(stage, **RAMP)
        stage.start(f"{PMAC}ProfileExecute", 1)
        await stage.clock.run(0.5)
        assert stage.get(f"{PMAC}ProfileExecuteState_RBV") == "Executing"
        assert (stage.get(f"{PMAC}TotalPoints_RBV"), stage.get("SIM:X.DMOV")) == (1, 0)
        assert stage.get("SIM:X.RBV") == pytest.approx(4.0, abs=1.1)
        await stage.clock.run(1.0)
        assert stage.get(f"{PMAC}ProfileExecuteState_RBV") == "Done"


async def test_a_profile_must_be_built_for_every_execution() -> None:
    async with staged() as stage:
        await build(stage, **RAMP)
        await stage.put(f"{PMAC}ProfileExecute", 1)
        assert await stage.put(f"{PMAC}ProfileExecute", 1) == 0.0
        assert stage.get(f"{PMAC}ProfileExecuteStatus_RBV") == "Failure"
        assert "no profile is built" in stage.get(f"{PMAC}ProfileExecuteMessage_RBV")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": [0.5, 41.0, 41.5]}, "axis X: position 41 of point 1 is outside the limits -20 to 40"),
        ({"durations": [1e5, 2e7, 1e5]}, "time of point 1 is 2e.07 us"),
        ({"vx": [10.0]}, "3 points to build, but the X velocity array holds 1"),
        ({"vx": [10.0, np.nan, 0.0]}, "finite"),
    ],
)
async def test_a_profile_that_cannot_run_fails_to_build_and_says_why(change, message) -> None:
    async with staged() as stage:
        assert await build(stage, **(RAMP | change)) == "Failure"
        assert re.search(message, stage.get(f"{PMAC}ProfileBuildMessage_RBV"))


async def test_a_profile_whose_start_is_too_far_away_builds_and_does_not_execute() -> None:
    async with staged() as stage:
        assert await build(stage, **(RAMP | {"x": [10.0, 10.5, 11.0]})) == "Success"
        await stage.put(f"{PMAC}ProfileExecute", 1)
        assert stage.get(f"{PMAC}ProfileExecuteStatus_RBV") == "Failure"
        message = stage.get(f"{PMAC}ProfileExecuteMessage_RBV")
        assert "10 away from the first point 10, and 100000 us are too short" in message
        assert stage.get("SIM:X.RBV") == 0.0


async def test_an_empty_profile_succeeds() -> None:
    # ophyd-async stages with one: no axis, one point, no time.
    async with staged() as stage:
        await stage.pvs[f"{PMAC}ProfileTimeArray"].put([0.0])
        await stage.pvs[f"{PMAC}ProfilePointsToBuild"].put(1)
        await stage.pvs[f"{PMAC}ProfileBuild"].put(1)
        await stage.put(f"{PMAC}ProfileExecute", 1, within=0.1)
        assert stage.get(f"{PMAC}ProfileExecuteStatus_RBV") == "Success"


async def test_abort_stops_every_axis_in_control_and_says_so() -> None:
    async with staged() as stage:
        await build(stage, **RAMP, y=[0.0, 5.0, 5.0], vy=[0.0, 0.0, 0.0])
        execute = stage.start(f"{PMAC}ProfileExecute", 1)
        await stage.clock.run(0.5)
        await stage.put(f"{PMAC}ProfileAbort", 1)
        assert execute.done()
        assert stage.get(f"{PMAC}ProfileExecuteStatus_RBV") == "Failure"
        assert stage.get(f"{PMAC}ProfileExecuteMessage_RBV") == "Aborted"
        assert not stage.beamline.motors["X"].busy
        assert 4.5 < stage.get("SIM:X.RBV") < 6.0
        assert await stage.put("SIM:X", 0.0) > 0.1


async def test_stopping_a_motor_aborts_the_profile_that_moves_it() -> None:
    async with staged() as stage:
        await build(stage, **RAMP)
        execute = stage.start(f"{PMAC}ProfileExecute", 1)
        await stage.clock.run(0.5)
        await stage.pvs["SIM:X.STOP"].put(1)
        await stage.clock.run(0.3)
        assert execute.done()
        assert "SIM:X was stopped" in stage.get(f"{PMAC}ProfileExecuteMessage_RBV")


async def test_appended_points_continue_without_a_break() -> None:
    async with staged() as stage:
        await build(stage, durations=[1e5, 1e6], x=[0.5, 10.5], vx=[10.0, 10.0])
        start_ns = stage.clock.now_ns()
        execute = stage.start(f"{PMAC}ProfileExecute", 1)
        await stage.clock.run(0.5)
        await load(stage, durations=[5e5, 1e5], x=[15.5, 16.0], vx=[10.0, 0.0])
        await stage.pvs[f"{PMAC}ProfileAppend"].put(1)
        assert stage.get(f"{PMAC}ProfileAppendStatus_RBV") == "Success"
        await stage.clock.run(1.5)
        assert execute.done()
        axis = stage.beamline.world.axes["X"]
        around = [axis.velocity(start_ns + 1_100_000_000 + dt) for dt in (-1000, 0, 1000)]
        assert around == pytest.approx([10.0] * 3)
        assert stage.get(f"{PMAC}ProfileExecuteStatus_RBV") == "Success"
        assert stage.get(f"{PMAC}TotalPoints_RBV") == 4
        assert stage.get("SIM:X.RBV") == 16.0


async def test_a_profile_that_ends_in_motion_is_an_under_run() -> None:
    async with staged() as stage:
        await build(stage, durations=[1e5, 1e6], x=[0.5, 10.5], vx=[10.0, 10.0])
        await stage.put(f"{PMAC}ProfileExecute", 1)
        assert "unable to fill buffers in time" in stage.get(f"{PMAC}ProfileExecuteMessage_RBV")
        assert stage.get("SIM:X.RBV") == pytest.approx(11.0)


async def test_deferred_demands_start_together_and_end_together() -> None:
    async with staged() as stage:
        await stage.pvs[f"{PMAC}CS1:DeferMoves"].put(1)
        x, y = stage.start(f"{PMAC}CS1:M7:DirectDemand", 5.0), stage.start(f"{PMAC}CS1:M8:DirectDemand", 1.0)
        await stage.clock.run(0.5)
        assert not stage.beamline.busy
        await stage.pvs[f"{PMAC}CS1:DeferMoves"].put(0)
        axes = stage.beamline.world.axes
        assert axes["X"].stop_ns == pytest.approx(axes["Y"].stop_ns, abs=1000)
        await stage.clock.run(1.0)
        assert x.done()
        assert y.done()
        assert (stage.get("SIM:X.RBV"), stage.get("SIM:Y.RBV")) == (5.0, 1.0)


async def test_points_that_come_too_late_end_the_profile_where_it_had_points() -> None:
    async with staged() as stage:
        await build(stage, durations=[1e5, 1e6], x=[0.5, 10.5], vx=[10.0, 10.0])
        execute = stage.start(f"{PMAC}ProfileExecute", 1)
        # The driver looks again at 1.1 s: then the second point has been passed.
        await stage.clock.run(1.05)
        await load(stage, durations=[5e5, 1e5], x=[15.5, 16.0], vx=[10.0, 0.0])
        await stage.pvs[f"{PMAC}ProfileAppend"].put(1)
        assert stage.get(f"{PMAC}ProfileAppendStatus_RBV") == "Success"
        await stage.clock.run(1.0)
        assert execute.done()
        assert stage.get(f"{PMAC}ProfileExecuteStatus_RBV") == "Failure"
        assert "unable to fill buffers in time (2/4)" in stage.get(f"{PMAC}ProfileExecuteMessage_RBV")
        assert stage.get("SIM:X.RBV") == pytest.approx(11.0)


async def test_a_held_up_driver_under_runs_on_demand() -> None:
    async with staged() as stage:
        await build(stage, durations=[1e5, 1e6], x=[0.5, 10.5], vx=[10.0, 10.0])
        stage.start(f"{PMAC}ProfileExecute", 1)
        await stage.set(FAULTS__TableUnderrun=1)
        await stage.clock.run(0.3)
        await load(stage, durations=[5e5, 1e5], x=[15.5, 16.0], vx=[10.0, 0.0])
        await stage.pvs[f"{PMAC}ProfileAppend"].put(1)
        await stage.clock.run(2.0)
        assert "unable to fill buffers in time (2/4)" in stage.get(f"{PMAC}ProfileExecuteMessage_RBV")


async def test_points_faster_than_the_driver_can_fill_are_an_under_run() -> None:
    async with staged() as stage:
        # 25 000 points a second: the third half would have to come within 40 ms of the second's begin.
        n = 5000
        positions = np.linspace(0.0, 0.02, n)
        assert await build(stage, durations=np.full(n, 40.0), x=positions, vx=np.full(n, 0.1)) == "Success"
        await stage.put(f"{PMAC}ProfileExecute", 1)
        assert "(2000/5000)" in stage.get(f"{PMAC}ProfileExecuteMessage_RBV")


async def test_user_programmes_set_outputs_at_their_points() -> None:
    async with staged() as stage:
        await stage.pvs[f"{PMAC}UserArray"].put([1, 4, 8])
        await build(stage, **RAMP)
        start = stage.clock.now_ns()
        await stage.put(f"{PMAC}ProfileExecute", 1)
        pmac = stage.beamline.pmacs["PMAC"]
        for line, expected in (("GPIO1", [(0.1, True), (1.1, False)]), ("GPIO3", [(1.1, True), (1.2, False)])):
            times, levels = pmac.take_edges(line, stage.clock.now_ns(), reader="test")
            assert [((t - start) / 1e9, bool(level)) for t, level in zip(times, levels, strict=True)] == expected
        assert len(pmac.take_edges("GPIO2", stage.clock.now_ns(), reader="test")[0]) == 0


async def test_each_coordinate_system_moves_its_own_motors() -> None:
    systems = {"CS1": {"X": "X"}, "CS2": {"X": "Y", "Y": "Z"}}
    settings = BeamlineSettings.model_validate({"pmac": {"PMAC": {"coordinate_systems": systems}}})
    async with staged(settings) as stage:
        assert (stage.get("SIM:Y:CsPort_RBV"), stage.get("SIM:Y:CsAxis_RBV"), stage.get("SIM:Y:CsRaw_RBV")) == (
            "CS2",
            "X",
            2,
        )
        await stage.pvs[f"{PMAC}ProfileCsName"].put("CS2")
        assert await build(stage, **RAMP) == "Success"
        await stage.put(f"{PMAC}ProfileExecute", 1)
        assert (stage.get("SIM:X.RBV"), stage.get("SIM:Y.RBV")) == (0.0, 11.0)
        await stage.put(f"{PMAC}CS2:M8:DirectDemand", 1.0)
        assert stage.get("SIM:Z.RBV") == 1.0
        await stage.pvs[f"{PMAC}ProfileCsName"].put("CS9")
        await stage.pvs[f"{PMAC}ProfileBuild"].put(1)
        assert "no coordinate system 'CS9'" in stage.get(f"{PMAC}ProfileBuildMessage_RBV")


@pytest.mark.parametrize(
    ("fault", "message"), [("MotorStall", "following error"), ("MotorLimit", "high limit switch hit")]
)
async def test_an_axis_in_trouble_ends_the_profile_and_says_why(fault: str, message: str) -> None:
    async with staged() as stage:
        await build(stage, **RAMP)
        execute = stage.start(f"{PMAC}ProfileExecute", 1)
        await stage.clock.run(0.5)
        await stage.set(**{f"FAULTS__{fault}": "X"})
        await stage.clock.run(0.3)
        assert execute.done()
        assert stage.get(f"{PMAC}ProfileExecuteStatus_RBV") == "Failure"
        assert message in stage.get(f"{PMAC}ProfileExecuteMessage_RBV")


async def test_velocities_are_calculated_where_the_client_asks_for_it() -> None:
    async with staged() as stage:
        await stage.pvs[f"{PMAC}ProfileCalcVel"].put(1)
        assert await build(stage, durations=[1e5, 1e6, 1e6, 1e5], x=[0.5, 5.5, 10.5, 11.0], vx=[]) == "Success"
        start = stage.clock.now_ns()
        await stage.put(f"{PMAC}ProfileExecute", 1)
        assert stage.beamline.world.axes["X"].velocity(start + 1_100_000_000) == pytest.approx(5.0)
