"""Scans along one line through positions that are listed, or that grow by a ratio."""

# ruff: noqa: PLR0913  # the signatures are bluesky's

import itertools
from collections.abc import Sequence
from typing import Any

from ..plan import plan
from ..run import Run
from .hooks import PerStep, TakePoint, one_dimensional, taker
from .metadata import (
    PATTERNS,
    Metadata,
    checked_detectors,
    each_axis,
    hinted,
    hints_of,
    one_dimension,
    reprs,
    with_user,
)
from .trajectory import Trajectory, logarithmic
from .walk import walk


@plan
async def list_scan(
    detectors: Sequence[Any], *args: Any, per_step: PerStep | None = None, md: Metadata | None = None
) -> Run:
    """Scan one or more axes together through lists of positions; gives the run.

    Args:
        detectors: What is triggered and read at each point.
        args: `motor, [position, ...]` for each axis, in its own units; all lists have one length.
        per_step: As in `scan`.
        md: Metadata of the run.
    """
    points, metadata = _request(detectors, args, per_step=per_step, md={"plan_name": "list_scan", **(md or {})})
    return await walk(detectors, points, per_step=per_step, md=metadata)


@plan
async def rel_list_scan(
    detectors: Sequence[Any], *args: Any, per_step: PerStep | None = None, md: Metadata | None = None
) -> Run:
    """Scan as `list_scan` does, with positions counted from where the axes are, and return them afterwards."""
    points, metadata = _request(detectors, args, per_step=per_step, md={"plan_name": "rel_list_scan", **(md or {})})
    return await walk(detectors, points, per_step=per_step, md=metadata, relative=True)


def listed(args: Sequence[Any]) -> dict[Any, list[Any]]:
    """Give the positions of each axis of `motor, [position, ...], ...`.

    Raises:
        ValueError: They are no such pairs, or name an axis twice.
    """
    if len(args) % 2 or not args:
        msg = f"give `motor, [position, ...]` for each axis; seen {len(args)} arguments"
        raise ValueError(msg)
    columns = {motor: list(positions) for motor, positions in zip(args[::2], args[1::2], strict=True)}
    if len(columns) < len(args) // 2:
        msg = f"an axis is named twice: {[motor.name for motor in args[::2]]}"
        raise ValueError(msg)
    return columns


def _request(
    detectors: Any, args: tuple[Any, ...], *, per_step: PerStep | None, md: Metadata
) -> tuple[Trajectory, dict[str, Any]]:
    detectors = checked_detectors(detectors)
    columns = listed(args)
    points = Trajectory(columns)
    pattern = list(itertools.chain.from_iterable((repr(motor), given) for motor, given in columns.items()))
    metadata = {
        "plan_args": {"detectors": reprs(detectors), "args": pattern, "per_step": repr(per_step)},
        "plan_pattern": "inner_list_product",
        "plan_pattern_module": PATTERNS,
        "plan_pattern_args": {"args": pattern},
        **md,
        "hints": {**one_dimension(list(columns)), **hints_of(md)},
    }
    return points, metadata


@plan
async def log_scan(
    detectors: Sequence[Any],
    motor: Any,
    start: float,
    stop: float,
    num: int,
    *,
    per_step: PerStep | None = None,
    md: Metadata | None = None,
) -> Run:
    """Scan an axis from 10**start to 10**stop in equal ratios; gives the run.

    Args:
        detectors: What is triggered and read at each point.
        motor: The axis.
        start: Power of ten of the first position.
        stop: Power of ten of the last one.
        num: How many points, both ends included.
        per_step: `per_step(detectors, motor, step)`, in place of `one_1d_step`.
        md: Metadata of the run.
    """
    return await _log_scan(detectors, motor, (start, stop, num), per_step=per_step, md=md)


@plan
async def rel_log_scan(
    detectors: Sequence[Any],
    motor: Any,
    start: float,
    stop: float,
    num: int,
    *,
    per_step: PerStep | None = None,
    md: Metadata | None = None,
) -> Run:
    """Scan as `log_scan` does, with positions counted from where the axis is, and return it afterwards."""
    named = {"plan_name": "rel_log_scan", **(md or {})}
    return await _log_scan(detectors, motor, (start, stop, num), per_step=per_step, md=named, relative=True)


async def _log_scan(
    detectors: Any,
    motor: Any,
    powers: tuple[float, float, int],
    *,
    per_step: PerStep | None,
    md: Metadata | None,
    relative: bool = False,
) -> Run:
    start, stop, num = powers
    detectors = checked_detectors(detectors)
    pattern = {"start": start, "stop": stop, "num": num}
    metadata = {
        "plan_args": {"detectors": reprs(detectors), **pattern, "motor": repr(motor), "per_step": repr(per_step)},
        "plan_name": "log_scan",
        "plan_pattern": "logspace",
        "plan_pattern_module": "numpy",
        "plan_pattern_args": pattern,
    }
    md = hinted(with_user(metadata, md), dimensions=each_axis([motor]))
    points = Trajectory({motor: logarithmic(start, stop, num)})
    return await walk(detectors, points, per_step=per_step, md=md, relative=relative, take=_taker_1d(per_step, motor))


def _taker_1d(per_step: PerStep | None, motor: Any) -> TakePoint:
    """Take any hook that is not for n dimensions as one for one axis, whatever its parameters are called."""
    if per_step is None:
        return taker(None, [motor])
    try:
        return taker(per_step, [motor])
    except TypeError:
        return one_dimensional(per_step)


relative_list_scan = rel_list_scan
relative_log_scan = rel_log_scan
