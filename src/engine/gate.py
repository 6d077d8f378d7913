"""The gate before every operation: closed, whoever comes waits."""

import asyncio

from .branch import Branch
from .operation import Pending


class Gate:
    """Where the operations of a plan wait while it is paused; a stop or an abort fails them there.

    Attributes:
        closed: Whether it is.
    """

    def __init__(self, pending: Pending) -> None:
        self.closed = False
        self._pending = pending
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def parked(self) -> int:
        """How many operations wait here."""
        return len(self._waiting)

    def close(self) -> None:
        """Let nobody pass."""
        self.closed = True

    def open(self) -> None:
        """Let all pass."""
        self.closed = False
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    async def passage(self, branch: Branch) -> None:
        """Wait until it is open.

        Raises:
            Interruption: The plan is to end instead.
            Rewind: The step that this belongs to is to be taken again instead.
        """
        while self.closed:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.add(future)
            try:
                await self._pending.until(branch, future)
            finally:
                self._waiting.discard(future)
