"""The world computes everything at its own instant, however rarely it is looked at."""

import numpy as np
import pytest
from wingbeat.sim_iocs.axis import Axis, trapezoid
from wingbeat.sim_iocs.beamline import Beamline
from wingbeat.sim_iocs.campaign import fly_triggers
from wingbeat.sim_iocs.clock import NS, VirtualClock
from wingbeat.sim_iocs.settings import BeamlineSettings
from wingbeat.sim_iocs.world import World

MS = 1_000_000
LINES, FRAMES = 1800, 1000


def world(*axes: Axis) -> tuple[World, VirtualClock]:
    clock = VirtualClock()
    return World(clock=clock, axes={axis.name: axis for axis in axes}), clock


async def test_an_action_takes_effect_at_its_own_nanosecond_whenever_it_is_computed() -> None:
    axis = Axis("x")
    made, clock = world(axis)
    start = clock.now_ns()
    axis.append(trapezoid(start, 0.0, target=10.0, speed=10.0, acceleration=100.0))
    made.at(start + 500 * MS, axis.freeze)
    made.at(start + 300 * MS, lambda t: axis.errors.slip(t, 100))
    seen: list[int] = []
    made.observers.append(seen.append)
    await clock.run(60.0)
    made.settle()
    assert seen == [start + 300 * MS, start + 500 * MS, start + 60 * NS]
    assert axis.position(clock.now_ns()) == pytest.approx(4.5)
    assert axis.counts(start + 300 * MS) - axis.counts(start + 300 * MS - 1) == 100


async def test_an_action_that_looks_at_the_present_sees_its_own_instant() -> None:
    made, clock = world()
    due, seen = clock.now_ns() + 5, []
    made.at(due, lambda _: seen.append((made.instant_ns(), made.settle())))
    await clock.run(1.0)
    made.settle()
    assert seen == [(due, due)]
    assert made.instant_ns() == clock.now_ns()


def test_a_million_triggers_are_their_crossings_and_the_same_again_for_the_same_seed() -> None:
    first, again, other = (fly_triggers(200_000, per_line=5000, seed=seed) for seed in (1, 1, 2))
    assert first.triggers == 200_000
    assert first.lines == 40
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert first.virtual_seconds > 200


async def test_an_hour_of_a_raster_runs_in_virtual_time_with_every_trigger_at_its_crossing() -> None:
    """Lines of profiles, one after the other for an hour, on the beamline's own controller."""
    settings = BeamlineSettings.model_validate(
        {"motors": {"X": {"start": -0.5}, "Y": {}}, "rings": {}, "temperatures": {}, "cameras": {}, "panda": {}}
    )
    clock = VirtualClock()
    beamline = Beamline(settings, clock, period=2.0)
    pmac = {pv.name.removeprefix("SIM:PMAC:"): pv for pv in beamline.pvs}
    axis, start_ns, triggers = beamline.world.axes["X"], clock.now_ns(), 0
    async with beamline.running():
        await pmac["X:UseAxis"].put(1)
        await pmac["ProfileTimeArray"].put([1e5, 1e6, 1e5])
        await pmac["ProfilePointsToBuild"].put(3)
        for number in range(LINES):
            forward = number % 2 == 0
            await pmac["X:Positions"].put([0.0, 10.0, 10.5] if forward else [10.0, 0.0, -0.5])
            await pmac["X:Velocities"].put([10.0, 10.0, 0.0] if forward else [-10.0, -10.0, 0.0])
            await pmac["ProfileBuild"].put(1)
            begun = clock.now_ns()
            await clock.run_until(pmac["ProfileExecute"].put(1))
            assert pmac["ProfileExecuteStatus_RBV"].label == "Success"
            counts = np.arange(FRAMES) * 100 if forward else 100_000 - np.arange(FRAMES) * 100
            times = axis.first_times(counts, rising=forward, start_ns=begun, stop_ns=clock.now_ns())
            assert (axis.readings(times) == counts).all()
            assert (axis.readings(times - 1) == counts - (1 if forward else -1)).all()
            triggers += len(times)
    assert triggers == LINES * FRAMES
    assert clock.now_ns() - start_ns >= 3600 * NS
