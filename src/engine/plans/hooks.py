"""What takes a point: the plan's own way, or the user's `per_step`, in any of bluesky's forms."""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from ..stubs import one_nd_step, performed

PerShot = Callable[[Sequence[Any]], Any]
PerStep = Callable[..., Any]
"""`per_step(detectors, step, pos_cache)` or `per_step(detectors, motor, step)`: async, or a generator of messages."""

TakePoint = Callable[[Sequence[Any], Mapping[Any, Any], dict[Any, Any]], Awaitable[Any]]

ND = ("detectors", "step", "pos_cache")
ONE_D = ("detectors", "motor", "step")


def taker(per_step: PerStep | None, motors: Sequence[Any]) -> TakePoint:
    """Give the function that takes a point.

    Raises:
        TypeError: `per_step` has neither form, or is for one axis and there are several.
    """
    if per_step is None:
        return one_nd_step
    hook = per_step
    if _takes(hook, ND):
        return lambda detectors, step, pos_cache: performed(hook(detectors, step, pos_cache))
    if not _takes(hook, ONE_D):
        msg = f"per_step takes {', '.join(ND)} or {', '.join(ONE_D)}, by these names; seen {inspect.signature(hook)}"
        raise TypeError(msg)
    if len(motors) != 1:
        msg = f"this per_step takes one motor, and the scan moves {len(motors)}; give it the form {', '.join(ND)}"
        raise TypeError(msg)
    return one_dimensional(hook)


def one_dimensional(per_step: PerStep) -> TakePoint:
    """Have a `per_step(detectors, motor, step)` take the points of the only axis."""

    async def take(detectors: Sequence[Any], step: Mapping[Any, Any], _pos_cache: dict[Any, Any]) -> Any:
        ((motor, position),) = step.items()
        return await performed(per_step(detectors, motor, position))

    return take


def _takes(hook: PerStep, names: tuple[str, ...]) -> bool:
    parameters = list(inspect.signature(hook).parameters.values())
    further = parameters[len(names) :]
    optional = all(one.default is not one.empty or one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in further)
    return tuple(one.name for one in parameters[: len(names)]) == names and optional
