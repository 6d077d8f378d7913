"""`ramp_plan`: readings while something is on its way."""

# ruff: noqa: PLR0913, FBT001, FBT002  # the signatures are bluesky's

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any

from ..branch import here
from ..errors import RampFailedError
from ..operation import Operation
from ..plan import plan
from ..run import Run
from ..stubs import monitor, performed, run, sleep, unmonitor
from ..stubs.control import inline
from .metadata import Metadata


@plan
async def ramp_plan(
    go_plan: Any,
    monitor_sig: Any,
    inner_plan_func: Callable[[], Any],
    take_pre_data: bool = True,
    timeout: float | None = None,
    period: float | None = None,
    md: Metadata | None = None,
) -> Run:
    """Take readings over and over while something ramps, and monitor a signal; gives the run.

    Args:
        go_plan: What sets off the ramp: a Plan, an awaitable or a generator; its value is an operation, done when the
            ramp is.
        monitor_sig: What makes an event of each of its changes, in a stream of its own.
        inner_plan_func: Makes what takes one reading.
        take_pre_data: Whether to take one before the ramp begins.
        timeout: Seconds that the ramp may take, of the plan's time.
        period: Seconds from the begin of one reading to the begin of the next, at least.
        md: Metadata of the run.

    Raises:
        RampFailedError: The ramp took longer than `timeout`.
        OperationFailedError: The ramp failed.
    """
    async with run({"plan_name": "ramp_plan", **(md or {})}) as opened:
        await monitor(monitor_sig, name=f"{monitor_sig.name}_monitor")
        turns = _turns(go_plan, take_pre_data=take_pre_data, timeout=timeout, period=period)
        async for step in opened.steps(turns):
            async with step:
                await performed(inner_plan_func())
        await unmonitor(monitor_sig)
    return opened


async def _turns(
    go_plan: Any, *, take_pre_data: bool, timeout: float | None, period: float | None
) -> AsyncGenerator[None, None]:
    """Let readings be taken: before the ramp, as long as it goes on, and after it."""
    overdue = asyncio.Event()
    clock = here().execution.freezer.clock
    timer = None if timeout is None else clock.start(timeout, overdue.set)
    try:
        if take_pre_data:
            yield
        status: Operation = await (performed(go_plan) if hasattr(go_plan, "__await__") else inline(go_plan))
        while not status.done:
            begun = time.monotonic()
            yield
            if overdue.is_set():
                msg = f"the ramp ({status!r}) took longer than {timeout} s"
                raise RampFailedError(msg)
            # At the least a turn of the loop, which the ramp itself may need.
            await sleep(max(0.0, begun + (period or 0.0) - time.monotonic()))
        await status
        yield
    finally:
        if timer is not None:
            clock.forget(timer)
