"""20 signals at 100 Hz each, sequence-numbered by their server, observed over Channel Access and PV Access.

Timed is the processor time of the client per update. The digest says that no number is missing between the first and
the last that a signal showed: the server counts by itself, so a lost update is a hole.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

from .bench import SideResult, Which, digest_of
from .servers import ca_server, pva_server

NAME = "monitor"
PEER = "ophyd-async"
CASES = ("CA", "PVA")
GOAL = 1 / 0.7
UNIT = "µs CPU/update"
SCALE = 1e6
PACKAGES = ("ophyd-async", "aioca", "p4p")

SIGNALS = 20
RATE = 100.0
UPDATES = 150
"""Of each signal: 1.5 s."""
Observe = Callable[[list[str]], Awaitable[list[list[float]]]]
"""Gives what each signal has shown, at least UPDATES values of each after the first."""


def side(which: Which) -> dict[str, SideResult]:
    """Observe over one protocol, then over the other."""
    observe = _ours if which == "ours" else _ophyd_async
    with ca_server(SIGNALS, rate=RATE) as pvs:
        over_ca = asyncio.run(_measured(observe([f"ca://{pv}" for pv in pvs])))
    with pva_server(SIGNALS, rate=RATE) as pvs:
        over_pva = asyncio.run(_measured(observe([f"pva://{pv}" for pv in pvs])))
    return {"CA": over_ca, "PVA": over_pva}


async def _measured(observed: Awaitable[tuple[float, list[list[float]]]]) -> SideResult:
    seconds, shown = await observed
    updates = sum(len(values) for values in shown)
    sent = sum(int(values[-1] - values[0]) + 1 for values in shown)
    lost = sent - updates
    assert lost == 0, f"{lost} of {sent} updates that the server posted did not arrive"
    assert all(later - earlier == 1 for values in shown for earlier, later in pairwise(values)), "out of order"
    return SideResult(seconds=seconds / updates, digest=digest_of("lost", lost, "of signals", len(shown)))


async def _ours(uris: list[str]) -> tuple[float, list[list[float]]]:
    from wingbeat.async_devices import Device, DeviceVector, signal_r

    class Many(Device):
        def __init__(self) -> None:
            self.all = DeviceVector({n: signal_r(float, uri) for n, uri in enumerate(uris)})
            super().__init__("many")

    many = Many()
    await many.connect()

    async def observe(signal: Any) -> list[float]:
        values: list[float] = []
        with signal.observe_readings() as readings:
            async for reading in readings:
                values.append(reading["value"])
                if len(values) > UPDATES:
                    break
            assert readings.statistics().conflated == 0
        return values

    begun = time.process_time()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(observe(signal)) for signal in many.all.values()]
    seconds = time.process_time() - begun
    await many.disconnect()
    return seconds, [task.result() for task in tasks]


async def _ophyd_async(uris: list[str]) -> tuple[float, list[list[float]]]:
    from aioca import purge_channel_caches
    from ophyd_async.core import Device, DeviceVector, observe_value
    from ophyd_async.epics.core import epics_signal_r

    class Many(Device):
        def __init__(self) -> None:
            self.all = DeviceVector({n: epics_signal_r(float, uri) for n, uri in enumerate(uris)})
            super().__init__("many")

    many = Many()
    await many.connect()

    async def observe(signal: Any) -> list[float]:
        values: list[float] = []
        async for value in observe_value(signal):
            values.append(value)
            if len(values) > UPDATES:
                break
        return values

    begun = time.process_time()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(observe(signal)) for signal in many.all.values()]
    seconds = time.process_time() - begun
    purge_channel_caches()
    return seconds, [task.result() for task in tasks]
