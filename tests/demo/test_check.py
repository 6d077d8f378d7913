"""The comparison must be able to fail: served bytes, recorded positions and gaps are each made wrong on purpose."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from scanspec.specs import Fly, Linspace
from wingbeat.data_api.client import Frames
from wingbeat.demo.check import Column, compare
from wingbeat.demo.live import LiveReader
from wingbeat.engine import Run
from wingbeat.flyscan import compile as compile_spec
from wingbeat.stream_resource import FrameRange, RangeSet
from wingbeat.stream_resource.composer import StreamComposer

N, STEP = 12, 0.01
SCALE = 1e-4
CAMERA = np.arange(N * 6, dtype=np.uint16).reshape(N, 2, 3)


class Served:
    """What the data API would answer."""

    def __init__(self, images: np.ndarray, frames: RangeSet):
        self.images, self.there = images, frames

    def frames(self, uid: str, key: str, *, start: int, stop: int) -> Frames:
        wanted = RangeSet([FrameRange(start, stop)])
        there = self.there & wanted
        data = self.images[[n - 1 for n in there.indices()]]
        return Frames(data=data, seq_nums=there, missing=wanted - there)


def run_of(path: Path, positions: np.ndarray, *, lost: int | None = None) -> Run:
    """A run of one line; the camera lost one frame, the trigger box none."""
    kept = [frame for frame in range(N) if frame != lost]
    with h5py.File(path, "w") as file:
        file["cam"] = h5py.Empty("f4") if not kept else CAMERA[kept]
        file["x"] = positions
    run, composer = Run("run"), StreamComposer()
    image = {"source": "sim", "dtype": "array", "shape": [1, 2, 3], "dtype_numpy": "<u2", "external": "STREAM:"}
    number = {"source": "sim", "dtype": "number", "shape": [1], "dtype_numpy": "<f8", "external": "STREAM:"}
    run.index.apply("start", {"uid": "run", "time": 0.0})
    descriptor = {
        "uid": "d",
        "run_start": "run",
        "name": "primary",
        "time": 0.0,
        "object_keys": {},
        "configuration": {},
    }
    run.index.apply("descriptor", descriptor | {"hints": {}, "data_keys": {"cam": image, "x": number}})
    for key, chunk in (("cam", (1, 2, 3)), ("x", (1,))):
        doc = composer.resource(key, uri=f"file://localhost{path}", dataset=key, chunk_shape=chunk)
        run.index.apply("stream_resource", doc | {"run_start": "run"})
    for key, frames in (("cam", kept), ("x", list(range(N)))):
        for row, frame in enumerate(frames):
            datum = composer.datum(key, rows=FrameRange(row, row + 1), seq_nums=FrameRange(frame + 1, frame + 2))
            run.index.apply("stream_datum", datum | {"descriptor": "d"})
    run.index.apply("stop", {"uid": "s", "run_start": "run", "time": 1.0, "exit_status": "success"})
    return run


@pytest.fixture
def scan():
    return compile_spec(Fly(1e-3 @ Linspace("x", 0.0, (N - 1) * STEP, N)))


def judge(run: Run, scan, *, images=CAMERA, served=range(N), live=None):
    client = Served(images, RangeSet.of_indices(frame + 1 for frame in served))
    reader = LiveReader("", lambda: "run", "cam", live or {})
    return compare(client, run, scan, live=reader, columns={"x": Column("x", SCALE)})


def test_what_is_right_is_found_right(tmp_path: Path, scan):
    findings = judge(run_of(tmp_path / "f.h5", np.arange(N) * STEP), scan, live={3: CAMERA[3]})
    assert findings.ok
    assert (findings.read, findings.live_read) == (N, 1)
    assert findings.worst["x"] == pytest.approx(0.0, abs=1e-12)


def test_one_wrong_byte_is_found(tmp_path: Path, scan):
    images = CAMERA.copy()
    images[7, 1, 2] ^= 1
    findings = judge(run_of(tmp_path / "f.h5", np.arange(N) * STEP), scan, images=images, live={7: images[7]})
    assert (findings.differ, findings.live_differ, findings.ok) == ((7,), (7,), False)


def test_frames_served_one_place_off_are_found(tmp_path: Path, scan):
    findings = judge(run_of(tmp_path / "f.h5", np.arange(N) * STEP), scan, images=np.roll(CAMERA, 1, axis=0))
    assert findings.differ == tuple(range(N))


def test_a_frame_that_is_in_the_file_and_not_served_is_found(tmp_path: Path, scan):
    findings = judge(run_of(tmp_path / "f.h5", np.arange(N) * STEP), scan, served=[f for f in range(N) if f != 4])
    assert not findings.ok


def test_a_frame_that_neither_has_is_no_difference(tmp_path: Path, scan):
    run = run_of(tmp_path / "f.h5", np.arange(N) * STEP, lost=4)
    findings = judge(run, scan, served=[f for f in range(N) if f != 4])
    assert findings.ok
    assert findings.read == N - 1


@pytest.mark.parametrize("frame", [0, 5, N - 1])
def test_a_position_a_fifth_of_a_frame_away_is_found(tmp_path: Path, scan, frame: int):
    positions = np.arange(N) * STEP
    positions[frame] += 0.1 * STEP
    assert (
        judge(run_of(tmp_path / "f.h5", positions), scan).astray == ()
    )  # a tenth of a frame and two counts are allowed
    positions[frame] += 0.1 * STEP
    assert judge(run_of(tmp_path / "g.h5", positions), scan).astray == (frame,)


def test_a_whole_line_one_frame_off_is_found(tmp_path: Path, scan):
    assert judge(run_of(tmp_path / "f.h5", (np.arange(N) + 1) * STEP), scan).astray == tuple(range(N))
