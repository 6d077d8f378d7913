"""A device that is monitored: its events come whenever it changes."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .errors import DocumentError, EngineError
from .event_pack import EventPack, Taken
from .operation import name_of
from .stream import Stream

if TYPE_CHECKING:
    from .open_run import OpenRun

log = logging.getLogger(__name__)


class Monitor:
    """Makes an event of every reading that a device pushes, in order with all other documents of the run.

    Events that come fast are packed in pages.

    A device may call back from a thread of its own; its readings are handed to the loop first.
    """

    def __init__(self, run: "OpenRun", stream: Stream, device: Any, kwargs: Mapping[str, Any]) -> None:
        """Make it, closed; `kwargs` go to the device's `subscribe`."""
        self._run = run
        self._stream = stream
        self._device = device
        self._kwargs = kwargs
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._pack = EventPack(self._emit)

    def open(self) -> None:
        """Subscribe."""
        self._closed = False
        subscribe = getattr(self._device, "subscribe_reading", None) or self._device.subscribe
        subscribe(self._pushed, **self._kwargs)

    def close(self) -> None:
        """Subscribe no more."""
        self._closed = True
        self._device.clear_sub(self._pushed)
        self.flush()

    def flush(self) -> None:
        """Emit what is held to be packed."""
        self._pack.flush()

    def _pushed(self, reading: Mapping[str, Mapping[str, Any]], **_: Any) -> None:
        self._loop.call_soon_threadsafe(self._came, reading)

    def _came(self, reading: Mapping[str, Mapping[str, Any]]) -> None:
        if not self._closed:
            self._pack.add(reading)

    def _emit(self, taken: list[Taken]) -> None:
        if len(taken) > 1:
            with contextlib.suppress(DocumentError):  # one of them makes no event: which, is found out one by one
                self._run.packed(self._stream, taken)
                return
        for one in taken:
            try:
                self._run.event(self._stream, one.reading, one.at)
            except EngineError:
                log.exception("a reading of the monitored %s was lost", name_of(self._device))
