"""Our documents in both versions of bluesky's consolidators: the same where they are right, else a test each."""

import warnings

import dask
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wingbeat.stream_resource.errors import ComposeError
from wingbeat.stream_resource.files import read_rows
from wingbeat.stream_resource.foreign import ForeignForm
from wingbeat.stream_resource.frames import FrameRange
from wingbeat.stream_resource.runindex import RunIndex

from tests.stream_resource.hdf import DATA, finished, frames
from tests.stream_resource.runs import CAM, Documents

with warnings.catch_warnings():  # what their imports warn of is theirs
    warnings.simplefilter("ignore")
    from bluesky import consolidators as of_bluesky
    from bluesky.callbacks.tiled_writer import concatenate_stream_datums as merged_by_bluesky
    from bluesky_tiled_plugins.writing import consolidators as of_plugins
    from bluesky_tiled_plugins.writing.tiled_writer import concatenate_stream_datums as merged_by_plugins

pytestmark = [pytest.mark.conformance, pytest.mark.filterwarnings("ignore:Consolidator for:DeprecationWarning")]

BOTH = pytest.mark.parametrize("theirs", [of_bluesky, of_plugins], ids=["bluesky 1.15", "bluesky-tiled-plugins 2.0"])


class Run:
    """One run, given to a consolidator of theirs and to our index."""

    def __init__(self, theirs, data_key=CAM):
        self.module, self.theirs = theirs, None
        self.docs, self.ours = Documents(data_keys={"cam": data_key}), RunIndex()
        self.descriptor = self.docs.descriptor()[1]
        self.ours.apply(*self.docs.start())
        self.ours.apply("descriptor", self.descriptor)

    def file(self, uri="file://localhost/a.h5", **more):
        name, doc = self.docs.resource(uri=uri)
        self.ours.apply(name, doc)
        if self.theirs is None:
            self.theirs = self.module.HDF5Consolidator(doc | more, self.descriptor)
        else:
            self.theirs.update_from_stream_resource(doc)
        return doc

    def fly(self, start, stop):
        doc = self.docs.datum((start, stop))[1]
        self.deliver(doc)
        return doc

    def deliver(self, doc):
        self.ours.apply("stream_datum", doc)
        self.theirs.consume_stream_datum(doc)

    @property
    def array(self):
        return self.ours.streams["primary"].arrays["cam"]


@BOTH
@settings(max_examples=25)
@given(sizes=st.lists(st.integers(1, 20), min_size=1, max_size=8), frames_per_event=st.integers(1, 4))
def test_shape_chunks_type_and_rows_agree(theirs, sizes, frames_per_event):
    run = Run(theirs, CAM | {"shape": [frames_per_event, 2, 3]})
    run.file()
    seq_num = 1
    for size in sizes:
        run.fly(seq_num, seq_num + size)
        seq_num += size
    rows = run.array.file_rows(FrameRange(0, run.array.rowmap.rows))
    structure = run.theirs.structure()
    assert structure.shape == (rows.size, *run.array.frame_shape)
    assert structure.chunks == ((1,) * rows.size, (2,), (3,))
    assert structure.data_type.to_numpy_dtype() == run.array.dtype
    located = {i: run.array.rowmap.locate(i).row for i in range(1, sum(sizes) + 1)}
    assert run.theirs._seqnums_to_indices_map == located
    assert not run.theirs.has_skips


@BOTH
@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}], ids=["stored plainly", "gzip"])
def test_their_adapter_reads_from_our_documents_what_we_read(theirs, tmp_path, options):
    run = Run(theirs)
    run.file(f"file://localhost{finished(tmp_path / 'a.h5', 10, **options)}")
    run.fly(1, 4)
    run.fly(4, 11)
    adapter = getattr(run.theirs, "init_adapter", run.theirs.get_adapter)()  # the name of the newer one
    with dask.config.set(scheduler="synchronous"):
        seen = adapter.read()
    np.testing.assert_array_equal(seen, frames(0, 10))
    np.testing.assert_array_equal(seen, read_rows(tmp_path / "a.h5", DATA, rows=FrameRange(0, 10)))


@BOTH
def test_redone_rows_are_further_frames_for_them_and_newer_ones_of_the_same_for_us(theirs):
    run = Run(theirs)
    run.file()
    run.fly(1, 5)
    run.fly(3, 9)
    assert run.theirs.shape[0] == 10  # of eight frames, of which two were written twice
    assert (run.array.length, run.array.locate(2).row, run.array.locate(7).row) == (8, 4, 9)


@BOTH
def test_a_datum_delivered_twice_is_two_for_them_and_one_for_us(theirs):
    run = Run(theirs)
    run.file()
    doc = run.fly(1, 6)
    run.deliver(doc)
    assert run.array.rowmap.add_datum(doc) is False
    assert (run.theirs.shape[0], run.array.rowmap.rows) == (10, 5)


