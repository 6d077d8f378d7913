"""What comes between a plan and the commands of its engine: preprocessors and middleware.

Preprocessors make a plan of a plan before it starts. Ours (`SupplementalData`, `partial(inject_md_wrapper, md=...)`)
take plans of either kind; bluesky's, and generator functions of its kind, take generators alone, unchanged. Middleware
is in front of every message while the plan runs.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, cast

from . import scope, time_limit
from .branch import CURRENT
from .dispatch import Middleware
from .errors import PlanTypeError
from .generator_plans import as_messages
from .plan import Plan
from .section import drive
from .strict import Observer

Preprocessor = Callable[[Any], Any]
Body = Callable[[], Coroutine[Any, Any, Any]]


class Interception:
    """The part of an engine that lets others come in between.

    Attributes:
        middleware: What every message passes, outermost first: `async def middleware(msg, call)`. May be changed at
            any time.
        preprocessors: Functions that give a plan for a plan, the first innermost, for every plan that is started.
        record_interruptions: Whether runs have a stream `interruptions` that says when they were paused and why.
        strict: Whether awaits of plans that pass the engine by are logged and put into `bypasses`.
        bypasses: Those of the newest plan, one line for each place in the source.
    """

    def __init__(self) -> None:
        self.middleware: list[Middleware] = []
        self.preprocessors: list[Preprocessor] = []
        self.record_interruptions = False
        self.strict = False
        self.bypasses: list[str] = []

    def using(self, *middleware: Middleware) -> AbstractAsyncContextManager[None]:
        """Put middleware in front of every operation in a block: of its own plan, or of all plans outside of any."""
        return scope.using(*middleware) if CURRENT.get() is not None else scope.added(self.middleware, middleware)

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[asyncio.Timeout]:
        """Limit a block of a plan to seconds in which it was not paused."""
        return time_limit.timeout(seconds)

    def body_of(self, plan: Any) -> Body:
        """Give what performs a plan of either kind, as the preprocessors have it.

        Raises:
            PlanTypeError: It is no plan, or an async one met a preprocessor that takes generators only.
        """
        made = preprocessed(plan, self.preprocessors)
        body: Body = cast(Plan[Any], made).body if isinstance(made, Plan) else partial(drive, as_messages(made))
        self.bypasses = []
        return partial(Observer(self.bypasses).plan, body) if self.strict else body


def preprocessed(plan: Any, preprocessors: Iterable[Preprocessor]) -> Any:
    """Give what the preprocessors make of a plan.

    Raises:
        PlanTypeError: An async plan met one that takes generators only.
    """
    current: Any = plan
    for preprocessor in preprocessors:
        made: Any = preprocessor(current)
        if _is_async(current) and not _is_async(made):
            text = (
                f"preprocessor {preprocessor!r} takes generators of messages, seen {current!r};"
                " take the one of that name from wingbeat.engine.preprocessors"
            )
            raise PlanTypeError(text)
        current = made
    return current


def _is_async(plan: Any) -> bool:
    return isinstance(plan, Plan)
