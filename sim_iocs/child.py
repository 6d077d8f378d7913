"""A beamline in a process of its own, for tests and notebooks."""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .errors import NotServedError

START_SECONDS = 60.0
STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningBeamline:
    """A beamline that another process serves.

    Attributes:
        prefix: What every PV name begins with.
        environment: Environment variables that let a client find it, and no other.
        pid: Of the process.
    """

    prefix: str
    environment: dict[str, str]
    pid: int


@asynccontextmanager
async def running(
    settings: Mapping[str, Any] | None = None, *, arguments: tuple[str, ...] = ()
) -> AsyncGenerator[RunningBeamline]:
    """Serve a beamline from another process, at free ports of loopback, inside the block.

    Clients read the environment when they start: set it before the first use of a client library, or give it to a
    client in yet another process.

    Args:
        settings: What a settings file would hold; nothing for the beamline of the demo.
        arguments: More of the command line, as ("--ca-port", "5064").

    Raises:
        NotServedError: It did not start, and why.

    Examples:
        async with running({"motors": {"X": {}, "Y": {}}}) as beamline:
            print(beamline.environment["EPICS_CA_SERVER_PORT"])
    """
    with tempfile.TemporaryDirectory(prefix="wingbeat-sim-") as directory:
        config = Path(directory) / "beamline.yaml"
        config.write_text(yaml.safe_dump(dict(settings or {})))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "wingbeat.sim_iocs", "--config", str(config), *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            yield await _ready(process)
        finally:
            await _stop(process)


async def _ready(process: asyncio.subprocess.Process) -> RunningBeamline:
    line = b""
    if process.stdout is not None:
        try:
            async with asyncio.timeout(START_SECONDS):
                line = await process.stdout.readline()
        except TimeoutError:
            process.kill()
    if not line.startswith(b"{"):
        errors = await process.stderr.read() if process.stderr is not None else b""
        msg = f"the simulated beamline did not start; it said {line!r} and {errors.decode(errors='replace').strip()!r}"
        raise NotServedError(msg)
    ready = json.loads(line)
    return RunningBeamline(prefix=ready["prefix"], environment=ready["environment"], pid=ready["pid"])


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Let it see the end of its stdin; what does not go then is ended."""
    if process.stdin is not None:
        process.stdin.close()
    for end in (process.terminate, process.kill):
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.communicate()
        except TimeoutError:
            end()
    # Reaped in any case: a killed process is not left behind.
    await process.wait()
