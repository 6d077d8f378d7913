import os
from pathlib import Path

import pytest
from wingbeat.demo.child import child_server
from wingbeat.demo.errors import ServerStartError


@pytest.fixture
def module_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Gives a module name for a few lines of Python that a child can run."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def make(source: str) -> str:
        (tmp_path / "little_server.py").write_text(source)
        return "little_server"

    return make


async def test_the_ready_line_is_handed_on_and_the_child_leaves_with_the_block(tmp_path: Path, module_of):
    module = module_of(
        "import sys, pathlib\n"
        'print(\'{"ready": true, "arguments": "%s"}\' % sys.argv[1], flush=True)\n'
        "sys.stdin.read()\n"
        f"pathlib.Path({str(tmp_path / 'left')!r}).touch()\n"
    )
    async with child_server(module, ["given"], log=tmp_path / "log") as ready:
        assert ready == {"ready": True, "arguments": "given"}
        assert not (tmp_path / "left").exists()
    assert (tmp_path / "left").exists()


async def test_a_child_that_ends_at_once_is_reported_with_its_status_and_its_last_line(tmp_path: Path, module_of):
    module = module_of("import sys\nsys.exit('port 80 is taken')\n")
    with pytest.raises(ServerStartError, match="status 1 before it was ready: port 80 is taken"):
        async with child_server(module, [], log=tmp_path / "log"):
            pytest.fail("not ready")


async def test_an_error_in_the_block_ends_the_child_too(tmp_path: Path, module_of):
    module = module_of("import os, sys\nprint(os.getpid(), flush=True)\nsys.stdin.read()\n")
    pids = []

    async def fail_beside_it() -> None:
        async with child_server(module, [], log=tmp_path / "log") as ready:
            pids.append(ready)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_beside_it()
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)
