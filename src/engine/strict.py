"""Strict mode: awaits of a plan that pass the engine by are reported by name.

Theory of operation. The plan, and each task that it starts, is stepped by a coroutine of ours that sends on whatever
goes in or comes out, and so changes nothing. Whenever the plan is suspended, the chain of what it awaits is walked from
the outside in: coroutines (`cr_await`), generators (`gi_yieldfrom`), async generators (`ag_await`), and through the
objects in between, which only the garbage collector can look into. From the inside out then, leaving out the standard
library, the first module tells who waits::

    plan ─► stubs.mv ─► Execution.perform ─► ... ─► Future           ours: the engine knows
    plan ─► asyncio.sleep ─► Future                                  the plan's own: reported, with file and line

The end of a TaskGroup is no such await: it waits for children of the plan, which are stepped, too. An `asyncio.timeout`
around a suspended await lies on the stack of the frame that entered it; it is reported, as it counts pauses.
"""

import asyncio
import gc
import logging
import sys
import types
from collections.abc import Callable, Coroutine, Generator, Iterator
from typing import Any, cast

from ..async_devices.protocols import DISPATCH
from .branch import CURRENT

log = logging.getLogger(__name__)

_OURS = __name__.partition(".")[0]
_SUSPENDED = (types.CoroutineType, types.GeneratorType, types.AsyncGeneratorType)


class Observer:
    """Follows one plan and its tasks.

    Attributes:
        reports: What passed the engine by, one line for each place in the source.
    """

    def __init__(self, reports: list[str]) -> None:
        self.reports = reports
        self._known: set[tuple[str, int, str]] = set()

    async def plan(self, body: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Perform a plan's body, and follow it and the tasks that are started in it."""
        loop = asyncio.get_running_loop()
        before = loop.get_task_factory()

        def make(loop: asyncio.AbstractEventLoop, coro: Any, **kwargs: Any) -> Any:
            # In what the engine does for a device no verb is dispatched: that is no part of the plan.
            followed = self.follow(coro) if CURRENT.get() is not None and DISPATCH.get() is not None else coro
            return asyncio.Task(followed, loop=loop, **kwargs) if before is None else before(loop, followed, **kwargs)

        loop.set_task_factory(cast(Any, make))
        try:
            return await self.follow(body())
        finally:
            loop.set_task_factory(before)

    async def follow(self, coro: Coroutine[Any, Any, Any]) -> Any:
        """Perform a coroutine as it is, and look at it whenever it is suspended."""
        return await _stepped(coro, self.look)

    def look(self, coro: Coroutine[Any, Any, Any]) -> None:
        """Report what a suspended coroutine waits for, unless the engine or one of its tasks does it."""
        chain = list(_chain(coro))
        for position in reversed(range(len(chain))):
            if _is_library(chain[position]):
                continue
            if _module(chain[position]) != _OURS:
                awaited = chain[position + 1] if position + 1 < len(chain) else None
                self._foreign(chain[position], awaited)
            break
        for link in chain:
            if not _is_library(link) and _module(link) != _OURS and _has_timeout(link):
                self._say(link, "asyncio.timeout counts the time of pauses, too; use engine.timeout")

    def _foreign(self, link: Any, awaited: Any) -> None:
        name = "a future" if awaited is None else f"{_frame(awaited).f_globals['__name__']}.{awaited.__qualname__}"
        if name != "asyncio.taskgroups.TaskGroup.__aexit__":
            self._say(link, f"{name} is awaited past the engine: it is neither paused nor ended with the plan")

    def _say(self, link: Any, what: str) -> None:
        frame = _frame(link)
        place = (frame.f_code.co_filename, frame.f_lineno, what)
        if place not in self._known:
            self._known.add(place)
            self.reports.append(f"{link.__qualname__} ({place[0]}:{place[1]}): {what}")
            log.warning(self.reports[-1])


@types.coroutine
def _stepped(coro: Coroutine[Any, Any, Any], look: Callable[[Any], None]) -> Generator[Any, Any, Any]:
    send: Callable[[Any], Any] = coro.send
    value: Any = None
    try:
        while True:
            yielded = send(value)
            look(coro)
            try:
                value, send = (yield yielded), coro.send
            except BaseException as error:  # noqa: BLE001  # boundary: the plan is the one to handle or raise it
                value, send = error, coro.throw
    except StopIteration as end:
        return end.value
    finally:
        coro.close()


def _chain(outermost: Any) -> Iterator[Any]:
    """Go through what is suspended, each waiting for the next."""
    seen: set[int] = set()
    link: Any = outermost
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        if _is_suspended(link):
            yield link
            link = _awaited(link)
        else:
            link = next(filter(_is_suspended, gc.get_referents(link)), None)


def _is_suspended(link: Any) -> bool:
    return isinstance(link, _SUSPENDED)


def _awaited(link: Any) -> Any:
    match link:
        case types.CoroutineType():
            return cast(Any, link).cr_await
        case types.GeneratorType():
            return cast(Any, link).gi_yieldfrom
        case _:
            return link.ag_await


def _frame(link: Any) -> types.FrameType:
    return next(found for name in ("cr_frame", "gi_frame", "ag_frame") if (found := getattr(link, name, None)))


def _module(link: Any) -> str:
    return str(_frame(link).f_globals.get("__name__", "")).partition(".")[0]


def _is_library(link: Any) -> bool:
    return _module(link) in sys.stdlib_module_names


def _has_timeout(link: Any) -> bool:
    """Whether the frame has entered an asyncio.timeout: its `__aexit__` waits on the stack."""
    methods = [one for one in gc.get_referents(link) if isinstance(one, types.MethodType)]
    return any(isinstance(method.__self__, asyncio.Timeout) for method in methods)
