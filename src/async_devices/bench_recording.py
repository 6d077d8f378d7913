"""The file of a bench detector: frames that Python yields, written by our own SWMR writer.

Theory of operation. A producer takes frames from the detector, stamps and numbers them; a writer puts what is queued
into the file in one go, in a thread, and flushes. Between them is a queue of QUEUE frames; when it is full the producer
waits, so that nothing is lost here: a camera that cannot wait says so itself (FrameInbox).

    frames() ──► producer ──► queue ──► writer (thread) ──► rows that are committed: `written`

Rows count when they are flushed. Frame, id and time are appended together; if one fails, the file takes no more.
"""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..stream_resource.errors import StreamResourceError
from ..stream_resource.frame_codecs import Compression
from ..stream_resource.frame_writer import IDENTITIES, FrameDataset, FrameWriter, create_frames
from ..task_scope import task_scope
from .errors import AcquireError, DeviceError, FrameLayoutError, WriterError

DATASET = "/entry/data/data"
QUEUE = 16
"""Frames that wait for the disk before the camera is asked to wait."""


class BenchFrame(NamedTuple):
    """A frame with what its camera knows of it.

    Attributes:
        pixels: The frame, of any shape.
        time_ns: Unix nanoseconds of its exposure; None: when it was yielded.
        unique_id: The camera's count; None: one more than the frame before. A gap is a frame that was lost.
    """

    pixels: NDArray[Any]
    time_ns: int | None = None
    unique_id: int | None = None


class _Numbered(NamedTuple):
    pixels: NDArray[Any]
    time_ns: int
    unique_id: int


class Recording:
    """One file."""

    def __init__(self, path: Path, example: NDArray[Any], *, compression: Compression) -> None:
        """Name the file; `open` makes it.

        Args:
            path: In a directory that exists.
            example: A frame as they will come.
            compression: What frames are packed with.
        """
        self.path = path
        self.exposed = 0
        self.failure: DeviceError | None = None
        self.holding = False
        frames = FrameDataset(DATASET, example.shape, example.dtype, compression=compression)
        self.datasets = (frames, *IDENTITIES)
        self._writer: FrameWriter | None = None
        self._writing = threading.Lock()
        self._written = 0
        self._changed = asyncio.Event()
        self._last_id = 0

    @property
    def written(self) -> int:
        """Rows that readers see."""
        return self._written

    async def open(self) -> None:
        """Make the file.

        Raises:
            WriterError: It cannot be made.
        """
        try:
            self._writer = await asyncio.to_thread(create_frames, self.path, self.datasets)
        except StreamResourceError as error:
            msg = f"cannot write frames into {self.path}: {error}"
            raise WriterError(msg) from error

    async def record(self, frames: AsyncGenerator[NDArray[Any] | BenchFrame], number: int | None) -> None:
        """Take so many frames, or all there are, and commit them; ends early when `holding` is set.

        Raises:
            DeviceError: What failed; the recording takes nothing more then.
        """
        self.check()
        queue: asyncio.Queue[_Numbered | None] = asyncio.Queue(QUEUE)
        try:
            async with task_scope() as group:
                writing = group.create_task(self._write(queue))
                try:
                    await self._produce(frames, number, queue)
                finally:
                    # Whatever ended the producer, what it has yielded is written.
                    if not writing.done():
                        await queue.put(None)
                        await writing
        except DeviceError as error:
            self._fail(error)
            raise
        except StreamResourceError as error:
            failure = WriterError(f"could not write frame {self._written} into {self.path}: {error}")
            self._fail(failure)
            raise failure from error

    def check(self) -> None:
        """Raise what has failed."""
        if self.failure is not None:
            raise self.failure

    def ended(self, task: "asyncio.Task[None]") -> None:
        """Keep what a recording task ended with, whatever the camera's code has raised, for whoever waits."""
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, DeviceError):
            failure = AcquireError(f"no frame {self.exposed} for {self.path}: {error!r}")
            failure.__cause__ = error
            self._fail(failure)

    def abandon(self, why: str) -> None:
        """Take nothing more; whoever waits for frames is told why."""
        self._fail(AcquireError(f"{why} with {self._written} frames in {self.path}"))

    def _fail(self, error: DeviceError) -> None:
        self.failure = self.failure or error
        self._news()

    def _news(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _produce(
        self, frames: AsyncGenerator[NDArray[Any] | BenchFrame], number: int | None, queue: "asyncio.Queue[Any]"
    ) -> None:
        left = number
        async with aclosing(frames):
            while left != 0 and not self.holding:
                try:
                    frame = await anext(frames)
                except StopAsyncIteration:
                    break
                await queue.put(self._numbered(frame))
                self.exposed += 1
                left = None if left is None else left - 1
        if left and not self.holding:
            msg = f"{self.path}: the camera ended after {self.exposed} frames, {left} more were due"
            raise WriterError(msg)

    def _numbered(self, frame: NDArray[Any] | BenchFrame) -> _Numbered:
        full = frame if isinstance(frame, BenchFrame) else BenchFrame(frame)
        pixels, expected = np.asarray(full.pixels), self.datasets[0]
        if pixels.shape != expected.shape or pixels.dtype != np.dtype(expected.dtype):
            msg = (
                f"{self.path}: frame {self.exposed} is {pixels.shape} {pixels.dtype}, expected {expected.shape} "
                f"{np.dtype(expected.dtype)} as the first; prepare again after a change of the camera"
            )
            raise FrameLayoutError(msg)
        self._last_id = self._last_id + 1 if full.unique_id is None else full.unique_id
        return _Numbered(pixels, time.time_ns() if full.time_ns is None else full.time_ns, self._last_id)

    async def _write(self, queue: "asyncio.Queue[_Numbered | None]") -> None:
        ended = False
        while not ended:
            batch = [await queue.get()]
            while not queue.empty():
                batch.append(queue.get_nowait())
            ended = batch[-1] is None
            rows = [frame for frame in batch if frame is not None]
            if rows:
                await asyncio.to_thread(self._append, rows)
                self._news()

    def _append(self, rows: Sequence[_Numbered]) -> None:
        """Append, flush and count; in a thread, which goes on if whoever waits for it is cancelled."""
        with self._writing:
            writer = self._writer
            if writer is None:
                return
            frames, ids, times = (dataset.name for dataset in self.datasets)
            for row in rows:
                writer.append(frames, row.pixels[np.newaxis])
                writer.append(ids, np.array([row.unique_id], np.int64))
                writer.append(times, np.array([row.time_ns], np.int64))
            self._written = writer.flush()[frames]

    async def observe_written(self) -> AsyncGenerator[int]:
        """Rows committed, at once and at every change; raises what fails."""
        shown = -1
        while True:
            changed = self._changed
            if self._written != shown:
                shown = self._written
                yield shown
            elif self.failure is not None:
                raise self.failure
            else:
                await changed.wait()

    async def close(self) -> None:
        """Close the file; waits for a write under way. May be called again."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        with self._writing:
            writer, self._writer = self._writer, None
            if writer is not None:
                writer.close()
