"""Devices that are staged when a plan uses them first."""

import asyncio
from typing import Any

from ..dispatch import Call
from ..kinship import root
from ..messages import Msg, MsgLike
from ..operation import Operation
from ..scope import using
from ..stubs import unstage_all
from .decorator import decorator_of
from .wrapped import Inner, Wrapped

_USES = frozenset({"read", "set", "trigger", "kickoff", "prepare"})


class LazilyStage:
    """Middleware that stages the outermost parent of a device before its first use, once.

    Attributes:
        staged: What was staged, in order.
    """

    def __init__(self) -> None:
        self.staged: list[Any] = []
        self._locks: dict[Any, asyncio.Lock] = {}

    async def __call__(self, msg: MsgLike, call: Call) -> Any:
        """Pass a message on, when all that it uses is staged."""
        used = msg.args[0] if msg.command == "trigger_and_read" else [msg.obj] if msg.command in _USES else []
        for device in used:
            await self._stage(root(device), call)
        return await call(msg)

    async def _stage(self, device: Any, call: Call) -> None:
        async with self._locks.setdefault(device, asyncio.Lock()):
            if device in self.staged:
                return
            result = await call(Msg("stage", device))
            self.staged.append(device)
            if isinstance(result, Operation):
                await result


def lazily_stage_wrapper(plan: Any) -> Wrapped:
    """Stage each device before the plan uses it first, and unstage all at the end, the last one first."""

    async def around(inner: Inner) -> Any:
        stager = LazilyStage()
        try:
            async with using(stager):
                return await inner()
        finally:
            await unstage_all(*reversed(stager.staged))

    return Wrapped(plan, around)


lazily_stage_decorator = decorator_of(lazily_stage_wrapper)
