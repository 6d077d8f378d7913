"""The beamline's clock: integer Unix nanoseconds, real or virtual.

Theory of operation. Nothing of the physics waits for a clock: positions, triggers and exposures are computed for
instants that have passed. The clock decides only how far the world has come, and when the pump looks again.
`RealClock` counts with the monotonic clock from the wall-clock time at which it was made, so that a step of the
system's time never moves an axis. `VirtualClock` stands still until it is told to run: it wakes sleepers in the order
of their times, and lets everything that they woke settle before it goes on.
"""

import asyncio
import heapq
import time
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from .errors import ClockStoppedError

NS = 1_000_000_000
T = TypeVar("T")


class Clock(Protocol):
    """What the world needs of a clock."""

    def now_ns(self) -> int:
        """Give the present instant in Unix nanoseconds; it never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait until `seconds` have passed on this clock."""
        ...


class RealClock:
    """The wall clock at the start, carried on by the monotonic clock."""

    def __init__(self) -> None:
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def now_ns(self) -> int:
        """Give the present instant in Unix nanoseconds."""
        return self._offset_ns + time.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        """Wait in real time."""
        await asyncio.sleep(seconds)


class VirtualClock:
    """A clock that moves when `run` is awaited, and only then.

    Args:
        start_ns: The instant at which it stands first, in Unix nanoseconds.
    """

    SETTLING_ROUNDS = 20

    def __init__(self, start_ns: int = 1_700_000_000 * NS) -> None:
        self._now_ns = start_ns
        self._sleepers: list[tuple[int, int, asyncio.Event]] = []
        self._count = 0

    def now_ns(self) -> int:
        """Give the instant at which the clock stands, in Unix nanoseconds."""
        return self._now_ns

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been run past `seconds` from now."""
        self._count += 1
        woken = asyncio.Event()
        heapq.heappush(self._sleepers, (self._now_ns + round(seconds * NS), self._count, woken))
        await woken.wait()

    async def run(self, seconds: float) -> None:
        """Move the clock on by `seconds`, waking sleepers in the order of their times."""
        stop_ns = self._now_ns + round(seconds * NS)
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= stop_ns:
            self._now_ns = self._sleepers[0][0]
            while self._sleepers and self._sleepers[0][0] == self._now_ns:
                heapq.heappop(self._sleepers)[2].set()
            await self._settle()
        self._now_ns = stop_ns
        await self._settle()

    async def _settle(self) -> None:
        # Tasks woken by one event wake others: a few turns of the loop, not a time, lets them all come to rest.
        for _ in range(self.SETTLING_ROUNDS):
            await asyncio.sleep(0)

    async def run_until(self, work: Coroutine[Any, Any, T]) -> T:
        """Move the clock on, from sleeper to sleeper, until `work` is done; give what it gives.

        Raises:
            ClockStoppedError: Nobody sleeps any more, and the work is not done.
        """
        async with asyncio.TaskGroup() as group:
            task = group.create_task(work, name="what the virtual clock runs for")
            await self._settle()
            while not task.done():
                if not self._sleepers:
                    msg = "the virtual clock stands for ever: nobody sleeps, and what it runs for is not done"
                    raise ClockStoppedError(msg)
                await self.run((self._sleepers[0][0] - self._now_ns) / NS)
        return task.result()
