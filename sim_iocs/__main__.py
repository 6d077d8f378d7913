"""Serve the simulated beamline: python -m wingbeat.sim_iocs."""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .errors import PortTakenError, SimError
from .ports import Ports
from .serving import serving
from .settings import BeamlineSettings, load_settings

EXIT_SETTINGS, EXIT_PORT_TAKEN = 2, 3


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="wingbeat sim", description="Serve a simulated beamline over CA and PVA.")
    parser.add_argument("--prefix", help="what every PV name begins with (default SIM:)")
    parser.add_argument("--config", type=Path, help="settings file (YAML)")
    parser.add_argument("--seed", type=int, help="of everything drawn at random")
    parser.add_argument("--ca-port", type=int, default=0, help="Channel Access port on loopback (default: a free one)")
    parser.add_argument("--pva-port", type=int, default=0, help="PV Access search port (default: a free one)")
    parser.add_argument("--print-env", action="store_true", help="print `export K=V` lines instead of JSON when ready")
    parser.add_argument("--stay", action="store_true", help="go on when stdin ends")
    return parser.parse_args(arguments)


def settings_of(options: argparse.Namespace) -> BeamlineSettings:
    """Put the command line over the settings file.

    Raises:
        SettingsError: The file cannot be read or is wrong.
    """
    given = {name: value for name in ("prefix", "seed") if (value := getattr(options, name)) is not None}
    return load_settings(options.config).model_copy(update=given)


async def serve(settings: BeamlineSettings, options: argparse.Namespace) -> None:
    """Serve until SIGTERM, SIGINT or, without --stay, the end of stdin."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    if not options.stay:
        threading.Thread(target=_watch_stdin, args=(loop, stop), name="stdin", daemon=True).start()
    async with serving(settings, Ports(ca=options.ca_port, pva=options.pva_port)) as served:
        environment = served.environment
        if options.print_env:
            lines = [f"export {key}='{value}'" for key, value in environment.items()]
        else:
            ready = {"ready": True, "pid": os.getpid(), "environment": environment, "prefix": settings.prefix}
            lines = [json.dumps(ready)]
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
        await stop.wait()


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    try:
        # os.read, for a thread that holds the lock of sys.stdin could not be left behind at exit.
        while os.read(0, 4096):
            pass
    except OSError:
        # No stdin, or a terminal that belongs to somebody else (a background job): nothing to watch.
        return
    with suppress(RuntimeError):  # the loop is closed already
        loop.call_soon_threadsafe(stop.set)


def main(arguments: list[str] | None = None) -> int:
    """Serve; give the exit status.

    Returns:
        0 after an orderly end, 2 for wrong settings, 3 for a port that is taken.
    """
    options = parse(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    # Otherwise a background job is stopped by its first read of the terminal.
    signal.signal(signal.SIGTTIN, signal.SIG_IGN)
    failed: list[SimError] = []
    try:
        asyncio.run(serve(settings_of(options), options))
    except* SimError as errors:
        failed = list(_leaves(errors))
    for error in failed:
        sys.stderr.write(f"{error}\n")
    if not failed:
        return 0
    return EXIT_PORT_TAKEN if isinstance(failed[0], PortTakenError) else EXIT_SETTINGS


def _leaves(errors: BaseExceptionGroup[SimError]) -> Iterator[SimError]:
    for error in errors.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


if __name__ == "__main__":
    sys.exit(main())
