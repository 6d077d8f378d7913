"""20 000 null messages through the dispatch point, one middleware installed."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any

from .bench import SideResult, Which, digest_of

NAME = "engine_message"
PEER = "bluesky RunEngine"
GOAL = 6.0
UNIT = "µs/message"
SCALE = 1e6
PACKAGES = ("bluesky",)

MESSAGES = 20_000
WARM_UP = 1_000


def side(which: Which) -> SideResult:
    """Time the messages of one plan; the digest is how many the middleware has seen, and the value of the plan."""
    return asyncio.run(_ours()) if which == "ours" else peer()


async def _ours() -> SideResult:
    from wingbeat.engine import RunEngine, plan
    from wingbeat.engine.messages import MsgLike
    from wingbeat.engine.stubs import null

    seen = 0

    async def middleware(msg: MsgLike, call: Callable[[MsgLike], Awaitable[Any]]) -> Any:
        nonlocal seen
        seen += 1
        return await call(msg)

    @plan
    async def nulls(count: int) -> tuple[int, float]:
        begun = time.perf_counter()
        for _ in range(count):
            await null()
        return count, time.perf_counter() - begun

    async with RunEngine(None) as engine:
        engine.middleware.append(middleware)
        await engine(nulls(WARM_UP))
        count, elapsed = await engine(nulls(MESSAGES))
    return SideResult(seconds=elapsed / MESSAGES, digest=digest_of(seen, count))


def nulls(count: int) -> Generator[Any, Any, tuple[int, float]]:
    """The messages as a plan of bluesky's; its value is their number and the seconds that they took."""
    from bluesky.utils import Msg

    begun = time.perf_counter()
    for _ in range(count):
        yield Msg("null")
    return count, time.perf_counter() - begun


def peer() -> SideResult:
    """Time that plan on bluesky's engine."""
    import bluesky
    from bluesky.preprocessors import msg_mutator
    from bluesky.utils import Msg

    seen = 0

    def look(msg: Msg) -> Msg:
        nonlocal seen
        seen += 1
        return msg

    engine = bluesky.RunEngine({}, call_returns_result=True, context_managers=[])
    # Our middleware may change a message: what may do that in bluesky is a preprocessor, not the msg_hook.
    engine.preprocessors.append(lambda plan: msg_mutator(plan, look))
    engine(nulls(WARM_UP))
    count, elapsed = engine(nulls(MESSAGES)).plan_result
    return SideResult(seconds=elapsed / MESSAGES, digest=digest_of(seen, count))
