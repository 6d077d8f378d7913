"""Operations that have ended, waiting to be let go of.

Letting go of one waits for a thread of its library, even when it has its answer: a thousand of them would hold the loop
for a tenth of a second. So they are let go of together, a moment later, in another thread.
"""

import asyncio
from typing import Protocol

LATER = 0.2
"""Seconds after the first of a batch has ended."""


class Operation(Protocol):
    """A get or put of the library."""

    def close(self) -> None:
        """Forget it."""
        ...


class Retired:
    """Of one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Serve `loop`."""
        self._loop = loop
        self._operations: list[Operation] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, operation: Operation) -> None:
        """Let go of `operation` soon."""
        self._operations.append(operation)
        if self._timer is None:
            self._timer = self._loop.call_later(LATER, self._begin)

    def _begin(self) -> None:
        self._timer = None
        self._loop.run_in_executor(None, self.close)

    def close(self) -> None:
        """Let go of all that have ended so far, now."""
        while self._operations:
            self._operations.pop().close()
