"""ophyd-async's area detectors and bluesky's RunEngine drive the simulated cameras, over both protocols."""

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.conformance, pytest.mark.system, pytest.mark.slow]
CLIENT = Path(__file__).parent / "clients" / "ophyd_area_detector.py"
CAMERAS = "cameras: {CAM: {}, GIGE: {kind: genicam, width: 48, height: 32, data_type: UInt8}}\n"


@pytest.fixture(scope="module", params=["ca", "pva"])
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    directory = tmp_path_factory.mktemp(request.param)
    (directory / "beamline.yaml").write_text(CAMERAS)
    command = [sys.executable, "-m", "wingbeat.sim_iocs", "--config", str(directory / "beamline.yaml")]
    with subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            assert select.select([server.stdout], [], [], 60)[0]
            environment = json.loads(server.stdout.readline())["environment"]
            theirs = environment | {"EPICS_CA_REPEATER_PORT": os.environ["EPICS_CA_REPEATER_PORT"]}
            client = [sys.executable, str(CLIENT), request.param, str(directory)]
            done = subprocess.run(
                client, env=os.environ | theirs, capture_output=True, text=True, timeout=60, check=False
            )
        finally:
            server.terminate()
            server.communicate()
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_count_takes_frames_and_reads_a_plugins_signal(seen: dict[str, Any]) -> None:
    count = seen["count"]
    assert (count["exit"], count["rows"]) == ("success", 3)
    assert count["file"] == [3, 64, 64]
    assert count["ids"] == [1, 2, 3]
    assert count["shapes"]["cam"] == [1, 64, 64]
    totals = [data["cam-stats-total"] if "cam-stats-total" in data else data["stats-total"] for data in count["events"]]
    assert len(totals) == 3
    assert all(total > 0 for total in totals)


def test_scan_takes_one_frame_per_point(seen: dict[str, Any]) -> None:
    scan = seen["scan"]
    assert (scan["exit"], scan["rows"], scan["file"]) == ("success", 5, [5, 32, 48])
    assert [data["motor"] for data in scan["events"]] == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])


def test_fly_takes_all_frames_of_one_kickoff(seen: dict[str, Any]) -> None:
    fly = seen["fly"]
    assert (fly["exit"], fly["rows"], fly["file"]) == ("success", 20, [20, 32, 48])
    assert fly["ids"] == list(range(fly["ids"][0], fly["ids"][0] + 20))


def test_the_circular_buffer_gives_frames_of_a_camera_that_runs_on(seen: dict[str, Any]) -> None:
    buffer = seen["buffer"]
    assert (buffer["captured"], buffer["file"]) == (3, [3, 32, 48])
    assert buffer["ids"] == list(range(buffer["ids"][0], buffer["ids"][0] + 3))


def test_tiff_files_are_written_one_per_frame(seen: dict[str, Any]) -> None:
    assert (seen["tiff"]["exit"], seen["tiff"]["rows"]) == ("success", 4)
    assert seen["tiffs"] == [[64, 64]] * 4
