"""The data port: what it cannot take it says, and passes nothing on that came after."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wingbeat.sim_iocs.panda_port import DataPort, PortLimits
from wingbeat.sim_iocs.panda_rows import CaptureBatch

ARMED = 1_800_000_000_000_000_000


def batch(first: int, times_ns: list[int], *, armed_ns: int = ARMED, end: str | None = None) -> CaptureBatch:
    numbers = np.arange(first, first + len(times_ns), dtype=np.float64)
    columns = {"A": numbers, "B": numbers.astype(np.uint32)}  # 12 bytes a row
    return CaptureBatch(armed_ns, armed_ns, columns, len(times_ns), np.array(times_ns, np.int64) + armed_ns, end)


def expected_rows(times_ns: list[int], limits: PortLimits) -> int:
    """Row by row: how many fit."""
    level = 0.0
    for n, (before, now) in enumerate(pairwise([times_ns[0], *times_ns])):
        level = max(level - limits.rate * (now - before) / 1e9, 0.0) + 12
        if level > limits.buffer + 1e-6:
            return n
    return len(times_ns)


@given(
    gaps=st.lists(st.integers(1, 3000), min_size=1, max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=4),
    rate=st.integers(1, 40),
    room=st.integers(12, 200),
)
def test_rows_fit_as_long_as_the_buffer_drains_however_they_are_batched(
    gaps: list[int], cuts: list[int], rate: int, room: int
) -> None:
    limits = PortLimits(rate=rate * 1e6, buffer=room + 0.5)
    times = np.cumsum(gaps).tolist()
    port = DataPort(limits)
    passed: list[CaptureBatch | None] = []
    for start, stop in pairwise(sorted({0, len(times), *(cut for cut in cuts if cut < len(times))})):
        passed.append(port.pass_on(batch(start, times[start:stop])))
    got = [row for part in passed if part is not None for row in part.columns["A"].tolist()]
    assert got == list(range(expected_rows(times, limits)))
    if len(got) < len(times):
        assert [part.end for part in passed if part is not None][-1] == "Data overrun"


def test_a_fault_ends_the_arming_and_the_next_one_begins_anew() -> None:
    port = DataPort()
    port.faults.overrun_at = 5
    first = port.pass_on(batch(0, [0, 10, 20]))
    second = port.pass_on(batch(3, [30, 40, 50]))
    assert first is not None
    assert (first.size, first.end) == (3, None)
    assert second is not None
    assert (second.size, second.end, second.columns["A"].tolist()) == (1, "Data overrun", [3])
    assert port.pass_on(batch(6, [60], end="Ok")) is None
    port.faults.overrun_at = 0
    again = port.pass_on(batch(0, [0, 1, 2], armed_ns=ARMED + 1000, end="Ok"))
    assert again is not None
    assert (again.size, again.end) == (3, "Ok")


@pytest.mark.parametrize("torn", [False, True])
def test_a_lost_connection_may_tear_the_row_at_which_it_is_lost(*, torn: bool) -> None:
    port = DataPort()
    port.faults.disconnect_at, port.faults.torn = 3, torn
    passed = port.pass_on(batch(0, [0, 10, 20, 30]))
    assert passed is not None
    assert (passed.size, passed.end) == (2, "Early disconnect")
    assert {name: values.tolist() for name, values in passed.torn.items()} == ({"A": [2.0]} if torn else {})
