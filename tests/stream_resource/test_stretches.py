"""Stretches in arrays are what a dict of seq_nums is."""

from hypothesis import given, settings
from hypothesis import strategies as st
from wingbeat.stream_resource.frames import FrameRange
from wingbeat.stream_resource.stretches import Placed, Stretches

PLACED = st.builds(
    lambda start, size, row, owner: Placed(start, start + size, row, owner),
    st.integers(1, 20),
    st.integers(1, 6),
    st.integers(0, 12),
    st.integers(0, 1),
)


def pairs(parts):
    return {n: (part.owner, part.row + n - part.start) for part in parts for n in range(part.start, part.stop)}


@settings(max_examples=200)
@given(st.lists(PLACED, max_size=12), st.integers(0, 30), st.integers(0, 12))
def test_what_is_put_last_is_found_and_neighbours_that_go_on_are_one(placed, start, size):
    stretches, naive = Stretches(), {}
    for new in placed:
        (stretches.append if new.start >= stretches.stop else stretches.replace)(new)
        naive |= pairs([new])
    assert pairs(stretches) == naive
    assert stretches.stop == max(naive, default=-1) + 1
    found = {n: stretches.find(n) for n in range(30)}
    assert {n: pairs([part])[n] for n, part in found.items() if part} == naive
    cut = list(stretches.cut(FrameRange(start, start + size)))
    assert pairs(cut) == {n: at for n, at in naive.items() if start <= n < start + size}
    held = list(stretches)
    ends = [(part.stop, part.owner, part.row + part.stop - part.start) for part in held]
    begins = [(part.start, part.owner, part.row) for part in held]
    assert all(end != begin for end, begin in zip(ends, begins[1:], strict=False))
    assert [part.start for part in held] == sorted(part.start for part in held)
