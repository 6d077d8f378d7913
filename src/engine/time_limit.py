"""A time limit inside a plan, in the plan's own time."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from .branch import here


@asynccontextmanager
async def timeout(seconds: float | None) -> AsyncGenerator[asyncio.Timeout]:
    """Limit the block to `seconds` in which the plan was not paused or suspended; None sets no limit.

    Raises:
        TimeoutError: They have passed.
        NotInPlanError: No plan runs here.
    """
    branch = here()
    async with branch.execution.limit(branch, seconds) as deadline:
        yield deadline
