"""FrameRange and RangeSet agree with plain Python sets."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wingbeat.stream_resource.errors import FrameRangeError
from wingbeat.stream_resource.frames import FrameRange, RangeSet

RANGES = st.tuples(st.integers(0, 40), st.integers(0, 12)).map(lambda pair: FrameRange(pair[0], sum(pair)))
SETS = st.lists(RANGES, max_size=8)


def numbers(ranges):
    return {i for r in ranges for i in range(r.start, r.stop)}


@pytest.mark.parametrize(("start", "stop"), [(-1, 3), (4, 3)])
def test_a_range_that_cannot_be_is_refused(start, stop):
    with pytest.raises(FrameRangeError, match=f"start={start}, stop={stop}"):
        FrameRange.of(start, stop)


def test_a_range_knows_its_edges():
    frames = FrameRange.of(2, 5)
    assert (frames.size, frames.empty) == (3, False)
    assert [frames.holds(i) for i in (1, 2, 4, 5)] == [False, True, True, False]
    assert frames.shift(-2) == FrameRange(0, 3)
    assert FrameRange(3, 3).empty
    with pytest.raises(FrameRangeError):
        frames.shift(-3)


def test_ranges_that_only_touch_do_not_meet():
    assert FrameRange(0, 3).meet(FrameRange(3, 5)) is None
    assert FrameRange(0, 4).meet(FrameRange(3, 5)) == FrameRange(3, 4)


@settings(max_examples=100)
@given(SETS, SETS)
def test_set_algebra_is_that_of_plain_sets(a, b):
    x, y = RangeSet(a), RangeSet(b)
    for ours, plain in [
        (x | y, numbers(a) | numbers(b)),
        (x & y, numbers(a) & numbers(b)),
        (x - y, numbers(a) - numbers(b)),
    ]:
        assert list(ours.indices()) == sorted(plain)
        assert ours.size == len(plain)
        assert ours == RangeSet.of_indices(plain)
        assert hash(ours) == hash(RangeSet.of_indices(plain))
        assert all(left.stop < right.start for left, right in zip(ours.ranges, ours.ranges[1:], strict=False))
        assert bool(ours) is bool(plain)
    assert (x == y) is (numbers(a) == numbers(b))


@settings(max_examples=50)
@given(SETS, RANGES)
def test_gaps_are_what_is_not_held(a, within):
    gaps = RangeSet(a).gaps(within)
    assert set(gaps.indices()) == numbers([within]) - numbers(a)


@settings(max_examples=50)
@given(SETS)
def test_holds_asks_for_one_number(a):
    ours = RangeSet(a)
    assert {i for i in range(-2, 60) if ours.holds(i)} == numbers(a)


@settings(max_examples=150)
@given(st.lists(st.tuples(st.integers(0, 30), st.booleans(), RANGES), max_size=20))
def test_sets_that_grew_from_one_another_do_not_change_each_other(steps):
    family = [(RangeSet(), set())]
    for parent, add, frames in steps:
        ours, plain = family[-1 - parent % len(family)]
        grown = ours.with_range(frames) if add else ours.without(frames)
        family.append((grown, plain | numbers([frames]) if add else plain - numbers([frames])))
    for ours, plain in family:
        assert ours == RangeSet.of_indices(plain)
        assert ours.size == len(plain)
        assert {i for i in range(60) if ours.holds(i)} == plain


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3)), max_size=20))
def test_a_set_that_grows_at_its_end_copies_nothing(steps):
    grown, plain, edges, at = RangeSet(), set(), None, 0
    for gap, size in steps:
        grown = grown.with_range(FrameRange(at + gap, at + gap + size))
        plain |= numbers([FrameRange(at + gap, at + gap + size)])
        at += gap + size
        edges = edges if edges is not None else grown._edges
        assert grown._edges is edges
    assert list(grown.indices()) == sorted(plain)


@settings(max_examples=50)
@given(SETS, RANGES)
def test_what_changes_nothing_gives_the_same_set(a, frames):
    ours = RangeSet(a)
    with_all, without_any = ours.with_range(frames), ours.without(frames)
    assert (with_all is ours) is (numbers([frames]) <= numbers(a))
    assert (without_any is ours) is (not numbers([frames]) & numbers(a))


@pytest.mark.parametrize("frames", [FrameRange(-1, 3), FrameRange(4, 3), FrameRange(0, 2**63)])
def test_a_set_refuses_to_grow_by_a_range_that_cannot_be(frames):
    with pytest.raises(FrameRangeError):
        RangeSet().with_range(frames)
    with pytest.raises(FrameRangeError):
        RangeSet().gaps(frames)


def test_repr_is_readable():
    assert repr(RangeSet.of_indices([7, 1, 2, 1])) == "RangeSet(1:3, 7:8)"
