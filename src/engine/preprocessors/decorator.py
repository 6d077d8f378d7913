"""Decorators of plan functions, made of the wrappers of plans."""

import functools
from collections.abc import Callable
from typing import Any

Function = Callable[..., Any]


def decorator_of(wrapper: Callable[..., Any]) -> Callable[..., Callable[[Function], Function]]:
    """Make of `wrapper(plan, ...)` a decorator, `@decorator(...)`, of functions that give a plan."""

    @functools.wraps(wrapper)
    def configured(*args: Any, **kwargs: Any) -> Callable[[Function], Function]:
        def decorate(function: Function) -> Function:
            @functools.wraps(function)
            def make(*given: Any, **named: Any) -> Any:
                return wrapper(function(*given, **named), *args, **kwargs)

            return make

        return decorate

    return configured
