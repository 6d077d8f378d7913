"""Which event loop a device lives in, and how it is reached from another one.

A device lives in the loop that connected it: its channels, monitors and tasks are there. Called from another loop, in
the same thread or not, a verb runs at home and its result is brought back; nothing of the device is touched meanwhile.
A home that has been closed or that stands still (a terminal between two prompts) is an error within a second, never a
wait without an end.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Concatenate, ParamSpec, TypeVar

from .errors import LoopEndedError

P = ParamSpec("P")
T = TypeVar("T")
D = TypeVar("D")

LOOK_PERIOD = 0.5
"""Seconds between two looks whether a home loop still runs."""


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The loop that runs in this thread, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def home_of(obj: object) -> asyncio.AbstractEventLoop | None:
    """The loop that `obj` lives in, if that is another than the running one."""
    home: asyncio.AbstractEventLoop | None = getattr(obj, "home_loop", None)
    return None if home is None or home is running_loop() else home


def sent_home(home: asyncio.AbstractEventLoop, work: Callable[[], Awaitable[T]], *, name: str) -> Future[T]:
    """Start `work()` in `home`, from any thread.

    Args:
        home: Where it runs.
        work: What is awaited there.
        name: Of the device, for messages.

    Raises:
        LoopEndedError: That loop does not run.
    """
    _running(home, name)

    async def at_home() -> T:
        return await work()

    return asyncio.run_coroutine_threadsafe(at_home(), home)


def _running(home: asyncio.AbstractEventLoop, name: str) -> None:
    if home.is_closed() or not home.is_running():
        state = "has been closed" if home.is_closed() else "does not run"
        msg = f"{name or 'a device'}: the event loop that it was connected in {state}; connect it in one that does"
        raise LoopEndedError(msg)


async def bridged(home: asyncio.AbstractEventLoop, work: Callable[[], Awaitable[T]], *, name: str) -> T:
    """Run `work()` in `home` and wait for it here; a cancellation reaches it.

    Args:
        home: Where it runs.
        work: What is awaited there.
        name: Of the device, for messages.

    Raises:
        LoopEndedError: That loop does not run, or ended meanwhile.
    """
    sent = sent_home(home, work, name=name)
    here = asyncio.wrap_future(sent)
    try:
        while not here.done():
            await asyncio.wait({here}, timeout=LOOK_PERIOD)
            if not here.done():
                _running(home, name)
    finally:
        here.cancel()
    return here.result()


def at_home(
    method: Callable[Concatenate[D, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[D, P], Coroutine[Any, Any, T]]:
    """Make a coroutine method act in its device's loop, whichever loop awaits it."""

    @functools.wraps(method)
    def call(self: D, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        home = home_of(self)
        if home is None:
            return method(self, *args, **kwargs)
        return bridged(home, lambda: method(self, *args, **kwargs), name=getattr(self, "name", ""))

    return call
