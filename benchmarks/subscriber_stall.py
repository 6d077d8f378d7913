"""What a subscriber that takes 0.5 s per event adds to a point: one that sleeps, one that computes in a process.

Timed is how much longer a point of a short scan takes than a point of the same scan without subscriber, on average, and
at least a microsecond. In a thread of this process Python lets one compute at a time: see the third case, which has
a goal of its own. bluesky calls subscribers on its loop, so there the process case is the computing one as it is.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from .bench import SideResult, Which, digest_of

NAME = "subscriber_stall"
PEER = "bluesky RunEngine"
CASES = ("sleeps", "computes, in a process", "computes, in a thread")
GOAL = {"sleeps": 500.0, "computes, in a process": 500.0, "computes, in a thread": 1.0}
UNIT = "ms/point added"
SCALE = 1e3
PACKAGES = ("bluesky",)

STALL = 0.5
POINTS = 2
PAUSE = 0.02
"""Seconds between points."""


def sleeping(name: str, doc: dict[str, Any]) -> None:
    """Sleep at every event."""
    if name == "event":
        time.sleep(STALL)


def computing(name: str, doc: dict[str, Any]) -> None:
    """Compute at every event, in Python."""
    end = time.perf_counter() + STALL
    while name == "event" and time.perf_counter() < end:
        sum(range(1000))


def side(which: Which) -> dict[str, SideResult]:
    """Scan with each kind of subscriber; the digest is the number of events."""
    scan = _ours if which == "ours" else _peer
    places = {"sleeps": (sleeping, "thread"), "computes, in a process": (computing, "process")}
    places["computes, in a thread"] = (computing, "thread")
    return {case: _added(scan, *place) for case, place in places.items()}


def _added(scan: Callable[..., list[float]], subscriber: Any, where: str) -> SideResult:
    scan(None, where)
    without, with_it = scan(None, where), scan(subscriber, where)
    added = sum(with_it) / len(with_it) - sum(without) / len(without)
    return SideResult(seconds=max(added, 1e-6), digest=digest_of(len(with_it)))


def _ours(subscriber: Any, where: Any) -> list[float]:
    from wingbeat.async_devices import SoftDetector
    from wingbeat.engine import RunEngine, plan
    from wingbeat.engine.stubs import run, sleep, trigger_and_read

    took: list[float] = []
    det = SoftDetector("det")

    @plan
    async def points() -> None:
        async with run():
            for _ in range(POINTS):
                begun = time.perf_counter()
                await trigger_and_read([det])
                await sleep(PAUSE)
                took.append(time.perf_counter() - begun - PAUSE)

    async def main() -> None:
        async with RunEngine(None) as engine:
            if subscriber is not None:
                engine.subscribe(subscriber, where=where)
                while where == "process" and engine.statistics().subscribers[0].pid is None:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)  # set-up is not timed
            await engine(points())

    asyncio.run(main())
    return took


def _peer(subscriber: Any, _where: str) -> list[float]:
    import bluesky
    import bluesky.plan_stubs as bps
    from ophyd_async.sim import PatternGenerator, SimPointDetector

    took: list[float] = []
    engine = bluesky.RunEngine({}, context_managers=[])
    det = SimPointDetector(PatternGenerator(sleep=lambda _: asyncio.sleep(0)), name="det")

    def points() -> Any:
        yield from bps.open_run()
        for _ in range(POINTS):
            begun = time.perf_counter()
            yield from bps.trigger_and_read([det])
            yield from bps.sleep(PAUSE)
            took.append(time.perf_counter() - begun - PAUSE)
        yield from bps.close_run()

    if subscriber is not None:
        engine.subscribe(subscriber)
    engine(points())
    return took
