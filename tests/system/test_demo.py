"""The demonstration as a newcomer runs it, judged by code that shares nothing with ours: h5py and plain arithmetic."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest
from event_model import DocumentNames, schema_validators

from tests.system.independent import journal_documents, written_rows

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(240)]

LINES, POINTS = 4, 50
PLANNED = LINES * POINTS


MARK = "WINGBEAT_DEMO_UNDER_TEST"


def command(directory: Path, *arguments: str) -> list[str]:
    raster = ["--lines", str(LINES), "--points", str(POINTS)]
    return [sys.executable, "-m", "wingbeat", "demo", "--data", str(directory), *raster, *arguments]


def run_demo(directory: Path, *arguments: str, timeout: float = 150) -> subprocess.CompletedProcess[str]:
    given = command(directory, "--once", *arguments)
    return subprocess.run(given, capture_output=True, text=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL)


@contextmanager
def staying_demo(directory: Path, *arguments: str):
    """A demo that serves on; yields it and the lines it says."""
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command(directory, *arguments), **output) as demo:
        assert demo.stdout is not None
        try:
            yield demo, demo.stdout
        finally:
            demo.send_signal(signal.SIGINT)
            demo.communicate(timeout=30)


def read_until(lines, beginning: str) -> str:
    said = []
    for line in lines:
        said.append(line)
        if line.startswith(beginning):
            return line
    pytest.fail("".join(said))


def marked_processes(mark: str) -> list[str]:
    """Command lines of the processes that descend from a demo with this mark, wherever they hang in the tree."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if f"{MARK}={mark}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except (OSError, ValueError):
            continue  # ended meanwhile, or no process
    return [line for line in found if "wingbeat" in line]


@pytest.fixture
def nobody_left(monkeypatch: pytest.MonkeyPatch):
    mark = uuid.uuid4().hex
    monkeypatch.setenv(MARK, mark)
    yield
    deadline = time.monotonic() + 15
    while left := marked_processes(mark):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


