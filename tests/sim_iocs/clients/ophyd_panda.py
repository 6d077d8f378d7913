"""Connect ophyd-async's HDFPanda; prints JSON. argv: prefix."""

import asyncio
import json
import sys

from ophyd_async.core import StaticFilenameProvider, StaticPathProvider, init_devices
from ophyd_async.fastcs.panda import HDFPanda


async def main(prefix: str) -> None:
    provider = StaticPathProvider(StaticFilenameProvider("panda"), "/tmp")
    async with init_devices():
        panda = HDFPanda(f"{prefix}PANDA:", path_provider=provider)
    print(
        json.dumps({"seq active": bool(await panda.seq[1].active.get_value()), "blocks": len(list(panda.children()))})
    )


asyncio.run(main(sys.argv[1]))
