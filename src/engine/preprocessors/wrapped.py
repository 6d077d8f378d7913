"""A plan around another plan, of whichever kind: an async plan, or a generator of messages."""

from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

from ..dispatch import Middleware
from ..generator_plans import plan_name_of, plan_type_of
from ..messages import Msg
from ..plan import Plan
from ..scope import using
from ..stubs import inline

Inner = Callable[[], Awaitable[Any]]
Around = Callable[[Inner], Coroutine[Any, Any, Any]]


class Wrapped(Plan[Any]):
    """A plan with something around it: awaited in async plans, `yield from` in generators, or given to an engine.

    Attributes:
        plan_type: Of the plan inside, for the start document.
    """

    def __init__(self, plan: Any, around: Around) -> None:
        async def inner() -> Any:
            return await inline(plan)

        super().__init__(around, inner)
        self.name = plan_name_of(plan)
        self.plan_type = plan_type_of(plan)

    def __iter__(self) -> Generator[Msg, Any, Any]:  # noqa: PYI058  # `yield from` needs its return value
        return (yield Msg("inline", None, (self,)))


def within(plan: Any, *middleware: Middleware) -> Wrapped:
    """Give the plan with middleware in front of its operations, the first outermost."""

    async def around(inner: Inner) -> Any:
        async with using(*middleware):
            return await inner()

    return Wrapped(plan, around)
