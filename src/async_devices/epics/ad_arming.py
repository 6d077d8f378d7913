"""One arming of an areaDetector: from the opening of its file to its closing.

Theory of operation. Counts are since arming; `due` is in rows of the file and grows with each kickoff.

    rows due          kickoff adds the frames of one kickoff; a resume at frame k sets it to what is left from k on
    exposed           as the driver says: see AdDriver.exposed
    drained           written + dropped >= exposed, all queues empty, and nothing has changed for a while
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, replace

from ...task_owner import TaskOwner
from ...task_scope import together
from ..errors import FramesDroppedError, PauseRefusedError, WriterError
from ..flight import DetectorCounts, TriggerInfo
from ..paths import PathInfo
from ..protocols import Progress
from ..status import Report
from .ad_acquire import AdAcquire, AdTrigger
from .ad_chain import PluginChain
from .ad_data import CaptureFile
from .ad_driver import AdDriver
from .ad_watch import CaptureWatch
from .hdf_plugin import HdfPlugin

SETTLE = 0.25
"""Seconds for which nothing may change before a detector counts as drained: six periods of a 25 Hz monitor."""
STALL = 20.0
"""Seconds without any progress after which a capture or a drain has failed."""
PAUSE_TIMEOUT = 30.0
"""Seconds in which triggers must have ended when a pause is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdParts:
    """What a detector is composed of."""

    driver: AdDriver
    writer: HdfPlugin
    chain: PluginChain
    acquire: AdAcquire
    trigger: AdTrigger
    file: CaptureFile


