"""Metadata that every run of a plan gets besides its own."""

from collections.abc import Mapping
from typing import Any

from ..dispatch import Call
from ..messages import Msg, MsgLike
from .decorator import decorator_of
from .wrapped import Wrapped, within


class InjectMd:
    """Middleware that puts metadata before those that a run is opened with."""

    def __init__(self, md: Mapping[str, Any]) -> None:
        self._md = md

    async def __call__(self, msg: MsgLike, call: Call) -> Any:
        """Pass a message on."""
        if msg.command == "open_run":
            msg = Msg("open_run", msg.obj, msg.args, {**msg.kwargs, **self._md}, msg.run)
        return await call(msg)


def inject_md_wrapper(plan: Any, md: Mapping[str, Any]) -> Wrapped:
    """Give every run of the plan the metadata `md`, which win over its own."""
    return within(plan, InjectMd(md))


inject_md_decorator = decorator_of(inject_md_wrapper)
