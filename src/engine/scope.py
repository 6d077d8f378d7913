"""Middleware for a part of a plan.

`RE.middleware` is for every plan; what `using` adds is for the block in which it is awaited, and for the child tasks
that are started there. The innermost block sees a message first, and what it sends on goes through those around it,
then through `RE.middleware`, to the command::

    plan ──Msg──► innermost `using` ──► outer `using` ──► RE.middleware[0] ──► … ──► command

Every message that a layer sends on passes the gate like one of the plan's own, so that a paused plan rests also
between two messages of a layer.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar

from .branch import here
from .dispatch import Middleware

LAYERS: ContextVar[tuple[Middleware, ...]] = ContextVar("wingbeat_layers", default=())
"""Of the block that runs, the innermost first."""


@asynccontextmanager
async def using(*middleware: Middleware) -> AsyncGenerator[None]:
    """Put middleware in front of every operation of the block, the first given outermost; awaited in a plan.

    Raises:
        NotInPlanError: No plan runs here.
    """
    here()
    token = LAYERS.set((*middleware, *LAYERS.get()))
    try:
        yield
    finally:
        LAYERS.reset(token)


@asynccontextmanager
async def added(engines: list[Middleware], middleware: Sequence[Middleware]) -> AsyncGenerator[None]:
    """Put middleware in front of an engine's own for the length of a block."""
    engines[:0] = middleware
    try:
        yield
    finally:
        for layer in middleware:
            engines.remove(layer)
