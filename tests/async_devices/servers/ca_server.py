"""A small Channel Access server: what the conformance tests of the back ends need. Ends when its stdin does.

Its second argument says how it was started again: `other` serves other types under some of the same names, and the
choices of `enum` in another order.
"""

import asyncio
import sys

from caproto import ChannelType
from caproto.asyncio.server import Context
from caproto.server import PVGroup, pvproperty


class Small(PVGroup):
    double = pvproperty(value=1.5, units="mm", precision=3, lower_ctrl_limit=-5.0, upper_ctrl_limit=5.0)
    integer = pvproperty(value=7)
    enum = pvproperty(value="Idle", dtype=ChannelType.ENUM, enum_strings=["Idle", "Busy", "Fault"])
    door = pvproperty(value="Open", dtype=ChannelType.ENUM, enum_strings=["Open", "Shut"])
    flag = pvproperty(value="No", dtype=ChannelType.ENUM, enum_strings=["No", "Yes"])
    text = pvproperty(value="hello", dtype=ChannelType.CHAR, max_length=64)
    label = pvproperty(value="short", dtype=ChannelType.STRING)
    array = pvproperty(value=[1.0, 2.0, 3.0], max_length=10)
    short = pvproperty(value=3, dtype=ChannelType.INT)
    strings = pvproperty(value=["a", "b"], dtype=ChannelType.STRING, max_length=8)
    slow = pvproperty(value=0.0)
    stuck = pvproperty(value=0.0)
    quick = pvproperty(value=0.0)

    @stuck.putter
    async def stuck(self, instance, value):
        await asyncio.sleep(30)

    @slow.putter
    async def slow(self, instance, value):
        await asyncio.sleep(0.5)


class Other(Small):
    enum = pvproperty(value="Idle", dtype=ChannelType.ENUM, enum_strings=["Fault", "Busy", "Idle"])
    double = pvproperty(value="text now", dtype=ChannelType.STRING)
    door = pvproperty(value="Locked", dtype=ChannelType.ENUM, enum_strings=["Locked", "Unlocked"])
    array = pvproperty(value=["x", "y"], dtype=ChannelType.STRING, max_length=4)


VARIANTS = {"": Small, "other": Other}


async def main(prefix: str, variant: str = "") -> None:
    server = Context(VARIANTS[variant](prefix=prefix).pvdb, interfaces=["127.0.0.1"])
    serving = asyncio.create_task(server.run(log_pv_names=False))
    await asyncio.sleep(0.2)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    serving.cancel()


asyncio.run(main(*sys.argv[1:]))
