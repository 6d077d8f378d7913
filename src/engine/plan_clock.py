"""A plan's time, which stands still while the plan is paused.

Theory of operation. Every deadline of a plan is a `Timer` here. `freeze` notes what each has left and takes it off the
loop; `thaw` sets it again by what was left. So a sleep sleeps its whole length outside pauses, and a timeout measures
the time that the plan had.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager


class Timer:
    """One deadline: calls `expired` when `left` seconds of the plan's time have passed."""

    __slots__ = ("_expired", "_fired", "_handle", "_left", "_since")

    def __init__(self, left: float, expired: Callable[[], None]) -> None:
        self._left = left
        self._expired = expired
        self._fired = False
        self._since = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def go(self, loop: asyncio.AbstractEventLoop) -> None:
        """Count from now."""
        if not self._fired:
            self._since = loop.time()
            self._handle = loop.call_later(max(0.0, self._left), self._fire)

    def _fire(self) -> None:
        self._fired = True
        self._handle = None
        self._expired()

    def halt(self, loop: asyncio.AbstractEventLoop) -> None:
        """Count no more, and keep what is left."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
            self._left -= loop.time() - self._since


class PlanClock:
    """The timers of one plan.

    Attributes:
        frozen: Whether it stands still.
    """

    def __init__(self) -> None:
        self.frozen = False
        self._timers: set[Timer] = set()

    def freeze(self) -> None:
        """Let no timer expire until `thaw`."""
        self.frozen = True
        loop = asyncio.get_running_loop()
        for timer in self._timers:
            timer.halt(loop)

    def thaw(self) -> None:
        """Let all go on with what they have left."""
        self.frozen = False
        loop = asyncio.get_running_loop()
        for timer in self._timers:
            timer.go(loop)

    def start(self, seconds: float, expired: Callable[[], None]) -> Timer:
        """Call `expired` when `seconds` of the plan's time have passed."""
        timer = Timer(seconds, expired)
        self._timers.add(timer)
        if not self.frozen:
            timer.go(asyncio.get_running_loop())
        return timer

    def forget(self, timer: Timer) -> None:
        """Take a timer off, whether it has expired or not."""
        timer.halt(asyncio.get_running_loop())
        self._timers.discard(timer)

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` of the plan's time pass."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.start(seconds, lambda: None if future.done() else future.set_result(None))
        try:
            await future
        finally:
            self.forget(timer)

    @asynccontextmanager
    async def timeout(self, seconds: float | None) -> AsyncGenerator[asyncio.Timeout, None]:
        """Limit the body to `seconds` of the plan's time; None sets no limit.

        Raises:
            TimeoutError: They have passed.
        """
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(None) as deadline:
            timer = None if seconds is None else self.start(seconds, lambda: deadline.reschedule(loop.time()))
            try:
                yield deadline
            finally:
                if timer is not None:
                    self.forget(timer)
