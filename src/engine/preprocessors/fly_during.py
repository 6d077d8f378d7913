"""Flyers that fly as long as a run lasts."""

import uuid
from collections.abc import Hashable, Iterable
from typing import Any

from ..dispatch import Call
from ..messages import Msg
from .closing import AroundRuns
from .decorator import decorator_of
from .wrapped import Wrapped, within


class FlyDuring(AroundRuns):
    """Middleware that kicks flyers off in every run, and completes and collects them before it closes.

    A flyer that writes files (`get_index`) gets a stream of its own name. When a run fails, what is there is collected,
    and nobody waits for a flyer to end.
    """

    def __init__(self, flyers: Iterable[Any]) -> None:
        self._flyers = list(flyers)

    async def opened(self, call: Call, run: Hashable | None) -> None:
        """Announce the streams of those that write files, and kick all off."""
        for flyer in self._flyers:
            if hasattr(flyer, "get_index"):
                await call(Msg("declare_stream", None, (flyer,), {"name": flyer.name, "collect": True}, run))
        await self._all(call, "kickoff", run)

    async def closing(self, call: Call, run: Hashable | None, *, failed: bool = False) -> None:
        """Wait until all have ended, and collect."""
        if not failed:
            await self._all(call, "complete", run)
        for flyer in self._flyers:
            named = {"name": flyer.name} if hasattr(flyer, "get_index") else {}
            await call(Msg("collect", flyer, (), named, run))

    async def _all(self, call: Call, verb: str, run: Hashable | None) -> None:
        group = f"flyers-{verb}-{uuid.uuid4().hex[:6]}"
        for flyer in self._flyers:
            await call(Msg(verb, flyer, (), {"group": group}, run))
        if self._flyers:
            await call(Msg("wait", None, (), {"group": group}, run))


def fly_during_wrapper(plan: Any, flyers: Iterable[Any]) -> Wrapped:
    """Have `flyers` fly during every run of the plan."""
    return within(plan, FlyDuring(flyers))


fly_during_decorator = decorator_of(fly_during_wrapper)
