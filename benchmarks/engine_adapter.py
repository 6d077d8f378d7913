"""20 000 null messages of an unmodified generator of bluesky Msgs, one middleware installed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from .bench import SideResult, Which, digest_of

NAME = "engine_adapter"
PEER = "bluesky RunEngine"
GOAL = 3.5
UNIT = "µs/message"
SCALE = 1e6
PACKAGES = ("bluesky",)


def side(which: Which) -> SideResult:
    """Time the messages of one plan; the digest is how many the interceptor has seen, and the value of the plan."""
    from .engine_message import peer

    return asyncio.run(_ours()) if which == "ours" else peer()


async def _ours() -> SideResult:
    from wingbeat.engine import RunEngine
    from wingbeat.engine.messages import MsgLike

    from .engine_message import MESSAGES, WARM_UP, nulls

    seen = 0

    async def middleware(msg: MsgLike, call: Callable[[MsgLike], Awaitable[Any]]) -> Any:
        nonlocal seen
        seen += 1
        return await call(msg)

    async with RunEngine(None) as engine:
        engine.middleware.append(middleware)
        await engine(nulls(WARM_UP))
        count, elapsed = await engine(nulls(MESSAGES))
    return SideResult(seconds=elapsed / MESSAGES, digest=digest_of(seen, count))
