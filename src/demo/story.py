"""The demonstration from beginning to end.

One data directory, three processes: the simulated beamline, the data API, and this one, which flies. Whatever ends it,
the children end with it (child.py).
"""

import asyncio
import shutil
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from enum import IntEnum
from pathlib import Path

from rich.console import Console
from scanspec.specs import Fly, Linspace

from ..data_api.client import DataClient
from ..engine import Run, RunEngine
from ..flyscan import Rig, fly_scan
from ..flyscan.fly_scan import Flight
from ..progress import ProgressBar
from ..session import start
from .beamline import Beamline, simulated_beamline
from .check import Column, compare, wait_until_ingested
from .child import child_server
from .errors import DirectoryError
from .faults import Faults, draw_faults
from .live import LiveReader
from .options import DemoOptions
from .report import missing_frames, missing_line, report_document, show_findings, show_ledger, write_report

FRAME_TIME = 1e-3
"""Seconds per frame: 1 kHz within a line."""

HEIGHT = 1.0
"""Of the raster in mm."""

LEAST_FREE_NBYTES = 64 << 20
"""Below this not even journal, catalogue and logs have room."""


class Outcome(IntEnum):
    """Exit status of the demonstration."""

    AGREED = 0
    MISSING = 3
    """Frames are missing, and named; all else agrees."""
    DISAGREED = 4
    """Counts, bytes or positions disagree: a defect."""


async def run_demo(options: DemoOptions, console: Console) -> Outcome:
    """Fly the demonstration and say how it went; without `once`, serve on until interrupted.

    Raises:
        DemoError: Something around it failed to start.
        EngineLockedError: Another demonstration, or another engine, works in the directory.
        InfeasibleScanError: The raster cannot be flown; every reason is in the message.
        NotConnectedError: A device did not connect.
    """
    _check_room(options.data)
    async with start(options.data, quiet=True) as engine, _beamline_and_api(engine, options) as (beamline, url):
        console.print(f"data in {engine.data_dir}\ndata API at {url}", highlight=False, soft_wrap=True)
        outcome = await _fly_and_judge(engine, beamline, options, url=url, console=console)
        if not options.once:
            await _serve_on(url)
    return outcome


def _check_room(data: Path) -> None:
    try:
        (data / "logs").mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(data).free
    except OSError as error:
        msg = f"cannot make the data directory {data.absolute()}: {error.strerror}; give another with --data"
        raise DirectoryError(msg) from error
    if free < LEAST_FREE_NBYTES:
        needed = f"expected at least {LEAST_FREE_NBYTES >> 20} MB; give another directory with --data"
        msg = f"{data.absolute()} has {free >> 20} MB free; {needed}"
        raise DirectoryError(msg)


@asynccontextmanager
async def _beamline_and_api(engine: RunEngine, options: DemoOptions) -> AsyncGenerator[tuple[Beamline, str]]:
    logs = engine.data_dir / "logs"
    arguments = [str(engine.data_dir), "--port", str(options.port), "--print-ready"]
    async with (
        child_server("wingbeat.data_api", arguments, log=logs / "data_api.log") as ready,
        simulated_beamline(logs, seed=options.seed) as beamline,
    ):
        yield beamline, ready["url"]


async def _fly_and_judge(
    engine: RunEngine, beamline: Beamline, options: DemoOptions, *, url: str, console: Console
) -> Outcome:
    await beamline.set_frame_size(options.size)
    flight = _flight(beamline, options)
    console.print(str(await flight.preflight()), highlight=False, soft_wrap=True)
    planned = options.lines * options.points
    faults = draw_faults(options.seed, planned=planned) if options.faults else Faults()
    await beamline.inject(faults)

    live = LiveReader(url, lambda: engine.last.uid if engine.last else None, beamline.cam.name)
    run = await _fly(engine, flight, live, console=console)
    with DataClient(url) as client:
        ledger = await wait_until_ingested(client, run.uid)
        columns = _columns(beamline.rig)
        findings = await asyncio.to_thread(compare, client, run, flight.flyscan.scan, live=live, columns=columns)
    show_findings(console, findings)
    show_ledger(console, ledger)
    if options.json is not None:
        document = report_document(run, ledger, findings, data=engine.data_dir, url=url, faults=faults)
        write_report(options.json, document)
    missing = missing_frames(ledger)
    agreed = findings.ok and ledger["consistent"] and (ledger["agreed"] or bool(missing.size))
    if not agreed:
        console.print("counts, bytes or positions disagree: this is a defect, please report it", style="bold red")
    console.print(missing_line(missing), highlight=False, soft_wrap=True)
    return _outcome(missing.size, agreed=agreed)


def _outcome(missing: int, *, agreed: bool) -> Outcome:
    if not agreed:
        return Outcome.DISAGREED
    return Outcome.MISSING if missing else Outcome.AGREED


def _flight(beamline: Beamline, options: DemoOptions) -> Flight:
    lines = Linspace("y", 0.0, HEIGHT, options.lines)
    points = Linspace("x", 0.0, (options.points - 1) * options.step, options.points)
    spec = Fly(FRAME_TIME @ (lines * ~points))
    return fly_scan(spec, [beamline.cam], rig=beamline.rig, md={"purpose": "demonstration"})


async def _fly(engine: RunEngine, flight: Flight, live: LiveReader, *, console: Console) -> Run:
    with ProgressBar(console) as bar:
        flight.watch(bar.update)
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.to_thread(live.run))
            try:
                return await engine(flight)
            finally:
                live.end()


def _columns(rig: Rig) -> dict[str, Column]:
    """Where the trigger box records the mean position of each axis over the exposure."""
    box = rig.trigger_box.name
    return {
        axis: Column(f"{box}-{wiring.encoder.lower()}-val-mean", wiring.scale)
        for axis, wiring in rig.settings.axes.items()
        if wiring.encoder
    }


async def _serve_on(url: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    Console(stderr=True).print(f"serving {url} until Ctrl-C", highlight=False)
    await stop.wait()
