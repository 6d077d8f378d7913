"""A policy: a point that failed is taken again, as a whole."""

from typing import Any, cast

from ..dispatch import Call
from ..errors import OperationFailedError
from ..messages import MsgLike
from ..step import Step


class RedoPoint:
    """Middleware that has a step (`run.steps`) in which a device failed be taken again."""

    def __init__(self, times: int, *, on: tuple[type[BaseException], ...]) -> None:
        self._times = times
        self._on = on

    async def __call__(self, msg: MsgLike, call: Call) -> Any:
        """Pass a message on."""
        return await call(msg)

    def redoes(self, step: Step[Any], error: BaseException) -> bool:
        """Whether a step that `error` has ended is to be taken again."""
        return step.attempt <= self._times and self._is_worth_it(error)

    def _is_worth_it(self, error: BaseException) -> bool:
        if isinstance(error, BaseExceptionGroup):
            members = cast("tuple[BaseException, ...]", error.exceptions)
            return all(self._is_worth_it(member) for member in members)
        return isinstance(error, OperationFailedError) and isinstance(error.__cause__, self._on)


def redo_point(times: int, *, on: type[BaseException] | tuple[type[BaseException], ...] = Exception) -> RedoPoint:
    """Make middleware that takes a failed point again, up to `times` times: moves, exposure and reading.

    What the attempts that failed have saved is discarded; their rows are announced and are not the newest.
    A generator plan has no steps; there `retry` is what helps.

    Args:
        times: How often, besides the first time.
        on: The device's own errors that are worth it.
    """
    return RedoPoint(times, on=on if isinstance(on, tuple) else (on,))
