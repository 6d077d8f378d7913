"""Axes are where the polynomials say, and cross a threshold at the nanosecond at which the counts say so."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wingbeat.sim_iocs.axis import Axis, Track, ramp_down, trapezoid
from wingbeat.sim_iocs.errors import TimelineError

MS = 1_000_000
POSITIONS = st.floats(-2.0, 2.0)
VELOCITIES = st.floats(-300.0, 300.0)


@st.composite
def wiggles(draw) -> Axis:
    """An axis with one to three tracks of wild cubic pieces, coarse enough to look at every nanosecond."""
    axis, start, position = Axis("x", resolution=0.05), 1000, draw(POSITIONS)
    for _ in range(draw(st.integers(1, 3))):
        knots = draw(st.lists(st.tuples(st.integers(1, 400), POSITIONS, VELOCITIES), min_size=1, max_size=4))
        times = [start, *(start + np.cumsum([k[0] for k in knots])).tolist()]
        # Velocities in units per second would be nothing in 400 ns: here they are per microsecond.
        velocities = [0.0, *(k[2] * 1e5 for k in knots)]
        axis.append(Track(times, [position, *(k[1] for k in knots)], velocities))
        start, position = times[-1] + draw(st.integers(0, 200)), knots[-1][1]
    return axis


@settings(max_examples=300)
@given(wiggles(), st.integers(800, 3000), st.booleans(), st.integers(800, 1500), st.integers(1, 3000))
def test_first_time_is_the_first_nanosecond_at_which_the_counts_have_reached_the_value(
    axis: Axis, instant: int, rising: bool, start: int, duration: int
) -> None:
    counts = axis.counts(instant)
    reached = (lambda c: c >= counts) if rising else (lambda c: c <= counts)
    brute = next((t for t in range(start, start + duration) if reached(axis.counts(t))), None)
    assert axis.first_time(counts, rising=rising, start_ns=start, stop_ns=start + duration) == brute


@pytest.mark.parametrize(
    ("start", "stop"),
    [(-50, 20), (-50, 250), (0, 300), (30, 31), (99, 101), (120, 130), (120, 180), (190, 400), (350, 360)],
)
def test_mean_is_the_mean_of_the_positions_over_motion_and_rest(start: int, stop: int) -> None:
    axis = Axis("x", position=3.0, resolution=1e-3)
    axis.append(Track([0, 40 * MS, 100 * MS], [3.0, 4.0, 3.5], [0.0, 30.0, 0.0]))
    axis.append(Track([150 * MS, 300 * MS], [3.5, 9.0], [0.0, 0.0]))
    times = np.linspace(start * MS, stop * MS, 20_001).astype(np.int64)
    expected = np.trapezoid([axis.position(int(t)) for t in times], times) / (times[-1] - times[0])
    assert axis.mean(start * MS, stop * MS) == pytest.approx(expected / 1e-3, rel=1e-6)


def test_a_trapezoid_has_the_times_of_the_textbook_and_ends_exactly_on_target() -> None:
    track = trapezoid(0, 1.0, target=11.0, speed=10.0, acceleration=100.0)
    assert track.times_ns.tolist() == [0, 100 * MS, 1000 * MS, 1100 * MS]
    assert track.position(track.stop_ns) == 11.0
    assert track.velocity(500 * MS) == pytest.approx(10.0)


@given(
    st.floats(-20, 20), st.floats(-30, 30), st.floats(-20, 20), st.floats(0.5, 20), st.floats(10, 1000)
)  # fmt: skip
def test_a_move_from_any_velocity_ends_at_rest_on_target_without_a_jump(
    position: float, velocity: float, target: float, speed: float, acceleration: float
) -> None:
    track = trapezoid(0, position, velocity=velocity, target=target, speed=speed, acceleration=acceleration)
    assert (track.positions[-1], track.velocities[-1]) == (target, 0.0)
    assert track.positions[0] == pytest.approx(position, abs=1e-9)
    fastest = max(speed, abs(velocity))
    assert track.fastest() <= fastest * (1 + 1e-6) + 1e-3
    for before, after in zip(track.times_ns[:-1], track.times_ns[1:], strict=True):
        times = np.linspace(before, after, 20).astype(np.int64)
        steps = np.abs(np.diff([track.position(int(t)) for t in times]))
        assert np.all(steps <= fastest * np.diff(times) * 1e-9 * 1.01 + 1e-6)


def test_a_cut_changes_nothing_before_it_and_is_continuous() -> None:
    axis = Axis("x")
    axis.append(trapezoid(0, 0.0, target=10.0, speed=10.0, acceleration=100.0))
    before = [axis.position(t) for t in range(0, 500 * MS, 7 * MS)]
    velocity = axis.velocity(500 * MS)
    axis.cut(500 * MS)
    axis.append(ramp_down(500 * MS, axis.position(500 * MS), velocity=velocity, acceleration=100.0))
    assert [axis.position(t) for t in range(0, 500 * MS, 7 * MS)] == pytest.approx(before, abs=1e-12)
    assert axis.velocity(500 * MS) == pytest.approx(velocity)
    assert axis.position(axis.stop_ns) == pytest.approx(4.5 + 0.5)
    assert axis.velocity(axis.stop_ns) == 0.0


def test_a_track_cannot_begin_before_the_last_one_ends() -> None:
    axis = Axis("x")
    axis.append(trapezoid(0, 0.0, target=1.0, speed=10.0, acceleration=100.0))
    with pytest.raises(TimelineError, match="axis x is commanded until"):
        axis.append(trapezoid(1, 0.0, target=1.0, speed=10.0, acceleration=100.0))


def test_history_older_than_two_minutes_is_forgotten_but_the_position_stays() -> None:
    axis = Axis("x")
    for i in range(5):
        axis.append(trapezoid(i * 100_000 * MS, float(i), target=i + 1.0, speed=10.0, acceleration=100.0))
    assert axis.position(400_000 * MS - 1) == 4.0
    assert axis.position(0) == 3.0  # what is forgotten rests where the remembered begins
