"""Axes are where the polynomials say, and cross a threshold at the nanosecond at which the counts say so."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wingbeat.sim_iocs.axis import Axis, Track, ramp_down, trapezoid
from wingbeat.sim_iocs.encoder import EncoderErrors
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
    axis.forget(401_000 * MS)
    assert axis.position(400_000 * MS - 1) == 4.0
    assert axis.position(0) == 3.0  # what is forgotten rests where the remembered begins


def test_motions_commanded_far_ahead_are_all_kept() -> None:
    axis = Axis("x")
    for i in range(5):
        axis.append(trapezoid(i * 100_000 * MS, float(i), target=i + 1.0, speed=10.0, acceleration=100.0))
    assert [axis.position(i * 100_000 * MS) for i in range(5)] == [0.0, 1.0, 2.0, 3.0, 4.0]


@settings(max_examples=150)
@given(wiggles(), st.lists(st.tuples(st.integers(500, 3500), st.integers(-50, 900)), min_size=1, max_size=20))
def test_many_instants_at_once_answer_as_one_by_one_to_the_last_bit(axis: Axis, spans: list[tuple[int, int]]) -> None:
    starts = np.array([start for start, _ in spans])
    stops = starts + np.array([duration for _, duration in spans])
    assert axis.positions(starts).tolist() == [axis.position(t) for t in starts.tolist()]
    assert axis.readings(starts).tolist() == [axis.counts(t) for t in starts.tolist()]
    means = [axis.mean(a, b) for a, b in zip(starts.tolist(), stops.tolist(), strict=True)]
    assert axis.means(starts, stops) == pytest.approx(means, rel=1e-12, abs=1e-9)


@settings(max_examples=150)
@given(wiggles(), st.booleans(), st.lists(st.integers(-60, 60), min_size=1, max_size=25), st.integers(800, 2000))
def test_many_thresholds_at_once_are_reached_when_each_alone_is(
    axis: Axis, rising: bool, counts: list[int], start: int
) -> None:
    found = axis.first_times(counts, rising=rising, start_ns=start, stop_ns=3000).tolist()
    alone = [axis.first_time(c, rising=rising, start_ns=start, stop_ns=3000) for c in counts]
    assert found == [-1 if t is None else t for t in alone]


@settings(max_examples=60)
@given(wiggles(), st.integers(0, 5), st.floats(0.1, 3.0), st.booleans(), st.integers(800, 1500), st.integers(-30, 30))
def test_a_noisy_slipping_encoder_first_reads_a_value_when_looking_at_every_nanosecond_says_so(
    axis: Axis, seed: int, rms: float, rising: bool, start: int, counts: int
) -> None:
    axis.errors = EncoderErrors(rms, seed=seed, cell_ns=50)
    axis.errors.slip(start + 100, 7)
    axis.errors.glitch(start + 300, -20, duration_ns=15)
    axis.errors.set_noise(start + 700, rms / 2)
    readings = axis.readings(np.arange(start, start + 1200))
    reached = np.flatnonzero(readings >= counts if rising else readings <= counts)
    found = axis.first_time(counts, rising=rising, start_ns=start, stop_ns=start + 1200)
    assert found == (start + int(reached[0]) if len(reached) else None)


def test_noise_is_a_function_of_time_and_its_mean_belongs_to_the_mean() -> None:
    axis = Axis("x", position=1.0, resolution=1e-4, errors=EncoderErrors(5.0, seed=3, cell_ns=1000))
    whole = axis.readings(np.arange(0, 1_000_000, 1000))
    assert axis.readings(np.arange(500_000, 1_000_000, 1000)).tolist() == whole[500:].tolist()
    assert whole.std() == pytest.approx(5.0, rel=0.1)
    assert axis.mean(0, 1_000_000) == pytest.approx(whole.mean(), abs=0.05)


def test_the_axis_is_where_it_was_told_to_be_a_lag_ago() -> None:
    axis = Axis("x", lag_ns=20 * MS)
    axis.append(trapezoid(0, 0.0, target=10.0, speed=10.0, acceleration=100.0))
    assert axis.demand(500 * MS) - axis.position(500 * MS) == pytest.approx(10.0 * 0.02)
    assert axis.position(1120 * MS) == axis.demand(1100 * MS) == 10.0
    with pytest.raises(TimelineError, match="only at rest"):
        axis.follow_later(0, now_ns=500 * MS)


def test_a_frozen_axis_stays_where_it_was() -> None:
    axis = Axis("x")
    axis.append(trapezoid(0, 0.0, target=10.0, speed=10.0, acceleration=100.0))
    axis.freeze(500 * MS)
    assert axis.position(500 * MS) == axis.position(2000 * MS) == pytest.approx(4.5)
    assert axis.stop_ns == 500 * MS
