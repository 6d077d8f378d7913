"""Going through a trajectory: what every scan along given points does, and `scan_nd`, which is that alone."""

from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Any, Protocol

from ..kinship import merged, roots
from ..plan import plan
from ..run import Run
from ..stubs import run as open_run
from ..stubs import staged
from .hooks import PerStep, TakePoint, taker
from .metadata import Metadata, checked_detectors, each_axis, hinted, reprs, with_user
from .origins import Origins, returning


class Points(Protocol):
    """What a scan goes through; a cycler is one, and so is a Trajectory."""

    @property
    def keys(self) -> Any:
        """The axes."""
        ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Mapping[Any, Any]]: ...


@plan
async def scan_nd(
    detectors: Sequence[Any], cycler: Points, *, per_step: PerStep | None = None, md: Metadata | None = None
) -> Run:
    """Scan along any trajectory, and take readings at each point; gives the run.

    Args:
        detectors: What is triggered and read at each point.
        cycler: A cycler, or whatever has `keys` (the axes), a length, and dicts of positions by axis to iterate over.
        per_step: `per_step(detectors, step, pos_cache)` or `per_step(detectors, motor, step)`, in place of
            `one_nd_step`.
        md: Metadata of the run.
    """
    return await walk(detectors, cycler, per_step=per_step, md=md)


async def walk(
    detectors: Sequence[Any],
    points: Points,
    *,
    per_step: PerStep | None,
    md: Metadata | None,
    relative: bool = False,
    take: TakePoint | None = None,
) -> Run:
    """Take a point at each position; with `relative`, counted from where the axes are, to which they return."""
    detectors = checked_detectors(detectors)
    motors = list(points.keys)
    metadata = _metadata(detectors, points, motors, per_step=per_step, md=md)
    take = take or taker(per_step, motors)
    cache: dict[Any, Any] = defaultdict(lambda: None)
    async with returning() if relative else nullcontext() as origins, recorded([*detectors, *motors], metadata) as run:
        async for step in run.steps(points):
            async with step as point:
                if step.attempt > 1:
                    cache.clear()  # a suspender's plans may have moved the axes
                await take(detectors, merged(await _placed(point, origins)), cache)
    return run


async def _placed(point: Mapping[Any, Any], origins: Origins | None) -> Mapping[Any, Any]:
    return point if origins is None else await origins.shift(point)


@asynccontextmanager
async def recorded(devices: Sequence[Any], metadata: Metadata) -> AsyncGenerator[Run, None]:
    """Have devices staged, and a run open, inside the `async with`."""
    async with staged(*roots(devices)), open_run(metadata) as run:
        yield run


def _metadata(
    detectors: Sequence[Any],
    points: Points,
    motors: Sequence[Any],
    *,
    per_step: PerStep | None,
    md: Metadata | None,
) -> dict[str, Any]:
    metadata = {
        "detectors": [detector.name for detector in detectors],
        "motors": [motor.name for motor in motors],
        "num_points": len(points),
        "num_intervals": len(points) - 1,
        "plan_args": {"detectors": reprs(detectors), "cycler": repr(points), "per_step": repr(per_step)},
        "plan_name": "scan_nd",
    }
    return hinted(with_user(metadata, md), dimensions=each_axis(motors))
