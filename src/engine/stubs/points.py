"""Stubs that take one point of a scan: bluesky's per_shot and per_step."""

import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from .control import checkpoint, performed
from .moving import mv
from .reading import trigger_and_read

TakeReading = Callable[[Sequence[Any]], Awaitable[Any]]


async def one_shot(detectors: Sequence[Any], take_reading: TakeReading | None = None) -> None:
    """Take one reading of all detectors, as one event."""
    await checkpoint()
    await performed((take_reading or trigger_and_read)(list(detectors)))


async def one_1d_step(detectors: Sequence[Any], motor: Any, step: Any, take_reading: TakeReading | None = None) -> Any:
    """Move one axis, then take one reading of detectors and axis; gives the readings."""
    await checkpoint()
    await mv(motor, step)
    return await performed((take_reading or trigger_and_read)([*detectors, motor]))


async def one_nd_step(
    detectors: Sequence[Any],
    step: Mapping[Any, Any],
    pos_cache: dict[Any, Any],
    take_reading: TakeReading | None = None,
) -> None:
    """Move to the point, then take one reading of detectors and axes."""
    await move_per_step(step, pos_cache)
    await performed((take_reading or trigger_and_read)([*detectors, *step]))


async def move_per_step(step: Mapping[Any, Any], pos_cache: dict[Any, Any]) -> None:
    """Move the axes whose position is new, all at once, and wait for them."""
    await checkpoint()
    moving = {motor: value for motor, value in step.items() if value != pos_cache.get(motor)}
    if moving:
        await mv(*itertools.chain.from_iterable(moving.items()))
    pos_cache.update(moving)
