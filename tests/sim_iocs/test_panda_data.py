"""The capture file, while it grows and afterwards."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from wingbeat.sim_iocs.errors import RefusedPutError
from wingbeat.sim_iocs.panda_data import DataBlock
from wingbeat.sim_iocs.panda_rows import CaptureBatch, Column

START = 1_800_000_000_123_456_784
COLUMNS = (
    Column("COUNTER1.OUT", "Value", None),
    Column("PCAP.TS_START", "Value", None),
    Column("PCAP.GATE_DURATION", "Value", None),
)
NAMES = [column.name for column in COLUMNS]

READER = """
import h5py, json, sys
with h5py.File(sys.argv[1], "r", swmr=True) as file:
    print(json.dumps({"rows": file["COUNTER1.OUT.Value"][:].tolist(), "start": int(file.attrs["start_time_ns"])}))
"""


def batch(first: int, size: int, *, start_ns: int = START) -> CaptureBatch:
    numbers = np.arange(first, first + size, dtype=np.float64)
    columns: dict[str, Any] = dict(zip(NAMES, (numbers, numbers / 1000, numbers.astype(np.uint32)), strict=True))
    return CaptureBatch(start_ns - 8, start_ns, columns, size)


class Bench:
    """A DATA block whose posts and clock are at hand."""

    def __init__(self, directory: Path) -> None:
        self.shown: dict[str, Any] = {}
        self.history: list[tuple[str, Any]] = []
        self.now = START
        self.columns = COLUMNS
        self.block = DataBlock(
            lambda: self.now, lambda: self.columns, names=lambda: dict(zip(NAMES, NAMES, strict=True)), post=self.post
        )
        self.block.directory, self.block.file_name = str(directory), "scan.h5"
        self.path = directory / "scan.h5"

    def post(self, name: str, value: Any) -> None:
        self.shown[name] = value
        self.history.append((name, value))

    async def settle(self) -> None:
        """Turn until all is written and readable."""
        for _ in range(1000):
            self.now += 10_000_000
            await self.block.turn()
            if not self.block.busy:
                return
            await asyncio.sleep(0.001)
        pytest.fail("the DATA block stays busy")

    async def seen_by_a_reader(self) -> dict[str, Any]:
        """What another process reads of the file in SWMR mode."""
        command = [sys.executable, "-c", READER, str(self.path)]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True, timeout=30)
        return json.loads(done.stdout)


@asynccontextmanager
async def bench(directory: Path) -> AsyncIterator[Bench]:
    made = Bench(directory)
    try:
        yield made
    finally:
        await made.block.aclose()


async def test_rows_can_be_read_by_another_process_as_soon_as_they_are_counted(tmp_path: Path) -> None:
    async with bench(tmp_path) as data:
        await data.block.start()
        assert await data.seen_by_a_reader() == {"rows": [], "start": 0}
        data.block.feed([batch(1, 3), batch(4, 2)], None)
        await data.settle()
        assert data.shown["num_captured"] == data.shown["num_received"] == 5
        assert await data.seen_by_a_reader() == {"rows": [1, 2, 3, 4, 5], "start": START}


async def test_flush_does_not_wait_for_its_period(tmp_path: Path) -> None:
    async with bench(tmp_path) as data:
        data.block.flush_period = 3600.0
        await data.block.start()
        data.block.feed([batch(1, 3)], None)
        await data.block.turn()
        data.block.feed([batch(4, 1)], None)
        assert data.shown["num_captured"] == 0
        await data.block.flush()
        assert data.shown["num_captured"] == 4
        assert (await data.seen_by_a_reader())["rows"] == [1, 2, 3, 4]


async def test_the_file_has_the_layout_that_clients_expect(tmp_path: Path) -> None:
    async with bench(tmp_path) as data:
        await data.block.start()
        data.block.feed([batch(1, 2000)], None)
        await data.block.finish()
    with h5py.File(data.path) as file:
        assert {name: (file[name].shape, file[name].dtype.str, file[name].chunks) for name in file} == {
            "COUNTER1.OUT.Value": ((2000,), "<f8", (1024,)),
            "PCAP.TS_START.Value": ((2000,), "<f8", (1024,)),
            "PCAP.GATE_DURATION.Value": ((2000,), "<u4", (1024,)),
        }
        assert file.attrs["start_time_ns"] == START
        assert file.attrs["start_time_ns"].dtype == np.int64
        assert file.attrs["start_time"] == b"2027-01-15T08:00:00.123456784Z"
        assert file.attrs["arm_time"] == b"2027-01-15T08:00:00.123456776Z"


async def test_the_start_is_in_the_file_before_the_first_row(tmp_path: Path) -> None:
    async with bench(tmp_path) as data:
        await data.block.start()
        data.block.feed([], (START - 8, START))
        await data.block.turn()
        await data.block.flush()
        assert await data.seen_by_a_reader() == {"rows": [], "start": START}


async def test_stamps_of_a_second_arming_count_from_the_files_start(tmp_path: Path) -> None:
    async with bench(tmp_path) as data:
        await data.block.start()
        data.block.feed([batch(1, 1)], None)
        data.block.feed([batch(1, 1, start_ns=START + 2_000_000_000)], None)
        await data.block.finish()
    with h5py.File(data.path) as file:
        assert file["PCAP.TS_START.Value"][:].tolist() == pytest.approx([0.001, 2.001])


async def test_first_n_ends_by_itself_with_exactly_n_rows(tmp_path: Path) -> None:
    async with bench(tmp_path) as data:
        data.block.capture_mode, data.block.num_capture = "FIRST_N", 7
        await data.block.start()
        for first in range(1, 12, 4):
            data.block.feed([batch(first, 4)], None)
            await data.block.turn()
        await data.settle()
        assert not data.block.capturing
        assert data.history[-1] == ("capture", False)
        assert data.shown["num_captured"] == 7
    with h5py.File(data.path) as file:
        assert file["COUNTER1.OUT.Value"][:].tolist() == [1, 2, 3, 4, 5, 6, 7]


async def test_last_n_keeps_the_last_rows(tmp_path: Path) -> None:
    async with bench(tmp_path) as data:
        data.block.capture_mode, data.block.num_capture = "LAST_N", 5
        await data.block.start()
        for first in range(1, 12, 4):
            data.block.feed([batch(first, 4)], None)
            await data.settle()
        await data.block.finish()
        assert data.shown["num_received"] == 12
    with h5py.File(data.path) as file:
        assert file["COUNTER1.OUT.Value"][:].tolist() == [8, 9, 10, 11, 12]


async def test_counts_are_reset_before_capture_begins_and_closed_before_it_ends(tmp_path: Path) -> None:
    async with bench(tmp_path) as data:
        await data.block.start()
        data.block.feed([batch(1, 2)], None)
        await data.block.finish()
        data.history.clear()
        await data.block.start()
        assert data.history[:2] == [("num_captured", 0), ("num_received", 0)]
        assert ("status", "capturing") in data.history
        data.block.feed([batch(1, 1)], None)
        data.history.clear()
        await data.block.finish()
        assert data.history[-3:] == [("num_captured", 1), ("status", "idle"), ("capture", False)]


async def test_finishing_while_rows_are_being_written_loses_none(tmp_path: Path) -> None:
    async with bench(tmp_path) as data:
        await data.block.start()
        for first in range(1, 1000, 10):
            data.block.feed([batch(first, 10)], None)
            await data.block.turn()
        await asyncio.gather(data.block.finish(), data.block.finish())
    with h5py.File(data.path) as file:
        assert file["COUNTER1.OUT.Value"][:].tolist() == list(range(1, 1001))


async def test_a_cancelled_end_still_has_all_rows_after_the_next(tmp_path: Path) -> None:
    async with bench(tmp_path) as data:
        await data.block.start()
        data.block.feed([batch(1, 500)], None)
        ending = asyncio.ensure_future(data.block.finish())
        await asyncio.sleep(0)
        ending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await ending
        await data.block.finish()
    with h5py.File(data.path) as file:
        assert file["COUNTER1.OUT.Value"].shape == (500,)


async def test_a_write_that_fails_ends_the_capture_and_says_which_rows_are_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    async with bench(tmp_path) as data:
        await data.block.start()
        data.block.feed([batch(1, 3)], None)
        await data.settle()
        monkeypatch.setattr(h5py.Dataset, "resize", full_disk)
        data.block.feed([batch(4, 3)], None)
        await data.settle()
        assert not data.block.capturing
        assert data.shown["capture"] is False
        assert "No space left on device; rows after 3 are lost" in data.shown["status"]


async def test_what_is_missing_before_a_capture_is_named(tmp_path: Path) -> None:
    async with bench(tmp_path) as data:
        data.block.file_name = ""
        with pytest.raises(RefusedPutError, match="hdf_file_name ''"):
            await data.block.start()
        data.block.file_name, data.columns = "scan.h5", ()
        with pytest.raises(RefusedPutError, match="no field is selected"):
            await data.block.start()
        data.columns, data.block.directory = COLUMNS, str(tmp_path / "nowhere")
        with pytest.raises(OSError, match="nowhere"):
            await data.block.start()
        assert not data.block.capturing


async def test_directories_are_made_only_as_deep_as_allowed(tmp_path: Path) -> None:
    async with bench(tmp_path) as data:
        assert await data.block.set_directory(str(tmp_path))
        assert not await data.block.set_directory(str(tmp_path / "a"))
        data.block.create_directory = -2
        assert await data.block.set_directory(str(tmp_path / "a" / "b"))
        assert not await data.block.set_directory(str(tmp_path / "c" / "d" / "e"))
        assert not (tmp_path / "c").exists()
