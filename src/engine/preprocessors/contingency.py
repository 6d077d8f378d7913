"""try, except, else and finally around a plan of either kind.

A stop or an abort is no error that an `except_plan` could handle: it passes, and the clean-up is done.
"""

from collections.abc import Callable
from typing import Any

from ..stubs import inline, pause
from .decorator import decorator_of
from .wrapped import Inner, Wrapped

PlanFunction = Callable[..., Any]


def contingency_wrapper(
    plan: Any,
    *,
    except_plan: PlanFunction | None = None,
    else_plan: PlanFunction | None = None,
    final_plan: Any = None,
    pause_for_debug: bool = False,
    auto_raise: bool = True,
) -> Wrapped:
    """Perform one more plan if the plan fails, if it does not, and in either case.

    Args:
        plan: What may fail.
        except_plan: `except_plan(error)` gives what is done after an Exception.
        else_plan: Gives what is done if there was none.
        final_plan: What is done whatever happens; a plan, or a function that gives one.
        pause_for_debug: Pause after an error, before anything else is done.
        auto_raise: Raise the error after `except_plan`; otherwise the value is what that one gives.
    """

    async def body(inner: Inner) -> Any:
        try:
            value = await inner()
        except Exception as error:  # boundary: the plan that is given handles or raises it
            if pause_for_debug:
                await pause()
            if except_plan is None:
                raise
            handled = await _given(except_plan, error)
            if auto_raise:
                raise
            return handled
        if else_plan is not None:
            await _given(else_plan)
        return value

    async def around(inner: Inner) -> Any:
        try:
            return await body(inner)
        finally:
            if final_plan is not None:
                await _given(final_plan)

    return Wrapped(plan, around)


async def _given(plan: Any, *args: Any) -> Any:
    """Perform a plan of either kind, a coroutine, or what a function gives."""
    given: Any = plan(*args) if callable(plan) else plan
    return await given if hasattr(given, "__await__") else await inline(given)


contingency_decorator = decorator_of(contingency_wrapper)
