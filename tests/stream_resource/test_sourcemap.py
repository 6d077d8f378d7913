"""Arrays made of regions of others are put together exactly as numpy selects from the whole."""

from itertools import islice

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from wingbeat.stream_resource.errors import SelectionError, UnsupportedLayoutError
from wingbeat.stream_resource.frames import FrameRange
from wingbeat.stream_resource.layout import Layout
from wingbeat.stream_resource.runindex import RunIndex
from wingbeat.stream_resource.sourcemap import Region, SourceMap, logical_rows

from tests.stream_resource.runs import CAM, Documents
from tests.stream_resource.test_layout import SLICE, chunks_of

FILL = -7


@st.composite
def progressions(draw, length):
    """Regular progressions that cut 0 ... length - 1 into disjoint parts, and perhaps leave some out."""
    kind = draw(st.sampled_from(["blocks", "turns"]))
    if kind == "turns":
        step = draw(st.integers(1, 4))
        return [slice(first, length, step) for first in range(min(step, length))]
    cuts = sorted(draw(st.lists(st.integers(0, length), max_size=4)))
    return [slice(a, b) for a, b in zip([0, *cuts], [*cuts, length], strict=True)]


@st.composite
def mosaics(draw):
    """A logical array, its regions, and the sources, which hold the region's data amid other numbers."""
    shape = tuple(draw(st.lists(st.integers(1, 8), min_size=1, max_size=3)))
    array = np.arange(np.prod(shape), dtype="i4").reshape(shape)
    expected, regions, sources = np.full(shape, FILL, "i4"), [], {}
    tiles = [()]
    for n in shape:
        tiles = [(*tile, side) for tile in tiles for side in draw(progressions(n))]
    for tile in tiles:
        if not draw(st.integers(0, 5)):
            continue
        data = array[tile]
        expected[tile] = data
        flat = [draw(st.booleans()) and data.shape[axis] == 1 for axis in range(len(shape))]
        steps = [draw(st.integers(1, 3)) for _ in shape]
        starts = [draw(st.integers(0, 2)) for _ in shape]
        sides = [slice(a, a + n * b, b) for a, b, n in zip(starts, steps, data.shape, strict=True)]
        source = np.full([side.stop + 1 for side in sides], -1, "i4")
        source[tuple(sides)] = data
        at = tuple(start if axis else slice(None) for axis, start in zip(flat, starts, strict=True))
        sources[len(regions)] = source[at]
        kept = tuple(None if axis else side for axis, side in zip(flat, sides, strict=True))
        regions.append(Region(len(regions), kept, tile))
    return expected, draw(st.permutations(regions)), sources


@st.composite
def selections(draw, shape):
    given_axes = draw(st.integers(0, len(shape)))
    chosen = [draw(st.one_of(SLICE, st.integers(-n, n - 1))) for n in shape[:given_axes]]
    return (*chosen, ...) if draw(st.booleans()) else tuple(chosen)


@settings(max_examples=150)
@given(mosaics(), st.data())
def test_regions_make_up_what_numpy_selects_from_the_whole(mosaic, data):
    expected, regions, sources = mosaic
    joined, selection = SourceMap(expected.shape, regions), data.draw(selections(expected.shape))
    wanted = expected[selection]
    assert joined.result_shape(selection) == wanted.shape
    result, touched = np.full(wanted.shape, FILL, "i4"), np.zeros(wanted.shape, int)
    for part in joined.locate(selection):
        result[part.target] = sources[part.origin][part.source]
        touched[part.target] += 1
    np.testing.assert_array_equal(result, wanted)
    assert ((touched == 1) == (wanted != FILL)).all()
    assert touched.max(initial=0) <= 1
    assert joined.uncovered(selection) == (wanted == FILL).sum()


@settings(max_examples=100)
@given(mosaics(), st.data())
def test_chunks_of_the_sources_make_up_the_same(mosaic, data):
    expected, regions, sources = mosaic
    joined, selection = SourceMap(expected.shape, regions), data.draw(selections(expected.shape))
    layouts = {
        origin: Layout(
            shape=source.shape,
            dtype=source.dtype,
            chunk_shape=tuple(data.draw(st.integers(1, 4)) for _ in source.shape[: data.draw(st.integers(0, 2))]),
        )
        for origin, source in sources.items()
    }
    stored = {origin: chunks_of(sources[origin], layout) for origin, layout in layouts.items()}
    wanted = expected[selection]
    result, touched = np.full(wanted.shape, FILL, "i4"), np.zeros(wanted.shape, int)
    for part in joined.locate_chunks(selection, layouts.__getitem__):
        result[part.target] = stored[part.origin][part.chunk][part.source]
        touched[part.target] += 1
    np.testing.assert_array_equal(result, wanted)
    assert touched.max(initial=0) <= 1


@settings(max_examples=100)
@given(mosaics())
def test_a_region_given_twice_overlaps_itself(mosaic):
    _, regions, _ = mosaic
    assume(any(np.prod([len(range(8)[side]) for side in region.target]) for region in regions))
    with pytest.raises(UnsupportedLayoutError, match="overlap"):
        SourceMap((8,) * len(regions[0].target), [*regions, *regions])


