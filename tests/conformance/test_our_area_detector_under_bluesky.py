"""bluesky's own RunEngine counts, scans and flies with our AreaDetector and with a detector of one's own."""

import asyncio
from itertools import pairwise

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import bluesky.preprocessors as bpp
import numpy as np
import pytest
from bluesky import protocols as theirs
from wingbeat.async_devices import StaticPathProvider
from wingbeat.async_devices.bench_axis import BenchAxis
from wingbeat.async_devices.bench_detector import BenchDetector
from wingbeat.async_devices.epics import AreaDetector
from wingbeat.async_devices.flight import TriggerInfo
from wingbeat.stream_resource.files import read_rows
from wingbeat.stream_resource.frames import FrameRange
from wingbeat.stream_resource.uris import path_of_uri

from tests.conformance.documents import Documents

pytestmark = pytest.mark.conformance


class FrameDocuments(Documents):
    """Reads the frames that the documents speak of, too."""

    def frames(self, key):
        (resource,) = [document for document in self.of("stream_resource") if document["data_key"] == key]
        datums = [document for document in self.of("stream_datum") if document["stream_resource"] == resource["uid"]]
        assert datums[0]["indices"]["start"] == 0
        assert all(a["indices"]["stop"] == b["indices"]["start"] for a, b in pairwise(datums))
        assert all(
            datum["seq_nums"]["stop"] - datum["seq_nums"]["start"]
            == datum["indices"]["stop"] - datum["indices"]["start"]
            for datum in datums
        )
        rows = FrameRange(0, datums[-1]["indices"]["stop"])
        return read_rows(path_of_uri(resource["uri"]), resource["parameters"]["dataset"], rows=rows)


class Counter(BenchDetector):
    taken = 0

    async def take_frame(self, exposure):
        await asyncio.sleep(0)
        self.taken += 1
        return np.full((3, 4), self.taken, np.uint16)


class Slide(BenchAxis):
    position = 0.0

    async def read_position(self):
        return self.position

    async def move(self, target):
        self.position = target

    async def halt(self):
        pass


def on_loop_of(engine, coroutine):
    return asyncio.run_coroutine_threadsafe(coroutine, engine.loop).result(timeout=30)


@pytest.fixture(params=["areaDetector", "bench"])
def detector(request, engine, tmp_path):
    paths = StaticPathProvider(tmp_path)
    if request.param == "bench":
        detector = Counter("det", path_provider=paths)
    else:
        beamline = request.getfixturevalue("simulated_beamline")
        detector = AreaDetector(f"{beamline.prefix}CAM:", path_provider=paths, protocol="pva", name="det")
    on_loop_of(engine, detector.connect())
    yield detector
    on_loop_of(engine, detector.stop())
    on_loop_of(engine, detector.disconnect())


def fly(detector, frames, kickoffs):
    """As bluesky's own plans fly a detector of ophyd-async."""

    @bpp.stage_decorator([detector])
    @bpp.run_decorator()
    def inner():
        yield from bps.prepare(detector, TriggerInfo(livetime=1e-3, frames=frames, kickoffs=kickoffs), wait=True)
        yield from bps.declare_stream(detector, name="primary", collect=True)
        for _ in range(kickoffs):
            yield from bps.kickoff(detector, wait=True)
            yield from bps.complete(detector, group="flown", wait=False)
            done = False
            while not done:
                done = yield from bps.wait(group="flown", timeout=0.1, error_on_timeout=False)
                done = True if done is None else done
                yield from bps.collect(detector, name="primary")

    return inner()


@pytest.mark.system
def test_the_protocols_of_a_flyer_hold(detector):
    for protocol in (
        theirs.Flyable,
        theirs.Preparable,
        theirs.Stageable,
        theirs.Triggerable,
        theirs.WritesStreamAssets,
        theirs.Collectable,
        theirs.HasHints,
    ):
        assert isinstance(detector, protocol), protocol
    assert isinstance(Slide("x"), theirs.Movable)
    assert isinstance(Slide("x"), theirs.Locatable)


@pytest.mark.system
def test_it_counts_and_scans_and_its_frames_can_be_read_back(engine, detector):
    counted, scanned, axis = FrameDocuments(), FrameDocuments(), Slide("x")
    engine(bp.count([detector], 3), counted)
    engine(bp.scan([detector], axis, 0, 1, 4), scanned)
    assert counted.frames("det").shape[0] == 3
    assert scanned.frames("det").shape[0] == 4
    assert scanned.frames("det-unique_id").tolist() == sorted(set(scanned.frames("det-unique_id").tolist()))
    assert [event["data"]["x"] for event in scanned.of("event")] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    shape = scanned.of("descriptor")[0]["data_keys"]["det"]["shape"]
    assert tuple(shape) == (1, *scanned.frames("det").shape[1:])
    for documents in (counted, scanned):
        assert documents.of("stop")[0]["exit_status"] == "success"


@pytest.mark.system
def test_it_flies_for_several_kickoffs_of_one_arming(engine, detector):
    documents = FrameDocuments()
    engine(fly(detector, 10, 3), documents)
    assert documents.of("stop")[0]["num_events"] == {"primary": 30}
    frames = documents.frames("det")
    assert frames.shape[0] == 30
    assert np.array_equal(np.diff(documents.frames("det-unique_id").astype(int)), np.ones(29, int))
