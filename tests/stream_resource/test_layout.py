"""locate() puts together exactly what numpy gives, and lists nothing that is not asked for."""

from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wingbeat.stream_resource.errors import SelectionError
from wingbeat.stream_resource.layout import ChunkSlice, Layout


def chunks_of(array, layout):
    """Every chunk as a file stores it: full size, padded with a value that no test data has."""
    stored = {}
    for at in np.ndindex(layout.chunk_counts):
        chunk = np.full(layout.chunk_sizes, -1, array.dtype)
        part = array[tuple(slice(i * n, (i + 1) * n) for i, n in zip(at, layout.chunk_sizes, strict=True))]
        chunk[tuple(slice(0, n) for n in part.shape)] = part
        stored[at] = chunk
    return stored


SHAPES = st.lists(st.integers(0, 7), min_size=0, max_size=3).map(tuple)
BOUND = st.one_of(st.none(), st.integers(-9, 9))
SLICE = st.builds(slice, BOUND, BOUND, st.one_of(st.none(), st.integers(-4, 4).filter(bool)))


@st.composite
def layouts_and_selections(draw):
    shape = draw(SHAPES)
    cut = draw(st.integers(0, len(shape)))
    chunk_shape = tuple(draw(st.integers(1, 4)) for _ in range(cut))
    selection = [
        draw(st.one_of(SLICE, st.integers(-n, n - 1)) if n else SLICE)
        for n in shape[: draw(st.integers(0, len(shape)))]
    ]
    if draw(st.booleans()):
        selection.insert(len(selection), Ellipsis)
    return Layout(shape=shape, dtype=np.dtype("i4"), chunk_shape=chunk_shape), tuple(selection)


@settings(max_examples=250)
@given(layouts_and_selections())
def test_chunk_slices_make_up_what_numpy_selects(case):
    layout, selection = case
    array = np.arange(np.prod(layout.shape, dtype=int), dtype="i4").reshape(layout.shape)
    stored = chunks_of(array, layout)
    expected = array[selection]
    assert layout.result_shape(selection) == expected.shape
    result, touched = np.full(expected.shape, -2, "i4"), np.zeros(expected.shape, int)
    seen = []
    for part in layout.locate(selection):
        result[part.target] = stored[part.chunk][part.source]
        touched[part.target] += 1
        seen.append(part.chunk)
    np.testing.assert_array_equal(result, expected)
    assert (touched == 1).all()
    assert len(seen) == len(set(seen))
    assert not seen or expected.size


def test_an_ellipsis_in_the_middle_stands_for_the_rest():
    layout = Layout(shape=(4, 5, 6), dtype=np.dtype("u2"), chunk_shape=(1, 5, 6))
    assert list(layout.locate((2, ..., slice(0, 3)))) == [
        ChunkSlice((2, 0, 0), (0, slice(0, 5, 1), slice(0, 3, 1)), (slice(0, 5), slice(0, 3)))
    ]


def test_a_selection_of_a_huge_array_is_lazy():
    layout = Layout(shape=(10**12, 10**6), dtype=np.dtype("u2"), chunk_shape=(1, 1))
    assert [part.chunk for part in islice(layout.locate(slice(None, None, -1)), 2)] == [
        (10**12 - 1, 0),
        (10**12 - 1, 1),
    ]
    assert len(list(layout.locate((slice(None, None, 10**11), 3)))) == 10


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (4, "index 4 is out of bounds for axis 0 of length 4"),
        (-5, "out of bounds"),
        ((0, 0, 0), "too many entries"),
        ((..., ...), "too many entries"),
        (slice(None, None, 0), "step must not be zero"),
        ([1, 2], "only ints, slices"),
        (True, "only ints, slices"),
        (None, "only ints, slices"),
    ],
)
def test_what_cannot_be_selected_is_refused_at_the_call(selection, message):
    layout = Layout(shape=(4, 5), dtype=np.dtype("u2"), chunk_shape=(2,))
    with pytest.raises(SelectionError, match=message):
        layout.locate(selection)


@pytest.mark.parametrize("chunk_shape", [(0,), (1, 1, 1)])
def test_chunks_that_do_not_fit_are_refused(chunk_shape):
    with pytest.raises(SelectionError, match="do not fit"):
        Layout(shape=(4, 5), dtype=np.dtype("u2"), chunk_shape=chunk_shape)


def test_a_chunk_has_its_padding_in_its_size():
    layout = Layout(shape=(5, 3), dtype=np.dtype("u2"), chunk_shape=(4,))
    assert (layout.chunk_counts, layout.chunk_sizes, layout.chunk_nbytes) == ((2, 1), (4, 3), 24)
