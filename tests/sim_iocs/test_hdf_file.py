"""Files of the HDF5 plugin, read by libraries that we did not write."""

import errno
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest
from wingbeat.sim_iocs.file_desk import RemoteDesk
from wingbeat.sim_iocs.hdf_codecs import COMPRESSIONS, NEVER, Compression, available
from wingbeat.sim_iocs.hdf_file import FileLayout
from wingbeat.sim_iocs.picture import Scene, read_trigger

from .test_nd_queue import shots

PACKED = [name for name in COMPRESSIONS if name not in NEVER]


def scene(side: int = 32, dtype: str = "uint16", **rest) -> Scene:
    return Scene(seed=0, shape=(side, side), dtype=dtype, **rest)


def written(path: Path, layout: FileLayout, count: int) -> None:
    file = layout.make(path)
    for row in range(0, count, 7):
        file.write(shots(list(range(count))).rows(slice(row, row + 7)))
    file.close()


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("frames", [1, 4])
@pytest.mark.parametrize(("side", "dtype"), [(32, "uint16"), (7, "uint8"), (200, "float32")])
def test_every_compression_is_read_by_its_own_plugin(tmp_path: Path, name: str, frames: int, side: int, dtype) -> None:
    what = scene(side, dtype)
    assert available(name)
    written(tmp_path / "a.h5", FileLayout(scenery=what, chunk_frames=frames, compression=Compression(name=name)), 10)
    paint = what.painter()
    with h5py.File(tmp_path / "a.h5") as file:
        data = file["/entry/data/data"]
        assert data.shape == (10, side, side)
        for row in range(10):
            assert np.array_equal(data[row], paint(0.0, 0.0, row + 1, 1.0))
        assert data.id.get_create_plist().get_nfilters() == (name != "None")


def test_bitshuffle_declares_what_its_own_plugin_declares_in_a_process_without_it(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        file.create_dataset("a", data=np.zeros((1, 8, 8), "u2"), chunks=(1, 8, 8), **hdf5plugin.Bitshuffle(cname="lz4"))
        theirs = file["a"].id.get_create_plist().get_filter(0)[2]
    desk = RemoteDesk()
    layout = FileLayout(scenery=scene(8), compression=Compression(name="BSLZ4"))
    desk.open(tmp_path / "ours.h5", layout)
    desk.write(shots([0, 1]))
    desk.end()
    with h5py.File(tmp_path / "ours.h5") as file:
        ours = file["/entry/data/data"].id.get_create_plist().get_filter(0)[2]
        assert ours[2:] == theirs[2:]
        assert read_trigger(file["/entry/data/data"][1]) == 2


@pytest.mark.parametrize("direct", [True, False])
def test_large_frames_are_the_same_past_the_page_cache_and_through_it(tmp_path: Path, direct: bool) -> None:
    written(tmp_path / "a.h5", FileLayout(scenery=scene(512), direct=direct), 40)
    with h5py.File(tmp_path / "a.h5") as file:
        data = file["/entry/data/data"]
        assert [read_trigger(image) for image in data] == list(range(1, 41))
        assert np.array_equal(data[39], scene(512).painter()(0.0, 0.0, 40, 1.0))


def test_a_pools_chunks_are_packed_once_and_written_in_turn(tmp_path: Path) -> None:
    pooled = scene(64, pool=8)
    written(tmp_path / "a.h5", FileLayout(scenery=pooled, compression=Compression(name="BSLZ4")), 30)
    with h5py.File(tmp_path / "a.h5") as file:
        assert [read_trigger(image) for image in file["/entry/data/data"]] == [row % 8 + 1 for row in range(30)]


class FullDisk(Scene):
    """A scene of which frame 20 cannot be written."""

    def painter(self):
        paint = super().painter()

        def painting(x: float, y: float, trigger: int, light: float):
            if trigger == 20:
                raise OSError(errno.ENOSPC, "no room")
            return paint(x, y, trigger, light)

        return painting


@pytest.mark.parametrize("swmr", [True, False])
@pytest.mark.parametrize("side", [32, 512])
def test_what_was_not_written_because_of_an_error_is_no_row(tmp_path: Path, side: int, swmr: bool) -> None:
    what = FullDisk(seed=0, shape=(side, side), dtype="uint16")
    file = FileLayout(scenery=what, swmr=swmr).make(tmp_path / "a.h5")
    with pytest.raises(OSError, match="no room"):
        file.write(shots(list(range(30))))
    rows = file.close()
    with h5py.File(tmp_path / "a.h5") as opened:
        found = opened["/entry/data/data"][:]
        ids = opened["/entry/instrument/NDAttributes/NDArrayUniqueId"][:].tolist()
    assert [read_trigger(image) for image in found] == list(range(1, rows + 1))
    assert 15 <= rows < 20
    assert ids == list(range(1, rows + 1))


def test_the_death_of_the_writing_process_is_an_error_and_the_next_file_is_written(tmp_path: Path) -> None:
    desk = RemoteDesk()
    desk.open(tmp_path / "a.h5", FileLayout(scenery=scene()))
    desk.write(shots([0]))
    assert desk._child is not None
    desk._child.kill()
    with pytest.raises(OSError, match=r"ended with status -9; the next capture starts another"):
        desk.write(shots([0]))
    desk.open(tmp_path / "b.h5", FileLayout(scenery=scene()))
    assert desk.write(shots([0, 1])) == 2
    desk.end()
    # As an IOC leaves it that is killed.
    with pytest.raises(OSError, match=r"already open for write|unable to"):
        h5py.File(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", swmr=True) as file:
        assert file["/entry/data/data"].shape[0] == 1
