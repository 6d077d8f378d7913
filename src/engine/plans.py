"""Plans: `count` and `scan`, with bluesky's arguments, metadata and hints."""

import itertools
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np

from . import stubs
from .plan import plan
from .run import Run

PerShot = Callable[[Sequence[Any]], Awaitable[Any]]
PerStep = Callable[[Sequence[Any], Mapping[Any, Any], dict[Any, Any]], Awaitable[Any]]


@plan
async def count(
    detectors: Sequence[Any],
    num: int | None = 1,
    delay: float | Iterable[float] = 0.0,
    *,
    per_shot: PerShot | None = None,
    md: Mapping[str, Any] | None = None,
) -> Run:
    """Take readings of detectors; gives the run.

    Args:
        detectors: What is triggered and read, all at once.
        num: How many readings; None goes on until the plan is stopped.
        delay: Seconds from the begin of one reading to the begin of the next, at least; or one such time for each gap.
        per_shot: Takes one reading in place of `one_shot`.
        md: Metadata of the run.
    """
    detectors = checked_detectors(detectors)
    metadata: dict[str, Any] = {
        "detectors": [detector.name for detector in detectors],
        "num_points": num,
        "num_intervals": None if num is None else num - 1,
        "plan_args": {"detectors": [repr(detector) for detector in detectors], "num": num, "delay": delay},
        "plan_name": "count",
        "hints": {},
        **(md or {}),
    }
    metadata["hints"] = {"dimensions": [(("time",), "primary")], **metadata["hints"]}
    shot = per_shot or one_shot
    delays = _delays(num, delay)
    async with stubs.staged(*roots(detectors)), stubs.run(metadata) as run:
        for number in itertools.count() if num is None else range(num):
            begun = time.monotonic()
            await stubs.checkpoint()
            await shot(detectors)
            if number + 1 != num and not await _pause(delays, begun):
                break
    return run


async def _pause(delays: Iterator[float], begun: float) -> bool:
    """Wait until the next reading is due; False if there are no delays left."""
    gap = next(delays, None)
    if gap is None:
        return False
    left = gap - (time.monotonic() - begun)
    if left > 0:
        await stubs.sleep(left)
    return True


def _delays(num: int | None, delay: float | Iterable[float]) -> Iterator[float]:
    if not isinstance(delay, Iterable):
        return itertools.repeat(delay)
    gaps = list(delay) if num is not None else delay
    if num is not None and len(cast(list[float], gaps)) < num - 1:
        msg = f"count: {num} readings have {num - 1} delays between them, seen {len(cast(list[float], gaps))}"
        raise ValueError(msg)
    return iter(gaps)


@plan
async def scan(
    detectors: Sequence[Any],
    *args: Any,
    num: int | None = None,
    per_step: PerStep | None = None,
    md: Mapping[str, Any] | None = None,
) -> Run:
    """Scan one or more axes together in equal steps, and take readings at each; gives the run.

    Args:
        detectors: What is triggered and read at each point.
        args: `motor, start, stop` for each axis, in its own units, and `num` last unless it is given by keyword.
        num: How many points, both ends included.
        per_step: `per_step(detectors, step, pos_cache)` in place of `one_nd_step`.
        md: Metadata of the run.
    """
    detectors = checked_detectors(detectors)
    axes, points = _axes(args, num)
    motors = [motor for motor, _, _ in axes]
    steps = [np.linspace(begin, end, num=points, endpoint=True) for _, begin, end in axes]
    metadata = _scan_metadata(detectors, axes, points, per_step=per_step, md=dict(md or {}))
    step_of = per_step or one_nd_step
    positions: dict[Any, Any] = dict.fromkeys(motors)
    async with stubs.staged(*roots([*detectors, *motors])), stubs.run(metadata) as run:
        for values in zip(*steps, strict=True):
            await step_of(detectors, dict(zip(motors, values, strict=True)), positions)
    return run


def _axes(args: tuple[Any, ...], num: int | None) -> tuple[list[tuple[Any, float, float]], int]:
    if num is None:
        if len(args) % 3 != 1:
            msg = (
                f"scan needs `motor, start, stop` for each axis, then the number of points; seen {len(args)} arguments"
            )
            raise ValueError(msg)
        args, num = args[:-1], args[-1]
    if len(args) % 3 or not args:
        msg = f"scan needs `motor, start, stop` for each axis, seen {len(args)} arguments besides num"
        raise ValueError(msg)
    if not (float(cast(float, num)).is_integer() and cast(float, num) > 0):
        msg = f"scan: num is a number of points, a whole one from 1, not a step size; seen {num}"
        raise ValueError(msg)
    return list(zip(args[::3], args[1::3], args[2::3], strict=True)), int(cast(float, num))


def _scan_metadata(
    detectors: Sequence[Any],
    axes: list[tuple[Any, float, float]],
    num: int,
    *,
    per_step: PerStep | None,
    md: dict[str, Any],
) -> dict[str, Any]:
    pattern = [value for motor, begin, end in axes for value in (repr(motor), begin, end)]
    fields = [field for motor, _, _ in axes for field in getattr(motor, "hints", {}).get("fields", [])]
    hints = {"dimensions": [(fields, "primary")]} if fields else {}
    metadata: dict[str, Any] = {
        "detectors": [detector.name for detector in detectors],
        "motors": [motor.name for motor, _, _ in axes],
        "num_points": num,
        "num_intervals": num - 1,
        "plan_args": {
            "detectors": [repr(detector) for detector in detectors],
            "num": num,
            "args": pattern,
            "per_step": repr(per_step),
        },
        "plan_name": "scan",
        "plan_pattern": "inner_product",
        # The pattern is bluesky's, also when it is flown by us: what reads it there can read ours.
        "plan_pattern_module": "bluesky.plan_patterns",
        "plan_pattern_args": {"num": num, "args": pattern},
        **md,
    }
    metadata["hints"] = {**hints, **(md.get("hints") or {})}
    return metadata


async def one_shot(detectors: Sequence[Any]) -> None:
    """Take one reading of all detectors, as one event."""
    await stubs.trigger_and_read(detectors)


async def one_nd_step(detectors: Sequence[Any], step: Mapping[Any, Any], pos_cache: dict[Any, Any]) -> None:
    """Move to the point, then take one reading of detectors and axes."""
    await move_per_step(step, pos_cache)
    await stubs.trigger_and_read([*detectors, *step])


async def move_per_step(step: Mapping[Any, Any], pos_cache: dict[Any, Any]) -> None:
    """Move the axes whose position is new, all at once, and wait for them."""
    await stubs.checkpoint()
    moving = {motor: value for motor, value in step.items() if value != pos_cache[motor]}
    if moving:
        await stubs.mv(*itertools.chain.from_iterable(moving.items()))
    pos_cache.update(moving)


def checked_detectors(detectors: Any) -> Sequence[Any]:
    """Give the detectors if they are a sequence of devices.

    Raises:
        TypeError: They are not: one detector alone, a name.
    """
    if not isinstance(detectors, Sequence) or isinstance(detectors, str):
        msg = f"detectors must be a list or tuple of devices, seen {detectors!r}; write [detector] for one"
        raise TypeError(msg)
    return cast(Sequence[Any], detectors)


def roots(devices: Iterable[Any]) -> list[Any]:
    """Give the outermost devices that these are part of, each once: these are the ones to stage."""
    return list(dict.fromkeys(_root(device) for device in devices))


def _root(device: Any) -> Any:
    while (parent := getattr(device, "parent", None)) is not None:
        device = parent
    return device
