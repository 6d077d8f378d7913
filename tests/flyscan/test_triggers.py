"""Trigger tables, played on their trajectories by a sequencer that knows nothing of how they were made."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scanspec.specs import Fly, Linspace, Spiral
from wingbeat.flyscan.errors import InfeasibleScanError
from wingbeat.flyscan.preflight import Facts, Scale, Travel, judge
from wingbeat.flyscan.scan import compile
from wingbeat.flyscan.triggers import MOST_ROWS

from tests.flyscan.fakes import play, rig_settings

SETTINGS = rig_settings()
SCALE = 1e-4


def facts(**changes) -> Facts:
    given_facts = {
        "travel": {axis: Travel(-20.0, 40.0, 50.0) for axis in "xy"},
        "deadtimes": {"cam": 5e-5},
        "frame_nbytes": {"cam": 64 * 64 * 2, "panda": 40},
        "routing": SETTINGS.expected_routing(),
        "scales": {"INENC1": Scale(SCALE, 0.0), "INENC2": Scale(SCALE, 0.0)},
    }
    return Facts(**(given_facts | changes))


def expected_rises(report) -> np.ndarray:
    """µs: each frame's trigger comes half of its dead time after its lower boundary."""
    points = report.trajectory.points_us
    live = [(row.time1, row.time2) for row in report.table.rows if row.live for _ in range(row.repeats)]
    rises = []
    for number, window in enumerate(report.scan.windows):
        edges = np.concatenate(([0], np.cumsum(window.ticks)[:-1])) * 0.008
        dead = live[window.first_frame][1] * 0.008
        rises.append(points[report.trajectory.window_start[number]] + dead / 2 + edges)
    return np.concatenate(rises)


def check(report, settings_=SETTINGS) -> None:
    assert report.ok, report.reasons
    assert report.table.live == report.scan.planned
    seen, expected = play(report.table, report.trajectory, settings_), expected_rises(report)
    assert len(seen) == len(expected)
    # The sequencer compares whole counts, so a window is early or late by the time of one count; the player looks
    # every 10 µs.
    for number, window in enumerate(report.scan.windows):
        start = report.trajectory.window_start[number]
        speed = max(abs(report.trajectory.velocities[axis][start]) for axis in window.axes)
        part = slice(*window.frames)
        np.testing.assert_allclose(seen[part], expected[part], atol=1.01 * SCALE / speed * 1e6 + 11)


@settings(max_examples=15)
@given(
    st.integers(1, 4),
    st.integers(2, 25),
    st.floats(-2, 2).filter(lambda width: abs(width) > 0.05),
    st.floats(-0.3, 0.3),
    st.floats(5e-4, 2e-2),
    st.booleans(),
)
def test_every_frame_is_triggered_once_and_at_its_time(lines, frames, width, step, duration, snaked):
    fast = Linspace("x", 0, width, frames)
    scan = compile(Fly(duration @ (Linspace("y", 0, step * lines, lines) * (~fast if snaked else fast))))
    report = judge(scan, SETTINGS, facts=facts())
    assume(report.trajectory is not None and report.trajectory.duration < 6)
    check(report)


@settings(max_examples=15)
@given(st.lists(st.floats(1e-3, 2e-2), min_size=4, max_size=20), st.booleans())
def test_frames_of_different_durations_are_triggered_at_their_times(durations, forward):
    speed = 2.0
    edges = np.concatenate(([0], np.cumsum(durations))) * speed
    line = (edges[1:] + edges[:-1]) / 2
    line = line if forward else line[::-1]
    report = judge(compile({"x": line}, np.array(durations if forward else durations[::-1])), SETTINGS, facts=facts())
    check(report)


def test_a_diagonal_is_triggered_by_the_axis_that_moves_the_most_counts():
    scan = compile({"x": np.linspace(0, 0.1, 20), "y": np.linspace(1, 0, 20)}, 1e-2)
    report = judge(scan, SETTINGS, facts=facts())
    assert {row.trigger[:4] for row in report.table.rows} == {"POSB"}
    check(report)


def test_a_spiral_is_triggered_by_its_first_frame_and_then_by_time():
    report = judge(compile(Fly(0.05 @ Spiral("x", 1, 10, 0.5, "y", 5, 10))), SETTINGS, facts=facts())
    assert report.table.rows[-1].trigger == "Immediate"
    check(report)


def test_a_very_slow_line_has_room_for_the_blind_condition():
    check(judge(compile(Fly(0.2 @ (Linspace("y", 0, 0.1, 2) * ~Linspace("x", 0, 0.002, 5)))), SETTINGS, facts=facts()))


def test_lines_that_follow_each_other_closely_in_one_direction_are_not_fired_on_the_way_out():
    near = [[0.0, 0.1, 0.2, 0.3], [0.36, 0.46, 0.56, 0.66], [0.71, 0.81, 0.91, 1.01]]
    report = judge(compile({"x": near, "y": [[0.0] * 4, [0.5] * 4, [0.0] * 4]}, 1e-2), SETTINGS, facts=facts())
    check(report)


def test_counts_that_run_against_the_axis_are_waited_for_in_their_own_sense():
    axes = SETTINGS.model_dump()["axes"]
    axes["x"] |= {"scale": -1e-4, "offset": 3.0}
    settings_ = rig_settings(axes=axes)
    scan = compile(Fly(2e-3 @ (Linspace("y", 0, 0.2, 2) * ~Linspace("x", 0, 1, 20))))
    report = judge(scan, settings_, facts=facts(scales={"INENC1": Scale(-1e-4, 3.0)}))
    assert [row.trigger for row in report.table.rows] == [f"POSA{sign}POSITION" for sign in (">=", "<=", "<=", ">=")]
    check(report, settings_)


