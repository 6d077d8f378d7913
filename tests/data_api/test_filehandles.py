"""Files are opened under the roots alone, kept open in bounds, and never mistaken for another."""

import os
import threading

import pytest
from wingbeat.data_api.errors import OutsideRootsError, UnreadableError
from wingbeat.data_api.filehandles import FileHandles
from wingbeat.data_api.roots import ReadableRoots


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def handles(root):
    handles = FileHandles(ReadableRoots([root]), limit=3)
    yield handles
    assert handles.statistics()["in_use"] == 0
    handles.close()


def test_only_what_lies_under_a_root_is_opened(root, handles, tmp_path):
    outside = tmp_path / "root-but-not-quite"
    outside.mkdir()
    (outside / "a").write_bytes(b"secret")
    (root / "link").symlink_to(outside / "a")
    (root / "loop").symlink_to(root / "loop")
    for path in (outside / "a", root / "link", root / ".." / "root-but-not-quite" / "a", root / "link" / ".."):
        with pytest.raises(OutsideRootsError), handles.lend(path):
            pass
    for path in (root / "loop", root / "nothing", root):
        with pytest.raises(UnreadableError), handles.lend(path) as file:
            file.read(0, 1)


def test_a_short_file_is_unreadable(root, handles):
    (root / "a").write_bytes(b"12345")
    with handles.lend(root / "a") as file:
        assert file.read(1, 4) == b"2345"
        with pytest.raises(UnreadableError, match="4 bytes"):
            file.read(1, 5)


def test_a_replaced_file_is_another_and_a_reader_of_the_old_one_is_not_disturbed(root, handles):
    (root / "a").write_bytes(b"old")
    with handles.lend(root / "a") as before:
        (root / "b").write_bytes(b"new")
        os.replace(root / "b", root / "a")
        with handles.lend(root / "a") as after:
            assert before.identity != after.identity
            assert (before.read(0, 3), after.read(0, 3)) == (b"old", b"new")
    assert handles.statistics() == {"open": 1, "in_use": 0}


def test_open_files_are_bounded_and_those_in_use_are_kept(root, handles):
    for i in range(10):
        (root / str(i)).write_bytes(b"%d" % i)
    with handles.lend(root / "0") as first:
        for i in range(1, 10):
            with handles.lend(root / str(i)) as file:
                assert file.read(0, 1) == b"%d" % i
        assert first.read(0, 1) == b"0"
        assert handles.statistics() == {"open": 3, "in_use": 1}


def test_many_threads_share_them(root, handles):
    for i in range(6):
        (root / str(i)).write_bytes(b"%d" % i * 1000)
    wrong = []

    def read(seed):
        for i in range(300):
            name = (i * seed) % 6
            with handles.lend(root / str(name)) as file:
                if file.read(990, 10) != b"%d" % name * 10:
                    wrong.append(name)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in (1, 5, 7, 11)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert handles.statistics()["open"] <= 3
