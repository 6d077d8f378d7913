"""AreaDetector: a camera with the HDF5 plug-in, for steps and for flights.

Composed of a driver and how it is triggered (ad_driver, ad_acquire), of the plug-ins on the way to the file (ad_chain,
hdf_plugin), of the file (ad_data), and of what watches over it (ad_watch).

Theory of operation. One file per arming:

    idle ── prepare ──► armed ── kickoff ─► complete ─► kickoff … ──► finish ──► idle
                          │ ├── trigger ──► trigger …                 steps: one Acquire per trigger
                          │ └── pause_at_boundary ──► paused ── resume ──► armed
                          └── stop, stage, unstage ──► idle

`prepare` ends what runs, configures driver and plug-ins, begins to capture and, for external triggers, to acquire.
Rows are counted since arming by the plug-in (`NumCaptured`), which resets at Capture = 1. `UniqueId` and
`DroppedArrays` are reset at arming as well, so that id n is exposure n: a gap in the ids is a frame dropped after
its exposure, while a trigger that the camera did not see leaves no gap at all. Only its time stamp tells: that is
what `identity` declares.

`finish` must not close before everything exposed is written: Capture = 0 drops what is queued in silence. Exposed =
written + dropped and empty queues are the condition, and it has to hold for a while, because the driver's counters
come as monitors, late by up to their period. A pause is the same without closing.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from event_model.documents import DataKey

from ...stream_resource.frames import FrameRange
from ..asset_documents import AssetDocuments
from ..errors import AssetsNotReadyError, PauseRefusedError, ReadbackError, UnsupportedTriggerError
from ..flight import DetectorCounts, FrameIdentities, Identity, StreamAsset, TriggerInfo
from ..path_map import LOOK_AGAIN, VISIBLE_TIMEOUT
from ..paths import DEFAULT_PATHS, PathProvider
from ..protocols import Hints, Reading, StreamDocument
from ..readable import ReadableDevice
from ..status import Report, Status
from ..verbs import async_verb, status_verb
from .ad_acquire import AdAcquire, AdTrigger
from .ad_arming import STALL, AdParts, Arming
from .ad_attributes import NDAttribute, ask_for, columns_of
from .ad_chain import PluginChain
from .ad_data import CaptureFile
from .ad_driver import AdDriver
from .ad_drivers import AravisDriver, EigerDriver, PilatusDriver, SimDriver
from .ad_plugins import AdPlugin
from .ad_watch import Drop
from .hdf_plugin import HdfPlugin

HARDWARE_STAMPS = "Camera clock"
MEASURED_FRAMES = 20


class AreaDetector(ReadableDevice):
    """A camera (`cam1:`) and its file writer (`HDF1:`), with the plug-ins in between if there are any.

    A subclass says of what it is made:

        class Microscope(AreaDetector):
            driver_type = AravisDriver
            plugin_types = {"roi": (RoiPlugin, "ROI1:")}
            source = "roi"

    Attributes:
        driver_type: Of its driver.
        driver_suffix: Between the prefix and the driver's PVs.
        writer_suffix: Between the prefix and the HDF5 plug-in's PVs.
        plugin_types: Plug-ins by name: their type, and what is between the prefix and their PVs.
        source: Which plug-in feeds the writer; None: the driver.
        attributes: NDAttributes that the writer records with every frame; each is a data key of its own.
    """

    driver_type: ClassVar[type[AdDriver]] = AdDriver
    driver_suffix: ClassVar[str] = "cam1:"
    writer_suffix: ClassVar[str] = "HDF1:"
    plugin_types: ClassVar[Mapping[str, tuple[type[AdPlugin], str]]] = {}
    source: ClassVar[str | None] = None
    attributes: ClassVar[Sequence[NDAttribute]] = ()

    def __init__(
        self,
        prefix: str,
        *,
        path_provider: PathProvider | None = None,
        identity: Identity | None = None,
        protocol: Literal["ca", "pva"] = "ca",
        deadtime: float | None = None,
        name: str = "",
    ) -> None:
        """Name the PVs.

        Args:
            prefix: With the colon, as SIM:CAM:.
            path_provider: Says where files go; None asks the session's.
            identity: By what a frame of this camera can be recognised; HARDWARE_TIME if it stamps the start of
                exposure by a clock tied to the trigger box's. None: as the driver's class says.
            protocol: ca or pva.
            deadtime: Seconds between two exposures, if the driver does not know, or not well.
            name: Of the device.
        """
        root = f"{protocol}://{prefix}"
        self.driver = self.driver_type(root + self.driver_suffix)
        self.writer = HdfPlugin(root + self.writer_suffix)
        self.plugins = {key: kind(root + suffix) for key, (kind, suffix) in self.plugin_types.items()}
        for key, plugin in self.plugins.items():
            self.adopt(key, plugin)
        self.config_signals = (self.driver.acquire_time, self.driver.acquire_period, self.driver.trigger_mode)
        self._identity = identity or self.driver.default_identity
        self._path_provider = path_provider
        chain = PluginChain(self.driver, self.writer, plugins=self.plugins, source=self.source)
        self._parts = AdParts(
            driver=self.driver,
            writer=self.writer,
            chain=chain,
            acquire=AdAcquire(self.driver),
            trigger=AdTrigger(self.driver, deadtime=deadtime),
            file=CaptureFile(self.writer, chain, columns=columns_of(self.attributes)),
        )
        self._arming: Arming | None = None
        self._frames_per_event = 1
        self._documents = AssetDocuments()
        super().__init__(name)

    @property
    def identity(self) -> Identity:
        """By what its frames can be recognised."""
        return self._identity

    @property
    def data_keys(self) -> tuple[str, ...]:
        """The frames, called as the device, then what is recorded with each: id, stamps, NDAttributes."""
        return self._parts.file.keys(self.name)

    @property
    def hints(self) -> Hints:
        """Images are not plotted against an axis."""
        return {"fields": []}

    @property
    def drops(self) -> tuple[Drop, ...]:
        """Frames dropped by plug-ins since arming, as they were noticed."""
        return () if self._arming is None else tuple(self._arming.watch.drops)

    async def deadtime(self) -> float:
        """Seconds between two exposures: as given, measured, told by the driver, or by the rule of its class.

        Raises:
            UnknownDeadtimeError: None of them knows.
        """
        return await self._parts.trigger.deadtime()

    async def measure_deadtime(self, livetime: float) -> float:
        """Take MEASURED_FRAMES frames as fast as the camera can, and keep what is between them as its dead time.

        Writes one file, of which no document is made. The mean is kept: jitter of the stamps does not matter much.

        Returns:
            Seconds.

        Raises:
            DeviceError: As `prepare` and `complete` do.
        """
        await self._prepare(TriggerInfo(livetime=livetime, frames=MEASURED_FRAMES))
        await self._kickoff()
        await self._complete(lambda _: None)
        found = await self.identities(FrameRange(0, MEASURED_FRAMES))
        await self._finish()
        if found.times_ns is None:
            msg = f"{self.name}: its frames have no time stamps to measure by; give the dead time (deadtime=...)"
            raise ReadbackError(msg)
        period = float(np.diff(found.times_ns).mean()) * 1e-9
        self._parts.trigger.known_deadtime = max(0.0, period - livetime)
        return self._parts.trigger.known_deadtime

    async def prime(self) -> None:
        """Take one frame without writing it, so that the writer knows the shape that its plug-ins make of it.

        Raises:
            AcquireError: It does not end.
        """
        await self._disarm()
        livetime = await self.driver.acquire_time.get_value()
        await self._parts.chain.connect_writer()
        await self._parts.trigger.prepare(TriggerInfo(livetime=livetime))
        before = await self.writer.array_counter.get_value()
        await self._parts.acquire.release()
        await self.writer.array_counter.wait_for_value(lambda seen: seen != before, timeout=STALL + livetime)
        await self._parts.acquire.ended(STALL)
        await self._parts.chain.remember()

    async def describe_collect(self) -> dict[str, DataKey]:
        """Frames in the shape, type and colour order in which they will be written, and one value of each column."""
        return await self._parts.file.describe(self.name, frames_per_event=self._frames_per_event)

    async def describe(self) -> dict[str, DataKey]:
        """As `describe_collect`: a step gives one event, in a file."""
        return await self.describe_collect()

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
            UnsupportedTriggerError: Through the Status: a kind it does not take, or triggers closer than the dead time.
            NoPathProviderError: Through the Status.
            WriterError: Through the Status: the file cannot be written, or frames would not arrive as described.
            PluginChainError: Through the Status: the plug-ins lead somewhere else.
            ReadbackError: Through the Status: a setting did not take.
        """
        return Status(self._prepare(value), name=f"{self.name} prepare", owner=self.tasks)

    async def _prepare(self, value: TriggerInfo) -> None:
        await self._parts.trigger.check(value)
        await self._check_stamps(value)
        provider = self._path_provider or DEFAULT_PATHS.get()
        await self._disarm()
        place = await asyncio.to_thread(provider, self.name)
        if self.attributes:
            await ask_for(self.driver, self.writer, self.attributes)
        arming = Arming(self._parts, value, name=self.name)
        self._arming, self._frames_per_event = arming, value.frames_per_event
        self._documents.begin()
        await arming.open(place, owner=self.tasks)

    async def _check_stamps(self, value: TriggerInfo) -> None:
        if value.kind == "internal" or self._identity is not Identity.HARDWARE_TIME:
            return
        source = await self.driver.stamp_source.value_or(HARDWARE_STAMPS)
        if source != HARDWARE_STAMPS:
            msg = (
                f"{self.name}: declared hardware_time, but {self.driver.stamp_source.source} is {source!r}, expected "
                f"{HARDWARE_STAMPS!r}. Set it, or declare identity=Identity.SOFTWARE_TIME"
            )
            raise ReadbackError(msg)

    @status_verb
    def trigger(self) -> Status:
        """Take one event with the camera's own clock; done when it is in the file. Prepares itself if nobody did."""
        return Status(self._trigger(), name=f"{self.name} trigger", owner=self.tasks)

    async def _trigger(self) -> None:
        if self._arming is None:
            livetime = await self.driver.acquire_time.get_value()
            await self._prepare(TriggerInfo(kind="internal", livetime=livetime, frames=1))
        self._armed("be triggered").info.expect_one_event(self.name)
        await self._kickoff()
        await self._complete(lambda _: None)

    @status_verb
    def kickoff(self) -> Status:
        """Let the frames of one kickoff come: with its own clock it begins, for external triggers it was armed before.

        Raises:
            UnsupportedTriggerError: Through the Status: it is not prepared.
        """
        return Status(self._kickoff(), name=f"{self.name} kickoff", owner=self.tasks)

    async def _kickoff(self) -> None:
        await self._armed("kick off").kickoff()

    @status_verb
    def complete(self) -> Status:
        """Done when the frames of the kickoff are in the file; of an unbounded number, when none come any more.

        External triggers may take as long as they like: nothing but a failure or `stop` ends the wait for them.

        Raises:
            FramesDroppedError: Through the Status: not all of them will ever be.
            WriterError: Through the Status.
        """
        return Status.reporting(self._complete, name=f"{self.name} complete", owner=self.tasks)

    async def _complete(self, report: Report) -> None:
        arming = self._armed("complete")
        if arming.info.bounded:
            await arming.complete(report)
        else:
            await self._finish()

    def _armed(self, verb: str) -> Arming:
        if self._arming is None:
            msg = f"{self.name} cannot {verb}: it is not armed; prepare it first"
            raise UnsupportedTriggerError(msg)
        return self._arming

    @async_verb
    async def read(self) -> dict[str, Reading[Any]]:
        """Nothing: its frames are in a file."""
        return {}

    async def assets(self) -> tuple[StreamAsset, ...]:
        """The datasets of the file, once the first frame is in it, until the next arming.

        Raises:
            AssetsNotReadyError: Not prepared, or no frame yet.
            WriterError: It holds something else than described.
        """
        return await self._parts.file.assets(self.name)

    async def counts(self) -> DetectorCounts:
        """Exposed, written and dropped since arming.

        Raises:
            DeviceError: What has failed since: a file that was closed, a frame that was not written, a lost IOC.
        """
        if self._arming is not None:
            return await self._arming.counts()
        return DetectorCounts(
            exposed=await self.driver.exposed(since_acquire=False),
            written=await self.writer.num_captured.get_value(),
            dropped=await self._parts.chain.dropped(),
        )

    def observe_written(self) -> AsyncIterator[int]:
        """Rows written, at every change; raises what fails while it is armed."""
        if self._arming is not None:
            return self._arming.watch.observe_written()
        return self.writer.num_captured.observe()

    async def identities(self, rows: FrameRange) -> FrameIdentities:
        """Flush, then read the time stamps and ids of these rows from the file."""
        await self.assets()
        if self._arming is not None:
            self._arming.watch.check()
            await self.writer.flush()
        return await self._parts.file.identities(rows)

    async def pause_at_boundary(self) -> int:
        """Hold, armed and with the file open; see PausableDetector.

        Raises:
            PauseRefusedError: It is not armed, or triggers keep coming.
        """
        if self._arming is None:
            msg = f"{self.name} cannot pause: it is not armed"
            raise PauseRefusedError(msg)
        return await self._arming.pause()

    @status_verb
    def resume(self, frame: int) -> Status:
        """Go on with planned frame `frame`; see PausableDetector."""
        return Status(self._resume(frame), name=f"{self.name} resume", owner=self.tasks)

    async def _resume(self, frame: int) -> None:
        if self._arming is None:
            msg = f"{self.name} cannot resume: it is not armed"
            raise PauseRefusedError(msg)
        await self._arming.resume(frame)

    @status_verb
    def finish(self) -> Status:
        """Wait until everything exposed is written or dropped, flush, stop and close.

        Raises:
            WriterError: Through the Status: the writer stopped, or makes no progress.
        """
        return Status(self._finish(), name=f"{self.name} finish", owner=self.tasks)

    async def _finish(self) -> None:
        if self._arming is not None:
            await self._arming.drain()
        await self._close()

    async def _close(self) -> None:
        arming, self._arming = self._arming, None
        if arming is None:
            await self._parts.acquire.ensure_stopped()
            await self.writer.close()
        else:
            await arming.close()

    async def _disarm(self) -> None:
        """End whatever runs, whoever began it, draining the queues first where something is being written."""
        await self._parts.acquire.ensure_stopped()
        if await self.writer.capturing.get_value():
            size = await self.writer.queue_size.get_value()

            def is_empty(free: int) -> bool:
                return free >= size

            is_empty.__doc__ = f"an empty queue ({size} free)"
            await self.writer.queue_free.wait_for_value(is_empty, timeout=STALL)
        await self._close()
        self._parts.file.forget_layout()

    @async_verb
    async def stop(self, success: bool = True) -> None:  # noqa: FBT001, FBT002  # bluesky's signature
        """Stop exposing now, and close the file with what was exposed."""
        del success
        await self._disarm()

    async def get_index(self) -> int:
        """Events in the file."""
        return await self.writer.num_captured.get_value() // self._frames_per_event

    async def collect_asset_docs(self, index: int | None = None) -> AsyncIterator[StreamDocument]:
        """The file once, then the events that are new up to `index`, in the device-side form."""
        stop = await self.get_index() if index is None else min(index, await self.get_index())
        if not self._parts.file.known or stop <= self._documents.announced:
            return
        assets = await self._assets_soon()
        if self._arming is not None:
            await self.writer.flush()
        for document in self._documents.upto(stop, assets):
            yield document

    async def _assets_soon(self) -> tuple[StreamAsset, ...]:
        """The assets of a file that has frames; a network file system may show it late."""
        for _ in range(round(VISIBLE_TIMEOUT / LOOK_AGAIN)):
            try:
                return await self.assets()
            except AssetsNotReadyError:
                await asyncio.sleep(LOOK_AGAIN)
        return await self.assets()


class SimDetector(AreaDetector):
    """ADSimDetector."""

    driver_type = SimDriver


class AravisDetector(AreaDetector):
    """A GigE or USB3 Vision camera of ADAravis."""

    driver_type = AravisDriver


class PilatusDetector(AreaDetector):
    """A PILATUS of ADPilatus."""

    driver_type = PilatusDriver


class EigerDetector(AreaDetector):
    """An Eiger of ADEiger."""

    driver_type = EigerDriver
