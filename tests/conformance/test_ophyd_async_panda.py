"""ophyd-async's HDFPanda and each of its PandA flyers, under bluesky's RunEngine, fly the simulated PandA unchanged."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.beamline import Beamline

pytestmark = [pytest.mark.conformance, pytest.mark.system, pytest.mark.slow]

CLIENT = Path(__file__).parent / "clients" / "panda_fly.py"
NAMES = ["number", "opened", "triggered", "x", "y"]


def flown(beamline: Beamline, directory: Path, kind: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What the run said, and what is in the file."""
    command = [sys.executable, str(CLIENT), beamline.prefix, str(directory), kind]
    environment = os.environ | beamline.environment
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, timeout=90)
    with h5py.File(directory / f"flown-{kind}.h5") as file:
        return json.loads(done.stdout), {name: file[name][:] for name in file}


@pytest.mark.parametrize(("kind", "rows"), [("seq", 200), ("pcomp", 50), ("scanspec", 50)])
def test_each_of_their_flyers_flies(simulated_beamline: Beamline, tmp_path: Path, kind: str, rows: int) -> None:
    said, data = flown(simulated_beamline, tmp_path, kind)
    assert said["exit"] == "success"
    assert said["keys"] == [name.strip("/") for name in said["resources"]] == NAMES
    assert said["rows"] == [[0, rows]]
    assert {"bits", "counter", "data", "inenc", "lut", "pcap", "pcomp", "pulse", "seq", "srgate"} <= set(said["blocks"])
    assert sorted(data) == NAMES
    assert data["number"].tolist() == list(range(1, rows + 1))
    middle = data["x"]
    match kind:
        case "seq":
            assert np.rint(np.diff(data["opened"]) * 1e9).tolist() == [1_000_000] * (rows - 1)
        case "pcomp":
            assert middle == pytest.approx(np.arange(50) * 0.02 + 0.005, abs=2e-4)
        case _:
            assert np.rint(np.diff(data["opened"]) * 1e9).tolist() == [2_000_000] * (rows - 1)
            # At 10 mm/s: begun at the lower bound of the first frame, 0.0, and open for 1.8 ms.
            assert middle[0] == pytest.approx(0.009, abs=2e-4)
