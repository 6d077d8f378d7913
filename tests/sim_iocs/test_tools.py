"""The command-line tools of others read, write and watch the beamline; a beamline of every kind of device is served."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from wingbeat.sim_iocs import RunningBeamline, running

pytestmark = [pytest.mark.system, pytest.mark.slow]
LARGE = {
    "motors": {name: {"start": n / 2} for n, name in enumerate(("X", "Y", "Z", "THETA", "CHI"))},
    "pmac": {"PMAC": {"coordinate_systems": {"CS1": {"X": "X", "Y": "Y"}, "CS2": {"A": "THETA", "B": "CHI"}}}},
    "panda": {
        "PANDA": {"inputs": {"TTLIN1": "PMAC.GPIO1"}},
        "BOX": {"encoders": {"INENC1": "THETA", "INENC2": "CHI", "INENC3": "Z"}, "blocks": {"SEQ": 3}},
    },
    "cameras": {
        "CAM": {"stamps": "Camera clock"},
        "GIGE": {"kind": "genicam", "trigger": "BOX.TTLOUT1", "width": 48, "height": 32, "data_type": "UInt8"},
        "COLOUR": {"color": "RGB1", "trigger": "BOX.TTLOUT2", "writer": "thread", "traps": ["zero_rows"]},
    },
    "mcas": {},
}
LIBCA = {name: shutil.which(name) for name in ("caget", "caput", "camonitor")}


@asynccontextmanager
async def shell(beamline: RunningBeamline, *command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a command in the beamline's environment, and end it with the block."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env=os.environ | beamline.environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def said(beamline: RunningBeamline, *command: str) -> str:
    """Run a command to its end and give what it printed."""
    async with shell(beamline, *command) as process:
        out, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    return out.decode()


async def watched(beamline: RunningBeamline, watch: tuple[str, ...], put: tuple[str, ...], *, until: str) -> str:
    """Watch with one command while another puts; give the watcher's line that ends it."""
    async with shell(beamline, *watch) as process:
        assert process.stdout is not None
        first = await asyncio.wait_for(process.stdout.readline(), 60)
        await said(beamline, *put)
        line = first.decode()
        while until not in line:
            assert line, "the watcher ended"
            line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
    return line


def module(name: str, *arguments: str) -> tuple[str, ...]:
    return sys.executable, "-u", "-m", name, *arguments


async def test_command_line_tools_read_write_and_watch_a_large_beamline() -> None:
    get, put, monitor = (f"caproto.commandline.{name}" for name in ("get", "put", "monitor"))
    pva = "p4p.client.cli"
    async with running(LARGE) as beamline:
        assert float(await said(beamline, *module(get, "--terse", "SIM:CHI.RBV"))) == 2.0
        assert "1.5" in await said(beamline, *module(pva, "get", "SIM:THETA.RBV"))
        await said(beamline, *module(put, "SIM:Z.VELO", "3.25"))
        assert "3.25" in await said(beamline, *module(pva, "get", "SIM:Z.VELO"))
        # p4p's own tool fails to print what came of its put, on every server: it is used for reading alone.
        by_ca = await watched(
            beamline, module(monitor, "SIM:Y.DMOV"), module(put, "--notify", "SIM:Y", "0.6"), until="[1]"
        )
        assert "SIM:Y.DMOV" in by_ca
        by_pva = await watched(
            beamline, module(pva, "monitor", "SIM:Y.RBV"), module(put, "--notify", "SIM:Y", "0.7"), until="0.7"
        )
        assert "SIM:Y.RBV" in by_pva
        kinds = [await said(beamline, *module(get, "--terse", f"SIM:{name}:cam1:SizeX")) for name in LARGE["cameras"]]
        assert [kind.strip().strip("[]") for kind in kinds] == ["64", "48", "64"]
        assert "seq3" in (await said(beamline, *module(pva, "--raw", "get", "SIM:BOX:SEQ:PVI"))).lower()


@pytest.mark.skipif(None in LIBCA.values(), reason="EPICS' own caget, caput and camonitor are not installed here")
async def test_libcas_own_tools_read_write_and_watch() -> None:
    caget, caput, camonitor = (str(path) for path in LIBCA.values())
    async with running(LARGE) as beamline:
        await said(beamline, caput, "-c", "SIM:Y", "0.8")
        assert float(await said(beamline, caget, "-t", "SIM:Y.RBV")) == 0.8
        line = await watched(beamline, (camonitor, "SIM:Y.RBV"), (caput, "-c", "SIM:Y", "0.9"), until="0.9")
        assert "SIM:Y.RBV" in line
