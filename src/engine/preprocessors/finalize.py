"""finally, around a plan of either kind."""

import functools
from collections.abc import Callable
from typing import Any

from ..errors import PlanTypeError
from .contingency import contingency_wrapper
from .decorator import Function
from .wrapped import Wrapped


def finalize_wrapper(plan: Any, final_plan: Any, *, pause_for_debug: bool = False) -> Wrapped:
    """Perform `final_plan`, a plan or a function that gives one, after the plan, whatever happens.

    With `pause_for_debug` the plan pauses after an error, before that.
    """
    return contingency_wrapper(plan, final_plan=final_plan, pause_for_debug=pause_for_debug)


def finalize_decorator(final_plan: Callable[[], Any]) -> Callable[[Function], Function]:
    """Perform what `final_plan()` gives after each plan of the function, whatever happens.

    Raises:
        PlanTypeError: It is no function: a plan that is performed once cannot serve every call.
    """
    if not callable(final_plan):
        msg = f"finalize_decorator needs a function that gives a plan, seen {final_plan!r}"
        raise PlanTypeError(msg)

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def make(*args: Any, **kwargs: Any) -> Wrapped:
            return finalize_wrapper(function(*args, **kwargs), final_plan)

        return make

    return decorate
