"""Verbs of a device, wrapped so that a plan cannot slip past its engine.

Under a plan the verb becomes a message of that plan (`protocols.DISPATCH`); anywhere else it acts at once, for the
price of one look at a context variable. It acts in the loop that its device lives in: called in another one, or in a
thread without any, what it gives can be awaited there and its Status tells the progress that is made at home.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from .loops import bridged, home_of, running_loop, sent_home
from .protocols import DISPATCH
from .status import Progress, Status

D = TypeVar("D")
P = ParamSpec("P")
R = TypeVar("R")


def status_verb(method: Callable[Concatenate[D, P], Status]) -> Callable[Concatenate[D, P], Status]:
    """Wrap a verb that returns a Status synchronously."""
    verb = method.__name__

    @functools.wraps(method)
    def call(self: D, /, *args: P.args, **kwargs: P.kwargs) -> Status:
        dispatcher = DISPATCH.get()
        if dispatcher is None:
            home = home_of(self)
            if home is None:
                return method(self, *args, **kwargs)
            return _status_from(home, functools.partial(method, self, *args, **kwargs), obj=self)
        return dispatcher.submit(verb, self, args, kwargs)

    return call


def async_verb(method: Callable[Concatenate[D, P], Awaitable[R]]) -> Callable[Concatenate[D, P], Awaitable[R]]:
    """Wrap a verb that is awaited for its value."""
    verb = method.__name__

    @functools.wraps(method)
    def call(self: D, /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[Any]:
        dispatcher = DISPATCH.get()
        if dispatcher is None:
            home = home_of(self)
            if home is None:
                return method(self, *args, **kwargs)
            return bridged(home, functools.partial(method, self, *args, **kwargs), name=_name(self))
        return dispatcher.call(verb, self, args, kwargs)

    return call


def _name(obj: object) -> str:
    name: str = getattr(obj, "name", "")
    return name


def _status_from(home: asyncio.AbstractEventLoop, begin: Callable[[], Status], *, obj: object) -> Status:
    """A Status here for one that is made in `home`; progress goes along."""
    here = running_loop()
    made: list[Status] = []

    def report(**progress: Any) -> None:
        for status in made:
            if here is None:
                status.report(Progress(**progress))
            elif not here.is_closed():
                here.call_soon_threadsafe(status.report, Progress(**progress))

    async def work() -> None:
        status = begin()
        status.watch(report)
        await status

    name = f"{_name(obj)} {begin.func.__name__}" if isinstance(begin, functools.partial) else _name(obj)
    if here is None:
        made.append(Status(sent_home(home, work, name=_name(obj)), name=name))
    else:
        made.append(Status(bridged(home, work, name=_name(obj)), name=name))
    return made[0]
