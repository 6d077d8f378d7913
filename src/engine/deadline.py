"""Deadlines: a step that cannot end before one does not begin before it has passed.

Theory of operation. A deadline follows a countdown, a signal that says how many seconds are left until something that
would spoil a measurement: the next top-up of the ring, a planned end of beam. Between two values it counts on by
itself.
A step that is about to begin says how long it is expected to take: what whoever wrote it gave, or as long as the
longest of the steps before it in the same iteration; the first step of an iteration is not known and is not held back.

    left ≥ expected + margin           the step begins
    left < expected + margin           it waits until a value says that the countdown has begun anew
    no value has come yet              unknown: the step begins
"""

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from .followed import Followed
from .operation import name_of

if TYPE_CHECKING:
    from .branch import Branch
    from .run_engine import RunEngine

log = logging.getLogger(__name__)


class Deadline:
    """Keeps steps from beginning that would not end in time.

    Args:
        countdown: Seconds left; a signal.
        margin: Seconds that have to be left when a step has ended.
        message: What it is about.
    """

    pre_plan = post_plan = None
    tripped = False

    def __init__(self, countdown: Any, *, margin: float = 0.0, message: str = "") -> None:
        self.countdown = countdown
        self.margin = margin
        self.message = message
        self._followed: Followed | None = None
        self._at: float | None = None
        self._news: set[asyncio.Future[None]] = set()

    @property
    def reason(self) -> str:
        """What is waited for, in words."""
        left = self.left()
        told = "unknown" if left is None else f"in {left:.3g} s"
        return f"{self.message or name_of(self.countdown)} {told}"

    def left(self) -> float | None:
        """Seconds left now; None if no value has come yet."""
        return None if self._at is None else self._at - asyncio.get_running_loop().time()

    def install(self, engine: "RunEngine") -> None:
        """Begin to follow the countdown for this engine. An engine does that itself."""
        self._followed = Followed(engine, self.countdown, self._judge)

    def remove(self) -> None:
        """Follow it no more; what waits begins."""
        if self._followed is not None:
            self._followed.remove()
            self._followed, self._at = None, None
            self._tell()

    def _judge(self, value: float) -> None:
        self._at = asyncio.get_running_loop().time() + float(value)
        self._tell()

    def _tell(self) -> None:
        for future in self._news:
            if not future.done():
                future.set_result(None)

    def allows(self, seconds: float) -> bool:
        """Whether something that takes so long ends in time, as far as is known."""
        left = self.left()
        return left is None or left >= seconds + self.margin

    async def clearance(self, branch: "Branch", seconds: float) -> None:
        """Wait until something that takes so long may begin.

        Raises:
            Interruption: The plan is to end instead.
        """
        if not self.allows(seconds):
            log.warning("waiting: %s, and the next step takes %.3g s", self.reason, seconds)
        while not self.allows(seconds):
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._news.add(future)
            try:
                await branch.execution.pending.until(branch, future)
            finally:
                self._news.discard(future)
