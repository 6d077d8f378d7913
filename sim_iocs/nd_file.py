"""What every file plugin does: names, captures, a queue of frames for the one thread that writes.

Theory of operation. Arrays that the plugin's queue lets through are given to `run`, one task for the plugin's life,
which takes them in batches and has a desk write them. All changes of state happen in that task, or before it has
anything to do:

    Done → (Capture = 1) → Capturing → (Capture = 0, NumCapture reached, or a file error) → Done

Orders that clients rely on: NumCaptured_RBV is 0 and a non-lazy file is open before Capture_RBV says Capturing;
NumCaptured_RBV counts frames that were written; on Capture = 0 what has arrived is written, the file is closed, and
only then does Capture_RBV say Done and the put on Capture = 1 complete. FlushNow completes when everything that the
queue let through before it is readable. What waits for the thread is bounded by BACKLOG frames (they are descriptions,
not pixels); beyond, frames are dropped and counted, as they are when a fault asks for it. Frames belong to the capture
that was going on when they arrived; Capture = 1 during a capture ends that and starts the same file name again.
"""

import asyncio
import errno
import os
import re
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from .camera_faults import CameraFaults
from .camera_settings import Trap
from .file_desk import Desk, Layout, LocalDesk, RemoteDesk
from .nd_plugin import NDPlugin
from .ndarray import NO_YES, Ports
from .pv import Kind
from .scenery import Scenery
from .shots import Shots

BACKLOG = 100_000
BATCH_NBYTES, BATCH_FRAMES = 16_000_000, 1000
# h5py raises either when the disk is full.
WRITE_ERRORS = (OSError, RuntimeError)
OK, FAILED = "Write OK", "Write error"
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """How a file plugin writes, and what goes wrong.

    Attributes:
        in_process: Write in a process of its own.
        faults: What shall go wrong.
        traps: Which behaviours of real plugins it imitates now that clients stumble over.
        abort: Called where a real plugin would take the IOC down.
    """

    in_process: bool = False
    faults: CameraFaults = field(default_factory=CameraFaults)
    traps: Callable[[], frozenset[Trap]] = frozenset
    abort: Callable[[], None] = os.abort


