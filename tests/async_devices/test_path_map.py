"""Places as IOC, client and server see them; directories by date, proposal and sample."""

from datetime import datetime
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wingbeat.async_devices import PathInfo, RunPathProvider, StaticPathProvider
from wingbeat.async_devices import path_map as module
from wingbeat.async_devices.errors import PathRefusedError
from wingbeat.async_devices.path_map import MappedPathProvider, PathMap, PathRule, check_place, writer_path
from wingbeat.async_devices.path_trees import ProposalTree, by_date, flat

NOON = datetime(2026, 11, 22, 12)


def mapped(tmp_path, writer, server=None):
    rule = PathRule(client=str(tmp_path), writer=writer, server=server)
    return MappedPathProvider(StaticPathProvider(tmp_path / "run 1"), PathMap(rule))("cam")


def test_an_ioc_on_windows_is_told_its_own_path_and_readers_theirs(tmp_path):
    info = mapped(tmp_path, "X:\\data", server="/exports/i99")
    assert str(info.directory) == "X:\\data\\run 1"
    assert info.uri_directory == "file://localhost/exports/i99/run%201/"
    said = r"x:\DATA\run 1\cam-0001.h5"
    assert info.uri_of(said, writer="cam") == "file://localhost/exports/i99/run%201/cam-0001.h5"
    assert info.client_path_of(said, writer="cam") == tmp_path / "run 1" / "cam-0001.h5"


def test_another_mount_is_another_path_of_the_same_kind(tmp_path):
    info = mapped(tmp_path, "/nfs/beamline")
    assert info.directory == PurePosixPath("/nfs/beamline/run 1")
    assert info.client == tmp_path / "run 1"


def test_a_writer_that_writes_elsewhere_is_named(tmp_path):
    info = mapped(tmp_path, "X:\\data")
    with pytest.raises(PathRefusedError, match=r"cam writes X:\\other\\a.h5, expected a file in X:\\data\\run 1"):
        info.uri_of("X:\\other\\a.h5", writer="cam")


def test_the_longest_rule_counts_and_a_place_without_one_is_refused():
    paths = PathMap(PathRule(client="/data", writer="/a"), PathRule(client="/data/fast", writer="/b"))
    assert paths.writer_directory(Path("/data/fast/x")) == PurePosixPath("/b/x")
    assert paths.writer_directory(Path("/data/faster")) == PurePosixPath("/a/faster")
    with pytest.raises(PathRefusedError, match=r"no rule says how the writer sees /tmp.*/data"):
        paths.writer_directory(Path("/tmp"))


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0\\:", exclude_categories=["C"]), min_size=1)


@given(st.lists(NAMES.filter(lambda name: name.strip(". ") == name), max_size=3))
def test_what_lies_below_a_rule_lies_below_it_for_everybody(parts):
    paths = PathMap(PathRule(client="/c", writer="/w", server="/s"))
    directory = Path("/c", *parts)
    info = PathInfo(
        directory=paths.writer_directory(directory),
        filename="a",
        uri_directory=paths.uri_directory(directory),
        client_directory=directory,
    )
    assert info.client_path_of(str(info.directory / "a.h5"), writer="w") == directory / "a.h5"
    there = PathInfo(directory=info.directory, filename="a", uri_directory=info.uri_directory)
    assert there.client == Path("/s", *parts)


def test_windows_paths_are_told_by_their_drive_or_share():
    assert isinstance(writer_path(r"\\server\share\x"), PureWindowsPath)
    assert isinstance(writer_path("/data"), PurePosixPath)


async def test_a_directory_that_this_process_does_not_see_is_refused(tmp_path, virtual_clock):
    info = PathInfo(directory=PurePosixPath("/ioc"), filename="a", uri_directory="", client_directory=tmp_path / "gone")
    with pytest.raises(PathRefusedError, match=r"told to write into /ioc, but this process does not see .*/gone"):
        await check_place(info, ".h5", writer="cam")


async def test_a_directory_that_appears_late_is_waited_for(tmp_path, virtual_clock, monkeypatch):
    looks = iter([False, False, True])
    monkeypatch.setattr(module.Path, "is_dir", lambda self: next(looks))
    await check_place(PathInfo.local(tmp_path, "a"), ".h5", writer="cam")
    assert next(looks, None) is None


async def test_a_file_that_is_there_is_not_written_over(tmp_path):
    (tmp_path / "a.h5").touch()
    with pytest.raises(PathRefusedError, match=r"a.h5 exists already"):
        await check_place(PathInfo.local(tmp_path, "a"), ".h5", writer="cam")


def test_runs_go_below_proposal_and_sample_or_a_date_or_nothing(tmp_path):
    tree = ProposalTree("cm12345", sample="wafer-7")
    provider = RunPathProvider(tmp_path, tree=tree)
    year = str(datetime.now().astimezone().year)
    assert provider.begin() == tmp_path / year / "cm12345" / "wafer-7" / "00001"
    tree.sample = "wafer-8"
    assert provider.begin("abc") == tmp_path / year / "cm12345" / "wafer-8" / "abc"
    assert str(by_date(NOON)) == "2026/11/22"
    numbered = RunPathProvider(tmp_path / "plain", tree=flat)
    assert [numbered.begin().name, numbered.begin().name] == ["00001", "00002"]


@pytest.mark.parametrize("name", ["../x", "a/b", "..", "a b", ""])
def test_a_proposal_that_cannot_name_a_directory_is_refused(name):
    with pytest.raises(PathRefusedError, match="cannot name a directory"):
        ProposalTree(name)
