"""The server as its clients see it: every frame bit by bit, and every way in which one cannot be had."""

import http.client
import json
import os
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from wingbeat.data_api.client import DataClient
from wingbeat.data_api.errors import AbsentError, MissingFrameError, NotYetWrittenError, RangeError, UnreadableError
from wingbeat.stream_resource import FrameRange
from wingbeat.stream_resource.verdicts import Verdict

pytestmark = pytest.mark.system

CHUNK = "application/x-hdf5-chunk"


def request(served, path, *, method="GET", body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    try:
        connection.request(method, path, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()})
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read()
    finally:
        connection.close()


def committed(served, run, count):
    def enough():
        try:
            return served.client.structure(run.uid, "cam")["committed"] >= count
        except AbsentError:
            return False

    served.until(enough)


def stopped(served, run):
    committed(served, run, run.rows)
    served.until(lambda: served.client.run(run.uid)["stop"])


def cam(run, rest=""):
    return f"/runs/{run.uid}/streams/primary/cam{rest}"


PIPELINES = ("raw", "gzip", "shuffle_gzip", "bitshuffle_lz4", "bitshuffle_zstd", "lz4", "zstd", "blosc", "fletcher32")


def test_every_frame_is_bit_equal_in_every_form_for_every_filter(served, new_run):
    for pipeline in PIPELINES:
        for shape, rows_per_chunk in (((16, 16), 1), ((7, 5), 1), ((16, 16), 3)):
            run = new_run(pipeline=pipeline, shape=shape, rows_per_chunk=rows_per_chunk)
            run.put(7)
            committed(served, run, 7)
            for seq_num, frame in run.written.items():
                as_stored = served.client.frame(run.uid, "cam", seq_num=seq_num)
                _, headers, raw = request(served, cam(run, f"/frames/{seq_num}"))
                assert headers["X-Wingbeat-Dtype"] == "<u2"
                np.testing.assert_array_equal(as_stored, frame, err_msg=f"{pipeline} {shape} {rows_per_chunk}")
                assert raw == frame.tobytes()
            everything = served.client.frames(run.uid, "cam")
            np.testing.assert_array_equal(everything.data, np.stack(list(run.written.values())))
            assert served.client.ledger(run.uid)["detectors"]["cam"]["readable"] == 7


def test_a_gzip_chunk_goes_out_untouched_to_a_client_that_takes_deflate(served, new_run):
    run = new_run(pipeline="gzip")
    [frame] = run.put(1)
    committed(served, run, 1)
    _, headers, body = request(served, cam(run, "/frames/1"), Accept_Encoding="gzip, deflate")
    assert headers["Content-Encoding"] == "deflate"
    assert "Accept-Encoding" in headers["Vary"]
    assert zlib.decompress(body) == frame.tobytes()
    assert body == run.data.id.read_direct_chunk((0, 0, 0))[1]


def test_a_shuffled_chunk_goes_out_only_to_a_client_that_names_the_chunk_type(served, new_run):
    run = new_run(pipeline="shuffle_gzip")
    [frame] = run.put(1)
    committed(served, run, 1)
    _, plain, body = request(served, cam(run, "/frames/1"), Accept_Encoding="deflate")
    assert plain["Content-Encoding"] is None
    assert body == frame.tobytes()
    _, chunk, body = request(served, cam(run, "/frames/1"), Accept=CHUNK)
    assert (chunk["Content-Type"], chunk["X-Wingbeat-Filters"]) == (CHUNK, "2:2,1:4")
    assert body == run.data.id.read_direct_chunk((0, 0, 0))[1]
    assert plain["ETag"] != chunk["ETag"]


def test_a_chunk_that_skipped_its_filter_says_so(served, new_run):
    run = new_run(pipeline="gzip", planned=1)
    frame = np.arange(120, dtype="<u2").reshape(12, 10)
    run.data.resize(1, axis=0)
    run.data.id.write_direct_chunk((0, 0, 0), frame.tobytes(), filter_mask=1)
    run.data.flush()
    run.rows = 1
    run.announce(FrameRange(0, 1), 1)
    committed(served, run, 1)
    np.testing.assert_array_equal(served.client.frame(run.uid, "cam", seq_num=1), frame)
    assert request(served, cam(run, "/frames/1"), Accept_Encoding="deflate")[2] == frame.tobytes()


