"""Half buffers: points come in time, or it is known beforehand which do not."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from wingbeat.sim_iocs.half_buffer import HalfBuffers


def ends(start: int, durations: list[int]) -> np.ndarray:
    return start + np.cumsum(durations)


def test_both_halves_are_filled_before_the_start() -> None:
    buffers = HalfBuffers(1000, half=10, poll_ns=10**9)
    assert buffers.add(ends(1000, [1] * 20), ready_ns=1000) == 20


def test_the_third_half_must_be_filled_while_the_second_is_run() -> None:
    # The driver looks at 100, 200, …; the second half runs from 100 to 200: seen at 100, in time.
    assert HalfBuffers(0, half=10, poll_ns=100).add(ends(0, [10] * 30), ready_ns=0) == 30
    # It runs from 90 to 180: seen at 100.
    assert HalfBuffers(0, half=10, poll_ns=100).add(ends(0, [9] * 30), ready_ns=0) == 30
    # The second runs from 10 to 20: seen at 100.
    assert HalfBuffers(0, half=10, poll_ns=100).add(ends(0, [1] * 30), ready_ns=0) == 20


def test_what_is_appended_waits_for_the_drivers_next_look() -> None:
    for ready, in_time in ((140, 5), (199, 5), (201, 0)):
        buffers = HalfBuffers(0, half=10, poll_ns=100)
        assert buffers.add(ends(0, [50] * 5), ready_ns=0) == 5
        assert buffers.add(ends(250, [50] * 5), ready_ns=ready) == in_time


@given(st.lists(st.integers(1, 500), min_size=1, max_size=200), st.integers(2, 20), st.integers(1, 300))
def test_a_profile_whose_halves_last_two_polls_never_under_runs(durations: list[int], half: int, poll: int) -> None:
    slow = [d + 2 * poll for d in durations]
    assert HalfBuffers(0, half=half, poll_ns=poll).add(ends(0, slow), ready_ns=0) == len(slow)
