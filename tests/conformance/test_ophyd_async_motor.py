"""Bluesky's engine and ophyd-async's motor drive the simulated beamline over both protocols, both unmodified."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.beamline import Beamline

pytestmark = [pytest.mark.system, pytest.mark.slow]
CLIENTS = Path(__file__).parent.parent / "sim_iocs" / "clients"


def client(script: str, *arguments: str) -> dict[str, Any]:
    """Run a client in the session's EPICS environment, in a process of its own, and give what it saw."""
    command = [sys.executable, CLIENTS / script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("protocol", ["ca", "pva"])
def test_bluesky_counts_and_scans_with_ophyd_async(simulated_beamline: Beamline, protocol: str) -> None:
    seen = client("bluesky_plans.py", protocol)
    assert seen["exit"] == ["success"] * 3
    assert seen["y"] == pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0], abs=1e-4)
    assert seen["theta"] == pytest.approx(2.0, abs=1e-4)
    assert seen["units"] == ["deg", "deg"]
    assert all(290 < current <= 300 for current in seen["current"])
