"""Where a frame is or why it is not to be had, and what the ledger makes of it: from documents alone."""

import pytest
from wingbeat.data_api.availability import locate_frame, requested_range, view_array
from wingbeat.data_api.errors import AbsentError, MissingFrameError, NotYetWrittenError, RangeError
from wingbeat.data_api.ledger import DetectorCount, ledger_document
from wingbeat.data_api.negotiation import Form, accepted_forms, etag, matched
from wingbeat.stream_resource import FrameRange, RangeSet, RunIndex, StreamComposer, Verdict, Verdicts

LOST = 3


def a_run(*seq_nums, planned=None, stopped=False, verdicts=None):
    composer = StreamComposer()
    run = RunIndex()
    key = {"source": "sim", "dtype": "array", "shape": [1, 4, 4], "dtype_numpy": "<u2", "external": "STREAM:"}
    run.apply("start", {"uid": "r", "time": 0.0} | ({"num_points": planned} if planned else {}))
    names = {"data_keys": {"cam": key}, "object_keys": {"camera": ["cam"]}}
    run.apply("descriptor", {"uid": "d", "run_start": "r", "time": 0.0, "name": "primary"} | names)
    resource = composer.resource("cam", uri="file://localhost/a.h5", dataset="/d", chunk_shape=(1, 4, 4))
    run.apply("stream_resource", dict(resource) | {"run_start": "r"})
    row = 0
    for start, stop in seq_nums:
        rows = FrameRange(row, row + stop - start)
        datum = composer.datum("cam", rows=rows, seq_nums=FrameRange(start, stop))
        run.apply("stream_datum", dict(datum) | {"descriptor": "d"})
        row = rows.stop
    if stopped:
        stop = {"uid": "s", "run_start": "r", "time": 1.0, "exit_status": "success"}
        if verdicts:
            entry = {"planned": planned, "triggered": row, "exposed": None, "written": row}
            stop["frames"] = {"camera": entry | {"missing": planned - row, "verdicts": verdicts.to_document()}}
        run.apply("stop", stop)
    return run


def view(run):
    return view_array("r", run, stream="primary", key="cam")


@pytest.mark.parametrize(
    ("planned", "stopped", "seq_num", "error"),
    [
        (10, False, 0, AbsentError),
        (10, False, 11, AbsentError),
        (10, False, 10, NotYetWrittenError),
        (10, False, LOST, MissingFrameError),
        (10, True, LOST, MissingFrameError),
        (10, True, 10, MissingFrameError),
        (10, True, 11, AbsentError),
        (None, False, 0, AbsentError),
        (None, False, 1000, NotYetWrittenError),
        (None, True, 6, AbsentError),
        (None, True, LOST, MissingFrameError),
    ],
)
def test_absent_not_yet_written_and_missing_are_told_apart(planned, stopped, seq_num, error):
    with pytest.raises(error) as raised:
        locate_frame(view(a_run((1, 3), (4, 6), planned=planned, stopped=stopped)), seq_num)
    assert type(raised.value) is error


def test_a_committed_frame_is_found_also_beyond_the_plan():
    assert locate_frame(view(a_run((1, 3), (4, 13), planned=10)), 12).row == 10


def test_the_reason_is_that_of_the_verdict():
    verdicts = Verdicts(5)
    verdicts.put(FrameRange(0, 2), Verdict.GOOD)
    verdicts.put(FrameRange(2, 3), Verdict.MISSING, reason="trigger 3 never reached the camera")
    verdicts.put(FrameRange(3, 5), Verdict.GOOD)
    run = a_run((1, 3), (4, 6), planned=5, stopped=True, verdicts=verdicts)
    with pytest.raises(MissingFrameError, match="trigger 3 never reached the camera"):
        locate_frame(view(run), 3)


@pytest.mark.parametrize(
    ("start", "stop", "stopped", "expected"),
    [
        (None, None, False, FrameRange(1, 6)),
        (None, None, True, FrameRange(1, 6)),
        (2, 5, False, FrameRange(2, 5)),
        (2, 11, True, FrameRange(2, 11)),
        (2, 11, False, NotYetWrittenError),
        (2, 12, False, RangeError),
        (2, 12, True, RangeError),
        (0, 3, True, RangeError),
        (4, 4, True, RangeError),
        (5, 4, True, RangeError),
    ],
)
def test_a_range_is_what_is_committed_or_says_why_not(start, stop, stopped, expected):
    asked = view(a_run((1, 3), (4, 6), planned=10, stopped=stopped))
    if isinstance(expected, FrameRange):
        assert requested_range(asked, start, stop) == expected
        return
    with pytest.raises(expected) as raised:
        requested_range(asked, start, stop)
    assert type(raised.value) is expected


