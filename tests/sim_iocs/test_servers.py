"""The servers as processes: started by one call, slow, silent or away for a while, and back again."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from wingbeat.sim_iocs import NotServedError, RunningBeamline, running

pytestmark = [pytest.mark.system, pytest.mark.slow]
CLIENTS = Path(__file__).parent / "clients"
SMALL = {
    "motors": {"X": {}},
    "pmac": {},
    "panda": {},
    "cameras": {},
    "mcas": {},
}


async def client(beamline: RunningBeamline, script: str, *arguments: str) -> dict[str, Any]:
    """Run a client in a process of its own and give what it saw."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(CLIENTS / script), *arguments),
        env=os.environ | beamline.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    return json.loads(out.splitlines()[-1])


async def test_servers_fall_silent_get_slow_go_away_and_come_back_with_the_world_gone_on() -> None:
    box = {"panda": {"PANDA": {"encoders": {"INENC1": "X"}}}}
    async with running(SMALL | box) as beamline:
        seen = await client(beamline, "faulty_server.py")
    # A reply that would have come within milliseconds came when the server went on: over both protocols, of all PVs.
    assert all(seconds >= 0.4 for seconds in seen["silent"].values())
    assert sorted(seen["silent"]) == ["ca", "panda", "pva"]
    assert all(seconds >= 0.3 for seconds in seen["slow"].values())
    assert sorted(seen["slow"]) == ["ca", "panda", "pva"]
    # Whether the old clients have come back by the end is their affair.
    assert {name: states[:2] for name, states in seen["connections"].items()} == {
        "ca": [True, False],
        "pva": [True, False],
    }
    assert seen["away"] >= 0.5
    # The motor went on while nobody could see it.
    assert seen["after"] == {"ca": 1.5, "pva": 1.5}


async def test_where_circuits_block_a_second_put_with_completion_holds_up_everything() -> None:
    async with running(SMALL | {"faults": {"circuit_blocks": 1}}) as beamline:
        seen = await client(beamline, "blocked_circuit.py")
    assert seen["order"][0] == "first put"
    assert seen["read after"] >= seen["first after"]


async def test_texts_as_bytes_are_cut_and_keep_the_tail_of_what_was_longer() -> None:
    camera = {"cameras": {"CAM": {"traps": ["healthy_alarms"], "picture_axes": ["X", "X"]}}}
    async with running(SMALL | camera | {"texts": "bytes"}) as beamline:
        seen = await client(beamline, "texts.py")
    assert seen["form"] == ["int8", "String"]
    assert seen["long"] == "x" * 255
    assert seen["tail"] == "new-name" + "x" * 247
    assert seen["ended"] == "new"
    assert seen["by ca"] == "new"
    # Both protocols tell of a record that nobody has processed yet, and of a directory that is not there.
    assert seen["undefined"] == {"ca": 3, "pva": 3}
    assert seen["absent"] == {"ca": 2, "pva": 2}


async def test_tools_and_clients_of_others_read_the_new_devices() -> None:
    async with running() as beamline:
        seen = await client(beamline, "readers.py", beamline.prefix)
    for reader in ("aioca", "p4p", "caproto"):
        assert seen[reader]["mode"] == "User", reader
        assert seen[reader]["scaler"] == "I0", reader
        assert seen[reader]["spectrum"] == 4096, reader
        assert seen[reader]["current"] == pytest.approx(300, abs=1), reader
    assert seen["caproto-get"] == "Open"


async def test_what_cannot_start_says_why() -> None:
    with pytest.raises(NotServedError, match="resolution"):
        async with running({"motors": {"X": {"resolution": 0}}}):
            pass