def test_a_mosaic_of_huge_files_is_located_lazily():
    rows, files = 10**9, 10_000
    regions = [
        Region(n, (slice(0, rows), slice(0, 9)), (slice(n * rows, (n + 1) * rows), slice(0, 9))) for n in range(files)
    ]
    joined, layout = (
        SourceMap((rows * files, 9), regions),
        Layout(shape=(rows, 9), dtype=np.dtype("u2"), chunk_shape=(1,)),
    )
    found = list(islice(joined.locate_chunks(slice(5 * rows - 2, None), lambda _: layout), 4))
    assert [(part.origin, part.chunk, part.target[0]) for part in found] == [
        (4, (rows - 2, 0), slice(0, 1, 1)),
        (4, (rows - 1, 0), slice(1, 2, 1)),
        (5, (0, 0), slice(2, 3, 1)),
        (5, (1, 0), slice(3, 4, 1)),
    ]
    assert [part.origin for part in joined.locate((slice(None, None, -(rows * files) // 4), 3))] == [
        2499,
        4999,
        7499,
        9999,
    ]


@pytest.mark.parametrize(
    ("region", "message"),
    [
        (Region("a", (slice(0, 3),), (slice(0, 3), slice(0, 1))), "for each of the 2 axes"),
        (Region("a", (slice(0, 3), slice(0, 2)), (slice(0, 2), slice(0, 2))), "both sides must be equally long"),
        (Region("a", (None, slice(0, 2)), (slice(0, 2), slice(0, 2))), "both sides must be equally long"),
        (Region("a", (slice(0, 2), slice(0, 2)), (slice(3, 5), slice(0, 2))), "within 0:4"),
        (Region("a", (slice(0, None), slice(0, 2)), (slice(0, 2), slice(0, 2))), "a side has a stop"),
        (Region("a", (slice(3, 1, -1), slice(0, 2)), (slice(0, 2), slice(0, 2))), "a step from 1"),
    ],
)
def test_a_region_that_does_not_fit_is_refused(region, message):
    with pytest.raises(UnsupportedLayoutError, match=message):
        SourceMap((4, 4), [region])


def test_a_source_that_is_shorter_than_its_region_is_refused():
    joined = SourceMap((4,), [Region("a", (slice(0, 4),), (slice(0, 4),))])
    with pytest.raises(SelectionError, match="source a is 3 long along axis 0; its region needs index 3"):
        list(joined.locate_chunks(slice(None, None, -1), lambda _: Layout(shape=(3,), dtype=np.dtype("u1"))))
    with pytest.raises(SelectionError, match="source a has 2 axes; its region has 1"):
        list(joined.locate_chunks(0, lambda _: Layout(shape=(4, 1), dtype=np.dtype("u1"))))


@settings(max_examples=100)
@given(st.integers(1, 3), st.integers(1, 3), st.data())
def test_a_run_of_many_files_is_one_array_of_its_good_frames(frames_per_event, chunk_rows, data):
    docs, index = Documents(data_keys={"cam": CAM | {"shape": [frames_per_event, 2, 3]}}), RunIndex()
    files, newest, seq_num, number = {}, {}, 1, 0
    documents = [docs.start(), docs.descriptor()]
    for _ in range(data.draw(st.integers(1, 3))):
        resource, rows = docs.resource(uri=f"file://localhost/{len(files)}.h5"), []
        documents.append(resource)
        for _ in range(data.draw(st.integers(1, 3))):
            first, size = max(1, seq_num + data.draw(st.integers(-3, 2))), data.draw(st.integers(1, 4))
            documents.append(docs.datum((first, first + size)))
            for event in range(first, first + size):
                frames = [np.full((2, 3), number := number + 1, "<i4") for _ in range(frames_per_event)]
                newest[event] = frames
                rows += frames
            seq_num = first + size
        files[resource[1]["uid"]] = np.stack(rows)
    for document in documents:
        index.apply(*document)
    array = index.streams["primary"].arrays["cam"]
    joined = logical_rows(array)
    expected = np.zeros((array.length * frames_per_event, 2, 3), "<i4")
    for event, frames in newest.items():
        expected[(event - 1) * frames_per_event : event * frames_per_event] = frames
    layouts = {
        uid: Layout(shape=whole.shape, dtype=whole.dtype, chunk_shape=(chunk_rows,)) for uid, whole in files.items()
    }
    stored = {uid: chunks_of(files[uid], layout) for uid, layout in layouts.items()}
    selection = data.draw(st.one_of(SLICE, st.integers(0, len(expected) - 1)))
    result = np.zeros(expected[selection].shape, "<i4")
    for part in joined.locate_chunks(selection, layouts.__getitem__):
        result[part.target] = stored[part.origin][part.chunk][part.source]
    np.testing.assert_array_equal(result, expected[selection])
    missing = array.rowmap.missing(FrameRange(1, array.length + 1)).size * frames_per_event
    assert joined.uncovered(()) == missing * 6
