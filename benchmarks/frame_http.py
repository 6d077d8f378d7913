"""One 512² u16 frame by HTTP, single requests, until it is an array in the client: raw, bitshuffle-LZ4, gzip.

Both servers are processes of their own and read the same file; both clients are `http.client` on one kept-alive
connection. Ours sends the stored chunk and the client decodes it within the measured time; tiled decodes in the server.
Tiled serves the files from adapters in memory (`MapAdapter`), its faster way: its catalogue costs 1.6 times that.
Both are warm: tiled's first request to a file takes ten times as long as its thirtieth.
"""

import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np

from .bench import SEED, SideResult, Which, data_directory, digest_of

NAME = "frame_http"
PEER = "tiled, same HTTP client"
CASES = ("raw", "bitshuffle-LZ4", "gzip")
GOAL = 15.0
UNIT = "ms/frame"
SCALE = 1e3
PACKAGES = ("tiled", "h5py", "imagecodecs", "uvicorn")

FRAMES = 256
SHAPE = (512, 512)
REQUESTS = {"ours": 400, "peer": 40}
WARM_UP = 30
CHECKED = 10
Fetch = Callable[[str, int], np.ndarray]
"""Gives a frame of a case."""


def prepare(directory: Path) -> None:
    """Write one HDF5 file per case with the same frames, one chunk each."""
    import h5py
    import hdf5plugin

    filters = {"raw": {}, "bitshuffle-LZ4": hdf5plugin.Bitshuffle(cname="lz4"), "gzip": {"compression": "gzip"}}
    frames = np.random.default_rng(SEED).poisson(12, (FRAMES, *SHAPE)).astype("<u2")
    for case, options in filters.items():
        path = _file(directory, case)
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path.with_suffix(".part"), "w", libver="latest") as file:
            file.create_dataset("data", data=frames, chunks=(1, *SHAPE), **options)
        path.with_suffix(".part").rename(path)


def _file(directory: Path, case: str) -> Path:
    return directory / NAME / f"{case}.h5"


def side(which: Which) -> dict[str, SideResult]:
    """Fetch frames of each file one after the other; one server has all files."""
    with (_ours if which == "ours" else _tiled)() as fetch:
        return {case: _timed(partial(fetch, case), count=REQUESTS[which]) for case in CASES}


def _timed(fetch: Callable[[int], np.ndarray], *, count: int) -> SideResult:
    for i in range(WARM_UP):
        fetch(i % FRAMES)
    start = time.perf_counter()
    for i in range(count):
        fetch(i % FRAMES)
    elapsed = time.perf_counter() - start
    return SideResult(seconds=elapsed / count, digest=digest_of(*(np.asarray(fetch(i)) for i in range(CHECKED))))


@contextmanager
def _ours() -> Iterator[Fetch]:
    from wingbeat.data_api import DataClient

    with tempfile.TemporaryDirectory() as directory:
        _write_journal(Path(directory))
        command = [sys.executable, "-m", "wingbeat.data_api", directory, "--port", "0", "--print-ready"]
        command += ["--readable-root", str(data_directory())]
        with (
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server,
            _ended(server),
            DataClient(json.loads(server.stdout.readline())["url"]) as client,
        ):
            while len(client.runs()) < len(CASES) or any(client.run(case)["stop"] is None for case in CASES):
                time.sleep(0.01)
            yield lambda case, i: client.frame(case, "cam", seq_num=i + 1)


def _write_journal(directory: Path) -> None:
    """The journal of a run per case, called after it."""
    import orjson
    from wingbeat.stream_resource.journal import MAGIC, JournalRecord, encode_record, segment_name

    documents = [document for case in CASES for document in _run(case)]
    records = [encode_record(JournalRecord(i, name, orjson.dumps(doc))) for i, (name, doc) in enumerate(documents)]
    (directory / "journal").mkdir()
    (directory / "journal" / segment_name(0)).write_bytes(MAGIC + b"".join(records))


def _run(case: str) -> list[tuple[str, dict[str, Any]]]:
    from wingbeat.stream_resource import FrameRange, StreamComposer

    composer = StreamComposer()
    uri = f"file://localhost{_file(data_directory(), case)}"
    key = {"source": "file", "dtype": "array", "shape": [1, *SHAPE], "dtype_numpy": "<u2", "external": "STREAM:"}
    names = {"name": "primary", "data_keys": {"cam": key}, "object_keys": {"cam": ["cam"]}}
    resource = composer.resource("cam", uri=uri, dataset="/data", chunk_shape=(1, *SHAPE))
    rows = composer.datum("cam", rows=FrameRange(0, FRAMES), seq_nums=FrameRange(1, FRAMES + 1))
    stop = {"run_start": case, "time": 0.0, "exit_status": "success", "num_events": {}}
    return [
        ("start", {"uid": case, "time": 0.0}),
        ("descriptor", {"uid": f"{case}-d", "run_start": case, "time": 0.0, "configuration": {}, "hints": {}} | names),
        ("stream_resource", dict(resource) | {"run_start": case}),
        ("stream_datum", dict(rows) | {"descriptor": f"{case}-d"}),
        ("stop", {"uid": f"{case}-s"} | stop),
    ]


@contextmanager
def _tiled() -> Iterator[Fetch]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    code = f"from benchmarks.frame_http import serve_tiled; serve_tiled({port})"
    with (
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as server,
        _ended(server),
    ):
        connection = _when_ready(port, server)
        headers = {"Accept": "application/octet-stream"}

        def fetch(case: str, i: int) -> np.ndarray:
            connection.request("GET", f"/api/v1/array/full/{case}/data?slice={i}", headers=headers)
            reply = connection.getresponse()
            body = reply.read()
            assert reply.status == 200, body[:300]
            return np.frombuffer(body, "<u2").reshape(SHAPE)

        yield fetch
        connection.close()


def _when_ready(port: int, server: subprocess.Popen[bytes]) -> HTTPConnection:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    while server.poll() is None:
        try:
            connection.connect()
        except ConnectionRefusedError:
            time.sleep(0.02)
            continue
        return connection
    msg = f"tiled ended with status {server.returncode} before it served"
    raise ChildProcessError(msg)


@contextmanager
def _ended(server: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        server.terminate()


def serve_tiled(port: int) -> None:
    """Serve the HDF5 files with tiled, as its own command line would; runs in the server's process."""
    import uvicorn
    from tiled.adapters.hdf5 import HDF5Adapter
    from tiled.adapters.mapping import MapAdapter
    from tiled.config import Authentication
    from tiled.server.app import build_app

    files = {case: f"file://localhost{_file(data_directory(), case)}" for case in CASES}
    tree = MapAdapter({case: HDF5Adapter.from_uris(uri) for case, uri in files.items()})
    app = build_app(tree, authentication=Authentication(allow_anonymous_access=True))
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error")
