"""What goes wrong during a capture, noticed when it happens.

Theory of operation. One task watches, from the moment Capture_RBV has said Capturing until the file is closed on
purpose:

    Capture_RBV       back to Done               the file is lost: failure
    WriteStatus       Write error                a frame was not written: failure, with WriteMessage
    WriteMessage      Invalid frame …            frames of another shape are passed over, uncounted: failure
    DroppedArrays     rises, of any plug-in      frames are lost, and counted: an entry; a failure where each is due
    NumCaptured       rises                      progress
    circuits          closed                     failure

The first failure counts. It ends every wait and every observation at once, and is raised by whatever asks later.
WriteStatus and WriteMessage keep what the capture before has said until the first frame, so their first value is not
news.
"""

import asyncio
import time
import weakref
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ...task_scope import task_scope
from ..errors import AcquireError, DeviceError, FrameLayoutError, FramesDroppedError, WriterError
from ..observation import Observation
from .ad_plugins import AdPlugin
from .hdf_plugin import HdfPlugin

WRITE_ERROR = "Write error"
INVALID_FRAME = "Invalid frame"


class Drop(NamedTuple):
    """Frames that a plug-in dropped at a time."""

    plugin: str
    frames: int
    time: float
    written: int


class CaptureWatch:
    """Watches one capture."""

    def __init__(self, writer: HdfPlugin, counting: Sequence[AdPlugin], *, strict: bool) -> None:
        """Watch nothing yet; `run` does.

        Args:
            writer: Whose capture it is.
            counting: Whatever may drop frames, the writer included.
            strict: Whether a dropped frame is a failure: where every frame is due and nobody keeps a ledger.
        """
        self._writer, self._counting, self._strict = writer, tuple(counting), strict
        self._changed = asyncio.Event()
        self._observations: weakref.WeakSet[Observation[int]] = weakref.WeakSet()
        self.failure: DeviceError | None = None
        self.drops: list[Drop] = []
        self._waiting = 0
        self.written = 0
        self.queue_free = 0
        """Fewest places that were free in the writer's queue."""

    @property
    def dropped(self) -> int:
        """Frames dropped so far."""
        return sum(drop.frames for drop in self.drops)

    async def run(self) -> None:
        """Watch until cancelled or until something has failed."""
        try:
            async with task_scope() as group:
                group.create_task(self._watch_capturing())
                group.create_task(self._watch_status())
                group.create_task(self._watch_message())
                group.create_task(self._watch_written())
                group.create_task(self._watch_queue())
                for plugin in self._counting:
                    group.create_task(self._watch_dropped(plugin))
        except DeviceError as error:
            self.fail(error)

    def fail(self, error: DeviceError) -> None:
        """Note the first failure and wake whoever waits."""
        if self.failure is None:
            self.failure = error
            for observation in list(self._observations):
                observation.fail(error)
            self._news()

    def check(self) -> None:
        """Raise what has failed.

        Raises:
            DeviceError: The first failure.
        """
        if self.failure is not None:
            raise self.failure

    def observe_written(self) -> Observation[int]:
        """Rows written, at every change; ends with the failure."""
        observation = self._writer.num_captured.observe()
        self._observations.add(observation)
        if self.failure is not None:
            observation.fail(self.failure)
        return observation

    async def wait(self, reached: Callable[[], bool], *, patience: float | None) -> None:
        """Wait until `reached()` holds; asked at every change.

        Args:
            reached: What is waited for.
            patience: Seconds without any change after which to give up; None: for ever.

        Raises:
            DeviceError: What failed meanwhile.
            TimeoutError: Nothing changed for so long.
        """
        self._waiting += 1
        try:
            while not reached():
                self.check()
                async with asyncio.timeout(patience):
                    await self._changed.wait()
            self.check()
        finally:
            self._waiting -= 1

    def end(self) -> None:
        """The capture is over: observations end; a wait that is not, fails."""
        if self._waiting:
            self.fail(AcquireError(f"{self._writer.name}: stopped with {self.written} frames written"))
        for observation in list(self._observations):
            observation.close()

    def _news(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _watch_written(self) -> None:
        with self._writer.num_captured.observe() as counts:
            async for written in counts:
                self.written = written
                self._news()

    async def _watch_capturing(self) -> None:
        with self._writer.capturing.observe() as states:
            async for capturing in states:
                if not capturing:
                    raise WriterError(await self._writer.complaint("stopped capturing by itself"))

    async def _watch_status(self) -> None:
        with self._writer.write_status.observe() as states:
            await anext(states)
            async for status in states:
                await self._check_status(status)

    async def _check_status(self, status: str) -> None:
        if status == WRITE_ERROR:
            raise WriterError(await self._writer.complaint(f"could not write a frame behind {self.written}"))

    async def _watch_message(self) -> None:
        with self._writer.write_message.observe() as messages:
            await anext(messages)
            async for message in messages:
                if message.startswith(INVALID_FRAME):
                    msg = (
                        f"{self._writer.name} passes over frames, {self._writer.write_message.source}: {message!r}; "
                        f"{self.written} were written. Was the camera's size or type changed during the capture?"
                    )
                    raise FrameLayoutError(msg)

    async def _watch_queue(self) -> None:
        with self._writer.queue_free.observe() as places:
            self.queue_free = await anext(places)
            async for free in places:
                self.queue_free = min(self.queue_free, free)

    async def _watch_dropped(self, plugin: AdPlugin) -> None:
        known = 0
        with plugin.dropped_arrays.observe() as counts:
            async for dropped in counts:
                if dropped > known:
                    if self._strict:
                        # A frame that could not be written counts as dropped as well: say what is behind it.
                        await self._check_status(await self._writer.write_status.get_value())
                        self.fail(FramesDroppedError(self._said(plugin, dropped)))
                    self.drops.append(Drop(plugin.name, dropped - known, time.time(), self.written))
                    self._news()
                known = dropped

    def _said(self, plugin: AdPlugin, dropped: int) -> str:
        return (
            f"{plugin.name} dropped {dropped} frames, {plugin.dropped_arrays.source}: expected none, {self.written} "
            f"are written. Its queue was full: lengthen QueueSize, slow down, or write to a faster disk"
        )