class Arming:
    """One file's worth of triggers."""

    def __init__(self, parts: AdParts, info: TriggerInfo, *, name: str) -> None:
        self.info = info
        self.paused = False
        self.watch = CaptureWatch(parts.writer, (), strict=False)
        self._parts, self._name = parts, name
        self._task: asyncio.Task[None] | None = None
        self._due = 0
        self._frames_due = 0
        self._acquires = 0

    @property
    def internal(self) -> bool:
        """Whether the camera's own clock triggers it."""
        return self.info.kind == "internal"

    async def open(self, place: PathInfo, *, owner: TaskOwner) -> None:
        """Configure, begin to capture, watch, and for external triggers acquire."""
        parts = self._parts
        await parts.acquire.ensure_ready()
        await parts.trigger.prepare(self.info)
        await parts.file.open(place)
        self.watch = CaptureWatch(parts.writer, parts.chain.counting, strict=self.internal)
        self._task = owner.start(self.watch.run(), name="watch")
        if not self.internal:
            self._acquires = 1
            await parts.acquire.start()

    async def kickoff(self) -> None:
        """Let the frames of one kickoff come."""
        self.watch.check()
        self._due += self.info.frames_per_kickoff
        self._frames_due += self.info.frames_per_kickoff
        if self.internal:
            self._acquires += 1
            await self._parts.acquire.release()

    async def complete(self, report: Report | None = None) -> None:
        """Wait until the frames that are due are written.

        Raises:
            FramesDroppedError: Not all of them can be.
            WriterError: Nothing comes any more.
        """
        watch, initial = self.watch, self.watch.written

        def reached() -> bool:
            if report is not None:
                report(self._progress(initial))
            return watch.written + watch.dropped >= self._due

        patience = STALL + 3 * (self.info.livetime + self.info.deadtime) if self.internal else None
        try:
            await watch.wait(reached, patience=patience)
        except TimeoutError as error:
            raise WriterError(await self._stalled(await self._levels())) from error
        if watch.dropped:
            msg = f"{self._name}: {self._due} frames due, {watch.written} written, {watch.dropped} dropped on the way"
            raise FramesDroppedError(msg)
        if self.internal:
            await self._parts.acquire.ended(STALL)

    def _progress(self, initial: int) -> Progress:
        written = self.watch.written
        return Progress(
            name=self._name,
            current=written,
            initial=initial,
            target=self._due,
            unit="frames",
            precision=0,
            fraction=written / self._due if self._due else None,
        )

    async def counts(self) -> DetectorCounts:
        """Exposed, written and dropped, now.

        Raises:
            DeviceError: What has failed.
        """
        self.watch.check()
        exposed, written, dropped, _ = await self._levels()
        self.watch.check()
        return DetectorCounts(exposed=exposed, written=written, dropped=dropped)

    async def _levels(self) -> tuple[int, int, int, int]:
        """(exposed, written, dropped, queued)."""
        parts = self._parts
        exposed, written, dropped, queued = await together(
            parts.driver.exposed(since_acquire=self._acquires == 1),
            parts.writer.num_captured.get_value(),
            parts.chain.dropped(),
            parts.chain.queued(),
        )
        return exposed, written, dropped, queued

    async def drain(self) -> None:
        """Wait until everything exposed is written or dropped, and flush.

        Raises:
            WriterError: The writer stopped, or makes no progress.
        """
        loop = asyncio.get_running_loop()
        # An exposure under way is counted at its end by some drivers.
        calm = SETTLE + 2 * (self.info.livetime + self.info.deadtime)
        last, since = await self._levels(), loop.time()
        with self.watch.observe_written() as captured:
            while not (_empty(last) and loop.time() - since >= calm):
                self.watch.check()
                await _next_or(captured, SETTLE)
                levels = await self._levels()
                if levels != last:
                    last, since = levels, loop.time()
                if loop.time() - since > STALL + calm:
                    raise WriterError(await self._stalled(last))
        self.watch.check()
        await self._parts.writer.flush()

    async def _stalled(self, levels: tuple[int, int, int, int]) -> str:
        exposed, written, dropped, queued = levels
        state = await self._parts.driver.detector_state.get_value()
        source = self._parts.writer.input_port.source
        return (
            f"{self._name}: {exposed} exposed, {self._due} due, but {written} written, {dropped} dropped and {queued} "
            f"queued; no change for {STALL:g} s, DetectorState {state!r}. Is the camera triggered, does it feed "
            f"{source}, is the disk full?"
        )

    async def pause(self) -> int:
        """Hold; see PausableDetector.

        Raises:
            PauseRefusedError: Triggers keep coming.
        """
        if self.internal:
            await self._parts.acquire.ensure_stopped()
        try:
            async with asyncio.timeout(PAUSE_TIMEOUT + STALL):
                await self.drain()
        except TimeoutError as error:
            written = self.watch.written
            msg = f"{self._name}: triggers keep coming ({written} written); stop the trigger box before the pause"
            raise PauseRefusedError(msg) from error
        await self._parts.acquire.ensure_stopped()
        self.paused = True
        return (await self.counts()).written

    async def resume(self, frame: int) -> None:
        """Go on with planned frame `frame`.

        Raises:
            PauseRefusedError: It is not paused, or the frame is not planned.
        """
        info, total = self.info, self.info.total_frames
        if not self.paused or frame < 0 or (info.bounded and frame > total):
            state = "paused" if self.paused else "not paused"
            msg = f"{self._name} is {state} and planned for {total or 'any'} frames; it cannot go on with frame {frame}"
            raise PauseRefusedError(msg)
        written = (await self.counts()).written
        left = max(0, self._frames_due - frame)
        self._due = written + self.watch.dropped + left
        self.paused = False
        if not self.internal:
            self._acquires += 1
            await self._parts.acquire.start()
        elif left or not info.bounded:
            self._acquires += 1
            await self._parts.driver.set_images(replace(info, frames=left, frames_per_event=1))
            await self._parts.acquire.release()

    async def close(self) -> None:
        """Watch no more, stop the driver, close the file; the caller has drained what it wants to keep."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self.watch.end()
        await self._parts.acquire.ensure_stopped()
        await self._parts.writer.close()


def _empty(levels: tuple[int, int, int, int]) -> bool:
    exposed, written, dropped, queued = levels
    return written + dropped >= exposed and queued == 0


async def _next_or(values: AsyncIterator[int], seconds: float) -> None:
    """Return at the next value, or after so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            await anext(values)
    except TimeoutError:
        return
