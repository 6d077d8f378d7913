"""Verbs of a device, wrapped so that a plan cannot slip past its engine.

Under a plan the verb becomes a message of that plan (`protocols.DISPATCH`); anywhere else it acts at once, for the
price of one look at a context variable.
"""

import functools
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from .protocols import DISPATCH
from .status import Status

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
            return method(self, *args, **kwargs)
        return dispatcher.submit(verb, self, args, kwargs)

    return call


def async_verb(method: Callable[Concatenate[D, P], Awaitable[R]]) -> Callable[Concatenate[D, P], Awaitable[R]]:
    """Wrap a verb that is awaited for its value."""
    verb = method.__name__

    @functools.wraps(method)
    def call(self: D, /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[Any]:
        dispatcher = DISPATCH.get()
        if dispatcher is None:
            return method(self, *args, **kwargs)
        return dispatcher.call(verb, self, args, kwargs)

    return call
