"""Ctrl-C while a plan runs: once ends the plan in order, again cuts its clean-up short."""

import asyncio
import logging
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

log = logging.getLogger(__name__)

Handler = Callable[[int, FrameType | None], Any] | int | None


class InterruptHandler:
    """Handles SIGINT on a loop in the main thread for as long as it is entered, and restores what was there before.

    A handler of the loop, not of the signal module: it wakes a loop that waits, where Jupyter's own handler is seen
    only at the next wake-up.
    """

    def __init__(self, interrupt: Callable[[], None]) -> None:
        self._interrupt = interrupt
        self._previous: Handler = None
        self._installed = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.getsignal(signal.SIGINT)
            try:
                asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._interrupt)
            except (NotImplementedError, ValueError):
                log.debug("this loop handles no signals: Ctrl-C is left to it")
            else:
                self._installed = True
        return self

    def __exit__(self, *_: object) -> None:
        if self._installed:
            asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)
            signal.signal(signal.SIGINT, signal.default_int_handler if self._previous is None else self._previous)
