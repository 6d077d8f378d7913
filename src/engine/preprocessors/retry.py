"""A policy: what fails is tried again."""

from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from ..branch import here
from ..dispatch import Call
from ..errors import OperationFailedError
from ..messages import MsgLike
from ..operation import Operation, Verdict

_TRIED_AGAIN = frozenset(
    {"set", "trigger", "stage", "read", "locate", "trigger_and_read", "describe", "read_configuration"}
)
"""What may be asked twice; a flight never is."""


class Retry:
    """Middleware that has an operation tried again when its device fails, where it is awaited.

    Args:
        times: How often it is tried again.
        on: The device's own errors that are worth it.
        commands: Which operations.
    """

    def __init__(self, times: int, *, on: tuple[type[BaseException], ...], commands: Collection[str]) -> None:
        self._times = times
        self._on = on
        self._commands = commands

    async def __call__(self, msg: MsgLike, call: Call) -> Any:
        """Pass a message on, as often as it takes."""
        if msg.command not in self._commands:
            return await call(msg)
        answer = await self._answer(msg, call)
        if isinstance(answer, Operation):
            kwargs = {key: value for key, value in msg.kwargs.items() if key != "group"}
            again = partial(here().execution.act, msg.command, msg.obj, *msg.args, **kwargs)
            answer.recover(self._verdict(), again=again)
        return answer

    async def _answer(self, msg: MsgLike, call: Call) -> Any:
        for _ in range(self._times):
            try:
                return await call(msg)
            except OperationFailedError as error:
                if not isinstance(error.__cause__, self._on):
                    raise
        return await call(msg)

    def _verdict(self) -> Callable[[BaseException | None], Verdict]:
        left = self._times

        def judge(error: BaseException | None) -> Verdict:
            nonlocal left
            left -= 1
            return "again" if left >= 0 and isinstance(error, self._on) else "raise"

        return judge


def retry(
    times: int,
    *,
    on: type[BaseException] | tuple[type[BaseException], ...] = Exception,
    commands: Collection[str] = _TRIED_AGAIN,
) -> Retry:
    """Make middleware that tries a failed operation again, up to `times` times.

    Example:
        `async with using(retry(3, on=TimeoutError)): await mv(x, 1)`

    Args:
        times: How often, besides the first time.
        on: The device's own errors that are worth it.
        commands: Which operations; moves, exposures and readings unless given. A point that is taken again inside a run
            is an event all the same: only the attempt that succeeded is saved.
    """
    return Retry(times, on=on if isinstance(on, tuple) else (on,), commands=commands)
