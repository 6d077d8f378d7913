"""Monitors that last as long as a run."""

from collections.abc import Hashable, Iterable
from typing import Any

from ..dispatch import Call
from ..messages import Msg
from .closing import AroundRuns
from .decorator import decorator_of
from .wrapped import Wrapped, within


class MonitorDuring(AroundRuns):
    """Middleware that monitors signals in every run, each in a stream `<name>_monitor`."""

    def __init__(self, signals: Iterable[Any]) -> None:
        self._signals = list(signals)

    async def opened(self, call: Call, run: Hashable | None) -> None:
        """Begin to monitor."""
        for signal in self._signals:
            await call(Msg("monitor", signal, (), {"name": f"{signal.name}_monitor"}, run))

    async def closing(self, call: Call, run: Hashable | None, *, failed: bool = False) -> None:
        """Monitor no more."""
        for signal in self._signals:
            await call(Msg("unmonitor", signal, (), {}, run))


def monitor_during_wrapper(plan: Any, signals: Iterable[Any]) -> Wrapped:
    """Monitor `signals` during every run of the plan."""
    return within(plan, MonitorDuring(signals))


monitor_during_decorator = decorator_of(monitor_during_wrapper)
