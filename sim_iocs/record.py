"""What happens to puts with completion on one record, where a trap of real IOCs is wanted.

A real record processes one put with completion at a time: a second one on any of its fields, STOP included, waits until
the first is complete, which for a move is when the motor rests. A put without completion is done at once. Clients must
know this, so the beamline can do it; by default it does not, for no client should need the trap to pass its tests.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import ContextVar

COMPLETION: ContextVar[bool] = ContextVar("COMPLETION", default=True)
"""Whether the put being served waits for its completion; each server sets it."""


class Record:
    """The queue of one record's puts.

    Attributes:
        queues: Whether puts with completion are done one after the other.
    """

    def __init__(self) -> None:
        self.queues = False
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Do a put inside the block when it is its turn."""
        if self.queues and COMPLETION.get():
            async with self._lock:
                yield
        else:
            yield
