"""From the threads of a library to an event loop, many letters per wake-up."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any


class Mailbox:
    """Of one loop: it is woken once for all that has come, not once for each."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Deliver in `loop`."""
        self._loop = loop
        self._letters: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._woken = False

    def hand(self, function: Callable[[Any], None], value: Any = None) -> None:
        """Call `function(value)` in the loop; drop it when the loop has been closed, because nobody waits any more."""
        self._letters.append((function, value))
        if not self._woken and not self._loop.is_closed():
            self._woken = True
            self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._woken = False  # before the look: what comes after it wakes the loop again
        try:
            while self._letters:
                function, value = self._letters.popleft()
                function(value)
        finally:
            if self._letters:  # one of them raised: the others are delivered all the same
                self._loop.call_soon(self._deliver)
