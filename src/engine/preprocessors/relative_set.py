"""Relative moves: what a plan sends a device to is counted from where it was first."""

from collections.abc import Collection
from typing import Any, cast

from ..dispatch import Call
from ..messages import Msg, MsgLike
from ..scope import using
from .decorator import decorator_of
from .initial_positions import InitialPositions
from .wrapped import Inner, Wrapped


class RelativeSet:
    """Middleware that adds a device's first position to every `set` of it."""

    def __init__(self, devices: Collection[Any] | None = None) -> None:
        self._positions = InitialPositions(devices)

    async def __call__(self, msg: MsgLike, call: Call) -> Any:
        """Pass a message on; a `set` as an absolute one."""
        if msg.command != "set" or not self._positions.counts(msg.obj):
            return await call(msg)
        initial = await self._positions.of(msg.obj)
        (distance,) = msg.args
        return await call(Msg("set", msg.obj, (_sum(initial, distance),), msg.kwargs, msg.run))


def _sum(initial: Any, distance: Any) -> Any:
    """Add, axis by axis if it is the position of a pseudo positioner."""
    if not isinstance(initial, tuple):
        return initial + distance
    axes = cast("tuple[Any, ...]", initial)
    summed = [at + by for at, by in zip(axes, distance, strict=True)]
    return type(axes)(*summed) if hasattr(axes, "_fields") else tuple(summed)


def relative_set_wrapper(plan: Any, devices: Collection[Any] | None = None) -> Wrapped:
    """Have every move of `devices`, or of all, counted from where they were at their first move."""

    async def around(inner: Inner) -> Any:
        async with using(RelativeSet(devices)):
            return await inner()

    return Wrapped(plan, around)


relative_set_decorator = decorator_of(relative_set_wrapper)
