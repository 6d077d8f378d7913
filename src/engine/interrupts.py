"""Ctrl-C while a plan runs: once pauses it at its next checkpoint, twice at once, more often aborts it."""

import asyncio
import logging
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any, Self

from .errors import PauseRefusedError, RequestAbort
from .freezer import Deferred
from .states import State

if TYPE_CHECKING:
    from .execution import Execution
    from .run_engine import RunEngine

log = logging.getLogger(__name__)

KEYBOARD = "interrupted from the keyboard"

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


class Keyboard:
    """What each Ctrl-C does to one plan; a pause that was resumed begins the count anew."""

    def __init__(self, engine: "RunEngine", execution: "Execution") -> None:
        self._engine = engine
        self._execution = execution
        self._count = 0

    def pressed(self) -> None:
        """Ask for a pause, or abort."""
        freezer = self._execution.freezer
        if self._engine.state is State.RUNNING and freezer.deferred is None:
            self._count = 0
        self._count += 1
        if self._count > self._engine.pausing_interrupts or self._engine.state is State.PAUSED:
            name = self._execution.plan_name
            log.warning("interrupted: plan %s is being ended; once more cuts its clean-up short", name)
            self._engine.end(RequestAbort(KEYBOARD))
        elif self._count == 1:
            freezer.deferred = Deferred(reason=KEYBOARD, at=None, surface=True)
            log.warning("interrupted: pausing at the next checkpoint; Ctrl-C again pauses now, once more aborts")
        else:
            self._pause()

    def _pause(self) -> None:
        try:
            self._execution.freezer.pause(KEYBOARD, surface=True)
        except PauseRefusedError as error:
            log.warning("interrupted: %s; Ctrl-C again aborts", error)
