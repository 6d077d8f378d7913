"""Scans along spirals, from the centre outwards."""

# ruff: noqa: PLR0913  # the signatures are bluesky's

from collections.abc import Sequence
from typing import Any

from ..plan import plan
from ..run import Run
from . import spiral_patterns
from .hooks import PerStep
from .metadata import PATTERNS, Metadata, checked_detectors, each_axis, hinted, reprs, with_user
from .trajectory import Trajectory
from .walk import walk


@plan
async def spiral(
    detectors: Sequence[Any],
    x_motor: Any,
    y_motor: Any,
    x_start: float,
    y_start: float,
    x_range: float,
    y_range: float,
    dr: float,
    nth: float,
    *,
    dr_y: float | None = None,
    tilt: float | None = 0.0,
    per_step: PerStep | None = None,
    md: Metadata | None = None,
) -> Run:
    """Scan along rings around a point; gives the run.

    Args:
        detectors: What is triggered and read at each point.
        x_motor: One axis.
        y_motor: The other one.
        x_start: Of the centre, in the axis' own units.
        y_start: Likewise.
        x_range: Width of the rectangle that is scanned.
        y_range: Its height.
        dr: Distance of the rings.
        nth: Points of the first ring; the n-th has n times as many.
        dr_y: Distance of the rings in y, if it is another.
        tilt: Angle in radians by which the rectangle's sides lean over.
        per_step: As in `scan`.
        md: Metadata of the run.
    """
    numbers = {"x_start": x_start, "y_start": y_start, "x_range": x_range, "y_range": y_range, "dr": dr, "nth": nth}
    given = {**numbers, "dr_y": dr_y, "tilt": tilt}
    return await _round(spiral_patterns.spiral, detectors, (x_motor, y_motor), given, per_step=per_step, md=md)


@plan
async def rel_spiral(
    detectors: Sequence[Any],
    x_motor: Any,
    y_motor: Any,
    x_range: float,
    y_range: float,
    dr: float,
    nth: float,
    *,
    dr_y: float | None = None,
    tilt: float | None = 0.0,
    per_step: PerStep | None = None,
    md: Metadata | None = None,
) -> Run:
    """Scan as `spiral` does, around where the axes are, and return them afterwards."""
    given = {"x_start": 0, "y_start": 0, "x_range": x_range, "y_range": y_range, "dr": dr, "nth": nth}
    return await _round(
        spiral_patterns.spiral,
        detectors,
        (x_motor, y_motor),
        {**given, "dr_y": dr_y, "tilt": tilt},
        per_step=per_step,
        md={"plan_name": "rel_spiral", **(md or {})},
        relative=True,
    )


@plan
async def spiral_fermat(
    detectors: Sequence[Any],
    x_motor: Any,
    y_motor: Any,
    x_start: float,
    y_start: float,
    x_range: float,
    y_range: float,
    dr: float,
    factor: float,
    *,
    dr_y: float | None = None,
    tilt: float | None = 0.0,
    per_step: PerStep | None = None,
    md: Metadata | None = None,
) -> Run:
    """Scan along Fermat's spiral, whose points are all about as dense; gives the run.

    Args:
        detectors: What is triggered and read at each point.
        x_motor: One axis.
        y_motor: The other one.
        x_start: Of the centre, in the axis' own units.
        y_start: Likewise.
        x_range: Width of the rectangle that is scanned.
        y_range: Its height.
        dr: Distance of the first point from the centre, times `factor`.
        factor: What `dr` is divided by.
        dr_y: The same in y, if it is another.
        tilt: Angle in radians by which the rectangle's sides lean over.
        per_step: As in `scan`.
        md: Metadata of the run.
    """
    numbers = {"x_start": x_start, "y_start": y_start, "x_range": x_range, "y_range": y_range}
    given = {**numbers, "dr": dr, "factor": factor, "dr_y": dr_y, "tilt": tilt}
    return await _round(spiral_patterns.spiral_fermat, detectors, (x_motor, y_motor), given, per_step=per_step, md=md)


@plan
async def rel_spiral_fermat(
    detectors: Sequence[Any],
    x_motor: Any,
    y_motor: Any,
    x_range: float,
    y_range: float,
    dr: float,
    factor: float,
    *,
    dr_y: float | None = None,
    tilt: float | None = 0.0,
    per_step: PerStep | None = None,
    md: Metadata | None = None,
) -> Run:
    """Scan as `spiral_fermat` does, around where the axes are, and return them afterwards."""
    given = {"x_start": 0, "y_start": 0, "x_range": x_range, "y_range": y_range, "dr": dr, "factor": factor}
    return await _round(
        spiral_patterns.spiral_fermat,
        detectors,
        (x_motor, y_motor),
        {**given, "dr_y": dr_y, "tilt": tilt},
        per_step=per_step,
        md={"plan_name": "rel_spiral_fermat", **(md or {})},
        relative=True,
    )


