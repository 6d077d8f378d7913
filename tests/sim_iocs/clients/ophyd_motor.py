"""Drive a motor with ophyd-async, unmodified; prints what it saw as JSON. argv: ca or pva."""

import asyncio
import json
import sys
import time

from ophyd_async.core import init_devices
from ophyd_async.epics.motor import Motor, MotorLimitsError


async def main(protocol: str) -> None:
    seen = {}
    async with init_devices():
        motor = Motor(f"{protocol}://SIM:X")
    start = time.monotonic()
    await motor.set(2.0)
    seen["seconds"] = time.monotonic() - start
    seen["readback"] = await motor.user_readback.get_value()
    seen["done"] = await motor.motor_done_move.get_value()
    seen["units"] = (await motor.describe())["motor"]["units"]
    try:
        await motor.set(100.0)
        seen["limit"] = "moved"
    except MotorLimitsError:
        seen["limit"] = "refused"
    status = motor.set(30.0)
    await asyncio.sleep(0.5)
    await motor.stop()
    try:
        await status
    except RuntimeError as error:  # what ophyd-async makes of a stopped move
        seen["stopped"] = str(error)
    seen["after stop"] = await motor.user_readback.get_value()
    await motor.set(0.0)
    print(json.dumps(seen))


asyncio.run(main(sys.argv[1]))