@pytest.mark.usefixtures("nobody_left")
def test_a_clean_flight_agrees_everywhere_and_says_missing_0(tmp_path: Path):
    done = run_demo(tmp_path / "data", "--json", str(tmp_path / "report.json"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip().splitlines()[-1] == "missing: 0"

    report = json.loads((tmp_path / "report.json").read_text())
    camera = report["detectors"]["cam"]
    counts = [camera[name] for name in ("planned", "triggered", "written", "indexed", "readable")]
    assert counts == [PLANNED] * 5
    ids, times, triggers = written_rows(report)
    assert len(ids) == PLANNED
    assert (np.diff(ids) == 1).all()
    assert (np.diff(times) > 0).all()
    assert triggers.tolist() == list(range(1, PLANNED + 1))

    check_documents(report)


def check_documents(report: dict) -> None:
    """The journal alone tells the run: valid documents in order, every row of every file covered once."""
    (segment,) = map(Path, report["journal"])
    documents = journal_documents(segment)
    for name, doc in documents:
        schema_validators[DocumentNames[name]].validate(doc)
    names = [name for name, _ in documents]
    assert (names[0], names[1], names[-1]) == ("start", "descriptor", "stop")
    assert set(names[2:-1]) == {"stream_resource", "stream_datum"}

    resources = {doc["uid"]: doc["data_key"] for name, doc in documents if name == "stream_resource"}
    assert sorted(resources.values()) == sorted(report["files"])
    for uid in resources:
        datums = [doc for name, doc in documents if name == "stream_datum" and doc["stream_resource"] == uid]
        for axis, first in (("indices", 0), ("seq_nums", 1)):
            numbers = [n for doc in datums for n in range(doc[axis]["start"], doc[axis]["stop"])]
            assert numbers == list(range(first, first + PLANNED))


@pytest.mark.usefixtures("nobody_left")
@pytest.mark.parametrize("seed", [3, 11])
def test_faults_are_named_exactly_and_the_status_is_their_own(tmp_path: Path, seed: int):
    done = run_demo(tmp_path / "data", "--faults", "--seed", str(seed), "--json", str(tmp_path / "report.json"))
    assert done.returncode == 3, done.stdout + done.stderr

    report = json.loads((tmp_path / "report.json").read_text())
    _, _, triggers = written_rows(report)
    truly_missing = sorted(set(range(PLANNED)) - set((triggers - 1).tolist()))
    assert len(truly_missing) == 3
    assert report["missing"]["frames"] == truly_missing
    named = ", ".join(map(str, truly_missing))
    assert done.stdout.strip().splitlines()[-1] == f"missing: 3 (frames {named})"


@pytest.mark.usefixtures("nobody_left")
def test_a_second_demo_beside_the_first_is_refused_by_name(tmp_path: Path):
    with staying_demo(tmp_path / "data") as (first, lines):
        assert read_until(lines, "missing:") == "missing: 0\n"
        second = complaint(run_demo(tmp_path / "data"))
        assert "held by another engine" in second
        assert str(first.pid) in second
    assert first.returncode == 0


@pytest.mark.usefixtures("nobody_left")
def test_while_it_stays_up_the_frames_are_served(tmp_path: Path):
    with staying_demo(tmp_path / "data", "--json", str(tmp_path / "report.json")) as (_, lines):
        read_until(lines, "missing:")
        report = json.loads((tmp_path / "report.json").read_text())
        url = f"{report['url']}/runs/{report['run']}/streams/primary/cam/frames/7"
        with urllib.request.urlopen(url, timeout=10) as reply:
            frame = np.frombuffer(reply.read(), dtype=reply.headers["X-Wingbeat-Dtype"])
        with h5py.File(report["files"]["cam"][0], "r", locking=False) as file:
            assert (file["/entry/data/data"][6].ravel() == frame).all()


@pytest.mark.usefixtures("nobody_left")
def test_a_demo_that_is_killed_leaves_no_process(tmp_path: Path):
    with staying_demo(tmp_path / "data") as (demo, lines):
        read_until(lines, "data API at http://127.0.0.1")
        assert len(marked_processes(os.environ[MARK])) > 2
        demo.kill()


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode not in (0, 3), done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.usefixtures("nobody_left")
def test_a_port_that_is_taken_is_named(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert str(port) in complaint(run_demo(tmp_path / "data", "--port", str(port)))


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    assert str(tmp_path / "file" / "data") in complaint(run_demo(tmp_path / "file" / "data"))


def test_a_disk_without_room_is_refused_before_anything_moves(tmp_path: Path):
    said = complaint(run_demo(tmp_path / "data", "--lines", "200", "--points", "2000", "--size", "2048"))
    assert "free" in said


@pytest.mark.usefixtures("nobody_left")
def test_a_spec_outside_the_travel_is_refused_with_the_limit(tmp_path: Path):
    said = complaint(run_demo(tmp_path / "data", "--points", "5000"))
    assert "limit" in said
    assert "40" in said


WRONG_PREFIX = """
import sys
from contextlib import asynccontextmanager
from wingbeat.demo import beamline

true_child = beamline.child_server

@asynccontextmanager
async def elsewhere(*arguments, **more):
    async with true_child(*arguments, **more) as ready:
        yield ready | {"prefix": "NOWHERE:"}

beamline.child_server = elsewhere
from wingbeat.cli import main
sys.argv = ["wingbeat", "demo", "--once", "--data", sys.argv[1]]
main()
"""


@pytest.mark.usefixtures("nobody_left")
def test_pvs_that_never_connect_are_named_as_a_tree(tmp_path: Path):
    command = [sys.executable, "-c", WRONG_PREFIX, str(tmp_path / "data")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL)
    said = complaint(done)
    for part in ("did not connect", "NOWHERE:X.VAL", "NOWHERE:PANDA:PVI", "expected", "EPICS_CA_"):
        assert part in said


def test_the_module_runs_as_the_command_does():
    environment = {**os.environ, "COLUMNS": "120"}
    done = subprocess.run(
        [sys.executable, "-m", "wingbeat", "--help"], capture_output=True, text=True, env=environment, check=True
    )
    for command in ("demo", "sim", "serve", "doctor"):
        assert command in done.stdout
