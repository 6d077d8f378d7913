"""What tests of cameras that go wrong do with one before and after."""

import asyncio

from wingbeat.async_devices.flight import TriggerInfo

SECONDS = 20.0
"""In which every failure must have been told; what is stated is 5 s."""


async def flying(cam):
    """Frames until somebody stops them; returns when some are written."""
    await cam.prepare(TriggerInfo(livetime=2e-3, deadtime=2e-3, frames=100_000))
    await cam.kickoff()
    completion = cam.complete()
    async with asyncio.timeout(SECONDS):
        async for written in cam.observe_written():
            if written >= 10:
                return completion, written
    raise AssertionError("no frames")


async def a_run_works(cam):
    await cam.prepare(TriggerInfo(livetime=1e-3, frames=5))
    await cam.kickoff()
    await cam.complete()
    assert (await cam.counts()).written == 5
    await cam.finish()