class FilePlugin(NDPlugin):
    """A plugin that writes what it is given.

    Args:
        prefix: PV prefix, as SIM:CAM:HDF1:.
        kind: PluginType.
        port: Its port name.
        source: Port name of its first input.
        ports: Where it takes arrays.
        options: How files are written, and what goes wrong.
    """

    def __init__(
        self,
        prefix: str,
        *,
        kind: str,
        port: str,
        source: str,
        ports: Ports,
        options: FileOptions,
    ) -> None:
        super().__init__(prefix, kind=kind, port=port, source=source, ports=ports)
        self.faults, self._traps, self.abort = options.faults, options.traps, options.abort
        self._desk: Desk = RemoteDesk() if options.in_process else LocalDesk()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=port)
        self._pending: deque[Shots] = deque()
        self._scenery: Scenery | None = None
        self._open = self._capturing = self._stopping = False
        self._accepted = self._written = self._rows = self._captures = 0
        self._work = asyncio.Event()
        self._progress = asyncio.Condition()
        self._starting = asyncio.Lock()
        self._add_file_pvs()

    @abstractmethod
    def layout_for(self, scenery: Scenery, shots: Shots | None) -> Layout:
        """Give the layout of a file of such frames, the first of which are known unless it is opened before."""

    @abstractmethod
    def next_scenery(self) -> Scenery | None:
        """Give what the frames will look like for a file that is opened before the first; None: it cannot be known."""

    @property
    def opens_late(self) -> bool:
        """Whether the file is made with the first frame."""
        return True

    @property
    def waiting(self) -> int:
        """Frames that are queued, or not in the file yet."""
        return super().waiting + self._accepted - self._written

    @property
    def busy(self) -> bool:
        """Whether frames wait."""
        return self.waiting > 0

    @property
    def suffix(self) -> str:
        """What names end in without a template."""
        return ".h5"

    @property
    def template(self) -> str:
        """Template of printf of (path, name, number)."""
        return str(self.pvs["FileTemplate"].value) or f"%s%s{self.suffix}"

    def trapped(self, trap: Trap) -> bool:
        """Whether it behaves so."""
        return trap in self._traps()

    def update(self, now_ns: int) -> bool:
        """Deal with what is due, and tell whether there was anything."""
        moved = super().update(now_ns)
        if self._stopping:
            self._work.set()
        return moved

    def process(self, scenery: Scenery, shots: Shots, tag: int) -> None:
        """Queue frames of the present capture for the thread; pass all on."""
        if self._capturing and tag == self._tag and self._fits(scenery):
            room = BACKLOG - (self._accepted - self._written)
            kept = shots.rows(slice(max(room, 0)))
            self.drop(shots.size - kept.size)
            if kept.size:
                self._scenery = self._scenery or scenery
                self._pending.append(kept)
                self._accepted += kept.size
                self._work.set()
        self.publish(scenery, shots)

    def _fits(self, scenery: Scenery) -> bool:
        mine = self._scenery
        if mine is None:
            return True
        same = scenery.frame_dtype == mine.frame_dtype
        if self.trapped(Trap.SIGN_IGNORED):
            same = scenery.frame_dtype.itemsize == mine.frame_dtype.itemsize
        if same and scenery.frame_shape == mine.frame_shape:
            return True
        expected, got = ((what.frame_shape, str(what.frame_dtype)) for what in (mine, scenery))
        self.pvs["WriteMessage"].post(f"Invalid frame. Ignoring. Expected {expected}, got {got}")
        return False

    async def drained(self) -> None:
        """Wait until everything accepted so far is in the file, or given up."""
        await super().drained()
        await self._handed_over()

    async def _handed_over(self) -> None:
        target = self._accepted
        async with self._progress:
            await self._progress.wait_for(lambda: self._written >= target or not self._capturing)

    async def run(self) -> None:
        """Write what is queued, until cancelled; then close the file."""
        try:
            while True:
                await self._work.wait()
                self._work.clear()
                await self._write_pending()
        finally:
            # The loop is going down: the thread's last job is done without it.
            self._thread.submit(self._desk.end)
            self._thread.shutdown(wait=True)

    async def _write_pending(self) -> None:
        try:
            while self._pending and self._capturing:
                await self._write_batch()
        except WRITE_ERRORS as error:
            self._fail(error)
        if self._capturing and (self._complete or (self._stopping and self.waiting == 0)):
            await self._finish()
        self._post_queue()
        await self._tell()

    async def _tell(self) -> None:
        async with self._progress:
            self._progress.notify_all()

    @property
    def _complete(self) -> bool:
        limit = int(self.pvs["NumCapture"].value)
        if self.trapped(Trap.NUM_CAPTURE_EQUALITY):
            return self._rows == limit > 0
        return 0 < limit <= self._rows

    async def _write_batch(self) -> None:
        scenery = self._scenery
        if scenery is None:
            return
        if not self._open:
            await self._open_file(scenery, self._pending[0])
        shots = self._next_batch(scenery.nbytes)
        if shots is None:
            # NumCapture is reached: what else is queued passes by.
            self._forget_pending()
            return
        limit = self.faults.disk_full_at
        room = max(limit - 1 - self._rows, 0) if limit else shots.size
        self._rows = await self._in_thread(self._desk.write, shots.rows(slice(room)))
        self._post_rows()
        if room < shots.size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._written += shots.size
        await self._tell()

    def _next_batch(self, nbytes: int) -> Shots | None:
        most = min(max(BATCH_NBYTES // nbytes, 1), BATCH_FRAMES)
        limit = int(self.pvs["NumCapture"].value)
        if limit and not (self.trapped(Trap.NUM_CAPTURE_EQUALITY) and limit < self._rows):
            most = min(most, limit - self._rows)
        if most <= 0:
            return None
        parts: list[Shots] = []
        while self._pending and most > 0:
            part = self._pending.popleft()
            if part.size > most:
                self._pending.appendleft(part.rows(slice(most, None)))
                part = part.rows(slice(most))
            parts.append(part)
            most -= part.size
        return Shots.joined(parts)

    def _post_rows(self) -> None:
        self.pvs["NumCaptured_RBV"].post(self._rows)

    async def _open_file(self, scenery: Scenery, shots: Shots | None) -> None:
        path = self._full_name()
        layout = self.layout_for(scenery, shots)
        if self.trapped(Trap.SILENT_OPEN_ERRORS):
            self.pvs["FullFileName_RBV"].post(path)
        await self._in_thread(self._desk.open, Path(path), layout)
        self._open = True
        self.pvs["FullFileName_RBV"].post(path)
        self.pvs["WriteMessage"].post("")
        self._count_files(1)

    def _count_files(self, count: int) -> None:
        if self.pvs["AutoIncrement"].value:
            self.pvs["FileNumber"].post(int(self.pvs["FileNumber"].value) + count)
            self.pvs["FileNumber_RBV"].post(self.pvs["FileNumber"].value)

    async def _finish(self) -> None:
        if self._open:
            self._open = False
            try:
                self._rows = await self._in_thread(self._desk.close)
                self._post_rows()
            except WRITE_ERRORS as error:
                self._report_failure(error)
        self._forget_pending()
        self._capturing = self._stopping = False
        self._tag, self._scenery = 0, None
        for suffix in ("Capture_RBV", "Capture"):
            self.pvs[suffix].post(0)

    def _forget_pending(self) -> None:
        self._pending.clear()
        self._written = self._accepted

    def _fail(self, error: Exception) -> None:
        self._report_failure(error)
        self.queue.clear()
        self._forget_pending()
        self._stopping = True

    def _report_failure(self, error: Exception) -> None:
        name = self.pvs["FullFileName_RBV"].value or self._full_name()
        self.pvs["WriteMessage"].post(f"{name}: {error}"[-255:])
        self.pvs["WriteStatus"].post(FAILED)
        if self.trapped(Trap.SILENT_OPEN_ERRORS) and not self._open:
            # Who monitors has seen it; who asks will not.
            self.pvs["WriteMessage"].post("")
            self.pvs["WriteStatus"].post(OK)

    async def _put_capture(self, value: int) -> None:
        async with self._starting:
            if self._capturing:
                # Also for Capture = 1: a real plugin starts the same file name again.
                self._begin_to_stop()
                await self._capture_done()
            if value:
                await self._start_capture()
        await self._capture_done()

    def end_capture(self) -> None:
        """End the capture, if one is going on, without waiting."""
        if self._capturing:
            self._begin_to_stop()

    def _begin_to_stop(self) -> None:
        if self.trapped(Trap.STOP_LOSES_QUEUE):
            self.queue.clear()
            self._forget_pending()
        self._stopping = True
        self._work.set()

    async def _start_capture(self) -> None:
        if self.trapped(Trap.SINGLE_MODE) and self.pvs["FileWriteMode"].label == "Single":
            self.pvs["Capture"].post(0)
            return
        self.pvs["NumCaptured_RBV"].post(0)
        self.pvs["WriteStatus"].post(OK)
        self.pvs["FullFileName_RBV"].post("")
        self._forget_pending()
        self._scenery, self._rows = None, 0
        if not await self._opened():
            self.pvs["Capture"].post(0)
            return
        self._captures += 1
        self._tag = self._captures
        self._capturing = True
        self.pvs["Capture_RBV"].post(1)
        self.pvs["Capture"].post(1)

    async def _opened(self) -> bool:
        """Open the file unless it is opened late, and tell whether the capture can begin."""
        if self.opens_late:
            self.pvs["WriteMessage"].post("Lazy Open...")
            return True
        self._scenery = self.next_scenery()
        if self._scenery is None:
            return False
        try:
            await self._open_file(self._scenery, None)
        except WRITE_ERRORS as error:
            self._report_failure(error)
        return self._open

    async def _capture_done(self) -> None:
        async with self._progress:
            await self._progress.wait_for(lambda: not self._capturing)

    async def _flush(self, value: int) -> None:
        if value:
            await self._handed_over()
            if self._open:
                await self._in_thread(self._desk.flush)
        self.pvs["FlushNow"].post(0)

    async def _in_thread(self, function: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)

    def _full_name(self, number: int | None = None) -> str:
        template = self.template
        file_number = self.pvs["FileNumber"].value if number is None else number
        parts = (self.pvs["FilePath"].value, self.pvs["FileName"].value, file_number)
        # C's printf ignores arguments without a place, Python's does not.
        return template % parts[: len(re.findall(r"%[^%]", template))]

    async def _put_path(self, path: str) -> None:
        depth = -int(self.pvs["CreateDirectory"].value)
        path = path if not path or path.endswith("/") else path + "/"
        if path and depth > 0:
            await self._in_thread(_make_directories, Path(path), depth)
        exists = bool(path) and await self._in_thread(os.access, path, os.W_OK)
        self.pvs["FilePath"].post(path)
        self.pvs["FilePath_RBV"].post(path)
        self.pvs["FilePathExists_RBV"].post(int(exists))

    def _add_file_pvs(self) -> None:
        pvs = self.pvs
        pvs.text("FilePath", "", handler=self._put_path)
        pvs.text("FilePath_RBV", "", read_only=True)
        pvs.enum("FilePathExists_RBV", NO_YES, read_only=True)
        for suffix in ("FileName", "FileTemplate"):
            pvs.pair(suffix, Kind.TEXT, "", length=256)
        pvs.text("FullFileName_RBV", "", read_only=True, length=512)
        pvs.pair("TempSuffix", Kind.STRING, "")
        pvs.pair("FileNumber", Kind.INT, 0)
        pvs.pair("AutoIncrement", Kind.ENUM, 0, choices=NO_YES)
        pvs.pair("AutoSave", Kind.ENUM, 0, choices=NO_YES)
        pvs.pair("CreateDirectory", Kind.INT, 0)
        pvs.pair("FileWriteMode", Kind.ENUM, 0, choices=("Single", "Capture", "Stream"))
        pvs.pair("NumCapture", Kind.INT, 1, after=self._work.set)
        pvs.add("NumCaptured_RBV", Kind.INT, 0, read_only=True)
        pvs.enum("Capture", ("Done", "Capture"), handler=self._put_capture)
        pvs.enum("Capture_RBV", ("Done", "Capturing"), read_only=True)
        pvs.enum("WriteStatus", (OK, FAILED), read_only=True)
        pvs.text("WriteMessage", "", read_only=True)
        pvs.pair("LazyOpen", Kind.ENUM, 0, choices=NO_YES)
        for suffix in ("ArraySize0", "ArraySize1"):
            pvs.add(suffix, Kind.INT, 0, read_only=True)


def _make_directories(path: Path, depth: int) -> None:
    missing = [part for part in (path, *path.parents) if not part.exists()]
    if len(missing) <= depth:
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError:
            return  # FilePathExists_RBV tells, as on a real IOC
