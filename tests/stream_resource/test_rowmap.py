"""RowMap gives back exactly the rows that a naive model, one dict entry per frame, gives."""

import sys
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wingbeat.stream_resource.errors import RowMapError
from wingbeat.stream_resource.frames import FrameRange
from wingbeat.stream_resource.rowmap import Row, RowMap, Stretch


def resource(uid, data_key="cam"):
    return {"uid": uid, "data_key": data_key, "uri": f"file://localhost/{uid}.h5", "mimetype": "", "parameters": {}}


def datum(uid, rows, seq_nums, *, of="a"):
    return {
        "uid": uid,
        "stream_resource": of,
        "descriptor": "d",
        "indices": {"start": rows[0], "stop": rows[1]},
        "seq_nums": {"start": seq_nums[0], "stop": seq_nums[1]},
    }


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("good"), st.integers(1, 6)),
        st.tuples(st.just("skip"), st.integers(1, 4)),
        st.tuples(st.just("rewind"), st.integers(1, 9)),
        st.tuples(st.just("roll"), st.just(0)),
        st.tuples(st.just("again"), st.integers(0, 30)),
        st.tuples(st.just("foreign uid"), st.integers(1, 6)),
    ),
    max_size=25,
)


class Naive:
    """The same documents, frame by frame."""

    def __init__(self):
        self.newest, self.owner = {}, {}

    def add(self, doc):
        seq_nums, rows = doc["seq_nums"], doc["indices"]
        for seq_num, row in zip(range(*seq_nums.values()), range(*rows.values()), strict=True):
            self.newest[seq_num] = (doc["stream_resource"], row)
            self.owner[doc["stream_resource"], row] = seq_num


def fly(steps):
    rowmap, naive, sent = RowMap("cam"), Naive(), []
    file, rows, number, seq_num = 0, 0, 0, 1
    rowmap.add_resource(resource("f0"))
    for step, n in steps:
        match step:
            case "skip":
                seq_num += n
            case "rewind":
                seq_num = max(1, seq_num - n)
            case "roll":
                file, rows, number = file + 1, 0, 0
                rowmap.add_resource(resource(f"f{file}"))
            case "again" if sent:
                rowmap.add_resource(resource("f0"))
                assert rowmap.add_datum(sent[n % len(sent)]) is False
            case "good" | "foreign uid":
                uid = f"f{file}/{number}" if step == "good" else f"some uid {len(sent)}"
                doc = datum(uid, (rows, rows + n), (seq_num, seq_num + n), of=f"f{file}")
                assert rowmap.add_datum(doc) is True
                naive.add(doc)
                sent.append(doc)
                rows, seq_num, number = rows + n, seq_num + n, number + (step == "good")
    return rowmap, naive


@settings(max_examples=150)
@given(STEPS)
def test_any_flight_is_mapped_as_the_naive_model_maps_it(steps):
    rowmap, naive = fly(steps)
    last = max(naive.newest, default=0)
    assert {i: rowmap.locate(i) for i in range(last + 3)} == {i: naive.newest.get(i) for i in range(last + 3)}
    assert set(rowmap.good.indices()) == set(naive.newest)
    assert rowmap.last_seq_num == last
    assert rowmap.rows == len(naive.owner)
    assert set(rowmap.missing(FrameRange(1, last + 1)).indices()) == set(range(1, last + 1)) - set(naive.newest)


@settings(max_examples=80)
@given(STEPS, st.integers(1, 30), st.integers(0, 30))
def test_stretches_cover_a_range_once_and_in_order(steps, start, size):
    rowmap, naive = fly(steps)
    covered = {}
    for part in rowmap.stretches(FrameRange(start, start + size)):
        assert part.seq_nums.size == part.rows.size > 0
        for seq_num, row in zip(range(*part.seq_nums), range(*part.rows), strict=True):
            assert seq_num > max(covered, default=0)
            covered[seq_num] = (part.resource, row)
    assert covered == {i: naive.newest[i] for i in range(start, start + size) if i in naive.newest}


@settings(max_examples=80)
@given(STEPS)
def test_every_physical_row_stays_known(steps):
    rowmap, naive = fly(steps)
    current = set(naive.newest.values())
    for uid in rowmap.resources:
        owners = {
            row: seq_num
            for part in rowmap.physical(uid)
            for row, seq_num in zip(range(*part.rows), range(*part.seq_nums), strict=True)
        }
        assert owners == {row: seq_num for (file, row), seq_num in naive.owner.items() if file == uid}
        assert rowmap.physical_rows(uid) == len(owners)
        assert set(rowmap.superseded(uid).indices()) == {row for row in owners if (uid, row) not in current}


def test_a_redone_line_is_read_from_its_new_rows():
    rowmap = RowMap("cam")
    rowmap.add_resource(resource("a"))
    rowmap.add_datum(datum("a/0", (0, 4), (1, 5)))
    rowmap.add_datum(datum("a/1", (4, 8), (3, 7)))
    assert list(rowmap.stretches(FrameRange(1, 9))) == [
        Stretch(FrameRange(1, 3), "a", FrameRange(0, 2)),
        Stretch(FrameRange(3, 7), "a", FrameRange(4, 8)),
    ]
    assert list(rowmap.superseded("a").indices()) == [2, 3]


