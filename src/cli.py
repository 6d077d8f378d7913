"""The command `wingbeat`."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn, cast

import typer
from rich.console import Console

from .async_devices.errors import DeviceError
from .demo import DemoError, DemoOptions, run_demo
from .doctor import examine, render
from .engine import EngineError
from .flyscan.errors import FlyScanError
from .stream_resource.errors import StreamResourceError

CANNOT_RUN = 1

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Data acquisition as one asyncio-native framework, fly-scanning first.",
)
FORWARDED: dict[str, object] = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


@app.command()
def demo(  # noqa: PLR0913 - the parameters are the command line
    *,
    data: Annotated[Path, typer.Option(help="Where journal, catalogue and files go.")] = Path("wingbeat-demo"),
    once: Annotated[bool, typer.Option("--once", help="Leave after the ledger instead of serving on.")] = False,
    faults: Annotated[bool, typer.Option("--faults", help="Lose two triggers and drop one frame.")] = False,
    seed: Annotated[int, typer.Option(help="Where they are lost.")] = 1,
    json: Annotated[Path | None, typer.Option(help="Write ledger and paths to this file.")] = None,
    port: Annotated[int, typer.Option(help="Port of the data API; 0 takes a free one.")] = 0,
    lines: Annotated[int, typer.Option(min=1, help="Lines of the raster.")] = 50,
    points: Annotated[int, typer.Option(min=2, help="Frames per line.")] = 100,
    size: Annotated[int, typer.Option(min=4, max=2048, help="Width and height of a frame in pixels.")] = 64,
    step: Annotated[float, typer.Option(min=1e-4, help="Between frames of a line, in mm.")] = 0.01,
) -> None:
    """Fly a hardware-triggered scan on the simulated beamline and serve its frames.

    Status 0: every frame is there. 3: frames are missing, and named. 4: counts, bytes or positions disagree. 1: it
    could not run.
    """
    options = DemoOptions(
        data=data,
        once=once,
        faults=faults,
        seed=seed,
        json=json,
        port=port,
        lines=lines,
        points=points,
        size=size,
        step=step,
    )
    try:
        outcome = asyncio.run(run_demo(options, Console()))
    except* (DemoError, DeviceError, EngineError, FlyScanError, StreamResourceError, OSError) as group:
        for error in _leaves(group):
            print(f"wingbeat demo: {error}", file=sys.stderr)
        outcome = CANNOT_RUN
    sys.exit(outcome)


def _leaves(error: BaseException) -> list[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    group = cast("BaseExceptionGroup[BaseException]", error)
    return [leaf for part in group.exceptions for leaf in _leaves(part)]


@app.command(context_settings=FORWARDED)
def sim(context: typer.Context) -> None:
    """Serve the simulated beamline over Channel Access and PV Access; --help tells its options."""
    _become("wingbeat.sim_iocs", context.args)


@app.command(context_settings=FORWARDED)
def serve(context: typer.Context) -> None:
    """Serve a data directory over HTTP, live; --help tells its options."""
    _become("wingbeat.data_api", context.args)


def _become(module: str, arguments: list[str]) -> NoReturn:
    """Replace this process by the server, so that signals and exit status are the server's own."""
    stay = [] if "--help" in arguments or "--stay" in arguments else ["--stay"]
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments, *stay])


@app.command()
def doctor(data: Annotated[Path, typer.Option(help="Data directory to look at.")] = Path("wingbeat-data")) -> None:
    """Say whether this machine can run Wingbeat: versions, ports, EPICS environment, disk."""
    checks = examine(data)
    Console().print(render(checks))
    sys.exit(1 if any(check.status == "fail" for check in checks) else 0)


def main() -> None:
    """Run the command line."""
    app()