@BOTH
def test_a_hole_in_the_rows_is_not_seen_by_them_and_held_back_by_us(theirs):
    run = Run(theirs)
    run.file()
    run.fly(1, 6)
    lost, late = run.docs.datum((6, 10))[1], run.docs.datum((10, 13))[1]
    run.deliver(late)
    assert (run.theirs.shape[0], run.array.rowmap.rows) == (8, 5)  # theirs: rows 5:8, which nobody has announced
    assert (run.array.committed, [held.rows for held in run.array.held]) == (5, [FrameRange(9, 12)])
    run.deliver(lost)
    assert (run.theirs.shape[0], run.array.rowmap.rows) == (12, 12)


@BOTH
def test_after_a_roll_over_their_map_leads_into_the_first_file_and_ours_into_the_second(theirs):
    run = Run(theirs)
    run.file()
    run.fly(1, 6)
    second = run.file("file://localhost/b.h5")
    run.fly(6, 9)
    assert (run.theirs._seqnums_to_indices_map[1], run.theirs._seqnums_to_indices_map[6]) == (0, 0)
    assert not run.theirs.has_skips
    assert run.array.rowmap.locate(6) == run.array.locate(5) == (second["uid"], 0)


@BOTH
def test_one_file_announced_twice_is_read_twice_by_them_and_refused_by_us(theirs):
    run = Run(theirs)
    doc = run.file()
    run.theirs.update_from_stream_resource(doc | {"uid": "again"})
    assert [asset.data_uri for asset in run.theirs.assets] == [doc["uri"]] * 2
    with pytest.raises(ComposeError, match=r"was announced in file://localhost/a\.h5 before"):
        run.docs.resource(uri="file://localhost/a.h5")


def test_without_a_join_method_the_two_disagree_on_the_shape_and_ours_is_always_written():
    shapes = {}
    for module in (of_bluesky, of_plugins):
        run = Run(module)
        silent = run.file()["parameters"].copy()
        assert silent.pop("join_method") == "concat"
        silenced = Run(module)
        silenced.file(parameters=silent)
        for each in (run, silenced):
            each.fly(1, 11)
        assert run.theirs.shape == (10, 2, 3)
        shapes[module] = silenced.theirs.shape
    assert shapes == {of_bluesky: (10, 2, 3), of_plugins: (10, 1, 2, 3)}


@pytest.mark.parametrize("merged", [merged_by_bluesky, merged_by_plugins], ids=["bluesky", "bluesky-tiled-plugins"])
def test_datums_that_their_writers_merge_lose_which_frames_were_redone_and_ours_are_kept_apart(merged):
    run = Run(of_bluesky)
    run.file()
    one, two = run.fly(1, 5), run.fly(3, 9)
    both = merged(one, two)
    widths = {field: both[field]["stop"] - both[field]["start"] for field in ("indices", "seq_nums")}
    assert widths == {"indices": 10, "seq_nums": 8}
    assert [(part.seq_nums, part.rows) for part in run.array.rowmap.physical(one["stream_resource"])] == [
        ((1, 5), (0, 4)),
        ((3, 9), (4, 10)),
    ]


@BOTH
def test_a_skipped_frame_moves_the_rows_up_for_them_and_is_missing_for_us(theirs):
    run = Run(theirs)
    run.file()
    run.fly(1, 3)
    run.fly(4, 6)  # frame 3 was lost
    assert run.theirs.shape[0] == 4  # their row 2 is frame 4, and nothing says so
    assert not run.theirs.has_skips
    assert (run.array.length, list(run.array.good.gaps(FrameRange(1, 6)))) == (5, [(3, 4)])


def test_a_lost_frame_is_left_out_of_every_key_in_the_foreign_form():
    """The shift above would put two detectors of one stream side by side with different frames in one row."""
    docs = Documents(data_keys={"cam": CAM, "other": CAM})
    files = [docs.resource(key, uri=f"file://localhost/{key}.h5") for key in ("cam", "other")]
    documents = [docs.start(), docs.descriptor(), *files]
    documents += [docs.datum((1, 3)), docs.datum((4, 6)), docs.datum((1, 6), "other"), docs.stop()]
    form = ForeignForm()
    for document in documents:
        form.apply(*document)
    plan = form.plan()
    told = list(plan.documents(documents, uri="file://localhost/good.h5"))
    sizes = {}
    for name, doc in told:
        if name == "stream_datum":
            uid = doc["stream_resource"]
            sizes[uid] = sizes.get(uid, 0) + doc["indices"]["stop"] - doc["indices"]["start"]
    assert list(sizes.values()) == [4, 4]
    assert [run.source for run in plan.datasets[0].runs] == [(0, 2), (3, 5)]
