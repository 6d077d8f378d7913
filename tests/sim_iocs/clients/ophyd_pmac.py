"""Fly a snake with ophyd-async's PmacIO and its trajectory logic; prints JSON. argv: protocol."""

import asyncio
import json
import sys
import time

from ophyd_async.core import init_devices
from ophyd_async.epics.motor import Motor
from ophyd_async.epics.pmac import PmacIO, PmacScanInfo, PmacTrajectoryFlyableLogic
from scanspec.specs import Fly, Line


async def main(protocol: str) -> None:
    async with init_devices():
        x, y = Motor(f"{protocol}://SIM:X"), Motor(f"{protocol}://SIM:Y")
    async with init_devices():
        pmac = PmacIO(f"{protocol}://SIM:PMAC:", raw_motors=[x, y], coord_nums=[1])
    logic = PmacTrajectoryFlyableLogic(pmac)
    await logic.on_stage()
    spec = Fly(0.01 @ (Line(y, 0, 0.3, 4) * ~Line(x, 0, 1, 25)))
    start = time.monotonic()
    context = await logic.on_prepare(PmacScanInfo(spec=spec, ramp_time=None, turnaround_time=None))
    context = await logic.on_kickoff(context)
    await logic.on_complete(context)
    print(
        json.dumps(
            {
                "seconds": time.monotonic() - start,
                "status": await pmac.trajectory.execute_status.get_value(),
                "points": await pmac.trajectory.total_points.get_value(),
                "x": await x.user_readback.get_value(),
                "y": await y.user_readback.get_value(),
                "done": await x.motor_done_move.get_value(),
            }
        )
    )


asyncio.run(main(sys.argv[1]))
