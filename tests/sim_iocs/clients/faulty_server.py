"""Watch a motor over both protocols while its server falls silent, gets slow and goes away; prints JSON."""

import asyncio
import json
import time
from collections.abc import Awaitable

import aioca
from caproto.asyncio.client import Context as CaprotoContext
from p4p.client.asyncio import Context, Disconnected

NAME = "SIM:X.RBV"


class States:
    """Whether each protocol is connected, as it changed."""

    def __init__(self) -> None:
        self.seen: dict[str, list[bool]] = {"ca": [], "pva": []}
        self._changed = asyncio.Event()

    def note(self, protocol: str, *, connected: bool) -> None:
        states = self.seen[protocol]
        # Before the first connection there is nothing to be told.
        if (states or connected) and (not states or states[-1] != connected):
            states.append(connected)
            self._changed.set()

    async def until(self, states: list[bool]) -> None:
        async with asyncio.timeout(30):
            while any(seen[: len(states)] != states for seen in self.seen.values()):
                self._changed.clear()
                await self._changed.wait()


async def timed(work: Awaitable[object]) -> float:
    begun = time.monotonic()
    await work
    return time.monotonic() - begun


async def all_timed(**works: Awaitable[object]) -> dict[str, float]:
    """Seconds that each took; all begun at once."""
    return dict(zip(works, await asyncio.gather(*map(timed, works.values())), strict=True))


async def after_the_disconnect() -> dict[str, float]:
    """Read with new clients: old ones look again for what they have lost only every ten seconds."""
    context, caproto_context = Context("pva", nt=False), CaprotoContext()
    by_pva = float((await context.get(NAME)).value)
    (pv,) = await caproto_context.get_pvs(NAME)
    async with asyncio.timeout(20):
        await pv.wait_for_connection()
    by_ca = float((await pv.read()).data[0])
    await caproto_context.disconnect()
    context.close()
    return {"ca": by_ca, "pva": by_pva}


async def main() -> None:
    context, states = Context("pva", nt=False), States()

    async def on_pva(value) -> None:
        states.note("pva", connected=not isinstance(value, Disconnected))

    monitor = aioca.camonitor(NAME, lambda v: states.note("ca", connected=bool(v.ok)), notify_disconnect=True)
    subscription = context.monitor(NAME, on_pva, notify_disconnect=True)
    await states.until([True])
    seen = {}
    await aioca.caput("SIM:FAULTS:SilentIOC", 1.0, wait=True)
    await asyncio.sleep(0.3)
    seen["silent"] = await all_timed(
        ca=aioca.caget(NAME, timeout=10), pva=context.get(NAME), panda=context.get("SIM:PANDA:PULSE1:WIDTH")
    )
    await aioca.caput("SIM:FAULTS:SlowIOC", 0.3, wait=True)
    seen["slow"] = await all_timed(
        ca=aioca.caget(NAME, timeout=10),
        pva=context.put("SIM:X.VELO", {"value": 5.0}, wait=True),
        panda=context.put("SIM:PANDA:PULSE1:WIDTH", {"value": 1.0}, wait=True),
    )
    await aioca.caput("SIM:FAULTS:SlowIOC", 0.0, wait=True)
    await aioca.caput("SIM:X", 1.5)
    begun = time.monotonic()
    await aioca.caput("SIM:FAULTS:Disconnect", 0.5)
    await states.until([True, False])
    seen["after"] = await after_the_disconnect()
    seen["away"] = time.monotonic() - begun
    subscription.close()
    monitor.close()
    context.close()
    print(json.dumps(seen | {"connections": states.seen}))


asyncio.run(main())