def test_a_growing_run_gives_425_and_then_200(served, new_run):
    run = new_run(planned=3, pipeline="bitshuffle_lz4")
    run.put(1)
    committed(served, run, 1)
    status, headers, body = request(served, cam(run, "/frames/2"))
    assert (status, headers["Retry-After"]) == (425, "1")
    assert json.loads(body)["error"] == "NotYetWrittenError"
    with pytest.raises(NotYetWrittenError):
        served.client.frames(run.uid, "cam", start=1, stop=3)
    run.put(1)
    np.testing.assert_array_equal(served.client.frame(run.uid, "cam", seq_num=2, wait=5), run.written[2])


def test_rows_in_the_file_that_are_not_announced_are_not_served(served, new_run):
    run = new_run(planned=3)
    run.put(1)
    run.put(1, announce=False)
    committed(served, run, 1)
    for path in ("/frames/2", "/rows/1"):
        assert request(served, cam(run, path))[0] == 425
    assert served.client.frames(run.uid, "cam").data.shape == (1, 12, 10)


def test_a_partly_filled_chunk_is_read_right_while_it_grows(served, new_run):
    run = new_run(rows_per_chunk=4, pipeline="gzip")
    for count in range(1, 10):
        run.put(1)
        committed(served, run, count)
        np.testing.assert_array_equal(served.client.frame(run.uid, "cam", seq_num=count), run.written[count])
    np.testing.assert_array_equal(
        served.client.frames(run.uid, "cam", start=3, stop=10).data, [run.written[n] for n in range(3, 10)]
    )


def test_a_missing_frame_is_410_with_the_reason_of_the_ledger(served, new_run):
    run = new_run(planned=6)
    run.put(2)
    run.put(3, first=4)
    committed(served, run, 6)
    assert request(served, cam(run, "/frames/3"))[0] == 410
    run.stop(missing=(2,), reason="the camera was busy")
    stopped(served, run)
    with pytest.raises(MissingFrameError, match="the camera was busy"):
        served.client.frame(run.uid, "cam", seq_num=3)
    good = served.client.frames(run.uid, "cam", start=2, stop=5)
    np.testing.assert_array_equal(good.data, [run.written[2], run.written[4]])
    assert list(good.seq_nums.indices()) == [2, 4]
    assert list(good.missing.indices()) == [3]
    assert served.client.valid(run.uid, "cam").tolist() == [True, True, False, True, True, True]
    assert served.client.structure(run.uid, "cam")["missing"] == [[3, 4]]


def test_absent_things_are_404(served, new_run):
    run = new_run(planned=2)
    run.put(1)
    committed(served, run, 1)
    paths = ("/frames/0", "/frames/3", "/frames/-1", "/rows/-1")
    assert {request(served, cam(run, path))[0] for path in paths} == {404}
    others = ("/runs/nobody", f"/runs/{run.uid}/streams/baseline/cam", f"/runs/{run.uid}/streams/primary/x", "/nowhere")
    for path in others:
        status, headers, body = request(served, path)
        assert (status, headers["Content-Type"]) == (404, "application/json")
        assert json.loads(body)["error"] == "AbsentError"
    run.put(1)
    run.stop()
    stopped(served, run)
    assert request(served, cam(run, "/rows/2"))[0] == 404
    with pytest.raises(AbsentError):
        served.client.frame(run.uid, "cam", seq_num=3)


@pytest.mark.parametrize("path", ["/frames/one", "/frames/1.0", "/rows/x", "/frames?start=a", "/frames/+1"])
def test_what_is_no_number_is_400(served, new_run, path):
    run = new_run()
    run.put(1)
    committed(served, run, 1)
    assert request(served, cam(run, path))[0] == 400


