"""While datums are held back behind a hole, a frame without a row is not yet written, and not missing."""

import pytest
from wingbeat.data_api.arrays import held_document
from wingbeat.data_api.availability import locate_frame, view_array
from wingbeat.data_api.errors import MissingFrameError, NotYetWrittenError
from wingbeat.stream_resource import FrameRange, RangeSet, Row, RunIndex

from tests.stream_resource.runs import Documents


def a_run():
    """Rows 0:3 of the first file, rows 5:8 without the two before them, and a second file."""
    docs, index = Documents(), RunIndex()
    documents = [docs.start(), docs.descriptor(), docs.resource(), docs.datum((1, 4)), docs.datum((4, 6))]
    documents += [docs.datum((6, 9)), docs.resource(uri="file://localhost/b.h5"), docs.datum((9, 11))]
    late = documents.pop(4)
    for document in documents:
        index.apply(*document)
    return docs, index, late


def view(index):
    return view_array("run-1", index, stream="primary", key="cam")


@pytest.mark.parametrize("seq_num", [4, 7, 11])
def test_a_frame_that_may_still_come_is_not_called_missing(seq_num):
    _, index, _ = a_run()
    assert view(index).missing == RangeSet()
    with pytest.raises(NotYetWrittenError):
        locate_frame(view(index), seq_num)


def test_when_the_hole_closes_all_is_there():
    _, index, late = a_run()
    index.apply(*late)
    assert locate_frame(view(index), 7) == Row("run-1-r0", 6)
    assert (view(index).missing, view(index).array.held) == (RangeSet(), ())


def test_what_never_came_is_missing_when_the_run_has_stopped():
    docs, index, _ = a_run()
    index.apply(*docs.stop())
    assert view(index).missing == RangeSet([FrameRange(4, 9)])
    with pytest.raises(MissingFrameError):
        locate_frame(view(index), 4)


def test_what_is_held_is_told_to_clients():
    _, index, _ = a_run()
    assert [held_document(each) for each in view(index).array.held] == [
        {"stream_resource": "run-1-r0", "rows": [5, 8], "seq_nums": [6, 9], "waits_for_rows": [[3, 5]]}
    ]
