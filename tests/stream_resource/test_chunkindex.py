"""ChunkIndex keeps the newest record of every chunk in 20 bytes, and knows when a chunk can change no more."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wingbeat.stream_resource.chunkindex import ChunkIndex, ChunkRecord
from wingbeat.stream_resource.errors import FrameRangeError
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
