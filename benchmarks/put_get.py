"""A float written and awaited until the server has finished, then read with its time: one after the other.

The same signal and the same server on both sides, over Channel Access and PV Access.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from .bench import SideResult, Which, digest_of
from .servers import ca_server, pva_server

NAME = "put_get"
PEER = "bare client"
CASES = ("CA put", "CA get", "PVA put", "PVA get")
GOAL = 1 / 1.15
UNIT = "µs"
SCALE = 1e6
PACKAGES = ("aioca", "p4p")

TIMES = 1500
WARM_UP = 200
Put = Callable[[float], Awaitable[object]]
Get = Callable[[], Awaitable[float]]


def side(which: Which) -> dict[str, SideResult]:
    """Time puts and gets apart; the digest is what was read back."""
    clients = {"ours": {"CA": _ours_ca, "PVA": _ours_pva}, "peer": {"CA": _aioca, "PVA": _p4p}}[which]
    with ca_server(1) as (pv,), pva_server(1):
        measured = [asyncio.run(_measured(protocol, client, pv)) for protocol, client in clients.items()]
    return measured[0] | measured[1]


async def _measured(protocol: str, client: Callable[[str], object], pv: str) -> dict[str, SideResult]:
    async with client(pv) as (put, get):
        await _put(put, WARM_UP)
        await _get(get, WARM_UP)
        put_seconds = await _put(put, TIMES)
        get_seconds = await _get(get, TIMES)
        digest = digest_of(await get())
    return {
        f"{protocol} put": SideResult(seconds=put_seconds / TIMES, digest=digest),
        f"{protocol} get": SideResult(seconds=get_seconds / TIMES, digest=digest),
    }


async def _put(put: Put, times: int) -> float:
    begun = time.perf_counter()
    for n in range(times):
        await put(float(n))
    return time.perf_counter() - begun


async def _get(get: Get, times: int) -> float:
    begun = time.perf_counter()
    for _ in range(times):
        await get()
    return time.perf_counter() - begun


@asynccontextmanager
async def _ours(uri: str) -> AsyncGenerator[tuple[Put, Get]]:
    from wingbeat.async_devices import signal_rw

    signal = signal_rw(float, uri, name="signal")
    await signal.connect()

    async def get() -> float:
        return (await signal.reading())["value"]

    yield signal.put, get
    await signal.disconnect()


def _ours_ca(pv: str) -> object:
    return _ours(f"ca://{pv}")


def _ours_pva(pv: str) -> object:
    return _ours(f"pva://{pv}")


@asynccontextmanager
async def _aioca(pv: str) -> AsyncGenerator[tuple[Put, Get]]:
    from aioca import FORMAT_TIME, caget, caput, purge_channel_caches

    async def put(value: float) -> None:
        await caput(pv, value, wait=True, timeout=10.0)

    async def get() -> float:
        return float(await caget(pv, format=FORMAT_TIME, timeout=10.0))

    yield put, get
    purge_channel_caches()


@asynccontextmanager
async def _p4p(pv: str) -> AsyncGenerator[tuple[Put, Get]]:
    from p4p.client.asyncio import Context

    with Context("pva", nt=False) as context:

        async def put(value: float) -> None:
            await asyncio.wait_for(context.put(pv, {"value": value}, get=False, wait=True), 10.0)

        async def get() -> float:
            return float((await asyncio.wait_for(context.get(pv), 10.0))["value"])

        yield put, get
