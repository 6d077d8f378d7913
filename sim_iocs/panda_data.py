"""The DATA block: takes captured rows to an HDF5 file, as the PandA's IOC does.

Theory of operation. A put of 1 to `capture` opens the file, resets the counts and only then reads back 1; a put of 0
writes what is pending, closes the file and only then reads back 0. In between `feed` collects batches, and `turn`
hands them to one writer thread, at most one piece of work at a time: while the disk is slow, rows wait in memory in
order, and nothing of the timeline waits for the disk. `num_received` counts rows handed over by PCAP, `num_captured`
those that a SWMR reader can see, so it moves with flush_period (0: at every write). FIRST_N ends by itself; LAST_N
keeps the last N rows in memory and writes them when capture ends.

When an arming ends, `end_reason` says why. FOREVER then waits for the next arming, whatever the reason; its status
says so if rows were lost, and nothing else does. FIRST_N and LAST_N of a number end with the arming, complete or not.
Rows that were made in an arming before the file was open are `missed`.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from .errors import RefusedPutError
from .panda_pcap import DISARMED, OK
from .panda_rows import CaptureBatch, Column
from .panda_writer import CHUNK_ROWS, CaptureFile

_WRITE_ERRORS = (OSError, RuntimeError)  # h5py raises either when the disk is full

Post = Callable[[str, Any], None]
"""Shows a value in a field of the DATA block."""


class DataBlock:
    """State of the DATA block.

    Args:
        clock: the beamline's clock, Unix ns.
        columns: what an arming would capture now.
        names: the dataset name of each column.
        post: shows a value in a field.
    """

    def __init__(
        self,
        clock: Callable[[], int],
        columns: Callable[[], tuple[Column, ...]],
        *,
        names: Callable[[], dict[str, str]],
        post: Post,
    ) -> None:
        self.directory, self.file_name = "", ""
        self.create_directory = self.num_capture = 0
        self.capture_mode = "FOREVER"
        self.flush_period = 0.1
        self._clock, self._columns, self._names, self._post = clock, columns, names, post
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="panda-hdf")
        self._lock = asyncio.Lock()
        self._file: CaptureFile | None = None
        self._pending: list[CaptureBatch] = []
        self._work: asyncio.Future[int] | None = None
        self._received = 0
        self._started: tuple[int, int] | None = None
        self._stamped = False
        self._flushed_ns = 0
        self._error = self._early = ""
        self._over = False
        self._unseen = (0, 0)

    @property
    def capturing(self) -> bool:
        """Whether a file is open."""
        return self._file is not None

    @property
    def busy(self) -> bool:
        """Whether `turn` still has something to do."""
        file = self._file
        if file is None:
            return False
        waiting = self._pending and self.capture_mode != "LAST_N"
        return bool(waiting or self._error or self._over) or self._work is not None or file.readable < file.rows

    async def set_directory(self, directory: str) -> bool:
        """Take the directory, making at most |create_directory| missing levels; gives whether it can be written to."""
        self.directory = directory
        return await self._call(_ready_directory, Path(directory), abs(self.create_directory))

    async def start(self) -> None:
        """Open the file; without effect while one is open.

        Raises:
            RefusedPutError: no directory or name was given, or nothing is selected for capture.
            OSError: the file cannot be made.
        """
        async with self._lock:
            if self._file is not None:
                return
            if not self.directory or not self.file_name:
                seen = f"hdf_directory {self.directory!r}, hdf_file_name {self.file_name!r}"
                raise RefusedPutError(f"capture: expected a directory and a file name, seen {seen}; set both first")
            columns, path = self._columns(), Path(self.directory, self.file_name)
            if not columns:
                raise RefusedPutError("capture: no field is selected; set a *_capture field to something but No")
            self._pending, self._received, self._started, self._stamped, self._error = [], 0, None, False, ""
            self._early, self._over = "", False
            for name in ("num_captured", "num_received", "missed"):
                self._post(name, 0)
            self._post("end_reason", "")
            self._file = await self._call(partial(CaptureFile, path, columns=columns, names=self._names()))
            self._flushed_ns = self._clock()
            self._post("hdf_full_file_path", str(path))
            self._post("status", "capturing")

    async def finish(self) -> None:
        """Write what is pending and close the file; without effect while none is open."""
        async with self._lock:
            file = self._file
            if file is None:
                return
            try:
                await self._settle()
                if not self._error:
                    await self._write_pending(file)
            except _WRITE_ERRORS as error:
                self._error = str(error)
            await self._close(file)
            self._file, self._pending = None, []
        self._post("capture", False)

    async def flush(self) -> None:
        """Return when the rows received so far can be read (but those that LAST_N holds back)."""
        async with self._lock:
            if self._file is None:
                return
            try:
                await self._settle()
                if self.capture_mode != "LAST_N":
                    await self._write_pending(self._file)
                self._post("num_captured", await self._call(self._file.flush))
            except _WRITE_ERRORS as error:
                self._error = str(error)
                raise RefusedPutError(f"flush: {self._file.path} cannot be written: {error}") from error
            self._flushed_ns = self._clock()

    def feed(self, batches: list[CaptureBatch], started: tuple[int, int] | None) -> None:
        """Take rows over; `started` is (armed_ns, start_ns) of the arming that runs, if one does."""
        if self._file is None:
            for batch in batches:
                armed_ns, rows = self._unseen
                self._unseen = (batch.armed_ns, (rows if armed_ns == batch.armed_ns else 0) + batch.size)
            return
        for batch in batches:
            self._receive(batch)
        self._post("num_received", self._received)
        if self.capture_mode == "LAST_N" and self.num_capture:
            self._trim()
        self._started = self._started or started

    def _receive(self, batch: CaptureBatch) -> None:
        armed_ns, rows = self._unseen
        if rows and armed_ns == batch.armed_ns:
            self._post("missed", rows)
        self._unseen = (0, 0)
        if not self._over:
            self._pending.append(batch)
            self._received += batch.size
        if batch.end is not None:
            self._end(batch.end)

    def _end(self, reason: str) -> None:
        """An arming is over: what that means depends on what was asked for."""
        self._post("end_reason", reason)
        if self.capture_mode != "FOREVER" and self.num_capture:
            self._over = True
            complete = self._received >= self.num_capture
            self._early = "" if complete else f"{reason} after {self._received} of {self.num_capture} rows"
        elif reason not in (OK, DISARMED):
            self._post("status", f"{reason} after {self._received} rows; waiting for next arming")

    async def turn(self) -> None:
        """Collect finished work, start new; called at every turn of the pump."""
        if self._lock.locked() or self._file is None:
            return
        try:
            self._collect(self._file)
        except _WRITE_ERRORS as error:
            self._error = str(error)
        if self._error or self._over or self._full(self._file):
            await self.finish()
        elif self._work is None:
            self._submit(self._file)

    async def aclose(self) -> None:
        """Close the file and end the thread."""
        await self.finish()
        self._thread.shutdown()

    def _collect(self, file: CaptureFile) -> None:
        if self._work is not None and self._work.done():
            work, self._work = self._work, None
            work.result()
            self._post("num_captured", file.readable)

    def _full(self, file: CaptureFile) -> bool:
        wanted = self.num_capture if self.capture_mode == "FIRST_N" else 0
        return 0 < wanted <= file.rows or (0 < wanted <= self._received and self._work is None)

    def _submit(self, file: CaptureFile) -> None:
        due = self._clock() - self._flushed_ns >= self.flush_period * 1e9
        hold = self.capture_mode == "LAST_N"
        rows = sum(batch.size for batch in self._pending)
        # Small pieces wait for the flush, which is when a reader can see them.
        hold |= not due and rows < CHUNK_ROWS
        batches = [] if hold else self._pending
        stamp = None if self._stamped else self._started
        if not (batches or stamp or (due and file.readable < file.rows)):
            return
        self._stamped = self._stamped or stamp is not None
        self._pending = self._pending if hold else []
        if due:
            self._flushed_ns = self._clock()
        loop = asyncio.get_running_loop()
        self._work = loop.run_in_executor(self._thread, _write, file, batches, (self._limit(), stamp, due))

    async def _close(self, file: CaptureFile) -> None:
        """A row lost to the disk is said, never replaced by the one after it."""
        try:
            self._post("num_captured", await self._call(file.close))
        except _WRITE_ERRORS as error:
            self._error = self._error or str(error)
        lost = f"error: {file.path}: {self._error}; rows after {file.readable} are lost"
        self._post("status", lost if self._error else self._early or "idle")
        self._over = False

    async def _write_pending(self, file: CaptureFile) -> None:
        batches, self._pending = self._pending, []
        await self._call(_write, file, batches, (self._limit(), None, False))

    def _limit(self) -> int | None:
        return self.num_capture if self.capture_mode == "FIRST_N" and self.num_capture > 0 else None

    async def _settle(self) -> None:
        work, self._work = self._work, None
        if work is not None:
            await asyncio.shield(work)

    async def _call(self, f: Callable[..., Any], *args: Any) -> Any:
        # Shielded: a cancelled pump must not take rows out of the thread's queue.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, f, *args))

    def _trim(self) -> None:
        surplus = sum(batch.size for batch in self._pending) - self.num_capture
        while self._pending and surplus >= self._pending[0].size:
            surplus -= self._pending.pop(0).size
        if surplus > 0:
            first = self._pending[0]
            columns = {name: values[surplus:] for name, values in first.columns.items()}
            self._pending[0] = first._replace(columns=columns, size=first.size - surplus)


def _write(file: CaptureFile, batches: list[CaptureBatch], how: tuple[int | None, tuple[int, int] | None, bool]) -> int:
    limit, stamp, flush = how
    if stamp is not None:
        file.stamp(*stamp)
    for batch in batches:
        file.append(batch, limit=limit)
    if flush:
        file.flush()
    return file.rows


def _ready_directory(directory: Path, levels: int) -> bool:
    missing = 0
    parent = directory
    while not parent.exists() and parent != parent.parent:
        missing, parent = missing + 1, parent.parent
    if 0 < missing <= levels:
        directory.mkdir(parents=True, exist_ok=True)
    return directory.is_dir() and os.access(directory, os.W_OK)
