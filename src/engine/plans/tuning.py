"""Plans that put an axis where the signal is: by themselves, or with a person."""

# ruff: noqa: PLR0913, FBT001, FBT002  # the signatures are bluesky's

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from ..kinship import hinted_fields
from ..plan import plan
from ..run import Run
from ..stubs import input_plan, mv, trigger_and_read
from .centroid_search import CentroidSearch
from .metadata import Metadata, checked_detectors, each_axis, hinted, reprs, with_user
from .readings import value_of
from .walk import recorded


@plan
async def tune_centroid(
    detectors: Sequence[Any],
    signal: str,
    motor: Any,
    start: float,
    stop: float,
    min_step: float,
    num: int = 10,
    step_factor: float = 3.0,
    snake: bool = False,
    *,
    md: Metadata | None = None,
) -> Run:
    """Find the centre of mass of a signal in shorter and shorter scans, and leave the axis there; gives the run.

    Args:
        detectors: What is triggered and read at each point.
        signal: The data key of the signal.
        motor: The axis.
        start: First position, in its own units.
        stop: Last position of the first scan.
        min_step: It ends when steps are below this.
        num: Points of each scan.
        step_factor: By how much each scan is shorter than the one before.
        snake: Whether each scan goes the other way.
        md: Metadata of the run.

    Raises:
        ValueError: min_step is not above 0, step_factor not above 1, or the detectors have no such field.
    """
    detectors = checked_detectors(detectors)
    search = CentroidSearch(start=start, stop=stop, min_step=min_step, num=num, step_factor=step_factor, snake=snake)
    plan_args = {"motor": repr(motor), "start": start, "stop": stop, "num": num, "min_step": min_step}
    metadata = {
        "detectors": [detector.name for detector in detectors],
        "motors": [motor.name],
        "plan_args": {"detectors": reprs(detectors), **plan_args},
        "plan_name": "tune_centroid",
    }
    md = hinted(with_user(metadata, md), dimensions=each_axis([motor]))
    async with recorded([*detectors, motor], md) as run:
        await _close_in(run, detectors, signal, motor, search=search)
    return run


async def _close_in(run: Run, detectors: Sequence[Any], signal: str, motor: Any, *, search: CentroidSearch) -> None:
    fields = hinted_fields(motor)
    field = fields[0] if len(fields) == 1 else motor.name
    readings: Any = None
    async for step in run.steps(search):
        async with step as position:
            await mv(motor, position)
            readings = await trigger_and_read([*detectors, motor])
        if not step.again:
            search.learn(value_of(readings, field), value_of(readings, signal))
    if search.found is not None:
        await mv(motor, search.found)


@plan
async def tweak(detector: Any, target_field: str, motor: Any, step: float, *, md: Metadata | None = None) -> Run:
    """Move an axis step by step, and ask after each reading how far to go; gives the run.

    A number is the new step, nothing the same one again; anything else ends it.

    Args:
        detector: What is triggered and read.
        target_field: The data key that is shown.
        motor: The axis.
        step: How far to go at first, in its own units.
        md: Metadata of the run.
    """
    metadata = {
        "detectors": [detector.name],
        "motors": [motor.name],
        "plan_args": {
            "detector": repr(detector),
            "target_field": target_field,
            "motor": repr(motor),
            "step": step,
        },
        "plan_name": "tweak",
        "hints": {"dimensions": dimensions} if (dimensions := each_axis([motor])) is not None else {},
    }
    async with recorded([detector, motor], with_user(metadata, md)) as run:
        readings: dict[str, Any] = {}
        async for taken in run.steps(_asked(readings, target_field, motor, step)):
            async with taken:
                readings.update(await trigger_and_read([detector, motor]))
    return run


async def _asked(readings: dict[str, Any], target_field: str, motor: Any, step: float) -> AsyncGenerator[None, None]:
    """Let a reading be taken, then ask, and move."""
    fields = hinted_fields(motor)
    field = fields[0] if fields else motor.name
    while True:
        yield
        position = value_of(readings, field)
        shown = float(value_of(readings, target_field))
        answer = await input_plan(f"{motor.name}, {float(position):.3}, {shown:.3}, ({step}) ")
        if answer:
            try:
                step = float(answer)
            except ValueError:
                return
        await mv(motor, position + step)
