"""A server of ours in a process of its own.

The child prints one JSON line when it is ready and leaves when its standard input closes. So it goes with its parent
however the parent goes, kill -9 included: the kernel closes the pipe.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from .errors import ServerStartError

START_TIMEOUT = 30.0
"""Seconds that a child may take until its ready line; importing numpy and h5py on a busy machine takes several."""

STOP_TIMEOUT = 5.0
"""Seconds between closing a child's input and terminating it, and again until it is killed."""


@asynccontextmanager
async def child_server(module: str, arguments: Sequence[str], *, log: Path) -> AsyncGenerator[dict[str, Any]]:
    """Run `python -m module arguments` and yield what its ready line says.

    Args:
        module: The server's module, run with this interpreter.
        arguments: Its command line.
        log: Where its standard error goes; the last line of it explains a failed start.

    Raises:
        ServerStartError: It ended or stayed silent before it was ready.
    """
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", module, *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            start_new_session=True,  # Ctrl-C reaches the parent alone, which closes its children in order
        )
    try:
        yield await _ready_line(process, module, log=log)
    finally:
        await asyncio.shield(_stop(process))


async def _ready_line(process: asyncio.subprocess.Process, module: str, *, log: Path) -> dict[str, Any]:
    if process.stdout is None:
        msg = f"{module} was started without a pipe on its output"
        raise ServerStartError(msg)
    try:
        async with asyncio.timeout(START_TIMEOUT):
            line = await process.stdout.readline()
    except TimeoutError as error:
        msg = f"{module} said nothing for {START_TIMEOUT:g} s; expected its ready line; see {log}"
        raise ServerStartError(msg) from error
    if not line:
        status = await process.wait()
        said = (await asyncio.to_thread(log.read_text, errors="replace")).strip().splitlines()
        msg = f"{module} ended with status {status} before it was ready: {said[-1] if said else 'it said nothing'}"
        raise ServerStartError(msg)
    return orjson.loads(line)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    for end in (process.terminate, process.kill):
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await process.wait()
        except TimeoutError:
            end()
        else:
            break
    else:
        await process.wait()