def test_lines_without_a_snake_wait_until_the_axis_is_back():
    check(judge(compile(Fly(2e-3 @ (Linspace("y", 0, 0.2, 4) * Linspace("x", 0, 1, 20)))), SETTINGS, facts=facts()))


def test_columns_are_the_seventeen_of_the_sequencers_table():
    report = judge(compile(Fly(2e-3 @ (Linspace("y", 0, 0.2, 4) * Linspace("x", 0, 1, 20)))), SETTINGS, facts=facts())
    columns = report.table.columns()
    letters = "abcdef"
    first, second = ([f"out{letter}{phase}" for letter in letters] for phase in "12")
    assert list(columns) == ["repeats", "trigger", "position", "time1", *first, "time2", *second]
    assert {len(column) for column in columns.values()} == {8}
    assert columns["outa1"].sum() == 4
    assert not any(columns[f"out{x}{n}"].any() for x in letters for n in "12" if (x, n) != ("a", "1"))
    assert (columns["repeats"] * columns["outa1"]).sum() == 80


def test_long_windows_are_split_at_the_most_repeats_of_a_row():
    report = judge(compile(Fly(1e-4 @ Linspace("x", 0, 1, 70_000))), SETTINGS, facts=facts(deadtimes={"cam": 1e-5}))
    assert [(row.repeats, row.trigger) for row in report.table.rows if row.live] == [
        (65_535, "POSA>=POSITION"),
        (4_465, "Immediate"),
    ]


def test_exposure_is_what_was_asked_for_and_the_rest_is_dead():
    scan = compile(Fly(2e-3 @ Linspace("x", 0, 1, 20)))
    report = judge(scan, SETTINGS, facts=facts(), exposure=5e-4)
    assert (report.table.livetime, report.table.deadtime) == (5e-4, 1.5e-3)
    check(report)
    full = judge(scan, SETTINGS, facts=facts())
    assert full.table.deadtime >= 5e-5
    assert full.table.livetime + full.table.deadtime == pytest.approx(2e-3)


def test_every_reason_against_a_flight_is_given_at_once_with_what_would_be_feasible():
    scan = compile(Fly(1e-3 @ (Linspace("y", 39.9, 40.5, 3) * Linspace("x", 0, 1, 100))))
    routing = {**SETTINGS.expected_routing(), "PCAP.TRIG": "ZERO"}
    report = judge(
        scan,
        SETTINGS,
        facts=facts(
            routing=routing, free_nbytes=100_000, health={"SEQ1": "Not ready"}, scales={"INENC1": Scale(2e-4, 0)}
        ),
    )
    text = str(report)
    assert not report.ok
    for part in ("PCAP.TRIG should be SEQ1.OUTA", "at most 11 frames", "Not ready", "0.0002", "moved down by 0.5"):
        assert part in text
    with pytest.raises(InfeasibleScanError):
        report.raise_if_refused()


def test_frames_shorter_than_dead_time_are_refused_with_the_shortest_that_are_not():
    scan = compile(Fly(1e-3 @ Linspace("x", 0, 1, 100)))
    report = judge(scan, SETTINGS, facts=facts(deadtimes={"cam": 2e-3}))
    assert "at least 0.002001" in report.reasons[0]
    report = judge(scan, SETTINGS, facts=facts(), exposure=9.9e-4)
    assert "an exposure of 0.00099 s" in report.reasons[0]


def test_a_table_that_the_sequencer_cannot_hold_is_refused():
    scan = compile(Fly(1e-2 @ (Linspace("y", 0, 1, MOST_ROWS // 2 + 1) * ~Linspace("x", 0, 0.1, 2))))
    assert "4098 rows" in judge(scan, SETTINGS, facts=facts()).reasons[0]


def test_an_axis_that_the_trigger_box_does_not_see_cannot_trigger():
    axes = SETTINGS.model_dump()["axes"]
    axes["x"] |= {"encoder": None, "input": None}
    report = judge(compile(Fly(1e-2 @ Linspace("x", 0, 1, 5))), rig_settings(axes=axes), facts=facts())
    assert "no axis that the trigger box sees (none)" in report.reasons[0]


def test_the_report_of_a_flight_that_can_be_flown_shows_its_numbers():
    scan = compile(Fly(1e-3 @ (Linspace("y", 0, 1, 50) * ~Linspace("x", 0, 1, 100))))
    text = str(judge(scan, SETTINGS, facts=facts(free_nbytes=10**12)))
    for part in (
        "5000 (50 × 100; y, x)",
        "100 rows of 4096",
        "duty cycle",
        "1000 frames/s",
        "MB/s",
        "1e+03 GB free",
        "can be flown",
    ):
        assert part in text


def test_an_exposure_that_is_too_short_is_told_beside_a_speed_that_is_too_high():
    report = judge(compile(Fly(1e-5 @ Linspace("x", 0, 1, 100))), SETTINGS, facts=facts(deadtimes={"cam": 5e-5}))
    text = str(report)
    assert "needs a speed of" in text
    assert "a dead time of 5e-05 s need at least" in text
