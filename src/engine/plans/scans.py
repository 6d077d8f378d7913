"""Scans in equal steps along one line through the axes' space."""

# ruff: noqa: PLR0913  # the signatures are bluesky's

import itertools
from collections.abc import Sequence
from typing import Any

from ..plan import plan
from ..run import Run
from .hooks import PerStep
from .metadata import PATTERNS, Metadata, checked_detectors, hints_of, one_dimension, reprs
from .trajectory import Trajectory, linear
from .walk import walk


@plan
async def scan(
    detectors: Sequence[Any],
    *args: Any,
    num: int | None = None,
    per_step: PerStep | None = None,
    md: Metadata | None = None,
) -> Run:
    """Scan one or more axes together in equal steps, and take readings at each; gives the run.

    Args:
        detectors: What is triggered and read at each point.
        args: `motor, start, stop` for each axis, in its own units, and `num` last unless it is given by keyword.
        num: How many points, both ends included.
        per_step: `per_step(detectors, step, pos_cache)` or `per_step(detectors, motor, step)`, in place of
            `one_nd_step`.
        md: Metadata of the run.
    """
    points, metadata = _request(detectors, args, num, per_step=per_step, md={"plan_name": "scan", **(md or {})})
    return await walk(detectors, points, per_step=per_step, md=metadata)


@plan
async def rel_scan(
    detectors: Sequence[Any],
    *args: Any,
    num: int | None = None,
    per_step: PerStep | None = None,
    md: Metadata | None = None,
) -> Run:
    """Scan as `scan` does, with positions counted from where the axes are, and return them afterwards."""
    points, metadata = _request(detectors, args, num, per_step=per_step, md={"plan_name": "rel_scan", **(md or {})})
    return await walk(detectors, points, per_step=per_step, md=metadata, relative=True)


@plan
async def inner_product_scan(
    detectors: Sequence[Any], num: int, *args: Any, per_step: PerStep | None = None, md: Metadata | None = None
) -> Run:
    """Scan as `scan` does, with the number of points in front."""
    return await scan(detectors, *args, num, per_step=per_step, md={"plan_name": "inner_product_scan", **(md or {})})


@plan
async def relative_inner_product_scan(
    detectors: Sequence[Any], num: int, *args: Any, per_step: PerStep | None = None, md: Metadata | None = None
) -> Run:
    """Scan as `rel_scan` does, with the number of points in front."""
    named = {"plan_name": "relative_inner_product_scan", **(md or {})}
    return await rel_scan(detectors, *args, num, per_step=per_step, md=named)


@plan
async def x2x_scan(
    detectors: Sequence[Any],
    motor1: Any,
    motor2: Any,
    start: float,
    stop: float,
    num: int,
    *,
    per_step: PerStep | None = None,
    md: Metadata | None = None,
) -> Run:
    """Scan two axes in the ratio 2:1 (θ:2θ), from where they are, and return them afterwards.

    Args:
        detectors: What is triggered and read at each point.
        motor1: Goes from `start` to `stop`.
        motor2: Goes half as far.
        start: Counted from where motor1 is, in its own units.
        stop: Likewise.
        num: How many points, both ends included.
        per_step: As in `scan`.
        md: Metadata of the run.
    """
    plan_args = {
        "detectors": reprs(checked_detectors(detectors)),
        "motor1": motor1.name,
        "motor2": motor2.name,
        "start": start,
        "stop": stop,
        "num": num,
        "per_step": repr(per_step),
    }
    named = {"plan_name": "x2x_scan", "plan_args": plan_args, **(md or {})}
    axes = (motor1, start, stop, motor2, start / 2, stop / 2)
    return await rel_scan(detectors, *axes, num, per_step=per_step, md=named)


def _request(
    detectors: Any, args: tuple[Any, ...], num: int | None, *, per_step: PerStep | None, md: Metadata
) -> tuple[Trajectory, dict[str, Any]]:
    detectors = checked_detectors(detectors)
    axes, num = _axes(args, num)
    pattern = list(itertools.chain.from_iterable((repr(motor), start, stop) for motor, start, stop in axes))
    motors = [motor for motor, _, _ in axes]
    metadata = {
        "plan_args": {"detectors": reprs(detectors), "num": num, "args": pattern, "per_step": repr(per_step)},
        "plan_pattern": "inner_product",
        "plan_pattern_module": PATTERNS,
        "plan_pattern_args": {"num": num, "args": pattern},
        **md,
        "hints": {**one_dimension(motors), **hints_of(md)},
    }
    return Trajectory({motor: linear(start, stop, num) for motor, start, stop in axes}), metadata


def _axes(args: tuple[Any, ...], num: Any) -> tuple[list[tuple[Any, float, float]], int]:
    if num is None:
        if len(args) % 3 != 1:
            msg = f"give `motor, start, stop` for each axis, then the number of points; seen {len(args)} arguments"
            raise ValueError(msg)
        args, num = args[:-1], args[-1]
    if len(args) % 3 or not args:
        msg = f"give `motor, start, stop` for each axis; seen {len(args)} arguments besides num"
        raise ValueError(msg)
    if not (float(num).is_integer() and num > 0):
        msg = f"num is a number of points, a whole one from 1, not a step size; seen {num}"
        raise ValueError(msg)
    return list(zip(args[::3], args[1::3], args[2::3], strict=True)), int(num)


relative_scan = rel_scan
