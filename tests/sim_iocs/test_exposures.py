"""No trigger disappears: taken, missed or lost; and ids tell only what was dropped behind the camera."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from wingbeat.sim_iocs.camera_faults import CameraFaults
from wingbeat.sim_iocs.exposure import TOLERANCE_NS, Exposures, Frames, Programme

MS, US = 1_000_000, 1_000
EXTERNAL = Programme(mode="edge", exposure_ns=950 * US, dead_ns=50 * US, period_ns=0, frames=0)
SPACINGS = st.lists(st.integers(1, 3 * MS), min_size=1, max_size=60)
NUMBERS = st.frozensets(st.integers(1, 60))
PROGRAMMES = st.builds(
    Programme,
    mode=st.sampled_from(["edge", "burst"]),
    exposure_ns=st.integers(1, 2 * MS),
    dead_ns=st.integers(0, MS),
    period_ns=st.integers(0, 2 * MS),
    frames=st.integers(0, 20),
    burst=st.integers(1, 4),
)
FAULTS = st.builds(
    CameraFaults,
    lose_triggers=NUMBERS,
    double_triggers=NUMBERS,
    stall_camera_at=st.integers(0, 60),
    disarm_camera_at=st.integers(0, 60),
)


def camera(programme: Programme = EXTERNAL, *, faults: CameraFaults | None = None, next_id: int = 1) -> Exposures:
    return Exposures(programme, armed_ns=0, faults=faults or CameraFaults(), next_id=next_id)


def handed_over(exposures: Exposures, times: np.ndarray, *, batches: int) -> list[Frames]:
    taken = []
    for batch in np.array_split(times, batches):
        exposures.trigger(batch)
        if len(batch):
            taken.append(exposures.collect(int(batch[-1])))
    return taken


def joined(frames: list[Frames]) -> Frames:
    return Frames(*(np.concatenate(column) for column in zip(*frames, strict=True)))


@given(PROGRAMMES, SPACINGS, FAULTS, st.integers(1, 5))
def test_every_trigger_is_taken_missed_or_lost(programme, spacings, faults, batches) -> None:
    exposures = camera(programme, faults=faults)
    times = np.cumsum(spacings)
    frames = joined(handed_over(exposures, times, batches=batches))
    exposures.disarm()
    assert exposures.taken + exposures.missed + exposures.lost == exposures.triggers
    assert exposures.exposed == frames.trigger.size == exposures.frames
    ended = bool(programme.frames) and exposures.exposed <= programme.frames
    assert exposures.triggers == len(times) or ended or faults.disarm_camera_at
    assert frames.unique_id.tolist() == list(range(1, frames.trigger.size + 1))
    assert not set(frames.trigger.tolist()) & faults.lose_triggers


@given(PROGRAMMES, SPACINGS)
def test_frames_and_missed_triggers_are_all_triggers_at_any_times(programme, spacings) -> None:
    programme = replace(programme, mode="edge", frames=0)
    exposures = camera(programme)
    times = np.cumsum(spacings)
    exposures.trigger(times)
    frames = exposures.collect(int(times[-1]) + 10 * MS)
    assert frames.trigger.size + exposures.missed == len(times)
    starts = frames.start_ns.tolist()
    cycle = programme.exposure_ns + programme.dead_ns
    assert all(b - a >= cycle - TOLERANCE_NS for a, b in pairwise(starts))
    assert starts == times[frames.trigger - 1].tolist()
    # Each missed one fell into the exposure or read-out before it: nothing was missed without reason.
    for number in set(range(1, len(times) + 1)) - set(frames.trigger.tolist()):
        before = max(t for t in starts if t < times[number - 1])
        assert times[number - 1] < before + cycle - TOLERANCE_NS


@given(PROGRAMMES, SPACINGS, FAULTS)
def test_how_the_triggers_are_handed_over_changes_nothing(programme, spacings, faults) -> None:
    times = np.cumsum(spacings)
    at_once, one_by_one = camera(programme, faults=faults), camera(programme, faults=faults)
    late = joined([*handed_over(at_once, times, batches=1), at_once.collect(int(times[-1]) + 50 * MS)])
    early = joined([*handed_over(one_by_one, times, batches=len(times)), one_by_one.collect(int(times[-1]) + 50 * MS)])
    assert [column.tolist() for column in early] == [column.tolist() for column in late]
    assert (at_once.triggers, at_once.missed, at_once.lost) == (one_by_one.triggers, one_by_one.missed, one_by_one.lost)


def test_a_busy_trigger_is_missed_and_the_ids_stay_contiguous() -> None:
    exposures = camera()
    exposures.trigger([0, MS, MS + 500 * US, 3 * MS])
    frames = exposures.collect(10 * MS)
    assert frames.trigger.tolist() == [1, 2, 4]
    assert frames.unique_id.tolist() == [1, 2, 3]
    assert (exposures.missed, exposures.lost) == (1, 0)


def test_ids_that_count_triggers_show_the_missed_one_as_a_gap() -> None:
    exposures = camera(replace(EXTERNAL, ids_count_triggers=True), next_id=11)
    exposures.trigger([0, MS, MS + 500 * US])
    first = exposures.collect(MS)
    exposures.trigger([3 * MS])
    assert [*first.unique_id.tolist(), *exposures.collect(10 * MS).unique_id.tolist()] == [11, 12, 14]


def test_a_trigger_two_ticks_early_is_taken_and_one_more_is_missed() -> None:
    exposures = camera()
    exposures.trigger([0, MS - 16, 2 * MS - 40])
    assert exposures.exposed == 2
    assert exposures.missed == 1


def test_a_frame_exists_when_its_read_out_is_over() -> None:
    exposures = camera()
    exposures.trigger([0])
    assert exposures.collect(MS - 1).trigger.size == 0
    assert exposures.collect(MS).trigger.size == 1


def test_an_exposure_cut_off_gives_no_frame_and_counts_as_missed() -> None:
    exposures = camera()
    exposures.trigger([0, MS])
    exposures.collect(MS)
    exposures.disarm()
    assert (exposures.exposed, exposures.missed, exposures.frames) == (1, 1, 1)


def test_triggers_before_arming_are_not_seen() -> None:
    exposures = Exposures(EXTERNAL, armed_ns=5 * MS, faults=CameraFaults(), next_id=1)
    exposures.trigger([MS, 6 * MS])
    assert exposures.triggers == 1


def test_internal_triggers_come_each_period_until_enough() -> None:
    exposures = camera(replace(EXTERNAL, mode="internal", exposure_ns=MS, period_ns=2 * MS, frames=5))
    assert exposures.collect(100 * MS).start_ns.tolist() == [n * 2 * MS for n in range(5)]
    assert exposures.complete


def test_an_internal_period_shorter_than_the_read_out_is_stretched() -> None:
    exposures = camera(replace(EXTERNAL, mode="internal", exposure_ns=MS, frames=3))
    assert exposures.collect(100 * MS).start_ns.tolist() == [0, 1050 * US, 2100 * US]


def test_a_lost_internal_trigger_is_made_up_for() -> None:
    faults = CameraFaults(lose_triggers=frozenset({2}))
    exposures = camera(replace(EXTERNAL, mode="internal", period_ns=2 * MS, frames=3), faults=faults)
    assert exposures.collect(100 * MS).trigger.tolist() == [1, 3, 4]


def test_a_burst_gives_its_frames_per_trigger_and_misses_triggers_within() -> None:
    exposures = camera(replace(EXTERNAL, mode="burst", burst=3, period_ns=2 * MS))
    exposures.trigger([0, 3 * MS, 10 * MS])
    frames = exposures.collect(100 * MS)
    assert frames.start_ns.tolist() == [0, 2 * MS, 4 * MS, 10 * MS, 12 * MS, 14 * MS]
    assert frames.trigger.tolist() == [1, 1, 1, 3, 3, 3]
    assert (exposures.taken, exposures.missed) == (2, 1)


def test_a_gate_is_exposed_as_long_as_it_is_high() -> None:
    exposures = camera(replace(EXTERNAL, mode="gate"))
    times = np.array([0, 3 * MS, 3 * MS + 20 * US, 4 * MS, 5 * MS, 7 * MS])
    exposures.levels(times, np.array([True, False] * 3))
    frames = exposures.collect(100 * MS)
    # The second rises within the read-out of the first.
    assert frames.start_ns.tolist() == [0, 5 * MS]
    assert frames.stop_ns.tolist() == [3 * MS, 7 * MS]
    assert exposures.missed == 1


def test_a_doubled_trigger_gives_two_frames_and_may_cost_the_next() -> None:
    faults = CameraFaults(double_triggers=frozenset({2}))
    exposures = camera(faults=faults)
    exposures.trigger([0, MS, 2 * MS, 3 * MS])
    frames = exposures.collect(100 * MS)
    assert frames.trigger.tolist() == [1, 2, 2, 4]
    assert frames.start_ns.tolist() == [0, MS, 2 * MS, 3 * MS]
    assert exposures.missed == 1


def test_a_million_triggers_are_taken_at_once() -> None:
    exposures = camera()
    times = np.arange(1_000_000) * MS
    exposures.trigger(times)
    frames = exposures.collect(int(times[-1]) + MS)
    assert frames.unique_id[-1] == 1_000_000
    assert np.array_equal(frames.start_ns, times)