@pytest.mark.parametrize(
    ("rows", "what"), [((5, 7), "leaves a hole"), ((3, 5), "repeats rows"), ((0, 3), "repeats rows")]
)
def test_a_producers_datum_that_does_not_go_on_is_refused_and_changes_nothing(rows, what):
    rowmap = RowMap("cam", max_held=0)
    rowmap.add_resource(resource("a"))
    rowmap.add_datum(datum("a/0", (0, 4), (1, 5)))
    wrong = datum("a/1", rows, (5, 5 + rows[1] - rows[0]))
    with pytest.raises(RowMapError, match=rf"'cam' \(resource a\) {what}: expected indices from 4, seen {rows[0]}:"):
        rowmap.add_datum(wrong)
    assert (rowmap.rows, rowmap.last_seq_num) == (4, 4)
    assert rowmap.add_datum(wrong | {"indices": {"start": 4, "stop": 4 + rows[1] - rows[0]}})


@pytest.mark.parametrize("seq_nums", [(0, 0), (5, 8), (0, 2)])
def test_seq_nums_of_another_length_or_from_zero_are_refused(seq_nums):
    rowmap = RowMap("cam")
    rowmap.add_resource(resource("a"))
    with pytest.raises(RowMapError, match="expected as many seq_nums, counted from 1"):
        rowmap.add_datum(datum("a/0", (0, 2), seq_nums))


def test_good_follows_every_datum():
    rowmap = RowMap("cam")
    rowmap.add_resource(resource("a"))
    for n in range(3):
        assert rowmap.good.size == n
        rowmap.add_datum(datum(f"a/{n}", (n, n + 1), (2 * n + 1, 2 * n + 2)))


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 5)), max_size=25))
def test_good_of_every_moment_stays_what_it_was_whatever_order_the_seq_nums_come_in(places):
    rowmap, naive, seen = RowMap("cam"), set(), []
    rowmap.add_resource(resource("a"))
    rows = 0
    for n, (first, size) in enumerate(places):
        rowmap.add_datum(datum(f"a/{n}", (rows, rows + size), (first, first + size)))
        rows += size
        naive |= set(range(first, first + size))
        seen.append((rowmap.good, rowmap.last_seq_num, set(naive)))
    for good, last, held in seen:
        assert (set(good.indices()), good.size, last) == (held, len(held), max(held))


def test_foreign_resources_are_refused():
    rowmap = RowMap("cam")
    with pytest.raises(RowMapError, match="needs resource a: send it first"):
        rowmap.add_datum(datum("a/0", (0, 1), (1, 2)))
    with pytest.raises(RowMapError, match="is of 'other'; expected 'cam'"):
        rowmap.add_resource(resource("b", "other"))
    with pytest.raises(RowMapError, match="has no resource b"):
        rowmap.physical_rows("b")


def test_an_empty_datum_is_remembered_and_holds_nothing():
    rowmap = RowMap("cam")
    rowmap.add_resource(resource("a"))
    assert rowmap.add_datum(datum("a/0", (0, 0), (0, 0)))
    assert not rowmap.add_datum(datum("a/0", (0, 0), (0, 0)))
    assert (rowmap.rows, rowmap.last_seq_num, list(rowmap.good)) == (0, 0, [])


def test_memory_grows_with_ranges_and_not_with_frames_or_datums():
    rowmap = RowMap("cam")
    rowmap.add_resource(resource("a"))
    frames = 10_000
    for n in range(2_000):
        rowmap.add_datum(datum(f"a/{n}", (n * frames, (n + 1) * frames), (n * frames + 1, (n + 1) * frames + 1)))
    assert rowmap.rows == 20_000_000
    assert rowmap.locate(19_999_999) == Row("a", 19_999_998)
    assert len(rowmap.physical("a")) == len(list(rowmap.stretches(FrameRange(1, rowmap.rows)))) == 1
    assert deep_size(rowmap, set()) < 10_000


def test_ten_thousand_datums_with_a_gap_after_each_stay_under_ten_megabytes():
    frames, datums = 10_000, 10_000
    tracemalloc.start()
    try:
        rowmap = RowMap("cam")
        rowmap.add_resource(resource("a"))
        for n in range(datums):
            first = n * (frames + 1) + 1
            rowmap.add_datum(datum(f"a/{n}", (n * frames, (n + 1) * frames), (first, first + frames)))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert rowmap.rows == rowmap.good.size == 100_000_000
    assert held < 10_000_000


def deep_size(thing, seen):
    if id(thing) in seen or isinstance(thing, type):
        return 0
    seen.add(id(thing))
    parts = thing.values() if isinstance(thing, dict) else thing if isinstance(thing, list | set | tuple) else ()
    inner = sum(deep_size(part, seen) for part in parts)
    return sys.getsizeof(thing) + inner + deep_size(getattr(thing, "__dict__", 0), seen)
