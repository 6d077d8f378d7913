"""A writer of runs (journal and HDF5, as an engine and a detector would) and a real server in a subprocess."""

import json
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager

import h5py
import hdf5plugin
import numpy as np
import orjson
import pytest
from wingbeat.data_api.client import DataClient
from wingbeat.stream_resource import FrameRange, StreamComposer, Verdict, Verdicts
from wingbeat.stream_resource.journal import MAGIC, JournalRecord, encode_record, segment_name

PIPELINES = {
    "raw": {},
    "gzip": {"compression": "gzip", "compression_opts": 4},
    "shuffle_gzip": {"compression": "gzip", "shuffle": True},
    "bitshuffle_lz4": hdf5plugin.Bitshuffle(cname="lz4"),
    "bitshuffle_zstd": hdf5plugin.Bitshuffle(cname="zstd"),
    "lz4": hdf5plugin.LZ4(),
    "zstd": hdf5plugin.Zstd(),
    "blosc": hdf5plugin.Blosc(cname="lz4"),
    "fletcher32": {"fletcher32": True, "compression": "gzip"},
}


class JournalWriter:
    """Appends records to the journal of a data directory."""

    def __init__(self, directory):
        self.directory = directory / "journal"
        self.directory.mkdir(parents=True, exist_ok=True)
        self.sequence = 0
        self.roll()

    def roll(self):
        self.segment = self.directory / segment_name(self.sequence)
        self.segment.write_bytes(MAGIC)

    def append(self, name, doc):
        self.write(self.record(name, doc))

    def record(self, name, doc):
        record = encode_record(JournalRecord(self.sequence, name, orjson.dumps(doc)))
        self.sequence += 1
        return record

    def write(self, data):
        with self.segment.open("ab") as file:
            file.write(data)


class RunWriter:
    """One run with one camera: writes frames to a SWMR file and announces them in a journal."""

    def __init__(
        self, directory, journal, *, shape=(12, 10), rows_per_chunk=1, planned=None, pipeline="raw", dtype="<u2"
    ):
        self.journal = journal
        self.uid = str(uuid.uuid4())
        self.path = directory / f"{self.uid[:8]}.h5"
        self.planned = planned
        self.rows = 0
        self.seed = np.random.default_rng(7)
        self.written = {}
        self.composer = StreamComposer()
        self.file = h5py.File(self.path, "w", libver="latest")
        self.data = self.file.create_dataset(
            "entry/data",
            shape=(0, *shape),
            maxshape=(None, *shape),
            chunks=(rows_per_chunk, *shape),
            dtype=dtype,
            **PIPELINES[pipeline],
        )
        self.file.swmr_mode = True
        self.descriptor = str(uuid.uuid4())
        start = {"uid": self.uid, "time": time.time(), "scan_id": 1, "plan_name": "fly_scan"}
        journal.append("start", start | ({"num_points": planned} if planned else {}))
        journal.append("descriptor", self._descriptor(shape, dtype))
        uri = f"file://localhost{self.path}"
        resource = self.composer.resource("cam", uri=uri, dataset="/entry/data", chunk_shape=(rows_per_chunk, *shape))
        self.resource = dict(resource) | {"run_start": self.uid}
        journal.append("stream_resource", self.resource)

    def _descriptor(self, shape, dtype):
        key = {"source": "sim", "dtype": "array", "shape": [1, *shape], "dtype_numpy": dtype, "external": "STREAM:"}
        return {
            "uid": self.descriptor,
            "run_start": self.uid,
            "time": time.time(),
            "name": "primary",
            "data_keys": {"cam": key},
            "object_keys": {"cam": ["cam"]},
            "configuration": {},
            "hints": {},
        }

    def put(self, count, *, first=None, announce=True, verdict=Verdict.GOOD):
        """Write `count` frames to the file; announce them as the seq_nums from `first` on."""
        rows = FrameRange(self.rows, self.rows + count)
        first = rows.start + 1 if first is None else first
        frames = self.seed.poisson(20, (count, *self.data.shape[1:])).astype(self.data.dtype)
        self.data.resize(rows.stop, axis=0)
        self.data[rows.start : rows.stop] = frames
        self.data.flush()
        self.rows = rows.stop
        self.written |= {first + i: frame for i, frame in enumerate(frames)}
        if announce:
            self.announce(rows, first, verdict=verdict)
        return frames

    def announce(self, rows, first, *, verdict=Verdict.GOOD):
        datum = self.composer.datum("cam", rows=rows, seq_nums=FrameRange(first, first + rows.size), verdict=verdict)
        self.journal.append("stream_datum", dict(datum) | {"descriptor": self.descriptor})

    def stop(self, *, missing=(), reason="trigger lost", exit_status="success"):
        self.file.close()
        stop = {"uid": str(uuid.uuid4()), "run_start": self.uid, "time": time.time(), "exit_status": exit_status}
        stop |= {"reason": "", "num_events": {"primary": self.rows}}
        if self.planned:
            verdicts = Verdicts(self.planned)
            for frame in range(self.planned):
                lost = frame in missing
                verdicts.put(
                    FrameRange(frame, frame + 1),
                    Verdict.MISSING if lost else Verdict.GOOD,
                    reason=reason if lost else "",
                )
            entry = {"planned": self.planned, "triggered": self.planned - len(missing), "exposed": None}
            entry |= {"written": self.rows, "missing": len(missing), "identity": "hardware_time"}
            stop["frames"] = {"cam": entry | {"verdicts": verdicts.to_document()}}
        self.journal.append("stop", stop)


class Served:
    """A running server and a client of it."""

    def __init__(self, process, url):
        self.process = process
        self.url = url
        self.port = int(url.rpartition(":")[2])
        self.client = DataClient(url, timeout=10)

    def until(self, question, seconds=5.0):
        """Ask until the answer is true; the answer."""
        deadline = time.monotonic() + seconds
        while not (answer := question()):
            assert time.monotonic() < deadline, "the server did not come so far"
            time.sleep(0.01)
        return answer


@contextmanager
def running(directory, *options):
    command = [sys.executable, "-m", "wingbeat.data_api", str(directory), "--port", "0", "--print-ready", *options]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            served = Served(process, json.loads(line)["url"])
            yield served
            served.client.close()
        finally:
            process.stdin.close()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def journal(data_dir):
    return JournalWriter(data_dir)


@pytest.fixture(scope="module")
def served(data_dir, journal):
    """One server for a module's tests, started before anything is in the journal; each test has runs of its own."""
    with running(data_dir) as server:
        yield server


@pytest.fixture
def new_run(data_dir, journal):
    """Start a run in the data directory; files still open at the end of the test are closed."""
    started = []

    def start(**settings):
        started.append(RunWriter(data_dir, journal, **settings))
        return started[-1]

    yield start
    for run in started:
        run.file.close()


@pytest.fixture
def own_directory(tmp_path):
    """A data directory of the test's own: its journal writer and a maker of runs in it."""
    journal = JournalWriter(tmp_path)
    started = []

    def start(**settings):
        started.append(RunWriter(tmp_path, journal, **settings))
        return started[-1]

    yield journal, start
    for run in started:
        run.file.close()


@pytest.fixture
def start_server():
    return running
