"""Datums in any order, any number of times, give the map that they give in the order of writing."""

import pytest
from event_model import DocumentNames, schema_validators
from hypothesis import given, settings
from hypothesis import strategies as st
from wingbeat.stream_resource.array_reader import ArrayReader
from wingbeat.stream_resource.errors import MissingFrameError, NotYetWrittenError, RowHoleError, RowMapError
from wingbeat.stream_resource.frames import FrameRange, RangeSet
from wingbeat.stream_resource.rowmap import Held, RowMap
from wingbeat.stream_resource.runindex import RunIndex
from wingbeat.stream_resource.verdicts import VERDICT_KEY

from tests.stream_resource.runs import CAM, Documents
from tests.stream_resource.test_rowmap import datum, resource

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("good"), st.integers(1, 6)),
        st.tuples(st.just("good"), st.integers(1, 6)),
        st.tuples(st.just("unknown"), st.integers(1, 4)),
        st.tuples(st.just("skip"), st.integers(1, 4)),
        st.tuples(st.just("rewind"), st.integers(1, 15)),
        st.tuples(st.just("roll"), st.just(0)),
    ),
    max_size=25,
)


class Written:
    """What a detector wrote, frame by frame, and the documents that say so in the order of writing."""

    def __init__(self, steps):
        self.newest, self.owner, self.unknown = {}, {}, set()
        self.files, self.datums = ["f0"], []
        rows, seq_num = 0, 1
        for step, n in steps:
            match step:
                case "skip":
                    seq_num += n
                case "rewind":
                    seq_num = max(1, seq_num - n)
                case "roll":
                    self.files.append(f"f{len(self.files)}")
                    rows = 0
                case _:
                    self._write(FrameRange(rows, rows + n), seq_num, certain=step == "good")
                    rows, seq_num = rows + n, seq_num + n

    def _write(self, rows, first, *, certain):
        file = self.files[-1]
        doc = datum(f"u{len(self.datums)}", tuple(rows), (first, first + rows.size), of=file)
        self.datums.append(doc if certain else doc | {VERDICT_KEY: "unknown"})
        for offset, row in enumerate(range(*rows)):
            self.newest[first + offset] = (file, row)
            self.owner[file, row] = first + offset
            self.unknown -= {first + offset}
            self.unknown |= set() if certain else {first + offset}


def rowmap_of(files, datums):
    rowmap = RowMap("cam")
    for file in files:
        rowmap.add_resource(resource(file))
    for doc in datums:
        rowmap.add_datum(doc)
    return rowmap


def facts(rowmap):
    last = rowmap.last_seq_num
    return {
        "newest": list(rowmap.stretches(FrameRange(0, last + 2))),
        "physical": {file: rowmap.physical(file) for file in rowmap.resources},
        "superseded": {file: rowmap.superseded(file) for file in rowmap.resources},
        "good": (rowmap.good, rowmap.certain, rowmap.rows, last, rowmap.held, rowmap.num_held),
    }


@settings(max_examples=200)
@given(STEPS, st.data())
def test_any_permutation_and_duplication_of_the_datums_gives_the_same_map(steps, data):
    written = Written(steps)
    again = data.draw(st.lists(st.sampled_from(written.datums), max_size=6)) if written.datums else []
    delivered = data.draw(st.permutations([*written.datums, *again]))
    shuffled = rowmap_of(written.files, delivered)
    assert facts(shuffled) == facts(rowmap_of(written.files, written.datums))
    last = max(written.newest, default=0)
    assert {i: shuffled.locate(i) for i in range(last + 2)} == {i: written.newest.get(i) for i in range(last + 2)}
    assert set(shuffled.good.indices()) - set(shuffled.certain.indices()) == written.unknown


@settings(max_examples=120)
@given(STEPS, st.data())
def test_at_every_moment_what_is_committed_is_true_and_what_is_held_is_said(steps, data):
    written = Written(steps)
    rowmap, delivered = rowmap_of(written.files, []), []
    for doc in data.draw(st.permutations(written.datums)):
        assert rowmap.add_datum(doc) is True
        delivered.append(doc)
        claimed = {(d["stream_resource"], row) for d in delivered for row in range(*d["indices"].values())}
        committed = {(file, row) for file in written.files for row in range(rowmap.physical_rows(file))}
        held = {(each.resource, row) for each in rowmap.held for row in range(*each.rows)}
        assert (committed | held, committed & held) == (claimed, set())
        assert rowmap.rows == len(committed)
        assert rowmap.num_held == len(rowmap.held)
        for each in rowmap.held:
            awaited = {(each.resource, row) for row in each.waits_for.indices()}
            assert awaited == {(each.resource, row) for row in range(each.rows.start)} - claimed
            assert awaited
        newest = {written.owner[at]: at for file in written.files for at in sorted(committed) if at[0] == file}
        assert {i: rowmap.locate(i) for i in range(1, rowmap.last_seq_num + 2)} == {
            i: newest.get(i) for i in range(1, max(newest, default=0) + 2)
        }


