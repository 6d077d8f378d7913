"""What a monitor delivers, as a bounded queue that somebody iterates over.

A server sends updates as fast as it likes and the reader takes them when it can. The queue between them is bounded:
when it is full the oldest update is dropped and counted, so that the reader always ends with the newest value. Values
that must not be missed belong in counters or in files, not in monitors: EPICS servers drop updates themselves, on both
protocols.

A circuit that closes is told once, in its place among the updates, as an error that the iteration raises. The iteration
may go on after it: the updates of a server that has come back follow, its first value among them.

A queue belongs to the loop that its signal lives in; it may be read in any other.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .errors import DeviceError
from .loops import running_loop

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


class _Trouble:
    """An error in its place among the updates."""

    __slots__ = ("error",)

    def __init__(self, error: DeviceError) -> None:
        self.error = error


class Observation(Generic[T]):
    """An endless async iterator over a signal's values: the current one first.

    Subscribed as long as it is referred to: a `for` loop that ends lets it go. `close()`, or `with`, ends it at once.
    """

    def __init__(self, source: str, *, convert: Callable[[Any], T], capacity: int = DEFAULT_CAPACITY) -> None:
        self._source = source
        self._convert = convert
        self._updates: deque[Any] = deque(maxlen=capacity)
        self._wakeup: asyncio.Future[None] | None = None
        self._received = 0
        self._delivered = 0
        self._conflated = 0
        self._closed = False
        self._detach: Callable[[], None] | None = None

    def attached(self, detach: Callable[[], None]) -> None:
        """Remember how to unsubscribe; called by the back end."""
        self._detach = detach

    @property
    def waiting(self) -> bool:
        """Whether somebody waits for the next update."""
        return self._wakeup is not None and not self._wakeup.done()

    def push(self, update: Any) -> None:
        """Take an update; called by the back end in the loop's thread."""
        self._received += 1
        updates = self._updates
        if len(updates) == updates.maxlen and not isinstance(updates[0], _Trouble):
            self._conflated += 1
        updates.append(update)
        self._wake()

    def fail(self, error: DeviceError) -> None:
        """Raise `error` from the iteration, once, after the updates that came before it."""
        updates = self._updates
        if updates and isinstance(updates[-1], _Trouble):
            updates.pop()
        elif len(updates) == updates.maxlen:
            self._conflated += 1
        updates.append(_Trouble(error))
        self._wake()

    def close(self) -> None:
        """Unsubscribe and end the iteration."""
        self._closed = True
        if self._detach is not None:
            self._detach()
            self._detach = None
        self._wake()

    def _wake(self) -> None:
        wakeup = self._wakeup
        if wakeup is None or wakeup.done():
            return
        reader = wakeup.get_loop()
        if reader is running_loop():
            wakeup.set_result(None)
        elif not reader.is_closed():
            reader.call_soon_threadsafe(_set, wakeup)

    def __aiter__(self) -> "Observation[T]":
        return self

    async def __anext__(self) -> T:
        while not self._updates:
            if self._closed:
                raise StopAsyncIteration
            self._wakeup = asyncio.get_running_loop().create_future()
            if self._updates or self._closed:  # from another thread, between the look and the future
                continue
            await self._wakeup
        update = self._updates.popleft()
        if isinstance(update, _Trouble):
            raise update.error
        self._delivered += 1
        return self._convert(update)

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
            pending=sum(not isinstance(update, _Trouble) for update in self._updates),
            capacity=self._updates.maxlen or 0,
        )


def _set(wakeup: asyncio.Future[None]) -> None:
    if not wakeup.done():
        wakeup.set_result(None)
