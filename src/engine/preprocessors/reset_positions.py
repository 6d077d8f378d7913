"""Devices go back to where they were."""

import uuid
from collections.abc import Collection
from typing import Any

from ..dispatch import Call, dispatch
from ..messages import Msg, MsgLike
from ..scope import using
from .decorator import decorator_of
from .initial_positions import InitialPositions
from .wrapped import Inner, Wrapped


class NotedPositions:
    """Middleware that notes where each device was before its first `set`."""

    def __init__(self, positions: InitialPositions) -> None:
        self._positions = positions

    async def __call__(self, msg: MsgLike, call: Call) -> Any:
        """Pass a message on; before a device's first `set`, ask where it is."""
        if msg.command == "set" and self._positions.counts(msg.obj):
            await self._positions.of(msg.obj)
        return await call(msg)


def reset_positions_wrapper(plan: Any, devices: Collection[Any] | None = None) -> Wrapped:
    """Return `devices`, or all that the plan moves, to where they were, however it ends."""

    async def around(inner: Inner) -> Any:
        positions = InitialPositions(devices)
        try:
            async with using(NotedPositions(positions)):
                return await inner()
        finally:
            await _sent_back(positions)

    return Wrapped(plan, around)


async def _sent_back(positions: InitialPositions) -> None:
    group = f"reset-{uuid.uuid4().hex[:6]}"
    for device, position in positions:
        await dispatch(Msg("set", device, (position,), {"group": group}))
    await dispatch(Msg("wait", None, (), {"group": group}))


reset_positions_decorator = decorator_of(reset_positions_wrapper)
