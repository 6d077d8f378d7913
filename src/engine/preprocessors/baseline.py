"""Baseline: devices are read when a run has opened and before it closes."""

from collections.abc import Hashable, Sequence
from typing import Any

from ..dispatch import Call
from ..messages import Msg
from .closing import AroundRuns
from .decorator import decorator_of
from .wrapped import Wrapped, within


class Baseline(AroundRuns):
    """Middleware that reads devices into stream `name` at both ends of every run."""

    def __init__(self, devices: Sequence[Any], name: str = "baseline") -> None:
        self._devices = list(dict.fromkeys(devices))
        self._name = name

    async def opened(self, call: Call, run: Hashable | None) -> None:
        """Announce the stream, and read."""
        await call(Msg("declare_stream", None, tuple(self._devices), {"name": self._name, "collect": False}, run))
        await self.closing(call, run)

    async def closing(self, call: Call, run: Hashable | None, *, failed: bool = False) -> None:
        """Read."""
        await call(Msg("trigger_and_read", None, (self._devices,), {"name": self._name}, run))


def baseline_wrapper(plan: Any, devices: Sequence[Any] | None, name: str = "baseline") -> Wrapped:
    """Read `devices` into stream `name` at both ends of every run of the plan."""
    return within(plan, *([Baseline(devices, name)] if devices else []))


baseline_decorator = decorator_of(baseline_wrapper)
