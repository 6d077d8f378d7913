"""`count`: readings of detectors, one after the other."""

from collections.abc import Iterable, Sequence
from typing import Any

from ..plan import plan
from ..run import Run
from ..stubs import one_shot, performed
from ..stubs.repeating import paced
from .hooks import PerShot
from .metadata import Metadata, checked_detectors, hinted, reprs, with_user
from .walk import recorded


@plan
async def count(
    detectors: Sequence[Any],
    num: int | None = 1,
    delay: float | Iterable[float | None] = 0.0,
    *,
    per_shot: PerShot | None = None,
    md: Metadata | None = None,
) -> Run:
    """Take readings of detectors; gives the run.

    Args:
        detectors: What is triggered and read, all at once.
        num: How many readings; None goes on until the plan is stopped.
        delay: Seconds from the begin of one reading to the begin of the next, at least; or one such time for each gap.
        per_shot: Takes one reading in place of `one_shot`.
        md: Metadata of the run.

    Raises:
        ValueError: There are fewer delays than gaps.
    """
    detectors = checked_detectors(detectors)
    shot = per_shot or one_shot
    turns = paced(num, delay)
    async with recorded(detectors, _metadata(detectors, num, delay, md)) as run:
        async for step in run.steps(turns):
            async with step:
                await performed(shot(detectors))
    return run


def _metadata(detectors: Sequence[Any], num: int | None, delay: Any, md: Metadata | None) -> dict[str, Any]:
    metadata = {
        "detectors": [detector.name for detector in detectors],
        "num_points": num,
        "num_intervals": None if num is None else num - 1,
        "plan_args": {"detectors": reprs(detectors), "num": num, "delay": delay},
        "plan_name": "count",
    }
    return hinted(with_user(metadata, md), dimensions=[(("time",), "primary")])
