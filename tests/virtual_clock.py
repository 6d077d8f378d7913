"""An event loop whose time passes only when there is nothing else to do.

Theory of operation. An asyncio loop asks its selector to wait until the next timer is due. The selector here looks for
I/O without waiting; when there is none, and no thread works for the loop, it moves the loop's clock to that timer
instead. So an hour of sleeps takes milliseconds, and timers fire in the order and at the times that the code asked for,
on however busy a machine.

Time stands still in between: two readings of `loop.time()` with no sleep in between are equal. `time.monotonic()` is
not changed. Threads started by `asyncio.to_thread` or `run_in_executor` are waited for; what other threads (an EPICS
client's, say) will call is not known
beforehand: they are given GRACE_SECONDS, and tests with servers do better without this fixture.
"""

import asyncio
from collections.abc import Callable
from selectors import BaseSelector, SelectorKey
from typing import Any

import pytest

GRACE_SECONDS = 0.002


class VirtualClock:
    """The clock of one loop, jumping from timer to timer."""

    def __init__(self, loop: asyncio.SelectorEventLoop) -> None:
        self._loop = loop
        self._start = self._now = loop.time()
        self._in_threads = 0
        self._selector: BaseSelector = loop._selector
        self._run_in_executor = loop.run_in_executor

    @property
    def elapsed(self) -> float:
        """Virtual seconds since the test began."""
        return self._now - self._start

    def install(self) -> None:
        """Take the place of the loop's clock and selector."""
        # CPython's loops read both from these attributes; making the loop ourselves would need a hook that
        # pytest-asyncio has changed from version to version.
        self._loop.time = lambda: self._now
        self._loop.run_in_executor = self._counted_run_in_executor
        self._loop._selector = _JumpingSelector(self._selector, self)

    def remove(self) -> None:
        """Give the loop its own selector back, for closing; its clock stays where it is."""
        self._loop._selector = self._selector

    def wait(self, timeout: float) -> list[tuple[SelectorKey, int]]:
        """Wait for I/O; if there is none to come, be `timeout` seconds later at once."""
        if self._in_threads:
            ready = self._selector.select(timeout)
        else:
            ready = self._selector.select(0) or self._selector.select(min(timeout, GRACE_SECONDS))
        if not ready:
            self._now += timeout
        return ready

    def _counted_run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        future = self._run_in_executor(executor, func, *args)
        self._in_threads += 1
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _: asyncio.Future[Any]) -> None:
        self._in_threads -= 1


class _JumpingSelector:
    """The loop's selector with another notion of waiting; everything else is the selector's own."""

    def __init__(self, selector: BaseSelector, clock: VirtualClock) -> None:
        self._selector = selector
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return self._selector.select(timeout)
        return self._clock.wait(timeout)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._selector, name)


@pytest.fixture
async def virtual_clock() -> Any:
    """Make this test's loop jump over idle time; the clock's `elapsed` says how much has passed."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, asyncio.SelectorEventLoop), (
        f"a virtual clock needs a selector loop, not {type(loop).__name__}"
    )
    clock = VirtualClock(loop)
    clock.install()
    yield clock
    clock.remove()
