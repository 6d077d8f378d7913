"""A watchdog: a condition on several signals that may be broken for a while, and then ends or suspends the plan."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from .followed import Followed

if TYPE_CHECKING:
    from .run_engine import RunEngine

log = logging.getLogger(__name__)


class Watchdog:
    """Suspends, or aborts, when a condition on several signals has been broken for longer than a grace time.

    Args:
        condition: Called with the newest values by name: True when all is well.
        signals: By the names that the condition uses.
        grace: Seconds that it may be broken.
        abort: Whether the plan is aborted rather than suspended.
        sleep: Seconds that all must be well before a suspended plan goes on.
        message: What it is about, for the reason.

    Example:
        >>> cold = Watchdog(lambda flow, level: flow > 1 or level > 50, {}, grace=5.0, message="cryo cooler")
        >>> cold.condition(flow=0.5, level=60)
        True
    """

    def __init__(
        self,
        condition: Callable[..., bool],
        signals: Mapping[str, Any],
        *,
        grace: float = 0.0,
        abort: bool = False,
        sleep: float = 0.0,
        message: str = "",
    ) -> None:
        self.condition = condition
        self.signals = dict(signals)
        self.grace = grace
        self.abort = abort
        self.sleep = sleep
        self.message = message
        self.values: dict[str, Any] = {}
        self.pre_plan = self.post_plan = None
        self.since = 0.0
        self._tripped = False
        self._engine: RunEngine | None = None
        self._breaking: asyncio.TimerHandle | None = None
        self._mending: asyncio.TimerHandle | None = None
        self._followed: list[Followed] = []

    @property
    def tripped(self) -> bool:
        """Whether plans rest because of it."""
        return self._tripped

    @property
    def reason(self) -> str:
        """Why, in words; empty if all is well."""
        values = ", ".join(f"{name} = {value}" for name, value in self.values.items())
        return f"{self.message or 'watchdog'}: {values}" if self._tripped else ""

    def install(self, engine: "RunEngine") -> None:
        """Begin to follow the signals for this engine. An engine does that itself."""
        self._engine = engine
        for name, signal in self.signals.items():
            self._followed.append(Followed(engine, signal, partial(self._judge, name)))

    def remove(self) -> None:
        """Follow them no more."""
        for followed in self._followed:
            followed.remove()
        self._followed.clear()
        self._mend()
        self._engine = None

    def _judge(self, name: str, value: Any) -> None:
        self.values[name] = value
        if len(self.values) < len(self.signals) or self._engine is None:
            return
        loop = asyncio.get_running_loop()
        if self.condition(**self.values):
            self._breaking = _cancelled(self._breaking)
            if self._tripped and self._mending is None:
                self._mending = loop.call_later(self.sleep, self._mend)
        else:
            self._mending = _cancelled(self._mending)
            if not self._tripped and self._breaking is None:
                self._breaking = loop.call_later(self.grace, self._break)

    def _break(self) -> None:
        self._breaking = None
        if self._engine is not None:
            self._tripped = True
            self.since = time.time()
            log.warning("%s: %s", "aborted" if self.abort else "suspended", self.reason)
            self._engine.suspenders.tripped(self, abort=self.abort)

    def _mend(self) -> None:
        self._breaking, self._mending = _cancelled(self._breaking), _cancelled(self._mending)
        if self._tripped and self._engine is not None:
            self._tripped = False
            self._engine.suspenders.cleared(self)


def _cancelled(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
