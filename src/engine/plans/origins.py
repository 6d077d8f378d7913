"""Where axes were before a relative plan moved them: what its positions count from, and where they are returned to.

Each axis is located once, before its first move, and from then on it is sent to absolute positions alone: whatever is
paused, suspended or taken again meanwhile, no distance is ever added twice, and none is taken for a position.
"""

import itertools
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from ..stubs import mv
from ..whereabouts import setpoint_of


class Origins:
    """Origin by axis, of those that were located."""

    def __init__(self) -> None:
        self._known: dict[Any, Any] = {}

    async def of(self, motor: Any) -> Any:
        """Give where an axis was when this was asked for the first time."""
        if motor not in self._known:
            self._known[motor] = await setpoint_of(motor)
        return self._known[motor]

    async def shift(self, point: Mapping[Any, Any]) -> Mapping[Any, Any]:
        """Give the absolute positions of a relative point."""
        return {motor: await self.of(motor) + distance for motor, distance in point.items()}

    async def restore(self) -> None:
        """Send all axes back, at once, and wait for them."""
        if self._known:
            await mv(*itertools.chain.from_iterable(self._known.items()))


@asynccontextmanager
async def returning() -> AsyncGenerator[Origins, None]:
    """Have axes returned to where they were, whatever happens in the `async with`."""
    origins = Origins()
    try:
        yield origins
    finally:
        await origins.restore()
