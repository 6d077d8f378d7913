"""The arguments of a grid scan: `motor, start, stop, num` for each axis, in bluesky's older form with a bool after."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from .trajectory import Trajectory, linear

NEW, OLD = 4, 5
"""How many arguments an axis has; in the old form all but the first, slowest one have a fifth: whether it is snaked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridAxis:
    """One axis of a grid: `num` positions from `start` to `stop`, both included, gone to and fro if `snake`."""

    motor: Any
    start: float
    stop: float
    num: int
    snake: bool = False


def grid_axes(args: Sequence[Any], snake_axes: Any) -> list[GridAxis]:
    """Read the arguments of a grid scan, slowest axis first.

    Args:
        args: `motor, start, stop, num` for each axis, or the older form.
        snake_axes: Which axes are gone to and fro: a bool for all but the slowest, or the axes; None if `args` say it.

    Raises:
        ValueError: They make no grid.
    """
    old = _is_old(args)
    axes = _old_axes(args) if old else [_axis(args[at : at + NEW]) for at in range(0, len(args), NEW)]
    motors = [axis.motor for axis in axes]
    if len(set(motors)) != len(motors):
        msg = f"an axis is named twice: {[motor.name for motor in motors]}"
        raise ValueError(msg)
    if old and snake_axes is not None:
        msg = "snaking is given with the axes and by snake_axes; leave the one after `num` out"
        raise ValueError(msg)
    if old:
        return axes
    snaked = _snaked(motors, snake_axes)
    return [replace(axis, snake=axis.motor in snaked) for axis in axes]


def grid(axes: Sequence[GridAxis]) -> Trajectory:
    """Give the points of a grid."""
    columns = {axis.motor: linear(axis.start, axis.stop, axis.num) for axis in axes}
    return Trajectory(columns, grid=True, snaking=[axis.snake for axis in axes])


def _axis(chunk: Sequence[Any]) -> GridAxis:
    motor, start, stop, num, *snake = chunk
    return GridAxis(motor=motor, start=start, stop=stop, num=num, snake=next(iter(snake), False))


def _old_axes(args: Sequence[Any]) -> list[GridAxis]:
    starts = itertools.chain([0], range(NEW, len(args), OLD))
    return [_axis(args[at : at + (OLD if at else NEW)]) for at in starts]


def _is_old(args: Sequence[Any]) -> bool:
    forms = {
        False: range(0, len(args), NEW) if len(args) % NEW == 0 else None,
        True: [0, *range(NEW, len(args), OLD)] if len(args) > NEW and (len(args) - NEW) % OLD == 0 else None,
    }
    motors = [at for at, arg in enumerate(args) if hasattr(arg, "set") and hasattr(arg, "read")]
    for old, places in forms.items():
        if args and places is not None and motors == list(places):
            return old
    msg = f"give `motor, start, stop, num` for each axis; seen {len(args)} arguments with devices at places {motors}"
    raise ValueError(msg)


def _snaked(motors: list[Any], snake_axes: Any) -> list[Any]:
    if snake_axes is None or isinstance(snake_axes, bool):
        return motors[1:] if snake_axes else []
    if not isinstance(snake_axes, Iterable) or isinstance(snake_axes, str):
        msg = f"snake_axes is a bool, or a list of axes; seen {snake_axes!r}"
        raise ValueError(msg)  # noqa: TRY004  # as bluesky does
    snaked = list(cast(Iterable[Any], snake_axes))
    wrong = [axis for number, axis in enumerate(snaked) if axis not in motors[1:] or axis in snaked[:number]]
    if wrong:
        msg = f"snake_axes names each snaked axis once, and never the slowest; seen {wrong} besides those of the scan"
        raise ValueError(msg)
    return snaked
