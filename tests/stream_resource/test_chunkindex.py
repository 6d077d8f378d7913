"""ChunkIndex keeps the newest record of every chunk in 20 bytes, and knows when a chunk can change no more."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wingbeat.stream_resource.blockframe import pack, unpack
from wingbeat.stream_resource.chunkindex import MAGIC, ChunkIndex, ChunkRecord
from wingbeat.stream_resource.errors import FrameRangeError, SidecarError
from wingbeat.stream_resource.frames import FrameRange

RECORDS = st.lists(
    st.tuples(
        st.integers(0, 300), st.builds(ChunkRecord, st.integers(0, 2**50), st.integers(0, 2**33), st.integers(0, 15))
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(RECORDS, RECORDS)
def test_the_newest_record_of_a_chunk_is_kept(first, second):
    index, naive = ChunkIndex(1), dict([*first, *second])
    index.add(first)
    index.add(second)
    assert {i: index.get(i) for i in range(-1, 320)} == {i: naive.get(i) for i in range(-1, 320)}
    assert index.size == len(naive)
    assert set(index.unknown(FrameRange(5, 320)).indices()) == set(range(5, 320)) - set(naive)


@pytest.mark.parametrize(("committed", "complete"), [(0, False), (7, False), (8, True), (9, True)])
def test_a_chunk_is_complete_when_committed_rows_fill_it(committed, complete):
    index = ChunkIndex(4)
    index.add([(1, ChunkRecord(100, 10, 0))])
    assert index.complete(1, committed) is complete


@pytest.mark.parametrize(
    ("rows", "chunk_rows"), [((0, 1), (0, 1)), ((3, 5), (0, 2)), ((4, 8), (1, 2)), ((6, 6), (0, 0))]
)
def test_rows_are_held_by_these_chunks(rows, chunk_rows):
    assert ChunkIndex(4).chunk_rows(FrameRange(*rows)) == chunk_rows


def test_memory_is_some_bytes_per_chunk():
    index = ChunkIndex()
    index.add((i, ChunkRecord(i, i, 0)) for i in range(10_000))
    assert index.nbytes <= 2 * 20 * 10_000


def test_a_chunk_holds_at_least_one_row():
    with pytest.raises(FrameRangeError, match="at least one row, not 0"):
        ChunkIndex(0)


GRIDS = st.lists(st.integers(1, 3), max_size=2).map(tuple)


@st.composite
def indexes(draw):
    grid = draw(GRIDS)
    index, naive = ChunkIndex(draw(st.integers(1, 4)), grid=grid), {}
    for row in draw(st.lists(st.integers(0, 9), max_size=12)):
        place = (row, *(draw(st.integers(0, n - 1)) for n in grid))
        record = ChunkRecord(draw(st.integers(0, 2**50)), draw(st.integers(0, 2**33)), draw(st.integers(0, 15)))
        index.add([(place, record)])
        naive[place] = record
    return index, naive


@settings(max_examples=80)
@given(indexes())
def test_chunks_that_are_cut_along_any_axis_are_found_by_their_place(case):
    index, naive = case
    places = [(row, *rest) for row in range(12) for rest in np.ndindex(index.grid)]
    assert {place: record for place in places if (record := index.get(place)) is not None} == naive
    assert dict(index.records()) == naive
    assert list(dict(index.records())) == sorted(naive)
    assert dict(index.records(FrameRange(2, 5))) == {at: naive[at] for at in naive if 2 <= at[0] < 5}
    whole = {row for row in range(10) if all((row, *rest) in naive for rest in np.ndindex(index.grid))}
    assert set(range(10)) - set(index.unknown(FrameRange(0, 10)).indices()) == whole


@settings(max_examples=80)
@given(indexes(), st.one_of(st.none(), st.integers(0, 50)))
def test_the_bytes_of_an_index_hold_its_complete_chunks(case, committed):
    index, naive = case
    back = ChunkIndex.from_bytes(index.to_bytes(committed))
    kept = {at: naive[at] for at in naive if committed is None or index.complete(at[0], committed)}
    assert (dict(back.records()), back.rows_per_chunk, back.grid) == (kept, index.rows_per_chunk, index.grid)
    assert (back == index) is (kept == naive)
    back.add([((11, *(0 for _ in index.grid)), ChunkRecord(1, 2, 3))])
    assert back.get((11, *(0 for _ in index.grid))) == ChunkRecord(1, 2, 3)


@settings(max_examples=150)
@given(indexes(), st.data())
def test_bytes_that_are_torn_damaged_or_longer_are_refused(case, data):
    whole = case[0].to_bytes()
    cut = data.draw(st.integers(0, len(whole) - 1))
    damaged = bytearray(whole)
    damaged[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    for wrong in (whole[:cut], bytes(damaged), whole + b"\0", b"\x89HDF\r\n\x1a\n" + whole):
        with pytest.raises(SidecarError):
            ChunkIndex.from_bytes(wrong)


@pytest.mark.parametrize("change", [{"columns": [["offset", "<i4"]]}, {"count": 7}, {"rows_per_chunk": 0}, {"grid": 3}])
def test_bytes_that_say_something_else_are_refused_though_their_checksums_agree(change):
    index = ChunkIndex(2)
    index.add([(0, ChunkRecord(1, 2, 3))])
    header, payload = unpack(MAGIC, index.to_bytes())
    with pytest.raises(SidecarError, match="must have rows_per_chunk"):
        ChunkIndex.from_bytes(pack(MAGIC, header | change, payload=payload))


def test_a_contiguous_dataset_has_a_chunk_per_row():
    index = ChunkIndex.contiguous(2048, rows=5, row_nbytes=24)
    assert dict(index.records()) == {(n,): ChunkRecord(2048 + 24 * n, 24, 0) for n in range(5)}


@pytest.mark.parametrize("place", [(0, 2), (0,), (-1, 0), (0, 0, 0), 3])
def test_a_place_outside_of_the_grid_is_refused(place):
    with pytest.raises(FrameRangeError, match="outside of a grid"):
        ChunkIndex(1, grid=(2,)).add([(place, ChunkRecord(0, 0, 0))])


def test_rows_that_are_not_cut_may_be_given_with_all_their_axes():
    index = ChunkIndex(1)
    index.add([((3, 0, 0), ChunkRecord(1, 2, 0))])
    assert index.get(3) == index.get((3, 0, 0)) == ChunkRecord(1, 2, 0)