def test_an_array_that_is_not_there_names_those_that_are():
    run = a_run((1, 3))
    with pytest.raises(AbsentError, match="one of cam"):
        view_array("r", run, stream="primary", key="x")
    with pytest.raises(AbsentError, match="one of primary"):
        view_array("r", run, stream="baseline", key="cam")


def counted(run, *, readable=None):
    array = run.streams["primary"].arrays["cam"]
    good = array.rowmap.good
    planned = array.planned if array.planned is not None else run.start.get("num_points")
    return {
        "camera": DetectorCount(
            stream="primary",
            keys=("cam",),
            rows=array.rowmap.rows,
            planned=planned,
            indexed=good,
            readable=good if readable is None else readable,
        )
    }


def good_but(planned, *missing):
    verdicts = Verdicts(planned)
    for frame in range(planned):
        verdicts.put(FrameRange(frame, frame + 1), Verdict.MISSING if frame in missing else Verdict.GOOD)
    return verdicts


def test_a_whole_run_agrees():
    run = a_run((1, 6), planned=5, stopped=True, verdicts=good_but(5))
    ledger = ledger_document("r", run, counted(run))
    assert (ledger["agreed"], ledger["consistent"]) == (True, True)


def test_a_run_without_a_ledger_of_its_own_agrees_by_the_counts():
    run = a_run((1, 6), planned=5, stopped=True)
    assert ledger_document("r", run, counted(run))["agreed"]
    short = a_run((1, 5), planned=5, stopped=True)
    assert not ledger_document("r", short, counted(short))["agreed"]


def test_missing_frames_are_named_from_0_and_do_not_agree_but_are_consistent():
    run = a_run((1, 3), (4, 6), planned=5, stopped=True, verdicts=good_but(5, 2))
    ledger = ledger_document("r", run, counted(run))
    assert ledger["detectors"]["camera"]["missing_frames"] == [[2, 3]]
    assert (ledger["agreed"], ledger["consistent"]) == (False, True)


def test_frames_that_cannot_be_read_are_named_and_are_not_consistent():
    run = a_run((1, 6), planned=5, stopped=True, verdicts=good_but(5))
    ledger = ledger_document("r", run, counted(run, readable=RangeSet([FrameRange(1, 4)])))
    entry = ledger["detectors"]["camera"]
    assert (entry["indexed"], entry["readable"], entry["unreadable_frames"]) == (5, 3, [[3, 5]])
    assert (ledger["agreed"], ledger["consistent"]) == (False, False)


def test_a_detector_of_the_ledger_without_an_array_is_not_forgotten():
    run = a_run((1, 6), planned=5, stopped=True, verdicts=good_but(5))
    ledger = ledger_document("r", run, {})
    assert ledger["detectors"]["camera"]["indexed"] == 0
    assert not ledger["agreed"]


def test_what_a_live_run_has_not_written_yet_is_not_missing():
    run = a_run((1, 3), (4, 6), planned=50)
    ledger = ledger_document("r", run, counted(run))
    entry = ledger["detectors"]["camera"]
    assert (ledger["exit_status"], ledger["agreed"]) == (None, False)
    assert (entry["planned"], entry["indexed"], entry["missing"], entry["missing_frames"]) == (50, 4, 1, [[2, 3]])


def test_what_a_stopped_run_never_wrote_is_missing():
    run = a_run((1, 3), planned=5, stopped=True)
    assert ledger_document("r", run, counted(run))["detectors"]["camera"]["missing_frames"] == [[2, 5]]


@pytest.mark.parametrize(
    ("headers", "forms"),
    [
        ({}, {Form.RAW}),
        ({"accept-encoding": "gzip, deflate, br"}, {Form.RAW, Form.DEFLATE}),
        ({"accept-encoding": "deflate;q=0"}, {Form.RAW}),
        ({"accept-encoding": "deflate;q=nonsense"}, {Form.RAW}),
        ({"accept-encoding": "*"}, {Form.RAW, Form.DEFLATE}),
        ({"accept": "*/*"}, {Form.RAW}),
        ({"accept": "application/x-hdf5-chunk, */*;q=0.1"}, {Form.RAW, Form.CHUNK}),
        ({"accept": "application/x-hdf5-chunk;q=0"}, {Form.RAW}),
    ],
)
def test_a_client_gets_only_what_it_takes(headers, forms):
    assert accepted_forms(headers) == forms


def test_a_tag_matches_itself_alone():
    tags = [etag("uid", 3, form) for form in Form]
    assert len(set(tags)) == len(tags)
    assert matched(f"W/{tags[1]}", tags) == tags[1]
    assert matched('"x", *', tags) == tags[0]
    assert matched("", tags) is None
    assert matched(etag("uid", 4, Form.RAW), tags) is None