@pytest.mark.parametrize("query", ["start=0", "start=3&stop=2", "start=2&stop=2", "stop=9"])
def test_a_range_that_cannot_be_is_416(served, new_run, query):
    run = new_run(planned=4)
    run.put(4)
    run.stop()
    stopped(served, run)
    assert request(served, cam(run, f"/frames?{query}"))[0] == 416
    with pytest.raises(RangeError):
        served.client.frames(run.uid, "cam", start=0, stop=1)


@pytest.mark.parametrize("pipeline", ["raw", "shuffle_gzip", "fletcher32"])
def test_a_truncated_file_is_502_and_nothing_else_is_harmed(served, new_run, pipeline):
    good, bad = new_run(), new_run(pipeline=pipeline)
    for run in (good, bad):
        run.put(20)
        run.stop()
        stopped(served, run)
    assert request(served, cam(bad, "/frames/20"))[0] == 200
    os.truncate(bad.path, bad.path.stat().st_size // 2)
    for path in ("/frames/20", "/frames", "/rows/19"):
        status, _, body = request(served, cam(bad, path))
        assert status == 502
        assert str(bad.path) in json.loads(body)["detail"]
    with pytest.raises(UnreadableError):
        served.client.frame(bad.uid, "cam", seq_num=20)
    np.testing.assert_array_equal(served.client.frame(good.uid, "cam", seq_num=20), good.written[20])
    entry = served.client.ledger(bad.uid)["detectors"]["cam"]
    assert entry["indexed"] == 20
    assert entry["readable"] < 20
    assert not served.client.ledger(bad.uid)["agreed"]


def test_a_damaged_chunk_is_502(served, new_run):
    run = new_run(pipeline="gzip")
    run.put(2)
    offset = run.data.id.get_chunk_info_by_coord((1, 0, 0)).byte_offset
    run.stop()
    stopped(served, run)
    with run.path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\0" * 16)
    assert request(served, cam(run, "/frames/2"))[0] == 502
    assert request(served, cam(run, "/frames/1"))[0] == 200


def test_a_file_that_is_gone_is_502_and_200_when_it_is_back(served, new_run):
    run = new_run()
    run.put(2)
    run.stop()
    stopped(served, run)
    assert request(served, cam(run, "/frames/1"))[0] == 200
    aside = run.path.rename(run.path.with_suffix(".aside"))
    assert request(served, cam(run, "/frames/1"))[0] == 502
    aside.rename(run.path)
    assert request(served, cam(run, "/frames/1"))[0] == 200


def test_a_held_frame_is_304_without_its_file(served, new_run):
    run = new_run(pipeline="gzip")
    run.put(1)
    run.stop()
    stopped(served, run)
    _, headers, _ = request(served, cam(run, "/frames/1"))
    assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
    run.path.unlink()
    status, again, body = request(served, cam(run, "/frames/1"), If_None_Match=f'"other", {headers["ETag"]}')
    assert (status, body, again["ETag"]) == (304, b"", headers["ETag"])
    assert request(served, cam(run, "/frames/1"), If_None_Match='"other"')[0] == 502


def test_a_frame_is_not_immutable_while_it_can_be_redone_or_under_a_name_that_moves(served, new_run):
    run = new_run(planned=2)
    run.put(1)
    committed(served, run, 1)
    assert request(served, cam(run, "/frames/1"))[1]["Cache-Control"] == "no-cache"
    run.put(1)
    run.stop()
    stopped(served, run)
    assert request(served, "/runs/latest/streams/primary/cam/frames/1")[1]["Cache-Control"] == "no-cache"


def test_a_redone_frame_gives_its_newest_row_and_a_new_tag(served, new_run):
    run = new_run()
    first = run.put(3).copy()
    committed(served, run, 3)
    tag = request(served, cam(run, "/frames/2"))[1]["ETag"]
    run.put(2, first=2)
    served.until(lambda: served.client.structure(run.uid, "cam")["rows"] == 5)
    status, headers, body = request(served, cam(run, "/frames/2"), If_None_Match=tag)
    assert (status, body) == (200, run.written[2].tobytes())
    assert headers["ETag"] != tag
    np.testing.assert_array_equal(served.client.row(run.uid, "cam", row=1), first[1])
    np.testing.assert_array_equal(served.client.frames(run.uid, "cam").data, [run.written[n] for n in (1, 2, 3)])


def test_head_gives_the_head_of_get_and_no_body(served, new_run):
    run = new_run()
    run.put(3)
    committed(served, run, 3)
    for path in ("/", "/runs", cam(run), cam(run, "/frames/1"), cam(run, "/frames"), cam(run, "/valid")):
        status, headers, body = request(served, path, method="HEAD")
        get_status, get_headers, get_body = request(served, path)
        assert (status, body) == (get_status, b"")
        assert headers["Content-Length"] == get_headers["Content-Length"] == str(len(get_body))
    assert request(served, cam(run), method="DELETE")[0] == 405


def test_a_slice_larger_than_a_part_arrives_whole_with_its_length(served, new_run):
    run = new_run(shape=(256, 256), pipeline="bitshuffle_lz4")
    frames = run.put(30)
    committed(served, run, 30)
    _, headers, body = request(served, cam(run, "/frames"))
    assert int(headers["Content-Length"]) == len(body) == frames.nbytes > 3 << 20
    assert headers["X-Wingbeat-Shape"] == "30,256,256"
    assert body == frames.tobytes()


def test_many_clients_read_while_frames_arrive(served, new_run):
    run = new_run(planned=40, pipeline="shuffle_gzip", shape=(32, 32))

    def read(number):
        with DataClient(served.url) as client:
            wanted = range(1 + number % 4, 41, 4)
            return {n: client.frame(run.uid, "cam", seq_num=n, wait=10).copy() for n in wanted}

    run.put(1)
    committed(served, run, 1)
    with ThreadPoolExecutor(8) as pool:
        reading = [pool.submit(read, number) for number in range(8)]
        for _ in range(39):
            run.put(1)
        for reader in reading:
            for seq_num, frame in reader.result().items():
                np.testing.assert_array_equal(frame, run.written[seq_num])
    assert served.client.ledger(run.uid)["detectors"]["cam"]["readable"] == 40


def test_a_file_outside_the_roots_is_refused_also_behind_a_link(served, new_run, tmp_path_factory):
    run, linked = new_run(), new_run()
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for each in (run, linked):
        each.put(1)
        committed(served, each, 1)
        each.file.close()
    run.path.rename(elsewhere / "secret.h5")
    run.path.symlink_to(elsewhere / "secret.h5")
    assert request(served, cam(run, "/frames/1"))[0] == 403
    linked.path.rename(linked.path.with_suffix(".moved"))
    linked.path.symlink_to(linked.path.with_suffix(".moved"))
    assert request(served, cam(linked, "/frames/1"))[0] == 200


def test_another_name_in_the_host_header_is_421(served):
    assert request(served, "/runs", Host="evil.example:80")[0] == 421
    assert request(served, "/runs", Host=f"localhost:{served.port}")[0] == 200


def test_rows_of_which_nobody_knows_the_frame_are_not_served_as_frames(served, new_run):
    run = new_run(planned=9)
    run.put(3)
    run.put(2, verdict=Verdict.UNKNOWN)  # for frames 3 to 5, one of which is lost
    run.put(3, first=7)
    committed(served, run, 9)
    assert served.client.valid(run.uid, "cam").tolist() == [True] * 3 + [False] * 3 + [True] * 3
    for seq_num in (4, 5, 6):
        status, _, body = request(served, cam(run, f"/frames/{seq_num}"))
        assert status == 410, body
    assert b"unknown" in request(served, cam(run, "/frames/4"))[2]
    several = served.client.frames(run.uid, "cam", start=1, stop=10)
    assert list(several.missing.indices()) == [4, 5, 6]
    assert np.array_equal(served.client.row(run.uid, "cam", row=3), run.written[4])  # the row itself is there
    marks = [doc.get("verdict") for name, doc in served.client.documents(run.uid) if name == "stream_datum"]
    assert marks == [None, "unknown", None]
