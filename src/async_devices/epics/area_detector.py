"""AreaDetector: a camera with the HDF5 plugin, for steps and for flights.

Theory of operation. One file per arming:

    idle ── prepare ──► armed ── (triggers) ──► finish ──► idle          flight: external edges, Acquire = 1 throughout
                          └── trigger ──► counted ──► trigger ...        steps: internal, one Acquire per trigger

`prepare` ends what runs, configures driver and plugin, begins to capture and, for external triggers, to acquire.
Rows are counted since arming by the plugin (`NumCaptured`), which resets at Capture = 1. `UniqueId` and
`DroppedArrays` are reset at arming as well, so that id n is exposure n: a gap in the ids is a frame dropped after
its exposure, while a trigger that the camera did not see leaves no gap at all. Only its time stamp tells: that is
what `identity` declares.

`finish` must not close before everything exposed is written: Capture = 0 drops what is queued in silence. Exposed =
written + dropped and an empty queue is the condition, and it has to hold for a while, because the driver's counters
come as monitors, late by up to their period.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Literal

from event_model.documents import DataKey

from ...stream_resource.composer import StreamComposer
from ...stream_resource.files import read_identities
from ...stream_resource.frames import FrameRange
from ...stream_resource.uris import path_of_uri
from ...task_scope import together
from ..errors import AssetsNotReadyError, ReadbackError, UnsupportedTriggerError, WriterError
from ..flight import DetectorCounts, FrameIdentities, Identity, StreamAsset, TriggerInfo
from ..paths import DEFAULT_PATHS, PathInfo, PathProvider
from ..protocols import Hints, Reading, StreamDocument
from ..readable import ReadableDevice
from ..status import Status
from ..verbs import async_verb, status_verb
from .ad_driver import AdDriver
from .hdf_plugin import HdfPlugin

DATASET = "/entry/data/data"
HARDWARE_STAMPS = "Camera clock"
SETTLE = 0.25
"""Seconds for which nothing may change before a detector counts as drained: six periods of a 25 Hz monitor."""
STALL = 20.0
"""Seconds without any progress after which a drain has failed."""


class AreaDetector(ReadableDevice):
    """A camera (`cam1:`) and its file writer (`HDF1:`)."""

    def __init__(
        self,
        prefix: str,
        *,
        path_provider: PathProvider | None = None,
        identity: Identity = Identity.SOFTWARE_TIME,
        protocol: Literal["ca", "pva"] = "ca",
        external_trigger: str = "External",
        name: str = "",
    ) -> None:
        """Name the PVs.

        Args:
            prefix: With the colon, as SIM:CAM:.
            path_provider: Says where files go; None asks the session's.
            identity: By what a frame of this camera can be recognised; HARDWARE_TIME if it stamps the start of
                exposure.
            protocol: ca or pva.
            external_trigger: What the driver's TriggerMode calls an external edge.
            name: Of the device.
        """
        self.driver = AdDriver(f"{protocol}://{prefix}cam1:")
        self.writer = HdfPlugin(f"{protocol}://{prefix}HDF1:")
        self.config_signals = (self.driver.acquire_time, self.driver.acquire_period, self.driver.trigger_mode)
        self._identity = identity
        self._path_provider = path_provider
        self._trigger_modes = {"internal": "Internal", "edge": external_trigger}
        self._armed: TriggerInfo | None = None
        self._path: PathInfo | None = None
        self._layout: tuple[tuple[int, ...], str] | None = None
        self._composer = StreamComposer()
        self._announced = 0
        super().__init__(name)

    @property
    def identity(self) -> Identity:
        """By what its frames can be recognised."""
        return self._identity

    @property
    def data_keys(self) -> tuple[str, ...]:
        """One key, called as the device."""
        return (self.name,)

    @property
    def hints(self) -> Hints:
        """Images are not plotted against an axis."""
        return {"fields": []}

    async def deadtime(self) -> float:
        """Seconds between two exposures, as the driver says."""
        return await self.driver.deadtime.get_value()

    async def describe_collect(self) -> dict[str, DataKey]:
        """One frame per event, in the shape and type in which it will be written."""
        shape, dtype = self._layout or await self._current_layout()
        return {
            self.name: {
                "source": self.writer.full_file_name.source,
                "dtype": "array",
                "dtype_numpy": dtype,
                "shape": [1, *shape],
                "external": "STREAM:",
            }
        }

    async def describe(self) -> dict[str, DataKey]:
        """As `describe_collect`: a step gives one frame, in a file."""
        return await self.describe_collect()

    async def _current_layout(self) -> tuple[tuple[int, ...], str]:
        shape, dtype = await self.driver.frame_layout()
        return shape, dtype.str

    @status_verb
    def stage(self) -> Status:
        """End whatever runs."""
        return Status(self._disarm(), name=f"{self.name} stage", owner=self.tasks)

    @status_verb
    def unstage(self) -> Status:
        """Drain and close what is open."""
        return Status(self._disarm(), name=f"{self.name} unstage", owner=self.tasks)

    @status_verb
    def prepare(self, value: TriggerInfo) -> Status:
        """Configure, open the writer and, for external triggers, arm.

        Raises:
            UnsupportedTriggerError: Through the Status: gates, or triggers closer than the dead time.
            NoPathProviderError: Through the Status.
            WriterError: Through the Status: the file cannot be written.
            ReadbackError: Through the Status: a setting did not take.
        """
        return Status(self._prepare(value), name=f"{self.name} prepare", owner=self.tasks)

    async def _prepare(self, value: TriggerInfo) -> None:
        await self._check_trigger(value)
        provider = self._path_provider or DEFAULT_PATHS.get()
        await self._disarm()
        path = await asyncio.to_thread(provider, self.name)
        await self.driver.configure(value, self._trigger_modes[value.kind])
        self._layout = await self._current_layout()
        await self.writer.open(path, await self.driver.port_name.get_value())
        self._armed, self._path = value, path
        self._composer, self._announced = StreamComposer(), 0
        if value.kind != "internal":
            await self.driver.start()

    async def _check_trigger(self, value: TriggerInfo) -> None:
        if value.kind not in self._trigger_modes:
            msg = f"{self.name}: a {value.kind!r} trigger; it takes {sorted(self._trigger_modes)}"
            raise UnsupportedTriggerError(msg)
        if value.kind == "internal":
            return
        needed = await self.deadtime()
        # A tick of 8 ns either way is rounding, not a demand.
        if value.deadtime < needed - 1e-8 or value.livetime <= 0:
            msg = (
                f"{self.name}: live {value.livetime:g} s and dead {value.deadtime:g} s; it needs live time and "
                f"at least {needed:g} s dead, or it misses triggers. Lengthen the frame or shorten the exposure"
            )
            raise UnsupportedTriggerError(msg)
        source = await self.driver.stamp_source.get_value()
        if self._identity is Identity.HARDWARE_TIME and source != HARDWARE_STAMPS:
            msg = (
                f"{self.name}: declared hardware_time, but {self.driver.stamp_source.source} is {source!r}, expected "
                f"{HARDWARE_STAMPS!r}. Set it, or declare identity=Identity.SOFTWARE_TIME"
            )
            raise ReadbackError(msg)

    @status_verb
    def trigger(self) -> Status:
        """Take one frame with the camera's own clock; done when it is in the file. Prepares itself if nobody did."""
        return Status(self._trigger(), name=f"{self.name} trigger", owner=self.tasks)

    async def _trigger(self) -> None:
        if self._armed is None:
            livetime = await self.driver.acquire_time.get_value()
            await self._prepare(TriggerInfo(kind="internal", livetime=livetime, frames=1))
        armed = self._armed or TriggerInfo()
        if armed.kind != "internal":
            msg = f"{self.name}: armed for {armed.kind!r} triggers; prepare it with kind='internal' before trigger()"
            raise UnsupportedTriggerError(msg)
        before = await self.writer.num_captured.get_value()
        expected = before + armed.frames
        seconds = armed.frames * (armed.livetime + armed.deadtime)
        await self.driver.acquire.put(True, wait=True, timeout=seconds + STALL)

        def all_written(captured: int) -> bool:
            return captured >= expected

        all_written.__doc__ = f"{expected} frames in the file"
        await self.writer.num_captured.wait_for_value(all_written, timeout=STALL)

    @async_verb
    async def read(self) -> dict[str, Reading[object]]:
        """Nothing: its frames are in a file."""
        return {}

    async def assets(self) -> tuple[StreamAsset, ...]:
        """The file, once the first frame is in it, until the next arming.

        Raises:
            AssetsNotReadyError: Not prepared, or no frame yet.
            WriterError: It holds frames of another shape than described.
        """
        if self._path is None or self._layout is None:
            msg = f"{self.name}: no file is open; prepare it first"
            raise AssetsNotReadyError(msg)
        uri = await self.writer.uri(self._path)
        x, y = await together(self.writer.array_size_x.get_value(), self.writer.array_size_y.get_value())
        shape, _ = self._layout
        if (y, x) != shape[:2]:
            msg = (
                f"{self.name}: writes frames of {y} × {x}, described as {shape[0]} × {shape[1]}; was its size changed?"
            )
            raise WriterError(msg)
        return (StreamAsset(data_key=self.name, uri=uri, dataset=DATASET, chunk_shape=(1, *shape)),)

    async def counts(self) -> DetectorCounts:
        """Exposed, written and dropped since arming.

        Raises:
            WriterError: The file was closed while frames are due.
        """
        if self._armed is not None:
            await self.writer.check_capturing()
        exposed, written, dropped = await together(
            self.driver.num_exposed.get_value(),
            self.writer.num_captured.get_value(),
            self.writer.dropped_arrays.get_value(),
        )
        return DetectorCounts(exposed=exposed, written=written, dropped=dropped)

    def observe_written(self) -> AsyncIterator[int]:
        """Rows written, at every change."""
        return self.writer.num_captured.observe()

    async def identities(self, rows: FrameRange) -> FrameIdentities:
        """Flush, then read the time stamps and ids of these rows from the file."""
        (asset,) = await self.assets()
        if self._armed is not None:
            await self.writer.flush()
        found = await asyncio.to_thread(read_identities, path_of_uri(asset.uri), rows=rows)
        return FrameIdentities(trigger_numbers=None, times_ns=found.times_ns, unique_ids=found.unique_ids)

    @status_verb
    def finish(self) -> Status:
        """Wait until everything exposed is written or dropped, flush, stop and close.

        Raises:
            WriterError: Through the Status: the writer stopped, or makes no progress.
        """
        return Status(self._finish(), name=f"{self.name} finish", owner=self.tasks)

    async def _finish(self) -> None:
        await self._drained()
        await self.writer.flush()
        await self._close()

    async def _close(self) -> None:
        self._armed = None
        await self.driver.ensure_stopped()
        await self.writer.close()

    async def _drained(self) -> None:
        loop = asyncio.get_running_loop()
        armed = self._armed or TriggerInfo()
        calm = SETTLE + 2 * (
            armed.livetime + armed.deadtime
        )  # an exposure under way is counted at its end by some drivers
        last, since = await self._levels(), loop.time()
        with self.writer.num_captured.observe() as captured:
            while not (self._empty(last) and loop.time() - since >= calm):
                await _next_or(captured, SETTLE)
                await self.writer.check_capturing()
                levels = await self._levels()
                if levels != last:
                    last, since = levels, loop.time()
                if loop.time() - since > STALL + calm:
                    raise WriterError(self._stalled(last))

    async def _levels(self) -> tuple[int, ...]:
        """(exposed, written, dropped, queue free, queue size)."""
        return tuple(
            await together(
                self.driver.num_exposed.get_value(),
                self.writer.num_captured.get_value(),
                self.writer.dropped_arrays.get_value(),
                self.writer.queue_free.get_value(),
                self.writer.queue_size.get_value(),
            )
        )

    @staticmethod
    def _empty(levels: tuple[int, ...]) -> bool:
        exposed, written, dropped, free, size = levels
        return written + dropped >= exposed and free >= size

    def _stalled(self, levels: tuple[int, ...]) -> str:
        exposed, written, dropped, free, size = levels
        return (
            f"{self.name}: {exposed} exposed, but {written} written, {dropped} dropped and {size - free} queued; "
            f"no change for {STALL:g} s. Does the driver feed {self.writer.input_port.source}? Is the disk full?"
        )

    async def _disarm(self) -> None:
        """End whatever runs, draining the queue first where something was being written."""
        await self.driver.ensure_stopped()
        if await self.writer.capturing.get_value():
            size = await self.writer.queue_size.get_value()

            def is_empty(free: int) -> bool:
                return free >= size

            is_empty.__doc__ = f"an empty queue ({size} free)"
            await self.writer.queue_free.wait_for_value(is_empty, timeout=STALL)
        await self._close()

    @async_verb
    async def stop(self, success: bool = True) -> None:  # noqa: FBT001, FBT002  # bluesky's signature
        """Stop exposing now, and close the file with what was exposed."""
        del success
        await self._disarm()

    async def get_index(self) -> int:
        """Rows in the file."""
        return await self.writer.num_captured.get_value()

    async def collect_asset_docs(self, index: int | None = None) -> AsyncIterator[StreamDocument]:
        """The file once, then the rows that are new up to `index`, in the device-side form."""
        if self._path is None:
            return
        stop = await self.get_index() if index is None else min(index, await self.get_index())
        if stop <= self._announced:
            return
        if self._announced == 0:
            for asset in await self.assets():
                resource = self._composer.resource(
                    asset.data_key, uri=asset.uri, dataset=asset.dataset, chunk_shape=asset.chunk_shape
                )
                yield "stream_resource", resource
        await self.writer.flush()
        rows = FrameRange(self._announced, stop)
        self._announced = stop
        yield "stream_datum", self._composer.datum(self.name, rows=rows)


async def _next_or(values: AsyncIterator[int], seconds: float) -> None:
    """Return at the next value, or after so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            await anext(values)
    except TimeoutError:
        return
