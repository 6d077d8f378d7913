"""No trigger disappears: exposed, missed or lost; and ids tell only what was dropped behind the camera."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from wingbeat.sim_iocs.exposure import Exposures, Programme
from wingbeat.sim_iocs.world import Faults

MS, US = 1_000_000, 1_000
EXTERNAL = Programme(internal=False, exposure_ns=950 * US, dead_ns=50 * US, period_ns=0, frames=0)
SPACINGS = st.lists(st.integers(1, 3 * MS), min_size=1, max_size=60)
NUMBERS = st.frozensets(st.integers(1, 60))


def camera(programme: Programme = EXTERNAL, *, faults: Faults | None = None, next_id: int = 1) -> Exposures:
    return Exposures(programme, armed_ns=0, faults=faults or Faults(), next_id=next_id)


@given(SPACINGS, NUMBERS, st.integers(0, 60), st.integers(0, 20), st.integers(1, 5))
def test_every_trigger_is_exposed_missed_or_lost(spacings, lost, stall, frames, batches) -> None:
    faults = Faults(lose_triggers=lost, stall_camera_at=stall)
    exposures = camera(replace(EXTERNAL, frames=frames), faults=faults)
    times, taken = np.cumsum(spacings), []
    for batch in np.array_split(times, batches):
        exposures.trigger(batch.tolist())
        if len(batch):
            taken += exposures.collect(int(batch[-1]))
    exposures.disarm()
    assert exposures.exposed + exposures.missed + exposures.lost == exposures.triggers
    assert exposures.exposed == len(taken) == exposures.frames
    assert exposures.triggers == len(times) or exposures.exposed <= frames
    assert [frame.unique_id for frame in taken] == list(range(1, len(taken) + 1))
    assert all(frame.trigger not in lost for frame in taken)
    starts = [frame.start_ns for frame in taken]
    assert all(b - a >= MS - 16 for a, b in pairwise(starts))
    assert starts == [int(times[frame.trigger - 1]) for frame in taken]


@given(SPACINGS)
def test_how_the_triggers_are_handed_over_changes_nothing(spacings) -> None:
    times = np.cumsum(spacings).tolist()
    at_once, one_by_one = camera(), camera()
    at_once.trigger(times)
    late = at_once.collect(times[-1] + MS)
    early = []
    for t in times:
        one_by_one.trigger([t])
        early += one_by_one.collect(t)
    early += one_by_one.collect(times[-1] + MS)
    assert early == late


def test_a_busy_trigger_is_missed_and_the_ids_stay_contiguous() -> None:
    exposures = camera()
    exposures.trigger([0, MS, MS + 500 * US, 3 * MS])
    frames = exposures.collect(10 * MS)
    assert [frame.trigger for frame in frames] == [1, 2, 4]
    assert [frame.unique_id for frame in frames] == [1, 2, 3]
    assert (exposures.missed, exposures.lost) == (1, 0)


def test_a_trigger_two_ticks_early_is_taken_and_one_more_is_missed() -> None:
    exposures = camera()
    exposures.trigger([0, MS - 16, 2 * MS - 40])
    assert exposures.exposed == 2
    assert exposures.missed == 1


def test_a_frame_exists_when_its_read_out_is_over() -> None:
    exposures = camera()
    exposures.trigger([0])
    assert exposures.collect(MS - 1) == []
    assert len(exposures.collect(MS)) == 1


def test_an_exposure_cut_off_gives_no_frame_and_counts_as_missed() -> None:
    exposures = camera()
    exposures.trigger([0, MS])
    exposures.collect(MS)
    exposures.disarm()
    assert (exposures.exposed, exposures.missed, exposures.frames) == (1, 1, 1)


def test_triggers_before_arming_are_not_seen() -> None:
    exposures = Exposures(EXTERNAL, armed_ns=5 * MS, faults=Faults(), next_id=1)
    exposures.trigger([MS, 6 * MS])
    assert exposures.triggers == 1


def test_internal_triggers_come_each_period_until_enough() -> None:
    programme = Programme(internal=True, exposure_ns=MS, dead_ns=50 * US, period_ns=2 * MS, frames=5)
    exposures = camera(programme)
    frames = exposures.collect(100 * MS)
    assert [frame.start_ns for frame in frames] == [n * 2 * MS for n in range(5)]
    assert exposures.complete


def test_an_internal_period_shorter_than_the_read_out_is_stretched() -> None:
    programme = Programme(internal=True, exposure_ns=MS, dead_ns=50 * US, period_ns=0, frames=3)
    frames = camera(programme).collect(100 * MS)
    assert [frame.start_ns for frame in frames] == [0, 1050 * US, 2100 * US]
