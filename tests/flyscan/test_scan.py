"""From a spec to windows: joins, order, integer time, reversal."""

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scanspec.specs import Concat, ConstantDuration, Fly, Linspace, Polygon, Spiral, Static, Zip
from wingbeat.flyscan.errors import SpecError
from wingbeat.flyscan.scan import compile
from wingbeat.flyscan.window import TICKS_PER_SECOND, quantise
from wingbeat.stream_resource.frames import FrameRange


def windows(spec, durations=None):
    return list(compile(spec, durations).windows)


def test_a_snaked_raster_is_one_window_per_line_and_every_other_runs_backward():
    lines = windows(Fly(1e-3 @ (Linspace("y", 0, 1, 3) * ~Linspace("x", 0, 1, 5))))
    assert [window.frames for window in lines] == [FrameRange(0, 5), FrameRange(5, 10), FrameRange(10, 15)]
    np.testing.assert_allclose(lines[0].boundaries["x"], [-0.125, 0.125, 0.375, 0.625, 0.875, 1.125])
    np.testing.assert_allclose(lines[1].boundaries["x"], lines[0].boundaries["x"][::-1])
    assert [window.boundaries["y"].tolist() for window in lines] == [[0.0] * 6, [0.5] * 6, [1.0] * 6]
    assert all((window.ticks == 125_000).all() for window in lines)


@pytest.mark.parametrize("split", range(1, 200, 4))
def test_a_line_put_together_from_two_is_one_window(split):
    step = 0.1 / 3
    left = Linspace.bounded("x", 0.1, 0.1 + step * split, split)
    right = Linspace.bounded("x", 0.1 + step * split, 0.1 + step * 200, 200 - split)
    (window,) = windows(Fly(1e-3 @ Concat(left, right)))
    assert window.frames.size == 200


def test_a_gap_that_the_spec_asks_for_is_kept():
    halves = Linspace.bounded("x", 0, 1, 10), Linspace.bounded("x", 1, 2, 10)
    assert len(windows(Fly(1e-3 @ Concat(*halves, gap=True)))) == 2
    assert len(windows(Fly(1e-3 @ (Static("y", 1.0) * ~Concat(*halves, gap=True))))) == 2


def test_a_path_that_turns_back_on_itself_is_cut_there():
    there, back = Linspace.bounded("x", 0, 1, 4), Linspace.bounded("x", 1, 0, 4)
    assert [window.frames.size for window in windows(Fly(1e-3 @ Concat(there, back)))] == [4, 4]
    # Two passes of a snake at the same place join in position, but not in velocity.
    assert [window.frames.size for window in windows(Fly(1e-3 @ (2 * ~Linspace("x", 0, 1, 4))))] == [4, 4]


def test_durations_of_a_backward_pass_are_those_of_its_frames():
    line = Concat(
        0.1 @ Linspace.bounded("x", 0, 1, 1),
        Concat(0.2 @ Linspace.bounded("x", 1, 2, 1), 0.3 @ Linspace.bounded("x", 2, 3, 1)),
    )
    forward, backward = windows(Fly(Linspace("y", 0, 1, 2) * ~line))
    np.testing.assert_array_equal(forward.ticks, np.array([0.1, 0.2, 0.3]) * TICKS_PER_SECOND)
    np.testing.assert_array_equal(backward.ticks, forward.ticks[::-1])


def test_axes_are_named_as_the_frames_have_them():
    square = [(0, 0), (3, 0), (3, 3), (0, 3)]
    spec = Fly(1e-3 @ Polygon("x", "y", square, 0.5, 0.5, snake=True, vertical=True))
    scan = compile(spec)
    assert scan.axes == tuple(spec.calculate()[0].axes()) == ("x", "y")
    for window in scan.windows:
        assert np.ptp(window.boundaries["x"]) == 0
        assert np.ptp(window.boundaries["y"]) > 0


def test_a_spiral_is_flown_as_a_curve():
    scan = compile(Fly(0.05 @ Spiral("x", 1, 10, 0.5, "y", 5, 10)))
    assert sum(window.frames.size for window in scan.windows) == scan.planned
    assert len(list(scan.windows)) <= 2


def test_plain_arrays_have_a_window_per_row():
    there = [0.0, 1.0, 2.0, 4.0]
    first, second = windows({"x": [there, there[::-1]], "y": [[0.0] * 4, [1.0] * 4]}, 0.01)
    np.testing.assert_allclose(first.boundaries["x"], [-0.5, 0.5, 1.5, 3.0, 5.0])
    np.testing.assert_allclose(second.boundaries["x"], first.boundaries["x"][::-1])


