"""A detector of one's own that yields arrays: written by our own SWMR writer, flown and stepped like any other.

    class Webcam(BenchDetector):
        async def take_frame(self, exposure: float) -> NDArray[np.uint8]: ...          # one array per call

    class Streaming(BenchDetector):
        async def frames(self, exposure: float) -> AsyncGenerator[NDArray[np.uint16]]:  # or one per turn of a generator
            inbox = FrameInbox()
            self.camera.start(inbox.put)                                                # or from a callback
            try:
                async for frame in inbox:
                    yield frame
            finally:
                self.camera.stop()

Theory of operation. One file per arming, as AreaDetector. A trigger or a kickoff begins a new iteration over
`frames()`, and ends it after the frames that were due, so that a frame which a camera had buffered before is not taken
for one of now: a camera that buffers empties its buffer when the iteration begins. Shape and type are those of a frame
that is taken, and not written, when the detector is described or prepared first.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from typing import Any, ClassVar

import numpy as np
from event_model.documents import DataKey
from numpy.typing import NDArray

from ..stream_resource.files import read_identities
from ..stream_resource.frame_codecs import Compression
from ..stream_resource.frames import FrameRange
from .asset_documents import AssetDocuments
from .bench_axis import BenchDevice
from .bench_recording import BenchFrame, Recording
from .errors import AssetsNotReadyError, PauseRefusedError, UnknownDeadtimeError, UnsupportedTriggerError, WriterError
from .flight import DetectorCounts, FrameIdentities, Identity, StreamAsset, TriggerInfo, TriggerKind
from .path_map import check_place
from .paths import DEFAULT_PATHS, PathInfo, PathProvider
from .protocols import Hints, Progress, Reading, StreamDocument
from .status import Report, Status
from .verbs import async_verb, status_verb

SUFFIX = ".h5"
FINISH = 5.0
"""Seconds beyond an exposure in which the last frame must come when a detector is finished."""


class BenchDetector(BenchDevice):
    """A detector whose subclass yields arrays.

    Attributes:
        trigger_kinds: What can start its exposures. With `edge` or `gate`, `frames` yields what external triggers
            bring, and `arm` gets it ready for them.
        default_identity: By what its frames can be recognised: stamped when they arrive, unless it yields BenchFrames.
        shape: Of a frame; None: as that of a frame that is taken.
        dtype: Of a frame's elements, as numpy writes it; needed if `shape` is given.
        compression: What frames are packed with in the file.
        dead: Seconds between two exposures; None: not known.
    """

    trigger_kinds: ClassVar[frozenset[TriggerKind]] = frozenset({"internal"})
    default_identity: ClassVar[Identity] = Identity.SOFTWARE_TIME
    shape: ClassVar[tuple[int, ...] | None] = None
    dtype: ClassVar[str] = "<f8"
    compression: ClassVar[Compression] = "none"
    dead: ClassVar[float | None] = None

    def __init__(self, name: str = "", *, exposure: float = 0.1, path_provider: PathProvider | None = None) -> None:
        """Make a detector.

        Args:
            name: Of the device.
            exposure: Seconds of an exposure in a step.
            path_provider: Says where files go; None asks the session's.
        """
        self.exposure = exposure
        self._path_provider = path_provider
        self._example: NDArray[Any] | None = None
        self._info: TriggerInfo | None = None
        self._frames_per_event = 1
        self._place: PathInfo | None = None
        self._recording: Recording | None = None
        self._run: asyncio.Task[None] | None = None
        self._due = 0
        self._frames_due = 0
        self._paused = False
        self._documents = AssetDocuments()
        super().__init__(name)

    async def take_frame(self, exposure: float) -> NDArray[Any]:
        """One frame of so many seconds. Override this, or `frames`."""
        msg = f"{type(self).__name__} yields no frames: it overrides neither take_frame nor frames (asked: {exposure})"
        raise UnsupportedTriggerError(msg)

    async def frames(self, exposure: float) -> AsyncGenerator[NDArray[Any] | BenchFrame]:
        """Frames of so many seconds each, until nobody asks for more. Override this, or `take_frame`."""
        while True:
            yield await self.take_frame(exposure)

    async def arm(self, info: TriggerInfo) -> None:
        """Get ready for external triggers; does nothing unless overridden."""
        del info

    @property
    def identity(self) -> Identity:
        """By what its frames can be recognised."""
        return self.default_identity

    @property
    def data_keys(self) -> tuple[str, ...]:
        """The frames, their ids and their times."""
        return (self.name, f"{self.name}-unique_id", f"{self.name}-time_ns")

    @property
    def hints(self) -> Hints:
        """Images are not plotted against an axis."""
        return {"fields": []}

    async def deadtime(self) -> float:
        """Seconds between two exposures.

        Raises:
            UnknownDeadtimeError: The class does not say.
        """
        if self.dead is None:
            msg = f"{self.name}: {type(self).__name__}.dead is not set; expected seconds between two exposures"
            raise UnknownDeadtimeError(msg)
        return self.dead

    async def _like(self) -> NDArray[Any]:
        """A frame as they will come."""
        if self._example is None and self.shape is not None:
            self._example = np.zeros(self.shape, self.dtype)
        if self._example is None:
            async with aclosing(self.frames(self.exposure)) as frames:
                async for frame in frames:
                    self._example = np.asarray(frame.pixels if isinstance(frame, BenchFrame) else frame)
                    break
        if self._example is None:
            msg = f"{self.name}: its frames ended before the first; expected at least one to learn their shape"
            raise WriterError(msg)
        return self._example

    async def describe_collect(self) -> dict[str, DataKey]:
        """Frames as they will be written, their ids and their times."""
        example, n = await self._like(), self._frames_per_event
        source = f"bench://{self.name}"
        frames: DataKey = {
            "source": source,
            "dtype": "array" if example.ndim or n > 1 else "number",
            "dtype_numpy": example.dtype.str,
            "shape": [n, *example.shape],
            "external": "STREAM:",
        }
        ids: DataKey = {
            "source": f"{source}#unique_id",
            "dtype": "array" if n > 1 else "number",
            "dtype_numpy": "<i8",
            "shape": [n],
            "external": "STREAM:",
        }
        times: DataKey = {**ids, "source": f"{source}#time_ns", "units": "ns"}
        return dict(zip(self.data_keys, (frames, ids, times), strict=True))

    async def describe(self) -> dict[str, DataKey]:
        """As `describe_collect`: a step gives one event, in a file."""
        return await self.describe_collect()

    @status_verb
    def stage(self) -> Status:
        """End what runs, and learn the shape of its frames anew."""
        return Status(self._stage(), name=f"{self.name} stage", owner=self.tasks)

    async def _stage(self) -> None:
        await self._disarm()
        self._example = None

    @status_verb
    def unstage(self) -> Status:
        """Close what is open."""
        return Status(self._disarm(), name=f"{self.name} unstage", owner=self.tasks)

    @status_verb
    def prepare(self, value: TriggerInfo) -> Status:
        """Open a file and, for external triggers, arm.

        Raises:
            UnsupportedTriggerError: Through the Status: a kind that it does not take.
            NoPathProviderError: Through the Status.
            WriterError: Through the Status: the file cannot be written there.
        """
        return Status(self._prepare(value), name=f"{self.name} prepare", owner=self.tasks)

    async def _prepare(self, value: TriggerInfo) -> None:
        if value.kind not in self.trigger_kinds:
            msg = f"{self.name}: a {value.kind!r} trigger; it takes {sorted(self.trigger_kinds)}"
            raise UnsupportedTriggerError(msg)
        provider = self._path_provider or DEFAULT_PATHS.get()
        await self._disarm()
        place = await asyncio.to_thread(provider, self.name)
        await check_place(place, SUFFIX, writer=self.name)
        path = place.client / (place.filename + SUFFIX)
        recording = Recording(path, await self._like(), compression=self.compression)
        await recording.open()
        self._recording, self._place, self._info = recording, place, value
        self._frames_per_event, self._paused = value.frames_per_event, False
        self._due = self._frames_due = 0
        self._documents.begin()
        if value.kind != "internal":
            await self.arm(value)
            self._record(None)

    def _record(self, number: int | None) -> None:
        recording, info = self._armed("record")
        recording.holding = False
        livetime = info.livetime or self.exposure
        self._run = self.tasks.start(recording.record(self.frames(livetime), number), name="record")
        self._run.add_done_callback(recording.ended)

    def _armed(self, verb: str) -> tuple[Recording, TriggerInfo]:
        if self._recording is None or self._info is None:
            msg = f"{self.name} cannot {verb}: it is not armed; prepare it first"
            raise UnsupportedTriggerError(msg)
        return self._recording, self._info

    @status_verb
    def trigger(self) -> Status:
        """Take one event; done when it is in the file. Prepares itself if nobody did."""
        return Status(self._trigger(), name=f"{self.name} trigger", owner=self.tasks)

    async def _trigger(self) -> None:
        if self._info is None:
            await self._prepare(TriggerInfo(livetime=self.exposure))
        _, info = self._armed("be triggered")
        info.expect_one_event(self.name)
        await self._kickoff()
        await self._complete(lambda _: None)

    @status_verb
    def kickoff(self) -> Status:
        """Let the frames of one kickoff come."""
        return Status(self._kickoff(), name=f"{self.name} kickoff", owner=self.tasks)

    async def _kickoff(self) -> None:
        recording, info = self._armed("kick off")
        recording.check()
        if info.kind == "internal" and self._run is not None and not self._run.done():
            msg = f"{self.name} still takes the frames of the kickoff before; complete it first"
            raise UnsupportedTriggerError(msg)
        self._due += info.frames_per_kickoff
        self._frames_due += info.frames_per_kickoff
        if info.kind == "internal":
            self._record(info.frames_per_kickoff or None)

    @status_verb
    def complete(self) -> Status:
        """Done when the frames of the kickoff are in the file; of an unbounded number, it ends the taking of frames.

        Raises:
            DeviceError: Through the Status: what failed.
        """
        return Status.reporting(self._complete, name=f"{self.name} complete", owner=self.tasks)

    async def _complete(self, report: Report) -> None:
        recording, info = self._armed("complete")
        if not info.bounded:
            await self._finish()
            return
        initial = recording.written
        async with aclosing(recording.observe_written()) as counts:
            async for written in counts:
                report(self._progress(initial, written))
                if written >= self._due:
                    break
        await self._ended(None)
        recording.check()

    def _progress(self, initial: int, written: int) -> Progress:
        fraction = written / self._due if self._due else None
        return Progress(
            name=self.name, current=written, initial=initial, target=self._due, unit="frames", fraction=fraction
        )

    @async_verb
    async def read(self) -> dict[str, Reading[Any]]:
        """Nothing: its frames are in a file."""
        return {}

    async def assets(self) -> tuple[StreamAsset, ...]:
        """The file, once it has a frame, until the next arming.

        Raises:
            AssetsNotReadyError: Not prepared, or no frame yet.
        """
        recording, place = self._recording, self._place
        if recording is None or place is None or not recording.written:
            msg = f"{self.name}: no frame is written yet; prepare it, and trigger it"
            raise AssetsNotReadyError(msg)
        uri = place.uri_of(str(place.directory / recording.path.name), writer=self.name)
        return tuple(
            StreamAsset(data_key=key, uri=uri, dataset=dataset.name, chunk_shape=dataset.chunk_shape)
            for key, dataset in zip(self.data_keys, recording.datasets, strict=True)
        )

    async def counts(self) -> DetectorCounts:
        """Frames that it yielded and frames written; it cannot say what it dropped before.

        Raises:
            DeviceError: What failed.
        """
        recording = self._recording
        if recording is None:
            return DetectorCounts(exposed=None, written=0, dropped=None)
        recording.check()
        return DetectorCounts(exposed=recording.exposed, written=recording.written, dropped=0)

    def observe_written(self) -> AsyncGenerator[int]:
        """Rows written, at once and at every change.

        Raises:
            UnsupportedTriggerError: It is not prepared.
        """
        recording, _ = self._armed("be observed")
        return recording.observe_written()

    async def identities(self, rows: FrameRange) -> FrameIdentities:
        """The ids and times of rows; every row counted is readable."""
        if self._recording is None:
            msg = f"{self.name}: no file; prepare it first"
            raise AssetsNotReadyError(msg)
        found = await asyncio.to_thread(read_identities, self._recording.path, rows=rows)
        return FrameIdentities(trigger_numbers=None, times_ns=found.times_ns, unique_ids=found.unique_ids)

    async def pause_at_boundary(self) -> int:
        """Hold after the frame under way; see PausableDetector.

        Raises:
            PauseRefusedError: It is not armed, or its frames come by external triggers, which only their source stops.
        """
        recording, info = self._recording, self._info
        if recording is None or info is None or info.kind != "internal":
            msg = f"{self.name} cannot pause: {'not armed' if info is None else f'{info.kind} triggers'}"
            raise PauseRefusedError(msg)
        recording.holding = True
        await self._ended(None)
        recording.check()
        self._paused = True
        return recording.written

    @status_verb
    def resume(self, frame: int) -> Status:
        """Go on with planned frame `frame`; see PausableDetector."""
        return Status(self._resume(frame), name=f"{self.name} resume", owner=self.tasks)

    async def _resume(self, frame: int) -> None:
        recording, info = self._armed("resume")
        if not self._paused or frame < 0 or (info.bounded and frame > info.total_frames):
            state = "paused" if self._paused else "not paused"
            msg = f"{self.name} is {state} and planned for {info.total_frames or 'any'} frames; it cannot go on with "
            raise PauseRefusedError(f"{msg}frame {frame}")
        left = max(0, self._frames_due - frame)
        self._due, self._paused = recording.written + left, False
        if left or not info.bounded:
            self._record(left or None)

    @status_verb
    def finish(self) -> Status:
        """Write what was yielded, take no more, and close the file."""
        return Status(self._finish(), name=f"{self.name} finish", owner=self.tasks)

    async def _finish(self) -> None:
        recording = self._recording
        if recording is not None and self._run is not None:
            bounded = self._info is not None and self._info.bounded and self._info.kind == "internal"
            recording.holding = not bounded
            await self._ended(None if bounded else (self._info or TriggerInfo()).livetime + FINISH)
            recording.check()
        await self._disarm()

    async def _ended(self, timeout: float | None) -> None:
        """Wait for the recording; a camera that yields nothing more is not waited for longer than `timeout`."""
        if self._run is None or (timeout is None and self._info is not None and self._info.kind != "internal"):
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await asyncio.wait([self._run])

    async def _disarm(self) -> None:
        """Take no more frames, and close the file with those that were committed."""
        run, self._run, self._info = self._run, None, None
        if run is not None and not run.done():
            run.cancel()
            await asyncio.wait([run])
            if self._recording is not None:
                self._recording.abandon(f"{self.name} was stopped")
        if self._recording is not None:
            await self._recording.close()

    @async_verb
    async def stop(self, success: bool = True) -> None:  # noqa: FBT001, FBT002  # bluesky's signature
        """Take no more frames, and close the file."""
        del success
        await self._disarm()

    async def disconnect(self) -> None:
        """Close the file, then the detector."""
        await self._disarm()
        await super().disconnect()

    async def get_index(self) -> int:
        """Events in the file."""
        return 0 if self._recording is None else self._recording.written // self._frames_per_event

    async def collect_asset_docs(self, index: int | None = None) -> AsyncIterator[StreamDocument]:
        """The file once, then the events that are new up to `index`, in the device-side form."""
        stop = await self.get_index() if index is None else min(index, await self.get_index())
        if stop > self._documents.announced:
            for document in self._documents.upto(stop, await self.assets()):
                yield document
