"""The HDF5 plugin (HDF1:): a queue of frames, one writing thread, areaDetector's PVs.

Theory of operation. `accept` takes frames from the camera into the queue; `run`, one task for the plugin's life,
takes them out in batches and has them written in one thread. All changes of state happen in that task, or before it
has anything to do:

    Done → (Capture = 1) → Capturing → (Capture = 0, NumCapture reached, or a file error) → Done

Orders that clients rely on: NumCaptured_RBV is 0 and a non-lazy file is open before Capture_RBV says Capturing;
NumCaptured_RBV counts rows that are in the file; on Capture = 0 what is queued is written, the file is closed, and
only then does Capture_RBV say Done and the put on Capture = 1 complete. FlushNow completes when everything accepted
before it is readable. The queue is bounded by QUEUE_LIMIT frames (they are descriptions, not pixels); beyond, frames
are dropped and counted, as they are when a fault asks for it.
"""

import asyncio
import re
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from .hdf_file import FileLayout, HdfFile, Shot
from .ndarray import DISABLE_ENABLE, DTYPES, NO_YES, add_ndarray_pvs, post_shape
from .picture import Sample
from .pv import Kind
from .pv_group import PVGroup

QUEUE_LIMIT = 100_000
BATCH = 128
# h5py raises either when the disk is full.
WRITE_ERRORS = (OSError, RuntimeError)
COMPRESSIONS = ("None", "N-bit", "szip", "zlib", "Blosc", "BSLZ4", "LZ4", "JPEG")
T = TypeVar("T")


