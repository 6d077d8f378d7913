"""What a monitor delivers, as a bounded queue that somebody iterates over.

A server sends updates as fast as it likes and the reader takes them when it can. The queue between them is bounded:
when it is full the oldest update is dropped and counted, so that the reader always ends with the newest value. Values
that must not be missed belong in counters or in files, not in monitors: EPICS servers drop updates themselves, on both
protocols.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .errors import DeviceError

T = TypeVar("T")

DEFAULT_CAPACITY = 64
"""Updates that wait for a slow reader before the oldest is dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationStatistics:
    """What a queue has seen.

    Attributes:
        source: What is observed.
        received: Updates that came.
        delivered: Updates that were read.
        conflated: Updates dropped because the reader was slow.
        pending: Updates waiting now.
        capacity: Of the queue.
    """

    source: str
    received: int
    delivered: int
    conflated: int
    pending: int
    capacity: int


class Observation(Generic[T]):
    """An endless async iterator over a signal's values: the current one first.

    Subscribed as long as it is referred to: a `for` loop that ends lets it go. `close()`, or `with`, ends it at once.
    """

    def __init__(self, source: str, *, convert: Callable[[Any], T], capacity: int = DEFAULT_CAPACITY) -> None:
        self._source = source
        self._convert = convert
        self._updates: deque[Any] = deque(maxlen=capacity)
        self._wakeup: asyncio.Future[None] | None = None
        self._error: DeviceError | None = None
        self._received = 0
        self._delivered = 0
        self._conflated = 0
        self._closed = False
        self._detach: Callable[[], None] | None = None

    def attached(self, detach: Callable[[], None]) -> None:
        """Remember how to unsubscribe; called by the back end."""
        self._detach = detach

    def push(self, update: Any) -> None:
        """Take an update; called by the back end in the loop's thread."""
        self._received += 1
        self._conflated += len(self._updates) == self._updates.maxlen
        self._updates.append(update)
        self._wake()

    def fail(self, error: DeviceError) -> None:
        """End the iteration with `error`, after the updates that came before it."""
        self._error = error
        self._wake()

    def close(self) -> None:
        """Unsubscribe and end the iteration."""
        self._closed = True
        if self._detach is not None:
            self._detach()
            self._detach = None
        self._wake()

    def _wake(self) -> None:
        if self._wakeup is not None and not self._wakeup.done():
            self._wakeup.set_result(None)

    def __aiter__(self) -> "Observation[T]":
        return self

    async def __anext__(self) -> T:
        while not self._updates:
            if self._closed:
                raise StopAsyncIteration
            if self._error is not None:
                raise self._error
            self._wakeup = asyncio.get_running_loop().create_future()
            await self._wakeup
        self._delivered += 1
        return self._convert(self._updates.popleft())

    def __enter__(self) -> "Observation[T]":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def statistics(self) -> ObservationStatistics:
        """Count what came, what was read and what was dropped."""
        return ObservationStatistics(
            source=self._source,
            received=self._received,
            delivered=self._delivered,
            conflated=self._conflated,
            pending=len(self._updates),
            capacity=self._updates.maxlen or 0,
        )
