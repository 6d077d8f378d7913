"""Detectors and axes of one's own, without a server: frames yielded in Python are written, counted and described."""

import asyncio
import threading
from contextlib import aclosing

import numpy as np
import pytest
from wingbeat.async_devices import NotConnectedError, StaticPathProvider
from wingbeat.async_devices.bench_axis import BenchAxis
from wingbeat.async_devices.bench_detector import BenchDetector
from wingbeat.async_devices.bench_inbox import FrameInbox
from wingbeat.async_devices.bench_recording import BenchFrame
from wingbeat.async_devices.errors import (
    AcquireError,
    AssetsNotReadyError,
    FrameLayoutError,
    FramesDroppedError,
    MoveFailedError,
    PauseRefusedError,
    SetpointOutsideLimitsError,
    UnsupportedTriggerError,
    WriterError,
)
from wingbeat.async_devices.flight import FlightDetector, PausableDetector, TriggerInfo
from wingbeat.stream_resource.files import read_rows
from wingbeat.stream_resource.frames import FrameRange
from wingbeat.stream_resource.uris import path_of_uri


class Counting(BenchDetector):
    """Frame n holds n everywhere."""

    def __init__(self, directory, **kwargs):
        self.taken = 0
        self.fail_at = None
        self.gate = asyncio.Event()
        self.gate.set()
        super().__init__("cam", exposure=1e-3, path_provider=StaticPathProvider(directory), **kwargs)

    async def take_frame(self, exposure):
        await self.gate.wait()
        await asyncio.sleep(0)
        if self.taken == self.fail_at:
            raise OSError("the cable is out")
        self.taken += 1
        return np.full((2, 3), self.taken, np.uint16)


@pytest.fixture
async def cam(tmp_path):
    cam = Counting(tmp_path)
    await cam.connect()
    yield cam
    await cam.disconnect()


async def written_values(cam, rows):
    asset = (await cam.assets())[0]
    frames = await asyncio.to_thread(read_rows, path_of_uri(asset.uri), asset.dataset, rows=rows)
    assert frames.shape[1:] == (2, 3)
    assert all((frame == frame[0, 0]).all() for frame in frames)
    return frames[:, 0, 0].tolist()


async def test_every_trigger_is_one_row_and_one_document(cam):
    assert isinstance(cam, FlightDetector)
    assert isinstance(cam, PausableDetector)
    await cam.stage()
    key = (await cam.describe())["cam"]
    assert (key["shape"], key["dtype_numpy"], key["external"]) == ([1, 2, 3], "<u2", "STREAM:")
    documents = []
    for _ in range(3):
        await cam.trigger()
        documents += [document async for document in cam.collect_asset_docs()]
    assert [name for name, _ in documents].count("stream_resource") == 3
    assert await cam.get_index() == 3
    # The first frame taken told the shape, and is not in the file.
    assert await written_values(cam, FrameRange(0, 3)) == [2, 3, 4]
    await cam.unstage()
    assert await written_values(cam, FrameRange(0, 3)) == [2, 3, 4]


async def test_a_flight_by_its_own_clock_is_counted_and_identified(cam):
    await cam.prepare(TriggerInfo(livetime=1e-3, frames=20, kickoffs=2))
    with pytest.raises(AssetsNotReadyError, match="no frame"):
        await cam.assets()
    for _ in range(2):
        await cam.kickoff()
        await cam.complete()
    counts = await cam.counts()
    assert (counts.exposed, counts.written, counts.dropped) == (40, 40, 0)
    found = await cam.identities(FrameRange(0, 40))
    assert found.unique_ids.tolist() == list(range(1, 41))
    assert (np.diff(found.times_ns) >= 0).all()
    await cam.finish()
    assert len(set(await written_values(cam, FrameRange(0, 40)))) == 40


async def test_a_pause_ends_at_a_frame_and_a_resume_takes_what_is_left_from_there(cam):
    await cam.prepare(TriggerInfo(frames=2_000))
    await cam.kickoff()
    async with aclosing(cam.observe_written()) as counts:
        async for written in counts:
            if written:
                break
    rows = await cam.pause_at_boundary()
    assert 0 < rows < 2_000
    assert (await cam.counts()).exposed == rows
    with pytest.raises(PauseRefusedError, match="frame 2001"):
        await cam.resume(2_001)
    await cam.resume(1_995)
    await cam.complete()
    assert (await cam.counts()).written == rows + 5
    with pytest.raises(PauseRefusedError, match="not paused"):
        await cam.resume(0)


async def test_several_frames_make_one_event(cam):
    await cam.prepare(TriggerInfo(frames=4, frames_per_event=4))
    assert (await cam.describe())["cam"]["shape"] == [4, 2, 3]
    await cam.trigger()
    await cam.trigger()
    documents = [document async for document in cam.collect_asset_docs()]
    (datum,) = [doc for _, doc in documents if doc.get("indices") and doc["uid"].startswith(documents[0][1]["uid"])]
    assert datum["indices"] == {"start": 0, "stop": 2}
    assert await written_values(cam, FrameRange(0, 8)) == list(range(2, 10))


async def test_a_camera_that_fails_ends_the_wait_with_what_it_raised_and_the_next_arming_works(cam):
    cam.fail_at = 5
    await cam.prepare(TriggerInfo(frames=10))
    await cam.kickoff()
    with pytest.raises(AcquireError, match=r"no frame 4 .*the cable is out") as failed:
        await cam.complete()
    assert isinstance(failed.value.__cause__, OSError)
    cam.fail_at = None
    await cam.prepare(TriggerInfo(frames=10))
    await cam.kickoff()
    await cam.complete()
    assert (await cam.counts()).written == 10


