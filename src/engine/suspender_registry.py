"""The suspenders of one engine, and the suspensions that they hold in the plan that runs."""

import logging
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from .deadline import Deadline
from .errors import RequestAbort
from .freezer import Suspension

if TYPE_CHECKING:
    from .branch import Branch
    from .execution import Execution
    from .run_engine import RunEngine

log = logging.getLogger(__name__)


class SuspenderLike(Protocol):
    """What the registry needs of a suspender."""

    pre_plan: Any
    post_plan: Any

    @property
    def tripped(self) -> bool:
        """Whether plans rest because of it."""
        ...

    @property
    def reason(self) -> str:
        """Why, in words."""
        ...

    def install(self, engine: "RunEngine", /) -> None:
        """Begin."""
        ...

    def remove(self) -> None:
        """End."""
        ...


class Suspenders:
    """Iterable over what is installed, in order."""

    def __init__(self, engine: "RunEngine") -> None:
        self._engine = engine
        self._installed: list[SuspenderLike] = []
        self._held: dict[int, tuple[Execution, Suspension]] = {}

    def __iter__(self) -> Iterator[SuspenderLike]:
        return iter(tuple(self._installed))

    def __len__(self) -> int:
        return len(self._installed)

    def install(self, suspender: SuspenderLike) -> None:
        """Have it followed from now on; one that is installed already is passed over."""
        if suspender not in self._installed:
            self._installed.append(suspender)
            suspender.install(self._engine)

    def remove(self, suspender: SuspenderLike) -> None:
        """Follow it no more; one that is not installed is passed over."""
        if suspender in self._installed:
            suspender.remove()
            self._installed.remove(suspender)

    def clear(self) -> None:
        """Follow none any more."""
        for suspender in self:
            self.remove(suspender)

    async def clearance(self, branch: "Branch", seconds: float) -> None:
        """Wait until no deadline keeps a step that takes so long from beginning.

        Raises:
            Interruption: The plan is to end instead.
        """
        for one in self:
            if isinstance(one, Deadline):
                await one.clearance(branch, seconds)

    def begin(self, execution: "Execution") -> None:
        """Have a plan that starts rest for everything that is tripped already."""
        for suspender in self._installed:
            if suspender.tripped:
                self._hold(suspender, execution)

    def tripped(self, suspender: SuspenderLike, *, abort: bool = False) -> None:
        """Have the plan that runs rest because of this one, or abort it."""
        execution = self._engine.execution
        if execution is None or execution.ending:
            return
        if abort:
            self._engine.end(RequestAbort(suspender.reason))
        else:
            self._hold(suspender, execution)

    def _hold(self, suspender: SuspenderLike, execution: "Execution") -> None:
        suspension = Suspension(
            reason=suspender.reason,
            since=time.time(),
            pre_plan=suspender.pre_plan,
            post_plan=suspender.post_plan,
        )
        self._held[id(suspender)] = execution, suspension
        execution.freezer.suspend(suspension)

    def cleared(self, suspender: SuspenderLike) -> None:
        """Let the plan go on, as far as this one is concerned."""
        execution, suspension = self._held.pop(id(suspender), (None, None))
        if execution is not None and suspension is not None and execution is self._engine.execution:
            execution.freezer.release(suspension)
