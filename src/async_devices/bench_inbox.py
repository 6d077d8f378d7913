"""From a camera that calls back, in a thread of its own, to a loop that iterates.

The queue between them is bounded. What does not fit is counted, and the iteration then fails: a camera that is faster
than the disk has lost frames, and nobody else would know.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from .errors import FramesDroppedError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxStatistics:
    """What an inbox has seen.

    Attributes:
        received: Frames given to it.
        dropped: Frames that did not fit.
        pending: Frames waiting now.
        capacity: Frames that can wait.
    """

    received: int
    dropped: int
    pending: int
    capacity: int


class FrameInbox(Generic[T]):
    """A bounded queue that any thread may put into; made and iterated over in one loop."""

    def __init__(self, capacity: int = 64) -> None:
        """Hold at most `capacity` frames."""
        self._capacity = capacity
        self._frames: deque[T] = deque()
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._received = 0
        self._dropped = 0
        self._closed = False

    def put(self, frame: T) -> None:
        """Take a frame, or count it as dropped when the queue is full. From any thread; the frame must be its own."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._take, frame)

    def _take(self, frame: T) -> None:
        self._received += 1
        if len(self._frames) >= self._capacity:
            self._dropped += 1
        else:
            self._frames.append(frame)
        self._news.set()

    def close(self) -> None:
        """End the iteration when what waits has been taken. From any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        self._closed = True
        self._news.set()

    def __aiter__(self) -> "FrameInbox[T]":
        return self

    async def __anext__(self) -> T:
        while not self._frames:
            if self._dropped:
                msg = (
                    f"{self._dropped} of {self._received} frames did not fit into an inbox of {self._capacity}: the "
                    "camera is faster than the disk. Slow it down, or give the inbox more room"
                )
                raise FramesDroppedError(msg)
            if self._closed:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._frames.popleft()

    def statistics(self) -> InboxStatistics:
        """Count what came, what waits and what was lost."""
        return InboxStatistics(
            received=self._received, dropped=self._dropped, pending=len(self._frames), capacity=self._capacity
        )
