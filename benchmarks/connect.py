"""1000 PVs connected, their types, units and limits known, over Channel Access and PV Access.

The bare clients do the least that tells that much: one read with units and limits of each PV, all at once. Circuit and
library are warm on every side: a PV of the same server stays connected.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from .bench import SideResult, Which, digest_of
from .servers import ca_server, pva_server

NAME = "connect"
PEER = "bare client; ophyd-async"
CASES = ("CA, aioca", "PVA, p4p", "CA, ophyd-async", "PVA, ophyd-async")
GOAL = {"CA, aioca": 1 / 1.5, "PVA, p4p": 1 / 1.5, "CA, ophyd-async": 2.0, "PVA, ophyd-async": 2.0}
UNIT = "ms"
SCALE = 1e3
PACKAGES = ("aioca", "p4p", "ophyd-async")

COUNT = 1000
CHECKED = 5
Case = Callable[[list[str]], Awaitable[tuple[float, list[float]]]]
"""Connects PVs; gives how long that took and the values of the first few."""


def side(which: Which) -> dict[str, SideResult]:
    """Connect everything once per case; the digest is what the first few PVs hold."""
    with ca_server(COUNT + 1) as pvs, pva_server(COUNT + 1):
        if which == "peer":
            return {case: asyncio.run(_measured(measure, pvs)) for case, measure in PEERS.items()}
        ours = {protocol: asyncio.run(_measured(_ours(protocol.lower()), pvs)) for protocol in ("CA", "PVA")}
    return {case: ours[case.split(",")[0]] for case in CASES}


async def _measured(case: Case, pvs: list[str]) -> SideResult:
    seconds, values = await case(pvs)
    return SideResult(seconds=seconds, digest=digest_of(*values))


def _ours(scheme: str) -> Case:
    async def case(pvs: list[str]) -> tuple[float, list[float]]:
        from wingbeat.async_devices import Device, DeviceVector, signal_rw

        class Many(Device):
            def __init__(self, names: list[str]) -> None:
                self.all = DeviceVector({n: signal_rw(float, f"{scheme}://{pv}") for n, pv in enumerate(names)})
                super().__init__("many")

        return await _connected(Many(pvs[:1]), Many(pvs[1:]))

    return case


def _ophyd_async(scheme: str) -> Case:
    async def case(pvs: list[str]) -> tuple[float, list[float]]:
        from ophyd_async.core import Device, DeviceVector
        from ophyd_async.epics.core import epics_signal_rw

        class Many(Device):
            def __init__(self, names: list[str]) -> None:
                self.all = DeviceVector({n: epics_signal_rw(float, f"{scheme}://{pv}") for n, pv in enumerate(names)})
                super().__init__("many")

        return await _connected(Many(pvs[:1]), Many(pvs[1:]))

    return case


async def _connected(warm: Any, many: Any) -> tuple[float, list[float]]:
    await warm.connect()
    begun = time.perf_counter()
    await many.connect()
    seconds = time.perf_counter() - begun
    values = [await many.all[n].get_value() for n in range(CHECKED)]
    for device in (warm, many):
        if hasattr(device, "disconnect"):
            await device.disconnect()
        else:
            _purge()  # ophyd-async leaves its channels to aioca, and aioca to the end of the process
    return seconds, values


def _purge() -> None:
    from aioca import purge_channel_caches

    purge_channel_caches()


async def _aioca(pvs: list[str]) -> tuple[float, list[float]]:
    from aioca import FORMAT_CTRL, caget, purge_channel_caches

    await caget(pvs[0], format=FORMAT_CTRL)
    begun = time.perf_counter()
    values = await caget(pvs[1:], format=FORMAT_CTRL)
    seconds = time.perf_counter() - begun
    purge_channel_caches()
    return seconds, [float(value) for value in values[:CHECKED]]


async def _p4p(pvs: list[str]) -> tuple[float, list[float]]:
    from p4p.client.asyncio import Context

    with Context("pva", nt=False) as context:
        await context.get(pvs[0])
        begun = time.perf_counter()
        values = await context.get(pvs[1:])
        return time.perf_counter() - begun, [float(value["value"]) for value in values[:CHECKED]]


PEERS: dict[str, Case] = {
    "CA, aioca": _aioca,
    "PVA, p4p": _p4p,
    "CA, ophyd-async": _ophyd_async("ca"),
    "PVA, ophyd-async": _ophyd_async("pva"),
}