class HdfPlugin:
    """The HDF5 writer of one camera.

    Args:
        prefix: PV prefix, as SIM:CAM:HDF1:.
        seed: Of the sample.
        camera_layout: Gives shape and type of the frames that the camera would make now.
    """

    def __init__(
        self, prefix: str, *, seed: int, camera_layout: Callable[[], tuple[tuple[int, int], np.dtype[np.generic]]]
    ) -> None:
        self.pvs = PVGroup(prefix)
        self._sample, self._camera_layout = Sample(seed), camera_layout
        self._queue: deque[Shot] = deque()
        self._file: HdfFile | None = None
        self._layout: FileLayout | None = None
        self._capturing = self._stopping = False
        self._accepted = self._written = 0
        self._work = asyncio.Event()
        self._progress = asyncio.Condition()
        self._starting = asyncio.Lock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hdf5")
        add_ndarray_pvs(self.pvs, "HDF1", dtype="Int8")
        self._add_file_pvs()
        self._add_plugin_pvs()

    @property
    def busy(self) -> bool:
        """Whether frames wait to be written."""
        return bool(self._queue)

    def accept(self, shots: Sequence[Shot], *, shape: tuple[int, int], dtype: np.dtype[np.generic]) -> None:
        """Queue frames, or drop and count them when the queue is full; without callbacks or capture they pass by."""
        if not shots or not self.pvs["EnableCallbacks"].value:
            return
        post_shape(self.pvs, shape, dtype)
        self.pvs["DataType_RBV"].post_change(next(name for name, known in DTYPES.items() if known == dtype))
        self.pvs["UniqueId_RBV"].post(shots[-1].unique_id)
        self._count("ArrayCounter", len(shots))
        if not self._capturing or self._stopping:
            return
        if self._layout is None:
            self._layout = self._new_layout(shape, dtype)
        if (shape, dtype) != (self._layout.shape, self._layout.dtype):
            self.pvs["WriteMessage"].post(f"Invalid frame. Ignoring. Expected {self._layout.shape}, got {shape}")
            return
        room = QUEUE_LIMIT - len(self._queue)
        self._queue.extend(shots[:room])
        self._accepted += min(room, len(shots))
        self.drop(len(shots) - room)
        self._work.set()

    def drop(self, count: int) -> None:
        """Count frames that were dropped in the queue."""
        if count > 0:
            self._count("DroppedArrays", count)

    def update(self) -> None:
        """Post how full the queue is; called by the pump."""
        size = int(self.pvs["QueueSize"].value)
        self.pvs["QueueFree"].post_change(size - min(len(self._queue), size))

    async def drained(self) -> None:
        """Wait until everything accepted so far is in the file, or given up."""
        target = self._accepted
        async with self._progress:
            await self._progress.wait_for(lambda: self._written >= target or not self._capturing)

    async def run(self) -> None:
        """Write what is queued, until cancelled; then close the file."""
        try:
            while True:
                await self._work.wait()
                self._work.clear()
                await self._write_queued()
        finally:
            # The loop is going down: the thread's last job is closed without it.
            if self._file is not None:
                self._thread.submit(self._file.close)
            self._thread.shutdown(wait=True)

    async def _write_queued(self) -> None:
        try:
            while self._queue and self._capturing:
                await self._write_batch()
        except WRITE_ERRORS as error:
            self._fail(f"{self.pvs['FullFileName_RBV'].value or self._full_name()}: {error}")
        limit = int(self.pvs["NumCapture"].value)
        complete = 0 < limit <= int(self.pvs["NumCaptured_RBV"].value) and not self._queue
        if self._capturing and (self._stopping or complete):
            await self._finish()
        async with self._progress:
            self._progress.notify_all()

    async def _write_batch(self) -> None:
        file = self._file or await self._open()
        limit = int(self.pvs["NumCapture"].value)
        room = min(BATCH, len(self._queue), limit - file.rows if limit else BATCH)
        batch = [self._queue.popleft() for _ in range(room)]
        if room:
            await self._in_thread(file.write, batch)
            self.pvs["NumCaptured_RBV"].post(file.rows)
        else:
            # NumCapture is reached: what else is queued passes by.
            self._written += len(self._queue)
            self._queue.clear()
        self._written += room
        async with self._progress:
            self._progress.notify_all()

    async def _open(self) -> HdfFile:
        layout = self._layout or self._new_layout(*self._camera_layout())
        self._layout = layout
        path = self._full_name()
        self._file = await self._in_thread(partial(HdfFile, Path(path), layout, sample=self._sample))
        self.pvs["FullFileName_RBV"].post(path)
        self.pvs["WriteMessage"].post("")
        if self.pvs["AutoIncrement"].value:
            self.pvs["FileNumber"].post(int(self.pvs["FileNumber"].value) + 1)
            self.pvs["FileNumber_RBV"].post(self.pvs["FileNumber"].value)
        return self._file

    def _new_layout(self, shape: tuple[int, int], dtype: np.dtype[np.generic]) -> FileLayout:
        return FileLayout(
            shape=shape,
            dtype=dtype,
            chunk_frames=max(1, int(self.pvs["NumFramesChunks"].value)),
            swmr=bool(self.pvs["SWMRMode"].value),
        )

    async def _finish(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            try:
                await self._in_thread(file.close)
            except WRITE_ERRORS as error:
                self._report_failure(f"{file.path}: {error}")
        self._written, self._capturing, self._stopping = self._accepted, False, False
        self._layout = None
        for suffix in ("Capture_RBV", "Capture"):
            self.pvs[suffix].post(0)

    def _fail(self, message: str) -> None:
        self._report_failure(message)
        self._written += len(self._queue)
        self._queue.clear()
        self._stopping = True

    def _report_failure(self, message: str) -> None:
        self.pvs["WriteMessage"].post(message[-255:])
        self.pvs["WriteStatus"].post("Write error")

    async def _put_capture(self, value: int) -> None:
        async with self._starting:
            if self._capturing:
                # Also for Capture = 1: a real plugin starts the same file name again.
                self._stopping = True
                self._work.set()
                await self._capture_done()
            if value:
                await self._start_capture()
        await self._capture_done()

    async def _start_capture(self) -> None:
        self.pvs["NumCaptured_RBV"].post(0)
        self.pvs["WriteStatus"].post("Write OK")
        self.pvs["FullFileName_RBV"].post("")
        self._layout, self._queue = None, deque()
        self._accepted = self._written = 0
        try:
            if self.pvs["LazyOpen"].value:
                self.pvs["WriteMessage"].post("Lazy Open...")
            else:
                await self._open()
        except WRITE_ERRORS as error:
            self._report_failure(f"{self._full_name()}: {error}")
            self.pvs["Capture"].post(0)
            return
        self._capturing = True
        self.pvs["Capture_RBV"].post(1)
        self.pvs["Capture"].post(1)

    async def _capture_done(self) -> None:
        async with self._progress:
            await self._progress.wait_for(lambda: not self._capturing)

    async def _flush(self, value: int) -> None:
        if value:
            await self.drained()
            if self._file is not None:
                await self._in_thread(self._file.flush)
        self.pvs["FlushNow"].post(0)

    async def _in_thread(self, function: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)

    def _count(self, suffix: str, count: int) -> None:
        total = int(self.pvs[suffix + "_RBV"].value) + count
        self.pvs[suffix + "_RBV"].post(total)
        self.pvs[suffix].post(total)

    def _full_name(self) -> str:
        template = str(self.pvs["FileTemplate"].value) or "%s%s.h5"
        parts = (self.pvs["FilePath"].value, self.pvs["FileName"].value, self.pvs["FileNumber"].value)
        # C's printf ignores arguments without a place, Python's does not.
        return template % parts[: len(re.findall(r"%[^%]", template))]

    async def _put_path(self, path: str) -> None:
        depth = -int(self.pvs["CreateDirectory"].value)
        path = path if not path or path.endswith("/") else path + "/"
        if path and depth > 0:
            await self._in_thread(_make_directories, Path(path), depth)
        exists = bool(path) and await self._in_thread(Path(path).is_dir)
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
        pvs.pair("FileNumber", Kind.INT, 0)
        pvs.pair("AutoIncrement", Kind.ENUM, 0, choices=NO_YES)
        pvs.pair("CreateDirectory", Kind.INT, 0)
        pvs.pair("FileWriteMode", Kind.ENUM, 0, choices=("Single", "Capture", "Stream"))
        pvs.pair("NumCapture", Kind.INT, 1, after=self._work.set)
        pvs.add("NumCaptured_RBV", Kind.INT, 0, read_only=True)
        pvs.enum("Capture", ("Done", "Capture"), handler=self._put_capture)
        pvs.enum("Capture_RBV", ("Done", "Capturing"), read_only=True)
        pvs.enum("WriteStatus", ("Write OK", "Write error"), read_only=True)
        pvs.text("WriteMessage", "", read_only=True)
        pvs.pair("Compression", Kind.ENUM, 0, choices=COMPRESSIONS)
        pvs.pair("LazyOpen", Kind.ENUM, 0, choices=NO_YES)
        pvs.pair("SWMRMode", Kind.ENUM, 0, choices=("Off", "On"))
        pvs.pair("PositionMode", Kind.ENUM, 0, choices=("Off", "On"))
        pvs.pair("StoreAttr", Kind.ENUM, 1, choices=NO_YES)
        pvs.pair("ChunkSizeAuto", Kind.ENUM, 0, choices=NO_YES)
        pvs.enum("FlushNow", ("Done", "Flush"), handler=self._flush)
        pvs.pair("XMLFileName", Kind.TEXT, "", length=2048)
        for suffix in ("NumExtraDims", "NumFramesChunks", "NumFramesFlush", "NDAttributeChunk"):
            pvs.pair(suffix, Kind.INT, 0)

    def _add_plugin_pvs(self) -> None:
        pvs = self.pvs
        pvs.pair("NDArrayPort", Kind.STRING, "CAM")
        pvs.pair("NDArrayAddress", Kind.INT, 0)
        pvs.pair("EnableCallbacks", Kind.ENUM, 0, choices=DISABLE_ENABLE)
        pvs.pair("BlockingCallbacks", Kind.ENUM, 0, choices=NO_YES)
        pvs.pair("QueueSize", Kind.INT, 20, after=self.update)
        pvs.add("QueueFree", Kind.INT, 20, read_only=True)
        pvs.pair("DroppedArrays", Kind.INT, 0)
        for suffix in ("ArraySize0", "ArraySize1"):
            pvs.add(suffix, Kind.INT, 0, read_only=True)


def _make_directories(path: Path, depth: int) -> None:
    missing = [part for part in (path, *path.parents) if not part.exists()]
    if len(missing) <= depth:
        path.mkdir(parents=True, exist_ok=True)
