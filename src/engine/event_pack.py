"""Readings that come fast are packed: one event while it is quiet, a page of them when it is not.

Theory of operation. The first reading after PACK_TIME of quiet is an event at once. Those that follow sooner are held
until PACK_TIME after the last emission, or until PACK_MOST are held, or until something else is to be emitted in the
run (`flush`), so that documents keep the order in which things happened::

    readings   |          ||||||||||     |||        |
    emitted    event      event   page      page    event
                              ◄─────►
                              PACK_TIME
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

PACK_TIME = 0.02
"""Seconds that a reading is held at most."""

PACK_MOST = 1000
"""Readings in a page at most."""


class Taken(NamedTuple):
    """A reading, and when it came; Unix seconds."""

    reading: Mapping[str, Mapping[str, Any]]
    at: float


class EventPack:
    """Holds the readings of one stream until they are to be emitted; lives on one loop.

    Args:
        emit: Called with one reading or more, in order.
    """

    def __init__(self, emit: Callable[[list[Taken]], None]) -> None:
        self._emit = emit
        self._loop = asyncio.get_running_loop()
        self._held: list[Taken] = []
        self._last = float("-inf")
        self._timer: asyncio.TimerHandle | None = None

    def add(self, reading: Mapping[str, Mapping[str, Any]]) -> None:
        """Take in a reading; it is emitted now, or up to PACK_TIME later."""
        self._held.append(Taken(reading, time.time()))
        quiet = self._loop.time() - self._last
        if quiet >= PACK_TIME or len(self._held) >= PACK_MOST:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(PACK_TIME - quiet, self.flush)

    def flush(self) -> None:
        """Emit what is held."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        # Emitting may lead here again, by way of the run: nothing may be held by then.
        held, self._held = self._held, []
        if held:
            self._last = self._loop.time()
            self._emit(held)
