"""Scans whose steps follow the signal."""

# ruff: noqa: PLR0913, FBT001  # the signatures are bluesky's

from collections.abc import Sequence
from typing import Any

from ..plan import plan
from ..run import Run
from ..stubs import mv, trigger_and_read
from .adaptive_search import AdaptiveSearch
from .metadata import Metadata, checked_detectors, each_axis, hinted, reprs, with_user
from .origins import Origins, returning
from .readings import value_of
from .walk import recorded


@plan
async def adaptive_scan(
    detectors: Sequence[Any],
    target_field: str,
    motor: Any,
    start: float,
    stop: float,
    min_step: float,
    max_step: float,
    target_delta: float,
    backstep: bool,
    threshold: float | None = 0.8,
    *,
    md: Metadata | None = None,
) -> Run:
    """Scan an axis in steps that are short where the signal changes much; gives the run.

    Args:
        detectors: What is triggered and read at each point.
        target_field: The data key of the signal.
        motor: The axis.
        start: First position, in its own units.
        stop: Where the scan ends.
        min_step: Shortest step.
        max_step: Longest step.
        target_delta: By how much the signal is to change from point to point.
        backstep: Whether to go back where it has changed too much.
        threshold: Of the last step: a wanted step below this part of it makes the scan go back.
        md: Metadata of the run.

    Raises:
        ValueError: The steps are not 0 < min_step < max_step, or the detectors have no such field.
    """
    given = _given(start, stop, min_step, max_step, target_delta, backstep, threshold)
    return await _scan(detectors, target_field, motor, given, md=md, origins=None)


@plan
async def rel_adaptive_scan(
    detectors: Sequence[Any],
    target_field: str,
    motor: Any,
    start: float,
    stop: float,
    min_step: float,
    max_step: float,
    target_delta: float,
    backstep: bool,
    threshold: float | None = 0.8,
    *,
    md: Metadata | None = None,
) -> Run:
    """Scan as `adaptive_scan` does, with positions counted from where the axis is, and return it afterwards."""
    given = _given(start, stop, min_step, max_step, target_delta, backstep, threshold)
    named = {"plan_name": "rel_adaptive_scan", **(md or {})}
    async with returning() as origins:
        return await _scan(detectors, target_field, motor, given, md=named, origins=origins)


def _given(*values: Any) -> dict[str, Any]:
    names = ("start", "stop", "min_step", "max_step", "target_delta", "backstep", "threshold")
    return dict(zip(names, values, strict=True))


async def _scan(
    detectors: Any,
    target_field: str,
    motor: Any,
    given: dict[str, Any],
    *,
    md: Metadata | None,
    origins: Origins | None,
) -> Run:
    detectors = checked_detectors(detectors)
    search = AdaptiveSearch(**given)
    metadata = {
        "detectors": [detector.name for detector in detectors],
        "motors": [motor.name],
        "plan_args": {"detectors": reprs(detectors), "motor": repr(motor), **given},
        "plan_name": "adaptive_scan",
    }
    metadata = hinted(with_user(metadata, md), dimensions=each_axis([motor]))
    async with recorded([*detectors, motor], metadata) as run:
        value: Any = None
        async for step in run.steps(search):
            async with step as position:
                await mv(motor, position if origins is None else await origins.of(motor) + position)
                value = value_of(await trigger_and_read([*detectors, motor]), target_field)
            if not step.again:
                search.learn(value)
    return run


relative_adaptive_scan = rel_adaptive_scan