def test_windows_can_be_asked_for_again_and_positions_by_frame():
    scan = compile(Fly(1e-3 @ (Linspace("y", 0, 1, 3) * ~Linspace("x", 0, 1, 5))))
    for _ in range(2):
        for window in scan.windows:
            for axis, midpoints in scan.positions(window.frames).items():
                np.testing.assert_allclose(midpoints, window.midpoints[axis])
    with pytest.raises(SpecError, match="15 planned"):
        scan.positions(FrameRange(10, 16))


@given(st.lists(st.floats(1e-6, 1e-1), min_size=1, max_size=400))
def test_the_sum_of_the_ticks_is_the_sum_of_the_durations(durations):
    edges = np.cumsum(durations) * TICKS_PER_SECOND
    ticks = np.cumsum(quantise(durations))
    assert abs(ticks[-1] - edges[-1]) <= 0.5 + 1e-6
    longest_run = max(len(list(group)) for _, group in groupby(durations))
    assert np.abs(ticks - edges).max() <= 0.5 + longest_run / 4 + 1e-6


@given(st.floats(1e-6, 1e-2), st.integers(1, 3000))
def test_equal_durations_take_few_rows_and_never_stray_by_half_a_microsecond(duration, number):
    ticks = quantise([duration] * number)
    edges = np.arange(1, number + 1) * duration * TICKS_PER_SECOND
    assert abs(ticks.sum() - edges[-1]) <= 1
    assert np.abs(np.cumsum(ticks) - edges).max() <= 63.5
    assert np.ptp(ticks) <= 1
    assert (np.diff(ticks) != 0).sum() + 1 <= 2 * (number // 248 + 1)


@given(
    st.integers(2, 30), st.lists(st.floats(1e-4, 1e-2), min_size=2, max_size=30), st.floats(-5, 5), st.floats(0.01, 3)
)
def test_a_reversed_window_has_every_array_reversed(lines, durations, start, step):
    positions = start + step * np.arange(len(durations))
    for window in windows({"x": positions, "y": positions**2}, np.array(durations)):
        back = window.reversed()
        for axis in window.axes:
            np.testing.assert_array_equal(back.boundaries[axis], window.boundaries[axis][::-1])
            np.testing.assert_array_equal(back.midpoints[axis], window.midpoints[axis][::-1])
        np.testing.assert_array_equal(back.ticks, window.ticks[::-1])
        assert back.reversed().first_frame == window.first_frame


@given(st.integers(1, 6), st.integers(2, 12), st.booleans(), st.floats(1e-4, 1e-1))
def test_every_frame_of_a_raster_is_in_exactly_one_window(lines, frames, snaked, duration):
    fast = Linspace("x", -1, 1, frames)
    scan = compile(Fly(duration @ (Linspace("y", 0, 1, lines) * (~fast if snaked else fast))))
    edges = [edge for window in scan.windows for edge in window.frames]
    assert edges[0] == 0
    assert edges[-1] == scan.planned
    assert edges[1:-1:2] == edges[2::2]


@pytest.mark.parametrize(
    ("spec", "durations", "word"),
    [
        (Fly(Linspace("x", 0, 1, 5)), None, "duration"),
        (Fly(0.1 @ Linspace("x", 0, 1, 5)), 0.1, "duration"),
        (0.1 @ Linspace("x", 0, 1, 5), None, "Fly"),
        (Fly(0.1 @ (Linspace("x", 0, 1, 5) * 2)), None, "nothing moves"),
        (Fly(-0.1 @ Linspace("x", 0, 1, 5)), None, "positive"),
        ({"x": [1.0]}, 0.1, "two midpoints"),
        ({"x": [1.0, 2.0], "y": [1.0, 2.0, 3.0]}, 0.1, "one shape"),
        ({"x": [1.0, float("nan")]}, 0.1, "finite"),
        (7, 0.1, "scanspec object"),
    ],
)
def test_what_is_no_flight_is_refused_with_what_to_do(spec, durations, word):
    with pytest.raises(SpecError, match=word):
        compile(spec, durations)


def test_a_duration_given_beside_the_spec_is_taken():
    (window,) = windows(Fly(Zip(Linspace("x", 0, 1, 5), Linspace("y", 0, 2, 5))), 0.1)
    assert window.duration == pytest.approx(0.5)
    assert isinstance(0.1 @ Linspace("x", 0, 1, 5), ConstantDuration)
