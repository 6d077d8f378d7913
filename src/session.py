"""The start of a session: an engine with its journal, a directory for the files, and a word about where all that is."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from .async_devices import DEFAULT_PATHS, RunPathProvider
from .engine import RunEngine, default
from .engine.messages import MsgLike
from .engine.screen import Screen


def start(
    data_dir: str | Path = "./wingbeat-data",
    *,
    md: Mapping[str, Any] | None = None,
    durable: bool = False,
    quiet: bool = False,
) -> RunEngine:
    """Give an engine that keeps its journal in `data_dir`, and let detectors put their files under `data_dir`/files.

    It becomes the engine of every plan that is awaited outside a plan. Close it with `await RE.aclose()`, or use it in
    `async with`.

    Args:
        data_dir: Made if it does not exist. `wingbeat serve DIR` serves what it holds, also while a plan runs.
        md: Metadata of every run, kept in the directory.
        durable: Whether a document counts as committed only when it is fsynced.
        quiet: Say nothing; else every run is shown: a heading, a table of what devices hint at, a progress line, and
            at the end the status and the ledger.

    Raises:
        EngineLockedError: Another engine works in the directory.
        OSError: The directory cannot be made or written.
    """
    engine = RunEngine(data_dir, md=md, durable=durable)
    paths = RunPathProvider(engine.data_dir / "files")
    DEFAULT_PATHS.set(paths)
    engine.middleware.append(_RunDirectories(paths))
    default.set_engine(engine)
    if not quiet:
        engine.subscribe(Screen(), critical=True)  # so that all is written when a plan returns
        sys.stdout.write(f"documents: {engine.data_dir / 'journal'}\nfiles:     {engine.data_dir / 'files'}\n")
    return engine


class _RunDirectories:
    """Middleware that gives every run a directory of its own as soon as it is open."""

    def __init__(self, paths: RunPathProvider) -> None:
        self._paths = paths

    async def __call__(self, msg: MsgLike, call: Callable[[MsgLike], Awaitable[Any]]) -> Any:
        value = await call(msg)
        if msg.command == "open_run":
            await asyncio.to_thread(self._paths.begin, str(value)[:8])
        return value
