"""A device that is monitored: its events come whenever it changes."""

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .errors import EngineError
from .operation import name_of
from .stream import Stream

if TYPE_CHECKING:
    from .open_run import OpenRun

log = logging.getLogger(__name__)


class Monitor:
    """Makes an event of every reading that a device pushes, in order with all other documents of the run.

    A device may call back from a thread of its own; its readings are handed to the loop first.
    """

    def __init__(self, run: "OpenRun", stream: Stream, device: Any) -> None:
        self._run = run
        self._stream = stream
        self._device = device
        self._loop = asyncio.get_running_loop()
        self._closed = False

    def open(self) -> None:
        """Subscribe."""
        self._closed = False
        subscribe = getattr(self._device, "subscribe_reading", None) or self._device.subscribe
        subscribe(self._pushed)

    def close(self) -> None:
        """Subscribe no more."""
        self._closed = True
        self._device.clear_sub(self._pushed)

    def _pushed(self, reading: Mapping[str, Mapping[str, Any]], **_: Any) -> None:
        self._loop.call_soon_threadsafe(self._emit, reading)

    def _emit(self, reading: Mapping[str, Mapping[str, Any]]) -> None:
        if self._closed:
            return
        try:
            self._run.event(self._stream, reading)
        except EngineError:
            log.exception("a reading of the monitored %s was lost", name_of(self._device))
