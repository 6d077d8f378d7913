"""Scans of grids: each position of an axis meets each of the others."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from ..plan import plan
from ..run import Run
from .grid_arguments import GridAxis, grid, grid_axes
from .hooks import PerStep
from .lists import listed
from .metadata import PATTERNS, Metadata, checked_detectors, each_axis, hinted, reprs, with_user
from .trajectory import Trajectory
from .walk import walk

Snaking = Iterable[Any] | bool | None


@plan
async def grid_scan(
    detectors: Sequence[Any],
    *args: Any,
    snake_axes: Snaking = None,
    per_step: PerStep | None = None,
    md: Metadata | None = None,
) -> Run:
    """Scan a grid, the last axis being the fastest, and take readings at each point; gives the run.

    Args:
        detectors: What is triggered and read at each point.
        args: `motor, start, stop, num` for each axis, in its own units; `num` positions, both ends included.
        snake_axes: Which axes are gone along to and fro: True for all but the slowest, or a list of axes.
        per_step: As in `scan`.
        md: Metadata of the run.

    Raises:
        ValueError: The arguments make no grid.
    """
    return await _grid_scan(detectors, args, snake_axes, per_step=per_step, md=md)


@plan
async def rel_grid_scan(
    detectors: Sequence[Any],
    *args: Any,
    snake_axes: Snaking = None,
    per_step: PerStep | None = None,
    md: Metadata | None = None,
) -> Run:
    """Scan as `grid_scan` does, with positions counted from where the axes are, and return them afterwards."""
    named = {"plan_name": "rel_grid_scan", **(md or {})}
    return await _grid_scan(detectors, args, snake_axes, per_step=per_step, md=named, relative=True)


async def _grid_scan(
    detectors: Any,
    args: tuple[Any, ...],
    snake_axes: Snaking,
    *,
    per_step: PerStep | None,
    md: Metadata | None,
    relative: bool = False,
) -> Run:
    detectors = checked_detectors(detectors)
    axes = grid_axes(args, snake_axes)
    metadata = with_user(_grid_metadata(detectors, axes, per_step), md)
    hinted(metadata, gridding="rectilinear", dimensions=each_axis([axis.motor for axis in axes]))
    return await walk(detectors, grid(axes), per_step=per_step, md=metadata, relative=relative)


def _grid_metadata(detectors: Sequence[Any], axes: Sequence[GridAxis], per_step: PerStep | None) -> dict[str, Any]:
    rows = [[repr(axis.motor), axis.start, axis.stop, axis.num, axis.snake] for axis in axes]
    pattern = [*rows[0][:-1], *itertools.chain.from_iterable(rows[1:])]  # the slowest axis is never snaked
    return {
        "shape": [axis.num for axis in axes],
        "extents": [[axis.start, axis.stop] for axis in axes],
        "snaking": [axis.snake for axis in axes],
        "plan_args": {"detectors": reprs(detectors), "args": pattern, "per_step": repr(per_step)},
        "plan_name": "grid_scan",
        "plan_pattern": "outer_product",
        "plan_pattern_args": {"args": pattern},
        "plan_pattern_module": PATTERNS,
    }


@plan
async def list_grid_scan(
    detectors: Sequence[Any],
    *args: Any,
    snake_axes: Snaking = False,
    per_step: PerStep | None = None,
    md: Metadata | None = None,
) -> Run:
    """Scan a grid of positions that are listed, the last axis being the fastest; gives the run.

    Args:
        detectors: What is triggered and read at each point.
        args: `motor, [position, ...]` for each axis, in its own units.
        snake_axes: Which axes are gone along to and fro: True for all but the slowest, or a list of axes.
        per_step: As in `scan`.
        md: Metadata of the run.
    """
    return await _list_grid_scan(detectors, args, snake_axes, per_step=per_step, md=md)


@plan
async def rel_list_grid_scan(
    detectors: Sequence[Any],
    *args: Any,
    snake_axes: Snaking = False,
    per_step: PerStep | None = None,
    md: Metadata | None = None,
) -> Run:
    """Scan as `list_grid_scan` does, with positions counted from where the axes are, and return them afterwards."""
    named = {"plan_name": "rel_list_grid_scan", **(md or {})}
    return await _list_grid_scan(detectors, args, snake_axes, per_step=per_step, md=named, relative=True)


async def _list_grid_scan(
    detectors: Any,
    args: tuple[Any, ...],
    snake_axes: Snaking,
    *,
    per_step: PerStep | None,
    md: Metadata | None,
    relative: bool = False,
) -> Run:
    detectors = checked_detectors(detectors)
    columns = listed(args)
    pattern = list(itertools.chain.from_iterable((repr(motor), given) for motor, given in columns.items()))
    metadata = {
        "shape": [len(column) for column in columns.values()],
        "extents": [[min(column), max(column)] for column in columns.values()],
        "snake_axes": repr(snake_axes),
        "plan_args": {"detectors": reprs(detectors), "args": pattern, "per_step": repr(per_step)},
        "plan_name": "list_grid_scan",
        "plan_pattern": "outer_list_product",
        "plan_pattern_args": {"args": pattern, "snake_axes": repr(snake_axes)},
        "plan_pattern_module": PATTERNS,
    }
    md = hinted(with_user(metadata, md), dimensions=each_axis(list(columns)))
    points = Trajectory(columns, grid=True, snaking=_snaking(list(columns), snake_axes))
    return await walk(detectors, points, per_step=per_step, md=md, relative=relative)


def _snaking(motors: list[Any], snake_axes: Snaking) -> list[bool]:
    if isinstance(snake_axes, Iterable):
        snaked = list(snake_axes)
        return [motor in snaked for motor in motors]
    return [bool(snake_axes) and number > 0 for number in range(len(motors))]


outer_product_scan = grid_scan
relative_outer_product_scan = rel_grid_scan
