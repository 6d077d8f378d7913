"""Subscribers that listen as long as a plan lasts."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from ..stubs import subscribe, unsubscribe
from .decorator import decorator_of
from .wrapped import Inner, Wrapped

Subscriber = Callable[[str, Any], Any]
Subscribers = Subscriber | Iterable[Subscriber] | Mapping[str, Any] | None


def subs_wrapper(plan: Any, subs: Subscribers) -> Wrapped:
    """Have `subs`, a function, several, or a dict of them by document name, called with the plan's documents."""

    async def around(inner: Inner) -> Any:
        tokens: list[int] = []
        try:
            for name, function in _each(subs):
                tokens.append(await subscribe(name, function))
            return await inner()
        finally:
            for token in tokens:
                await unsubscribe(token)

    return Wrapped(plan, around)


def _each(subs: Subscribers) -> list[tuple[str, Subscriber]]:
    if isinstance(subs, Mapping):
        named = cast("Mapping[str, Any]", subs)
        return [(name, function) for name, functions in named.items() for function in _listed(functions)]
    return [("all", function) for function in _listed(subs)]


def _listed(functions: Any) -> list[Subscriber]:
    if functions is None:
        return []
    return [functions] if callable(functions) else list(functions)


subs_decorator = decorator_of(subs_wrapper)
