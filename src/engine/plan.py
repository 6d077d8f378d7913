"""Plans: coroutine functions that can be looked at, sent and awaited again and again."""

import functools
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, ParamSpec, TypeVar

from . import default
from .branch import CURRENT

P = ParamSpec("P")
T = TypeVar("T")


class Plan(Generic[T]):
    """A plan with its arguments, not yet run: each `await` runs it once more and gives its value.

    Awaited inside a plan it runs inline, in that plan's engine; elsewhere the default engine runs it.

    Attributes:
        func: The coroutine function.
        name: What the start document calls it.
        args: Positional arguments.
        kwargs: Keyword arguments.
        plan_type: What the start document calls this kind of plan.
    """

    plan_type = "plan"

    def __init__(self, func: Callable[..., Coroutine[Any, Any, T]], /, *args: Any, **kwargs: Any) -> None:
        self.func = func
        self.name: str = getattr(func, "__name__", type(self).__name__)
        self.args = args
        self.kwargs = kwargs

    async def body(self) -> T:
        """Perform the plan's operations, in the plan that runs here; what a subclass overrides."""
        return await self.func(*self.args, **self.kwargs)

    def __await__(self) -> Generator[Any, None, T]:
        return self._perform().__await__()

    async def _perform(self) -> T:
        if CURRENT.get() is not None:
            return await self.body()
        return await default.engine()(self)

    def __repr__(self) -> str:
        given = [*map(repr, self.args), *(f"{key}={value!r}" for key, value in self.kwargs.items())]
        return f"{self.name}({', '.join(given)})"


def plan(func: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Plan[T]]:
    """Make a plan of an `async def`: calling it gives a Plan, and nothing runs until that is awaited.

    Example:
        >>> @plan
        ... async def twice(x: int) -> int:
        ...     return 2 * x
        >>> twice(21)
        twice(21)
    """

    @functools.wraps(func)
    def make(*args: P.args, **kwargs: P.kwargs) -> Plan[T]:
        return Plan(func, *args, **kwargs)

    return make
