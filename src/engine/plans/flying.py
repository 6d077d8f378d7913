"""`fly`: flyers of a run, in order."""

from collections.abc import Sequence
from typing import Any

from ..plan import plan
from ..run import Run
from ..stubs import collect, complete, kickoff, run
from .metadata import Metadata


@plan
async def fly(flyers: Sequence[Any], *, md: Metadata | None = None) -> Run:
    """Kick flyers off one after the other, wait for each to complete, and collect what they have; gives the run.

    Args:
        flyers: They say by `describe_collect` which streams they have.
        md: Metadata of the run.
    """
    async with run(md) as opened:
        for flyer in flyers:
            await kickoff(flyer, wait=True)
        for flyer in flyers:
            await complete(flyer, wait=True)
        for flyer in flyers:
            await collect(flyer)
    return opened