async def _round(
    pattern: Any,
    detectors: Any,
    motors: tuple[Any, Any],
    given: dict[str, Any],
    *,
    per_step: PerStep | None,
    md: Metadata | None,
    relative: bool = False,
) -> Run:
    detectors = checked_detectors(detectors)
    points = Trajectory(dict(zip(motors, pattern(**given), strict=True)))
    if not points:
        msg = f"no point of this {pattern.__name__} lies in its rectangle: dr={given['dr']} is too large for it"
        raise ValueError(msg)
    named = {"x_motor": repr(motors[0]), "y_motor": repr(motors[1]), **given}
    centre_and_reach = ((given["x_start"], given["x_range"]), (given["y_start"], given["y_range"]))
    metadata = {
        "plan_args": {"detectors": reprs(detectors), **named, "per_step": repr(per_step)},
        # As bluesky has it: twice the rectangle that is scanned.
        "extents": [[centre - reach, centre + reach] for centre, reach in centre_and_reach],
        "plan_name": pattern.__name__,
        "plan_pattern": pattern.__name__,
        "plan_pattern_module": PATTERNS,
        "plan_pattern_args": named,
        "hints": {"dimensions": dimensions} if (dimensions := each_axis(motors)) is not None else {},
    }
    return await walk(detectors, points, per_step=per_step, md=with_user(metadata, md), relative=relative)


@plan
async def spiral_square(
    detectors: Sequence[Any],
    x_motor: Any,
    y_motor: Any,
    x_center: float,
    y_center: float,
    x_range: float,
    y_range: float,
    x_num: int,
    y_num: int,
    *,
    per_step: PerStep | None = None,
    md: Metadata | None = None,
) -> Run:
    """Scan a grid from its middle outwards, in squares; gives the run.

    Args:
        detectors: What is triggered and read at each point.
        x_motor: One axis.
        y_motor: The other one.
        x_center: Of the grid, in the axis' own units.
        y_center: Likewise.
        x_range: Width of the grid.
        y_range: Its height.
        x_num: Points in x.
        y_num: Points in y.
        per_step: As in `scan`.
        md: Metadata of the run.
    """
    given = (x_center, y_center, x_range, y_range, x_num, y_num)
    return await _square(detectors, (x_motor, y_motor), given, per_step=per_step, md=md)


@plan
async def rel_spiral_square(
    detectors: Sequence[Any],
    x_motor: Any,
    y_motor: Any,
    x_range: float,
    y_range: float,
    x_num: int,
    y_num: int,
    *,
    per_step: PerStep | None = None,
    md: Metadata | None = None,
) -> Run:
    """Scan as `spiral_square` does, around where the axes are, and return them afterwards."""
    given = (0, 0, x_range, y_range, x_num, y_num)
    named = {"plan_name": "rel_spiral_square", **(md or {})}
    return await _square(detectors, (x_motor, y_motor), given, per_step=per_step, md=named, relative=True)


async def _square(
    detectors: Any,
    motors: tuple[Any, Any],
    given: tuple[float, float, float, float, int, int],
    *,
    per_step: PerStep | None,
    md: Metadata | None,
    relative: bool = False,
) -> Run:
    detectors = checked_detectors(detectors)
    x_center, y_center, x_range, y_range, x_num, y_num = given
    names = ("x_center", "y_center", "x_range", "y_range", "x_num", "y_num")
    named = {"x_motor": repr(motors[0]), "y_motor": repr(motors[1]), **dict(zip(names, given, strict=True))}
    metadata = {
        "plan_args": {"detectors": reprs(detectors), **named, "per_step": repr(per_step)},
        "plan_name": "spiral_square",
        "plan_pattern": "spiral_square",
        "shape": [y_num, x_num],
        "extents": [
            [y_center - y_range / 2, y_center + y_range / 2],
            [x_center - x_range / 2, x_center + x_range / 2],
        ],
    }
    md = hinted(with_user(metadata, md), gridding="rectilinear_nonsequential", dimensions=each_axis(motors[::-1]))
    points = Trajectory(dict(zip(motors, spiral_patterns.spiral_square(*given), strict=True)))
    return await walk(detectors, points, per_step=per_step, md=md, relative=relative)


relative_spiral = rel_spiral
relative_spiral_fermat = rel_spiral_fermat