def test_a_datum_behind_a_hole_waits_for_the_rows_in_front_of_it():
    rowmap = rowmap_of(
        "a", [datum("a/0", (0, 4), (1, 5)), datum("a/2", (6, 9), (7, 10)), datum("a/4", (12, 13), (13, 14))]
    )
    assert (rowmap.last_seq_num, rowmap.physical_rows("a"), rowmap.locate(7)) == (4, 4, None)
    assert rowmap.held == (
        Held("a/2", "a", "cam", FrameRange(6, 9), FrameRange(7, 10), RangeSet([FrameRange(4, 6)])),
        Held(
            "a/4", "a", "cam", FrameRange(12, 13), FrameRange(13, 14), RangeSet([FrameRange(4, 6), FrameRange(9, 12)])
        ),
    )
    assert rowmap.add_datum(datum("a/1", (4, 6), (5, 7)))
    assert (rowmap.last_seq_num, rowmap.locate(7).row, [each.datum for each in rowmap.held]) == (9, 6, ["a/4"])


@pytest.mark.parametrize("rows", [(6, 8), (5, 7), (8, 12), (7, 8), (4, 20)])
def test_rows_that_a_held_datum_has_named_are_refused(rows):
    rowmap = rowmap_of("a", [datum("a/0", (0, 4), (1, 5)), datum("a/2", (6, 9), (7, 10))])
    before = facts(rowmap)
    with pytest.raises(RowMapError, match="datum a/2, which is held back, has 6:9"):
        rowmap.add_datum(datum("x", rows, (20, 20 + rows[1] - rows[0])))
    assert facts(rowmap) == before


def test_a_held_datum_that_comes_again_changes_nothing():
    rowmap = rowmap_of("a", [datum("a/1", (4, 6), (5, 7))])
    assert rowmap.add_datum(datum("a/1", (4, 6), (5, 7))) is False
    assert rowmap.num_held == 1


def test_when_no_more_can_be_held_a_datum_is_refused_and_can_come_again_later():
    rowmap = RowMap("cam", max_held=2)
    rowmap.add_resource(resource("a"))
    for n in (3, 2):
        rowmap.add_datum(datum(f"a/{n}", (n, n + 1), (n + 1, n + 2)))
    refused = datum("a/1", (1, 2), (2, 3))
    with pytest.raises(RowHoleError, match="2 datums are held back and no more than 2 can be"):
        rowmap.add_datum(refused)
    assert rowmap.add_datum(datum("a/0", (0, 1), (1, 2)))
    assert rowmap.add_datum(refused)
    assert (rowmap.rows, rowmap.held, rowmap.num_held) == (4, (), 0)


def test_a_late_datum_of_the_first_file_does_not_win_over_the_second_file():
    redone = datum("b/0", (0, 3), (2, 5), of="b")
    rowmap = rowmap_of("ab", [redone, datum("a/0", (0, 6), (1, 7))])
    assert [(tuple(s.seq_nums), s.resource) for s in rowmap.stretches(FrameRange(0, 9))] == [
        ((1, 2), "a"),
        ((2, 5), "b"),
        ((5, 7), "a"),
    ]


def test_two_resources_of_one_place_are_refused():
    rowmap = RowMap("cam")
    rowmap.add_resource(resource("a"), order=3)
    with pytest.raises(RowMapError, match="resources a and b of 'cam' are both said to be number 3"):
        rowmap.add_resource(resource("b"), order=3)


def test_shuffled_uids_of_the_composer_are_remembered_in_one_number_once_all_are_in():
    rowmap = rowmap_of("a", [datum(f"a/{n}", (n, n + 1), (n + 1, n + 2)) for n in (5, 3, 1, 4, 2, 0)])
    assert not any(rowmap.add_datum(datum(f"a/{n}", (n, n + 1), (n + 1, n + 2))) for n in range(6))
    assert rowmap.rows == 6


class Flown:
    """The documents of a run of two detectors that write several files, and what a naive reader makes of them."""

    def __init__(self, steps):
        docs = Documents(data_keys={"cam": CAM, "fast": CAM | {"shape": [4, 2, 3]}})
        self.opening = [docs.start(), docs.descriptor()]
        self.resources, self.datums, self.newest = [], [], {"cam": {}, "fast": {}}
        for key in ("cam", "fast"):
            seq_num = 1
            self._roll(docs, key)
            for step, n in [("good", 2), *steps]:
                match step:
                    case "skip":
                        seq_num += n
                    case "rewind":
                        seq_num = max(1, seq_num - n)
                    case "roll":
                        self._roll(docs, key)
                    case _:
                        first = docs.rows[key]
                        self.datums.append(docs.datum((seq_num, seq_num + n), key))
                        uid = self.resources[-1][1]["uid"]
                        self.newest[key] |= {seq_num + i: (uid, first + i) for i in range(n)}
                        seq_num += n

    def _roll(self, docs, key):
        self.resources.append(docs.resource(key, uri=f"file://localhost/{key}{len(self.resources)}.h5"))

    def merged(self, data):
        """The resources in their order and the datums in any, in between and several times."""
        again = data.draw(st.lists(st.sampled_from(self.datums), max_size=4))
        documents = data.draw(st.permutations([*self.datums, *again]))
        for n, at in enumerate(sorted(data.draw(st.tuples(*[st.integers(0, len(documents))] * len(self.resources))))):
            documents.insert(at + n, self.resources[n])
        return documents


