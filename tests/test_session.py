from pathlib import Path

import pytest
from wingbeat import start
from wingbeat.async_devices import DEFAULT_PATHS, SoftDetector
from wingbeat.async_devices.errors import NoPathProviderError
from wingbeat.engine import default
from wingbeat.engine.errors import EngineLockedError
from wingbeat.engine.plans import count


@pytest.fixture(autouse=True)
def no_default_paths():
    yield
    DEFAULT_PATHS.set(None)


async def test_it_says_where_the_data_goes_and_takes_plans_without_an_engine_being_named(tmp_path: Path, capsys):
    async with start(tmp_path / "data") as engine:
        said = capsys.readouterr().out
        assert str(tmp_path / "data" / "journal") in said
        assert str(tmp_path / "data" / "files") in said
        assert default.current() is engine
        run = await count([SoftDetector("det")], 2)
        assert run.exit_status == "success"
    assert list((tmp_path / "data" / "journal").glob("*.wbj"))


async def test_quiet_says_nothing(tmp_path: Path, capsys):
    async with start(tmp_path, quiet=True):
        await count([SoftDetector("det")], 2)
        assert capsys.readouterr().out == ""


async def test_a_run_is_shown_from_heading_to_status_before_the_plan_returns(tmp_path: Path, capsys):
    async with start(tmp_path, md={"sample": "gold"}):
        run = await count([SoftDetector("det")], 2)
        said = capsys.readouterr().out
    assert f"scan 1  count  run {run.uid}" in said
    assert "sample: gold" in said
    rows = [line.split() for line in said.splitlines() if line.split()[:1] in (["1"], ["2"])]
    assert [(row[0], row[2]) for row in rows] == [("1", "1"), ("2", "2")]
    assert said.splitlines()[-1].startswith(f"run {run.uid}  success  events: primary 2")


async def test_every_run_gets_a_directory_of_its_own_called_after_it(tmp_path: Path):
    async with start(tmp_path, quiet=True):
        places = []
        for _ in range(2):
            run = await count([SoftDetector("det")], 1)
            places.append(DEFAULT_PATHS.get()("cam").directory)
            assert places[-1].name == run.uid[:8]
            assert tmp_path / "files" in places[-1].parents
        assert places[0] != places[1]


async def test_a_directory_in_use_is_refused_and_the_session_that_uses_it_stays(tmp_path: Path):
    async with start(tmp_path, quiet=True) as engine:
        with pytest.raises(EngineLockedError, match="held by another engine"):
            start(tmp_path, quiet=True)
        assert default.current() is engine
        assert DEFAULT_PATHS.get() is not None


def test_without_a_session_a_detector_is_told_that_it_has_no_place_for_files():
    with pytest.raises(NoPathProviderError, match=r"wingbeat\.start"):
        DEFAULT_PATHS.get()
