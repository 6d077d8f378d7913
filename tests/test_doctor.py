"""The doctor says what is there, and what to do about what is not."""

import fcntl
import tomllib
from pathlib import Path

import pytest
from wingbeat import doctor

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]


def _names(requirements: list[str]) -> set[str]:
    """Distribution names without versions, extras of their own or conditions; Wingbeat's own extras are left out."""
    bare = {requirement.split(";")[0].split("[")[0].split(">")[0].strip().lower() for requirement in requirements}
    return bare - {"wingbeat"}


def test_every_check_on_this_machine_says_what_was_seen_and_expected(tmp_path: Path) -> None:
    checks = doctor.examine(tmp_path)
    assert all(check.name and check.seen and check.expected for check in checks)
    assert all(check.advice for check in checks if check.status != "ok")


def test_nothing_is_left_in_the_data_directory(tmp_path: Path) -> None:
    doctor.examine(tmp_path / "data")
    assert not list(tmp_path.iterdir())


def test_the_doctor_looks_for_what_the_project_declares() -> None:
    assert set(doctor.CORE) == _names(PROJECT["dependencies"])
    for extra, (packages, _) in doctor.EXTRAS.items():
        assert set(packages) == _names(PROJECT["optional-dependencies"][extra]), extra


def test_a_missing_extra_is_a_warning_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(doctor.EXTRAS, "epics", (("no-such-package-of-ours",), "to talk to IOCs"))
    check = doctor.check_extra("epics")
    assert check.status == "warn"
    assert "pip install 'wingbeat[epics]'" in check.advice


@pytest.mark.parametrize(("system", "status"), [("Linux", "ok"), ("Darwin", "warn"), ("Windows", "fail")])
def test_what_is_supported(system: str, status: str) -> None:
    assert doctor.check_platform(system).status == status


@pytest.mark.parametrize(
    ("environment", "status"),
    [
        ({}, "warn"),
        ({"EPICS_CA_ADDR_LIST": "10.0.0.7"}, "warn"),
        ({"EPICS_CA_ADDR_LIST": "10.0.0.255:5064", "EPICS_CA_AUTO_ADDR_LIST": "NO"}, "warn"),
        ({"EPICS_CA_ADDR_LIST": "127.0.0.1", "EPICS_CA_AUTO_ADDR_LIST": "NO"}, "ok"),
    ],
)
def test_a_broadcast_for_pvs_is_a_warning(environment: dict[str, str], status: str) -> None:
    assert doctor.check_epics("CA", environment=environment).status == status


def test_a_data_directory_that_cannot_be_made_fails_with_its_name(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    check = doctor.check_writable(file / "data")
    assert check.status == "fail"
    assert str(file) in check.expected


def test_a_full_disk_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "DISK_FAIL", float("inf"))
    assert doctor.check_disk(tmp_path).status == "fail"


def test_a_held_data_directory_names_the_process(tmp_path: Path) -> None:
    with (tmp_path / "engine.lock").open("w+") as lock:
        lock.write("4711\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "process 4711" in doctor.check_locks(tmp_path).seen


def test_a_lock_file_that_nobody_holds_is_no_matter(tmp_path: Path) -> None:
    (tmp_path / "engine.lock").write_text("4711\n")
    assert doctor.check_locks(tmp_path).status == "ok"


def test_the_table_has_a_line_per_check() -> None:
    checks = doctor.examine()
    assert doctor.render(checks).row_count == len(checks)
