import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from wingbeat.async_devices import SoftDetector
from wingbeat.engine import RunEngine
from wingbeat.engine.errors import DocumentError, EngineLockedError, JournalError
from wingbeat.engine.plans import count


async def test_metadata_and_scan_id_outlive_the_engine(tmp_path: Path, det: SoftDetector) -> None:
    async with RunEngine(tmp_path, md={"user": "ada"}) as engine:
        engine.md["sample"] = {"name": "gold", "thickness": 0.1}
        await engine(count([det]))
    async with RunEngine(tmp_path) as engine:
        assert engine.md["sample"] == {"name": "gold", "thickness": 0.1}
        run = await engine(count([det]))
        assert run.start is not None
        assert (run.start["scan_id"], run.start["user"]) == (2, "ada")
        del engine.md["user"]
    async with RunEngine(tmp_path) as engine:
        assert "user" not in engine.md


async def test_a_second_engine_on_the_directory_is_refused_by_process_and_place(tmp_path: Path) -> None:
    async with RunEngine(tmp_path):
        with pytest.raises(EngineLockedError, match=rf"{tmp_path}.*process {os.getpid()}"):
            RunEngine(tmp_path)
    async with RunEngine(tmp_path):
        pass


HOLDER = """
import sys
from wingbeat.engine import RunEngine
engine = RunEngine(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_the_lock_of_a_killed_process_is_gone(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(EngineLockedError, match=f"process {child.pid}"):
            RunEngine(tmp_path)
        child.kill()
    asyncio.run(RunEngine(tmp_path).aclose())


async def test_metadata_that_are_no_json_are_refused_and_the_old_ones_stay(tmp_path: Path) -> None:
    async with RunEngine(tmp_path) as engine:
        engine.md["sample"] = "gold"
        with pytest.raises(DocumentError, match="JSON"):
            engine.md["sample"] = object()
        assert engine.md["sample"] == "gold"


async def test_a_damaged_metadata_file_is_named_and_the_lock_is_let_go(tmp_path: Path) -> None:
    (tmp_path / "md.json").write_text('{"sample": ')
    with pytest.raises(JournalError, match=r"md\.json"):
        RunEngine(tmp_path)
    (tmp_path / "md.json").unlink()
    async with RunEngine(tmp_path):
        pass


async def test_an_engine_without_a_directory_leaves_none_behind(det: SoftDetector) -> None:
    async with RunEngine() as engine:
        await engine(count([det]))
        directory = engine.data_dir
        assert directory.exists()
    assert not directory.exists()