async def test_stop_ends_a_wait_for_frames_that_do_not_come(cam):
    await cam.prepare(TriggerInfo(frames=10))
    cam.gate.clear()
    await cam.kickoff()
    completion = cam.complete()
    await asyncio.sleep(0)
    await cam.stop()
    with pytest.raises(AcquireError, match="stopped with 0 frames"):
        await completion


async def test_a_frame_of_another_shape_is_refused_and_not_written(tmp_path):
    class Growing(Counting):
        async def take_frame(self, exposure):
            self.taken += 1
            return np.zeros((2, 3 if self.taken < 3 else 4), np.uint16)

    cam = Growing(tmp_path)
    await cam.prepare(TriggerInfo(frames=5))
    await cam.kickoff()
    with pytest.raises(FrameLayoutError, match=r"frame 1 is \(2, 4\) uint16, expected \(2, 3\)"):
        await cam.complete()
    await cam.disconnect()


async def test_a_camera_that_ends_early_says_how_many_are_missing(tmp_path):
    class Short(Counting):
        async def frames(self, exposure):
            for n in range(3):
                yield BenchFrame(np.zeros((2, 3), np.uint16), time_ns=n + 1, unique_id=10 * (n + 1))

    cam = Short(tmp_path)
    await cam.prepare(TriggerInfo(frames=5))
    await cam.kickoff()
    with pytest.raises(WriterError, match="ended after 3 frames, 2 more were due"):
        await cam.complete()
    found = await cam.identities(FrameRange(0, 3))
    assert found.unique_ids.tolist() == [10, 20, 30]
    assert found.times_ns.tolist() == [1, 2, 3]
    await cam.disconnect()


async def test_triggers_that_it_does_not_take_and_steps_that_it_is_not_armed_for_are_refused(cam):
    with pytest.raises(UnsupportedTriggerError, match="'edge' trigger; it takes"):
        await cam.prepare(TriggerInfo(kind="edge", livetime=1e-3))
    with pytest.raises(UnsupportedTriggerError, match="not armed"):
        await cam.kickoff()
    await cam.prepare(TriggerInfo(frames=10))
    with pytest.raises(UnsupportedTriggerError, match="one event"):
        await cam.trigger()


async def test_frames_that_a_camera_calls_back_with_from_a_thread_are_all_written(tmp_path):
    class Callback(Counting):
        async def frames(self, exposure):
            inbox = FrameInbox(capacity=500)

            def run():
                for n in range(100):
                    inbox.put(np.full((2, 3), n, np.uint16))

            thread = threading.Thread(target=run)
            thread.start()
            try:
                async for frame in inbox:
                    yield frame
            finally:
                await asyncio.to_thread(thread.join)

    cam = Callback(tmp_path)
    await cam.prepare(TriggerInfo(frames=100))
    await cam.kickoff()
    await cam.complete()
    assert await written_values(cam, FrameRange(0, 100)) == list(range(100))
    await cam.disconnect()


async def test_an_inbox_that_overflows_fails_after_the_frames_that_it_has():
    inbox = FrameInbox(capacity=3)
    for n in range(5):
        inbox.put(n)
    await asyncio.sleep(0)
    assert [await anext(inbox) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(FramesDroppedError, match="2 of 5 frames did not fit"):
        await anext(inbox)
    assert inbox.statistics().dropped == 2


class Line(BenchAxis):
    limits = (0.0, 10.0)

    def __init__(self, *, sticks_at=None):
        self.position, self.sticks_at, self.halted = 0.0, sticks_at, asyncio.Event()
        super().__init__("x")

    async def read_position(self):
        return self.position

    async def move(self, target):
        self.halted.clear()
        while abs(self.position - target) > 1e-9 and not self.halted.is_set():
            if self.position == self.sticks_at:
                return
            self.position = round(self.position + (0.5 if target > self.position else -0.5), 6)
            await asyncio.sleep(0.1)

    async def halt(self):
        self.halted.set()


async def test_an_axis_of_ones_own_moves_reports_and_says_where_it_is(virtual_clock):
    axis, seen = Line(), []
    status = axis.set(2.0)
    status.watch(lambda **progress: seen.append(progress["current"]))
    await status
    assert seen == sorted(seen)
    assert await axis.locate() == {"setpoint": 2.0, "readback": 2.0}
    assert (await axis.read())["x"]["value"] == 2.0
    with pytest.raises(SetpointOutsideLimitsError, match="x: 11"):
        axis.set(11.0)


@pytest.mark.parametrize("well", [True, False])
async def test_a_stopped_move_ends_as_the_stop_says(virtual_clock, well):
    axis = Line()
    status = axis.set(10.0)
    await asyncio.sleep(0.55)
    await axis.stop(success=well)
    if well:
        await status
    else:
        with pytest.raises(MoveFailedError, match=r"was stopped: expected 10.0 mm, seen 3.0 mm"):
            await status


async def test_an_axis_that_does_not_arrive_or_is_on_its_way_says_so(virtual_clock):
    axis = Line(sticks_at=1.0)
    status = axis.set(3.0)
    with pytest.raises(MoveFailedError, match=r"still on its way to 3.0"):
        await axis.set(1.0)
    with pytest.raises(MoveFailedError, match=r"more than 0.001 away: expected 3.0 mm, seen 1.0 mm"):
        await status


async def test_hardware_that_cannot_be_opened_is_named_in_the_tree():
    class Absent(Line):
        async def open(self):
            raise OSError("no such port: /dev/ttyX")

    with pytest.raises(NotConnectedError, match="no such port: /dev/ttyX"):
        await Absent().connect()
