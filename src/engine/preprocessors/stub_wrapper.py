"""A plan with a run of its own as a part of another one's."""

from typing import Any

from ..dispatch import Call
from ..messages import MsgLike
from ..scope import using
from .decorator import decorator_of
from .wrapped import Inner, Wrapped

_DROPPED = frozenset({"open_run", "close_run", "stage", "unstage"})


class Stub:
    """Middleware that lets no run be opened or closed and nothing be staged.

    Attributes:
        md: The metadata of runs that would have been opened.
    """

    def __init__(self) -> None:
        self.md: dict[str, Any] = {}

    async def __call__(self, msg: MsgLike, call: Call) -> Any:
        """Pass a message on, or drop it."""
        if msg.command == "open_run":
            self.md.update(msg.kwargs)
        return None if msg.command in _DROPPED else await call(msg)


def stub_wrapper(plan: Any) -> Wrapped:
    """Perform a plan without its runs and its staging; gives the metadata of the runs that it would have opened."""

    async def around(inner: Inner) -> dict[str, Any]:
        stub = Stub()
        async with using(stub):
            await inner()
        return stub.md

    return Wrapped(plan, around)


stub_decorator = decorator_of(stub_wrapper)
