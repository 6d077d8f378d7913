"""The server as a process: it starts, is refused, starts again where it was, and leaves nothing behind."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
from wingbeat.data_api.client import DataClient
from wingbeat.data_api.errors import AbsentError, RequestError
from wingbeat.stream_resource import FrameRange

pytestmark = pytest.mark.system


def run_here(*arguments, stdin=subprocess.DEVNULL):
    command = [sys.executable, "-m", "wingbeat.data_api", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, stdin=stdin, timeout=20, check=False)


def wait_for_stop(served, uid):
    def stopped():
        try:
            return served.client.run(uid)["stop"]
        except AbsentError:
            return None

    return served.until(stopped)


def test_a_restart_goes_on_at_the_cursor_and_doubles_nothing(tmp_path, own_directory, start_server):
    _, new_run = own_directory
    run = new_run(planned=6)
    run.put(3)
    with start_server(tmp_path) as first:
        first.until(lambda: first.client.get("/readyz").status == 200 and first.client.runs())
        first.until(lambda: first.client.structure(run.uid, "cam")["committed"] == 3)
        seen = first.client.documents(run.uid)
    run.put(3)
    run.stop()
    with start_server(tmp_path) as second:
        wait_for_stop(second, run.uid)
        assert second.client.documents(run.uid)[: len(seen)] == seen
        names = [name for name, _ in second.client.documents(run.uid)]
        assert names == ["start", "descriptor", "stream_resource", "stream_datum", "stream_datum", "stop"]
        assert json.loads(second.client.get("/readyz").body)["journal"]["records"] == 2
        assert second.client.ledger(run.uid)["agreed"]
        np.testing.assert_array_equal(second.client.frame(run.uid, "cam", seq_num=6), run.written[6])


def test_a_server_killed_in_mid_journal_loses_nothing(tmp_path, own_directory, start_server):
    _, new_run = own_directory
    run = new_run(planned=300)
    with start_server(tmp_path) as first:
        for _ in range(150):
            run.put(1)
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
    for _ in range(150):
        run.put(1)
    run.stop()
    with start_server(tmp_path) as second:
        wait_for_stop(second, run.uid)
        ledger = second.client.ledger(run.uid)
        assert (ledger["detectors"]["cam"]["indexed"], ledger["agreed"]) == (300, True)
        assert len(second.client.documents(run.uid)) == 304


def test_a_torn_record_waits_for_its_rest_and_segments_roll_over(tmp_path, own_directory, start_server):
    journal, new_run = own_directory
    with start_server(tmp_path) as served:
        run = new_run(planned=3)
        run.put(1)
        journal.roll()
        run.put(1)
        run.put(1, announce=False)
        datum = run.composer.datum("cam", rows=FrameRange(2, 3), seq_nums=FrameRange(3, 4))
        record = journal.record("stream_datum", dict(datum) | {"descriptor": run.descriptor})
        journal.write(record[:30])
        served.until(lambda: served.client.runs())
        served.until(lambda: served.client.structure(run.uid, "cam")["committed"] == 2)
        assert served.client.get("/readyz").status == 200
        journal.write(record[30:])
        served.until(lambda: served.client.structure(run.uid, "cam")["committed"] == 3)


def test_a_readable_root_lets_its_files_be_served(tmp_path, own_directory, start_server, tmp_path_factory):
    _, new_run = own_directory
    run = new_run()
    run.put(1)
    run.stop()
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    run.path.rename(elsewhere / "run.h5")
    run.path.symlink_to(elsewhere / "run.h5")
    with start_server(tmp_path, "--readable-root", str(elsewhere)) as served:
        wait_for_stop(served, run.uid)
        np.testing.assert_array_equal(served.client.frame(run.uid, "cam", seq_num=1), run.written[1])


def test_documents_by_http_are_taken_once_and_foreign_ones_refused(
    tmp_path, own_directory, start_server, tmp_path_factory
):
    _, new_run = own_directory
    run = new_run(planned=2)
    run.put(2)
    run.stop()
    other = tmp_path_factory.mktemp("other")
    with start_server(tmp_path) as source, start_server(other, "--readable-root", str(tmp_path)) as target:
        wait_for_stop(source, run.uid)
        lines = source.client.get(f"/runs/{run.uid}/documents").body
        for _ in range(2):
            status, reply = post(target, lines)
            assert (status, reply) == (200, {"taken": 5, "refused": []})
        assert target.client.documents(run.uid) == source.client.documents(run.uid)
        np.testing.assert_array_equal(target.client.frames(run.uid, "cam").data, list(run.written.values()))
        assert target.client.ledger(run.uid)["agreed"]

        foreign = b'{"name":"event","doc":{"uid":"e","descriptor":"nobody"}}\n'
        status, reply = post(target, foreign)
        assert status == 400
        assert "nobody" in reply["refused"][0]
        for bad in (b"{", b"[]\n", b'{"name":"nonsense","doc":{}}', b'{"name":"start","doc":{}}'):
            status, reply = post(target, bad)
            assert (status, reply["error"]) == (400, "RequestError")
        assert post(target, lines, kind="text/plain")[0] == 415


def post(served, body, kind="application/x-ndjson"):
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    connection.request("POST", "/documents", body=body, headers={"Content-Type": kind})
    reply = connection.getresponse()
    answer = reply.status, json.loads(reply.read())
    connection.close()
    return answer


def test_runs_are_paged_and_named_by_prefix(tmp_path, own_directory, start_server):
    journal, _ = own_directory
    uids = [f"{'same' if i < 2 else 'uid'}-{i:04d}" for i in range(7)]
    for i, uid in enumerate(uids):
        journal.append("start", {"uid": uid, "time": 1000.0 + i // 2, "scan_id": i, "plan_name": "count"})
    with start_server(tmp_path) as served:
        served.until(lambda: len(served.client.runs()) == 7)
        pages, before = [], None
        while page := served.client.runs(limit=3, before=before):
            pages.append([run["uid"] for run in page])
            before = page[-1]["uid"]
        assert [len(page) for page in pages] == [3, 3, 1]
        assert [uid for page in pages for uid in page] == uids[::-1]
        assert served.client.run("latest")["uid"] == uids[-1]
        assert served.client.run("uid-0003")["uid"] == "uid-0003"
        assert served.client.run("same-0000")["uid"] == served.client.run("same-0000"[:9])["uid"]
        with pytest.raises(RequestError, match="same-0001"):
            served.client.run("same")
        with pytest.raises(AbsentError):
            served.client.run("%")


def test_a_corrupt_journal_is_told_and_what_precedes_is_served(tmp_path, own_directory, start_server):
    journal, new_run = own_directory
    run = new_run()
    run.put(2)
    whole = journal.segment.stat().st_size
    run.put(1)
    run.put(1)
    with journal.segment.open("r+b") as file:
        file.seek(whole + 4)
        file.write(b"\xff\xff")
    with start_server(tmp_path) as served:
        served.until(lambda: served.client.get("/readyz").status == 503)
        assert served.client.get("/healthz").status == 200
        assert served.client.structure(run.uid, "cam")["committed"] == 2
        np.testing.assert_array_equal(served.client.frame(run.uid, "cam", seq_num=2), run.written[2])


def test_a_taken_port_is_one_clear_line_and_status_3(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run_here(tmp_path, "--port", taken.getsockname()[1])
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1
    assert "cannot listen" in done.stderr


def test_a_missing_directory_is_one_clear_line_and_status_3(tmp_path):
    done = run_here(tmp_path / "nowhere", "--port", "0")
    assert (done.returncode, len(done.stderr.splitlines())) == (3, 1)
    assert "nowhere" in done.stderr
    assert not (tmp_path / "nowhere").exists()


def test_a_catalogue_that_is_none_is_one_clear_line_and_status_3(tmp_path):
    (tmp_path / "catalog.sqlite").write_bytes(b"this is not a database, and it is long enough to be looked at" * 20)
    done = run_here(tmp_path, "--port", "0")
    assert (done.returncode, len(done.stderr.splitlines())) == (3, 1)
    assert "catalogue" in done.stderr


def test_a_second_server_of_one_directory_is_refused(tmp_path, own_directory, start_server):
    with start_server(tmp_path) as served:
        done = run_here(tmp_path, "--port", "0")
        assert done.returncode == 3
        assert f"process {served.process.pid}" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_status_0(tmp_path, start_server, number):
    with start_server(tmp_path, "--stay") as served:
        served.client.get("/healthz")  # a kept-alive connection must not hold it up
        served.process.send_signal(number)
        assert served.process.wait(5) == 0
        assert served.process.stderr.read() == ""


def test_the_end_of_standard_input_ends_it_unless_it_stays(tmp_path, start_server):
    with start_server(tmp_path) as served:
        served.process.stdin.close()
        assert served.process.wait(5) == 0
    with start_server(tmp_path, "--stay") as served:
        served.process.stdin.close()
        with DataClient(served.url) as client:
            assert client.get("/healthz").status == 200
        os.kill(served.process.pid, signal.SIGTERM)
        assert served.process.wait(5) == 0
