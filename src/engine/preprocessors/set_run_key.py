"""Which of several open runs the messages of a plan are for."""

from collections.abc import Hashable
from typing import Any

from ..dispatch import Call
from ..messages import Msg, MsgLike
from .decorator import decorator_of
from .wrapped import Wrapped, within


class SetRunKey:
    """Middleware that gives a run key to messages that have none.

    Example:
        `async with using(SetRunKey("fast")), run() as fast: ...`

    Raises:
        ValueError: The key is None, which means no key.
    """

    def __init__(self, run: Hashable) -> None:
        if run is None:
            msg = "a run key cannot be None: that is what a message has that names no run"
            raise ValueError(msg)
        self._run = run

    async def __call__(self, msg: MsgLike, call: Call) -> Any:
        """Pass a message on."""
        if msg.run is None:
            msg = Msg(msg.command, msg.obj, msg.args, msg.kwargs, self._run)
        return await call(msg)


def set_run_key_wrapper(plan: Any, run: Hashable) -> Wrapped:
    """Have every message of the plan that names no run be for the one with key `run`."""
    return within(plan, SetRunKey(run))


set_run_key_decorator = decorator_of(set_run_key_wrapper)
