"""Step scans by either engine: documents go to one subscriber and, as they come, to the kernel and so to disk."""

import asyncio
import gc
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..bench import SideResult, digest_of
from .devices import Bench

Make = Callable[[int], Bench]

POINTS: Mapping[str, tuple[int, int]] = {
    "1 detector": (1, 400),
    "10 detectors": (10, 200),
    "50 detectors": (50, 60),
}
"""Of each case, the number of detectors and of points."""

WARM_UP = 10


def by_us(make: Make) -> dict[str, SideResult]:
    """Time the points of a scan of each case by our engine."""
    return {case: asyncio.run(_ours(*make(count), points)) for case, (count, points) in POINTS.items()}


async def _ours(detectors: list[Any], axis: Any, points: int) -> SideResult:
    from wingbeat.engine import RunEngine
    from wingbeat.engine.plans import scan

    docs: list[tuple[str, Any]] = []
    with tempfile.TemporaryDirectory() as directory:
        async with RunEngine(Path(directory)) as engine:
            # Critical: the scan has ended when this has seen all of it, as in bluesky.
            engine.subscribe(lambda name, doc: docs.append((name, doc)), critical=True)
            await engine(scan(detectors, axis, 0, 1, WARM_UP))
            docs.clear()
            gc.collect()
            begun = time.perf_counter()
            await engine(scan(detectors, axis, 0, 1, points))
            elapsed = time.perf_counter() - begun
    return SideResult(seconds=elapsed / points, digest=_digest(docs))


def by_bluesky(make: Make) -> dict[str, SideResult]:
    """Time the points of a scan of each case by bluesky's engine, with a writer of lines into one open file."""
    import bluesky

    engine = bluesky.RunEngine({}, context_managers=[])
    return {case: _peer(engine, *make(count), points) for case, (count, points) in POINTS.items()}


def _peer(engine: Any, detectors: list[Any], axis: Any, points: int) -> SideResult:
    import orjson
    from bluesky.plans import scan

    docs: list[tuple[str, Any]] = []
    with tempfile.TemporaryFile() as file:

        def write(name: str, doc: Any) -> None:
            file.write(orjson.dumps([name, doc], option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE))
            file.flush()

        tokens = [engine.subscribe(write), engine.subscribe(lambda name, doc: docs.append((name, doc)))]
        engine(scan(detectors, axis, 0, 1, WARM_UP))
        docs.clear()
        gc.collect()
        begun = time.perf_counter()
        engine(scan(detectors, axis, 0, 1, points))
        elapsed = time.perf_counter() - begun
        for token in tokens:
            engine.unsubscribe(token)
    return SideResult(seconds=elapsed / points, digest=_digest(docs))


def _digest(docs: list[tuple[str, Any]]) -> str:
    events = [doc for name, doc in docs if name == "event"]
    values = [
        f"{doc['seq_num']} {key.split('-')[0]}={float(doc['data'][key]):.9f}"
        for doc in events
        for key in sorted(doc["data"])
    ]
    return digest_of(*(name for name, _ in docs), *values)