@settings(max_examples=150)
@given(STEPS, st.data())
def test_a_run_is_the_same_whatever_order_its_datums_come_in_also_before_their_resources(steps, data):
    flown = Flown(steps)
    index = RunIndex()
    for name, doc in [*flown.opening, *flown.merged(data)]:
        schema_validators[DocumentNames[name]].validate(doc)
        index.apply(name, doc)
    assert index.held == {}
    for key, newest in flown.newest.items():
        array, last = index.streams["primary"].arrays[key], max(newest)
        assert {i: array.rowmap.locate(i) for i in range(last + 2)} == {i: newest.get(i) for i in range(last + 2)}
        assert (array.committed, array.undecided) == (last, False)
        uids = [doc["uid"] for _, doc in flown.resources if doc["data_key"] == key]
        used = [uid for uid in uids if uid in array.resources]
        assert (list(array.resources), list(array.rowmap.resources)) == (used, used)


def a_run_with_a_hole():
    docs = Documents()
    index = RunIndex()
    for name, doc in (docs.start(), docs.descriptor(), docs.resource(), docs.datum((1, 4))):
        index.apply(name, doc)
    late, held = docs.datum((4, 6)), docs.datum((6, 9))
    index.apply(*held)
    return docs, index, late


def test_rows_behind_a_hole_are_not_committed_until_it_closes():
    _, index, late = a_run_with_a_hole()
    array = index.streams["primary"].arrays["cam"]
    assert (array.committed, array.length, array.good) == (3, 3, RangeSet([FrameRange(1, 4)]))
    assert [(each.datum, each.waits_for) for each in index.held["primary"]] == [
        ("run-1-r0/2", RangeSet([FrameRange(3, 5)]))
    ]
    with pytest.raises(NotYetWrittenError):
        array.locate(6)
    index.apply(*late)
    assert (array.committed, array.locate(6).row, index.held) == (8, 6, {})


def test_a_frame_that_may_be_in_the_hole_is_not_called_missing_while_the_run_goes_on():
    docs, index, _ = a_run_with_a_hole()
    array = index.streams["primary"].arrays["cam"]
    index.apply(*docs.resource(uri="file://localhost/next.h5"))
    index.apply(*docs.datum((9, 11)))
    assert array.committed == 10
    with pytest.raises(NotYetWrittenError, match=r"frame 4 of 'cam' has no row yet.*until rows RangeSet\(3:5\) come"):
        array.locate(4)
    with pytest.raises(NotYetWrittenError, match="frames 3:8 of 'cam' have no row yet"):
        ArrayReader(array)[:]
    index.apply(*docs.stop())
    with pytest.raises(MissingFrameError, match=r"frame 4 .*no row was committed"):
        array.locate(4)
    with pytest.raises(MissingFrameError, match=r"frame 6 .*datum run-1-r0/2 is held back: rows RangeSet\(3:5\)"):
        array.locate(6)
    with pytest.raises(MissingFrameError, match="5 of 10 frames of 'cam' are missing: 3:8"):
        ArrayReader(array)[:]
    assert len(index.held["primary"]) == 1


def test_a_datum_before_its_resource_is_held_and_said():
    docs = Documents()
    opening, announced = [docs.start(), docs.descriptor()], docs.resource()
    first = docs.datum((1, 4))
    index = RunIndex()
    for name, doc in [*opening, first, first]:
        index.apply(name, doc)
    assert [(each.datum, each.data_key, each.seq_nums) for each in index.held["primary"]] == [
        ("run-1-r0/0", "", FrameRange(1, 4))
    ]
    array = index.streams["primary"].arrays["cam"]
    assert (array.committed, array.undecided) == (0, True)
    index.apply(*announced)
    assert (array.committed, array.undecided, index.held) == (3, False, {})


def test_an_early_datum_that_contradicts_another_is_refused_with_its_resource_which_is_taken():
    docs = Documents()
    opening, announced = [docs.start(), docs.descriptor()], docs.resource()
    name, first = docs.datum((1, 4))
    index = RunIndex()
    for each in [*opening, (name, first), (name, first | {"uid": "other"})]:
        index.apply(*each)
    with pytest.raises(RowMapError, match=r"datum other of .cam. .* repeats rows"):
        index.apply(*announced)
    assert index.streams["primary"].arrays["cam"].committed == 3
