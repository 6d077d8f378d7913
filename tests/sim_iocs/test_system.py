"""The served beamline, judged by clients that we did not write, each in a process of its own."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.beamline import Beamline

from .test_flight import FRAMES, LINES, LIVE, PERIOD, PITCH, profile, table

pytestmark = [pytest.mark.system, pytest.mark.slow]
CLIENTS = Path(__file__).parent / "clients"


def client(script: str, *arguments: str, asked: str = "") -> dict[str, Any]:
    """Run a client script in the session's EPICS environment and give what it saw."""
    command = [sys.executable, CLIENTS / script, *arguments]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def server(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start the command; the block must see it end, or it is killed."""
    command = [sys.executable, "-m", "wingbeat.sim_iocs", *arguments]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], 60)[0]
    return process.stdout.readline()


@pytest.mark.parametrize("protocol", ["ca", "pva"])
def test_ophyd_async_moves_stops_and_is_refused_by_limits(simulated_beamline: Beamline, protocol: str) -> None:
    seen = client("ophyd_motor.py", protocol)
    assert seen["readback"] == 2.0
    assert seen["seconds"] < 3.0
    assert (seen["done"], seen["units"], seen["limit"]) == (1, "mm", "refused")
    assert 2.0 < seen["after stop"] < 20.0


@pytest.mark.parametrize("protocol", ["ca", "pva"])
def test_ophyd_async_takes_twenty_frames(simulated_beamline: Beamline, protocol: str, tmp_path: Path) -> None:
    seen = client("ophyd_camera.py", protocol, str(tmp_path))
    assert seen["documents"] == ["stream_resource", "stream_datum"]
    assert seen["indices"] == {"start": 0, "stop": 20}
    assert seen["shape"] == [20, 64, 64]
    assert [b - a for a, b in pairwise(seen["ids"])] == [1] * 19
    assert seen["period"] == pytest.approx(0.011, abs=1e-7)


@pytest.mark.parametrize("source", ["SEQ1.OUTA", "PULSE1.OUT"])
def test_an_output_gates_the_exposures_of_the_camera_that_is_wired_to_it(
    simulated_beamline: Beamline, source: str, tmp_path: Path
) -> None:
    seen = client("panda_gate.py", simulated_beamline.prefix, str(tmp_path), source)
    # Of gates that begin 0.3 ms after the one before has ended every other one meets the read-out, which takes 0.5 ms.
    assert seen["triggers"] == [*range(1, 11), 11, 13, 15, 17, 19]
    assert (seen["exposed"], seen["missed"]) == (15, 5)
    assert np.diff(seen["stamps"]).tolist() == [4_000_000] * 10 + [6_600_000] * 4


def test_a_flight_over_both_protocols_takes_every_frame_at_its_time_and_place(
    simulated_beamline: Beamline, tmp_path: Path
) -> None:
    asked = json.dumps({"table": table(), "profile": profile(), "live": LIVE})
    seen = client("fly.py", simulated_beamline.prefix, str(tmp_path), asked=asked)
    numbers = list(range(1, LINES * FRAMES + 1))
    assert (seen["status"], seen["missed"]) == ("Success", 0)
    assert seen["triggers"] == seen["counter"] == numbers
    # One tick from the sequencer's output to the capture, none more: the camera's stamps are the trigger box' times.
    assert max(abs(difference) for difference in seen["stamp minus start"]) <= 16
    middles = (np.arange(FRAMES) + LIVE / PERIOD / 2) * PITCH
    planned = np.concatenate([FRAMES * PITCH - middles if line % 2 else middles for line in range(LINES)])
    assert seen["x"] == pytest.approx(planned, abs=1.1e-4)
    assert seen["y"] == pytest.approx(np.repeat(np.arange(LINES) * 0.1, FRAMES), abs=1e-6)


def test_both_protocols_show_the_same_motor_and_the_metadata(simulated_beamline: Beamline) -> None:
    seen = client("posts.py", simulated_beamline.prefix)
    assert seen["ca"][-1] == 3.0
    assert seen["pva"][-1] == 3.0
    assert seen["ca"] == sorted(seen["ca"])
    assert len(seen["ca"]) >= 4
    assert seen["back"] == 0.0
    assert seen["refused"] is False
    assert seen["array"] == [1000, 999.0, 1000]
    assert seen["enum"] == ["Single", "Multiple", "Continuous"]
    assert seen["limits"] == [-20.0, 40.0, "mm", 4]


def test_the_ready_line_is_json_and_the_end_of_stdin_ends_the_server() -> None:
    with server("--prefix", "OTHER:") as process:
        ready = json.loads(first_line(process))
        assert ready["ready"] is True
        assert (ready["pid"], ready["prefix"]) == (process.pid, "OTHER:")
        assert ready["environment"]["EPICS_CA_ADDR_LIST"] == "127.0.0.1"
        process.communicate(timeout=10)
        assert process.returncode == 0


def test_print_env_prints_export_lines_and_sigterm_ends_the_server() -> None:
    with server("--print-env", "--stay") as process:
        assert first_line(process) == "export EPICS_CA_ADDR_LIST='127.0.0.1'\n"
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=10)
        assert (process.returncode, errors) == (0, "")


@pytest.mark.parametrize("option", ["--ca-port", "--pva-port"])
def test_a_taken_port_is_one_clear_line_and_status_three(option: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with server(option, str(port)) as process:
            _, errors = process.communicate(timeout=30)
    assert process.returncode == 3
    assert len(errors.splitlines()) == 1
    assert f"port {port} on 127.0.0.1 is taken" in errors


def test_a_wrong_settings_file_is_one_message_and_status_two(tmp_path: Path) -> None:
    path = tmp_path / "beamline.yaml"
    path.write_text("cameras: {CAM: {picture_axes: [X, Q]}}\n")
    with server("--config", str(path)) as process:
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "wires motors that it does not define: Q" in errors


def test_a_settings_file_changes_what_is_served(tmp_path: Path) -> None:
    path = tmp_path / "beamline.yaml"
    path.write_text("prefix: 'BL:'\nmotors: {X: {start: 1.5}, Y: {}}\ncameras: {CAM: {width: 32}}\n")
    script = """
import asyncio, aioca
async def main():
    print(float(await aioca.caget("BL:X.RBV")), int(await aioca.caget("BL:CAM:cam1:SizeX")))
asyncio.run(main())
"""
    with server("--config", str(path)) as process:
        environment = json.loads(first_line(process))["environment"]
        repeater = {"EPICS_CA_REPEATER_PORT": os.environ["EPICS_CA_REPEATER_PORT"]}
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | environment | repeater,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    assert done.stdout.split() == ["1.5", "32"]
