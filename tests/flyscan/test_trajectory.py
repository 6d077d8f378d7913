"""Trajectories: within every limit at every moment, smooth, through the windows at the times of the triggers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scanspec.specs import Fly, Linspace, Spiral
from wingbeat.flyscan.errors import InfeasibleScanError
from wingbeat.flyscan.scan import compile
from wingbeat.flyscan.solve import SEGMENT_US, solve
from wingbeat.flyscan.timeline import Timeline
from wingbeat.flyscan.trajectory import AxisLimits
from wingbeat.flyscan.turnaround import US, Leg, evaluate, solve_turnaround

LIMITS = {axis: AxisLimits(velocity=30, acceleration=400, lead_in=1.2e-3) for axis in "xy"}

speeds = st.floats(-1, 1)


@st.composite
def legs(draw):
    velocity, acceleration = draw(st.floats(0.1, 50)), draw(st.floats(1, 1000))
    v0, v1 = draw(speeds) * velocity, draw(speeds) * velocity
    distance = draw(st.floats(-2, 2)) * draw(st.sampled_from([0.0, 1e-6, 1e-3, 1.0, 30.0]))
    return Leg(v0, v1, distance, velocity, acceleration)


def feasible(leg: Leg, time: float) -> bool:
    """The definition: the distance lies between what the lowest and the highest cruise velocity cover."""
    v0, v1, distance, velocity, a = leg
    if time < abs(v1 - v0) / a:
        return False

    def covered(c: float) -> float:
        up, down = abs(c - v0) / a, abs(c - v1) / a
        return (v0 + c) / 2 * up + c * (time - up - down) + (c + v1) / 2 * down

    high = min(velocity, (v0 + v1 + a * time) / 2)
    low = max(-velocity, (v0 + v1 - a * time) / 2)
    return covered(low) <= distance <= covered(high)


@settings(max_examples=150)
@given(st.lists(legs(), min_size=1, max_size=4))
def test_a_turnaround_always_exists_and_every_axis_arrives_within_its_limits(axes):
    named = {str(number): leg for number, leg in enumerate(axes)}
    turn = solve_turnaround(named, least_us=0)
    for name, leg in named.items():
        ramp = turn.ramps[name]
        assert ramp.up_us + ramp.down_us <= turn.time_us
        assert abs(ramp.cruise) <= leg.velocity * (1 + 1e-9)
        assert abs(ramp.cruise - leg.v0) <= leg.acceleration * ramp.up_us * US + 1e-12
        assert abs(ramp.cruise - leg.v1) <= leg.acceleration * ramp.down_us * US + 1e-12
        if turn.time_us:
            ((distance, velocity),) = evaluate(leg, ramp, turn.time_us, at_us=[turn.time_us])
            assert distance == pytest.approx(leg.distance, abs=1e-9)
            assert velocity == pytest.approx(leg.v1, abs=1e-9)


@settings(max_examples=100)
@given(st.lists(legs(), min_size=1, max_size=3), st.floats(0, 1))
def test_no_shorter_common_time_is_possible(axes, share):
    turn = solve_turnaround({str(number): leg for number, leg in enumerate(axes)}, least_us=0)
    slack = 1e-3 + 1e-3 * turn.time_us * US  # the margin kept back for whole microseconds
    time = share * (turn.time_us * US - slack)
    if time > 0:
        gentler = [leg._replace(acceleration=leg.acceleration * 0.998) for leg in axes]
        assert not all(feasible(leg, time) for leg in gentler)


def test_the_time_of_the_slowest_axis_is_not_always_possible_for_the_others():
    near = Leg(1.0, 1.0, 0.01, 10.0, 10.0)  # straight on in 10 ms, or turning back in 0.2 s and more
    far = Leg(0.0, 0.0, 0.001, 10.0, 10.0)  # 20 ms
    alone = [solve_turnaround({"axis": leg}, least_us=0).time_us for leg in (near, far)]
    both = solve_turnaround({"near": near, "far": far}, least_us=0)
    assert not feasible(near, max(alone) * US)
    assert both.time_us > 10 * max(alone)


rasters = st.builds(
    lambda lines, frames, width, step, duration, snake, start: (
        Fly(duration @ (Linspace("y", start, start + step * lines, lines) * (~fast if snake else fast)))
        if (fast := Linspace("x", start, start + width, frames))
        else None
    ),
    st.integers(1, 5),
    st.integers(2, 30),
    st.floats(-3, 3).filter(lambda w: abs(w) > 1e-2),
    st.floats(-0.5, 0.5),
    st.floats(2e-3, 0.3),
    st.booleans(),
    st.floats(-5, 5),
)


def dense(trajectory, axis, number=4_000):
    times = np.unique(
        np.concatenate(
            (np.linspace(0, trajectory.times_us.sum(), number), trajectory.points_us, trajectory.points_us - 0.5)
        )
    )
    return times, trajectory.curve(axis).at(times)


@settings(max_examples=25)
@given(rasters)
def test_a_trajectory_never_breaks_a_limit_and_is_smooth(spec):
    scan = compile(spec)
    try:
        trajectory = solve(scan, LIMITS)
    except InfeasibleScanError:
        assert any(
            np.abs(window.boundaries["x"][1] - window.boundaries["x"][0]) / window.ticks[0] * 125e6 > 29
            for window in scan.windows
        )
        return
    for axis in scan.axes:
        times, motion = dense(trajectory, axis)
        assert np.abs(motion.velocity).max() <= 30 * (1 + 1e-6)
        assert np.abs(motion.acceleration).max() <= 400 * (1 + 1e-6)
        gaps = np.diff(times) * US
        assert (np.abs(np.diff(motion.position)) <= 30 * (1 + 1e-6) * gaps + 1e-9).all()
        assert (np.abs(np.diff(motion.velocity)) <= 400 * (1 + 1e-6) * gaps + 1e-9).all()
        places, fastest, hardest = trajectory.extremes(axis)
        assert places[:, 0].min() <= motion.position.min() + 1e-9
        assert places[:, 1].max() >= motion.position.max() - 1e-9
        assert fastest.max() >= np.abs(motion.velocity).max() - 1e-9
        assert hardest.max() >= np.abs(motion.acceleration).max() - 1e-6
        assert motion.velocity[[0, -1]] == pytest.approx(0, abs=1e-12)
        assert motion.position[0] == trajectory.start[axis]
    assert (trajectory.times_us > 0).all()
    assert trajectory.times_us.max() <= SEGMENT_US


@settings(max_examples=25)
@given(rasters)
def test_the_axes_pass_every_boundary_at_the_time_of_its_ticks(spec):
    scan = compile(spec)
    try:
        trajectory = solve(scan, LIMITS)
    except InfeasibleScanError:
        return
    points = trajectory.points_us
    for number, window in enumerate(scan.windows):
        began = points[trajectory.window_start[number]]
        elapsed = np.concatenate(([0], np.cumsum(window.ticks))) * 0.008
        assert abs(points[trajectory.window_stop[number]] - began - elapsed[-1]) < 1
        for axis in scan.axes:
            motion = trajectory.curve(axis).at(began + elapsed)
            frame = np.abs(np.diff(window.boundaries[axis])).max(initial=0)
            speed = np.abs(motion.velocity).max()
            np.testing.assert_allclose(
                motion.position, window.boundaries[axis], atol=2e-3 * frame + speed * 1e-6 + 1e-9
            )


def test_a_curved_window_passes_its_boundaries_and_is_refused_where_it_is_too_sharp():
    scan = compile(Fly(0.05 @ Spiral("x", 1, 10, 0.5, "y", 5, 10)))
    trajectory = solve(scan, LIMITS)
    window = list(scan.windows)[-1]
    began = trajectory.points_us[trajectory.window_start[-1]]
    for axis in scan.axes:
        motion = trajectory.curve(axis).at(began + window.edges_us)
        np.testing.assert_allclose(motion.position, window.boundaries[axis], atol=1e-9)
        assert np.abs(dense(trajectory, axis)[1].acceleration).max() <= 400 * (1 + 1e-6)
    gentle = {axis: AxisLimits(velocity=30, acceleration=20) for axis in "xy"}
    with pytest.raises(InfeasibleScanError, match="acceleration"):
        solve(scan, gentle)


def test_every_reason_is_given_at_once_and_the_feasible_value_is_feasible():
    spec = Linspace("y", 0, 1, 3) * Linspace("x", 0, 10, 100)
    with pytest.raises(InfeasibleScanError, match=r"at least 0\.0033") as caught:
        solve(compile(Fly(1e-3 @ spec)), LIMITS)
    assert len(caught.value.reasons) == 1
    assert solve(compile(Fly(3.4e-3 @ spec)), LIMITS).duration > 0
    tight = {
        "x": AxisLimits(velocity=30, acceleration=400, low=0, high=10),
        "y": AxisLimits(velocity=1, acceleration=1, high=0.9),
    }
    with pytest.raises(InfeasibleScanError) as caught:
        solve(compile(Fly(1e-2 @ spec)), tight)
    assert [reason.split(":")[0] for reason in caught.value.reasons] == ["axis y", "axis x", "axis x"]
    with pytest.raises(InfeasibleScanError, match="not one of the rig's"):
        solve(compile(Fly(1e-2 @ Linspace("z", 0, 1, 5))), LIMITS)


def test_a_very_slow_line_is_cut_into_segments_that_the_controller_takes():
    scan = compile(Fly(5.0 @ Linspace("x", 0, 1, 4)))
    trajectory = solve(scan, {"x": AxisLimits(velocity=30, acceleration=0.01)})
    assert trajectory.times_us.max() <= SEGMENT_US
    assert math.isclose(trajectory.curve("x").at([trajectory.points_us[trajectory.window_stop[0]]]).position[0], 7 / 6)


def test_the_timeline_knows_what_is_due_and_when():
    scan = compile(Fly(1e-2 @ (Linspace("y", 0, 1, 3) * ~Linspace("x", 0, 1, 10))))
    timeline = Timeline.of(scan, solve(scan, LIMITS))
    assert timeline.frames_due(0) == 0
    assert timeline.frames_due(timeline.duration) == 30
    assert [timeline.frames_due(timeline.ends_at(frame)) for frame in range(30)] == list(range(1, 31))
    middle = (timeline.stops[0] + timeline.starts[1]) / 2
    assert timeline.frames_due(middle) == 10
    assert 0 < timeline.duty_cycle < 1
