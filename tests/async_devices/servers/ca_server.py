"""A small Channel Access server: what the conformance tests of the back ends need. Ends when its stdin does."""

import asyncio
import sys

from caproto import ChannelType
from caproto.asyncio.server import Context
from caproto.server import PVGroup, pvproperty


class Small(PVGroup):
    double = pvproperty(value=1.5, units="mm", precision=3, lower_ctrl_limit=-5.0, upper_ctrl_limit=5.0)
    integer = pvproperty(value=7)
    enum = pvproperty(value="Idle", dtype=ChannelType.ENUM, enum_strings=["Idle", "Busy", "Fault"])
    flag = pvproperty(value="No", dtype=ChannelType.ENUM, enum_strings=["No", "Yes"])
    text = pvproperty(value="hello", dtype=ChannelType.CHAR, max_length=64)
    label = pvproperty(value="short", dtype=ChannelType.STRING)
    array = pvproperty(value=[1.0, 2.0, 3.0], max_length=10)
    slow = pvproperty(value=0.0)
    quick = pvproperty(value=0.0)

    @slow.putter
    async def slow(self, instance, value):
        await asyncio.sleep(0.5)


async def main(prefix: str) -> None:
    server = Context(Small(prefix=prefix).pvdb, interfaces=["127.0.0.1"])
    serving = asyncio.create_task(server.run(log_pv_names=False))
    await asyncio.sleep(0.2)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    serving.cancel()


asyncio.run(main(sys.argv[1]))
