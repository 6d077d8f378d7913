"""What a layer adds around the opening and the closing of a run, by the run's own key."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Hashable
from typing import Any

from ..dispatch import Call
from ..errors import EngineError
from ..messages import MsgLike

log = logging.getLogger(__name__)


class AroundRuns(ABC):
    """Middleware that does something after a run has opened and before it closes; subclasses say what.

    When a run is closed as failed, what comes before is done as far as it can be: an error in it is logged, and the
    run is closed with the reason that it failed for.
    """

    async def __call__(self, msg: MsgLike, call: Call) -> Any:
        """Pass a message on, with what this adds."""
        if msg.command == "open_run":
            uid = await call(msg)
            await self.opened(call, msg.run)
            return uid
        if msg.command == "close_run":
            failed = msg.kwargs.get("exit_status") in ("fail", "abort")
            await (_tolerated(self.closing(call, msg.run, failed=failed)) if failed else self.closing(call, msg.run))
        return await call(msg)

    @abstractmethod
    async def opened(self, call: Call, run: Hashable | None) -> None:
        """Do what follows the opening of a run."""

    @abstractmethod
    async def closing(self, call: Call, run: Hashable | None, *, failed: bool = False) -> None:
        """Do what precedes its closing."""


async def _tolerated(work: Awaitable[None]) -> None:
    try:
        await work
    except EngineError as error:
        log.warning("while a failed run is closed: %s", error)
