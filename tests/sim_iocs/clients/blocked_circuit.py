"""Put twice with completion on one channel during a move, then read another; prints in which order they ended."""

import asyncio
import json
import time

import aioca


async def main() -> None:
    await aioca.connect(["SIM:X", "SIM:X.RBV"])
    order, begun, ended = [], time.monotonic(), {}

    async def note(name: str, work) -> None:
        await work
        order.append(name)
        ended[name] = time.monotonic() - begun

    async with asyncio.TaskGroup() as group:
        group.create_task(note("first put", aioca.caput("SIM:X", 10.0, wait=True, timeout=30)))
        await asyncio.sleep(0.1)
        group.create_task(note("second put", aioca.caput("SIM:X", 11.0, wait=True, timeout=30)))
        await asyncio.sleep(0.1)
        group.create_task(note("read", aioca.caget("SIM:X.RBV", timeout=30)))
    print(json.dumps({"order": order, "first after": ended["first put"], "read after": ended["read"]}))


asyncio.run(main())
