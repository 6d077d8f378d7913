"""The HDF5 plugin of areaDetector: opens a SWMR file, drains it, closes it, and notices when it does not.

What the plugin does that a client must know (each was met on a real IOC):

- Capture = 1 while it captures starts the *same file name* again and truncates it. So it is closed before.
- Not lazy, it freezes the previous frame's shape and writes a phantom zero row. So LazyOpen is on, and the file's
name is known with
  the first frame only.
- A file that cannot be made shows as Capture_RBV going back to Done, with WriteStatus 'Write OK' a moment later. So
Capture_RBV is what
  counts, and losing it while frames are due is an error.
- Capture = 0 with frames in the queue loses them and counts them nowhere. So the queue is drained before.
- A PositionMode left on kills the IOC with the next capture. So it is turned off.
- FlushNow's callback is a true completion, and the only way to read the attributes of the last 16384 frames.
"""

from pathlib import PurePosixPath
from urllib.parse import quote

from ...task_scope import together
from ..datatypes import SubsetEnum
from ..device import Device
from ..errors import AssetsNotReadyError, PutFailedError, ReadbackError, WaitTimeoutError, WriterError
from ..paths import PathInfo
from ..signals import set_and_wait_for_other, signal_r, signal_rbv, signal_rw

OPEN_TIMEOUT = 10.0
FLUSH_TIMEOUT = 30.0
CLOSE_TIMEOUT = 60.0
DIRECTORY_LEVELS = 10


class WriteMode(SubsetEnum):
    """Stream writes frames as they come."""

    STREAM = "Stream"


class HdfPlugin(Device):
    """`HDF1:`."""

    def __init__(self, prefix: str) -> None:
        """Name the PVs; `prefix` is a URI with the colon, as ca://SIM:CAM:HDF1:."""
        self.file_path = signal_rbv(str, f"{prefix}FilePath")
        self.file_path_exists = signal_r(bool, f"{prefix}FilePathExists_RBV")
        self.file_name = signal_rbv(str, f"{prefix}FileName")
        self.file_template = signal_rbv(str, f"{prefix}FileTemplate")
        self.full_file_name = signal_r(str, f"{prefix}FullFileName_RBV")
        self.create_directory = signal_rbv(int, f"{prefix}CreateDirectory")
        self.write_mode = signal_rbv(WriteMode, f"{prefix}FileWriteMode")
        self.auto_increment = signal_rbv(bool, f"{prefix}AutoIncrement")
        self.num_capture = signal_rbv(int, f"{prefix}NumCapture")
        self.num_captured = signal_r(int, f"{prefix}NumCaptured_RBV")
        self.capture = signal_rw(bool, f"{prefix}Capture")
        self.capturing = signal_r(bool, f"{prefix}Capture_RBV")
        self.write_status = signal_r(str, f"{prefix}WriteStatus")
        self.write_message = signal_r(str, f"{prefix}WriteMessage")
        self.lazy_open = signal_rbv(bool, f"{prefix}LazyOpen")
        self.swmr_mode = signal_rbv(bool, f"{prefix}SWMRMode")
        self.position_mode = signal_rbv(bool, f"{prefix}PositionMode")
        self.store_attributes = signal_rbv(bool, f"{prefix}StoreAttr")
        self.frames_per_chunk = signal_rbv(int, f"{prefix}NumFramesChunks")
        self.frames_per_flush = signal_rbv(int, f"{prefix}NumFramesFlush")
        self.flush_now = signal_rw(bool, f"{prefix}FlushNow")
        self.enable_callbacks = signal_rbv(bool, f"{prefix}EnableCallbacks")
        self.input_port = signal_rbv(str, f"{prefix}NDArrayPort")
        self.queue_size = signal_rbv(int, f"{prefix}QueueSize")
        self.queue_free = signal_r(int, f"{prefix}QueueFree")
        self.dropped_arrays = signal_rbv(int, f"{prefix}DroppedArrays")
        self.array_size_x = signal_r(int, f"{prefix}ArraySize0_RBV")
        self.array_size_y = signal_r(int, f"{prefix}ArraySize1_RBV")
        super().__init__()

    async def open(self, info: PathInfo, input_port: str) -> None:
        """Close what is open, set the path, and capture.

        Args:
            info: Where the file goes.
            input_port: Of the driver.

        Raises:
            WriterError: The directory does not exist and cannot be made, or capture does not begin.
            ReadbackError: The plugin shows another path.
        """
        await self.close()
        await self._configure(input_port)
        await self._set_path(info)
        await self.dropped_arrays.put(0)
        try:
            # Without a callback: it would stay outstanding until the capture ends.
            await set_and_wait_for_other(self.capture, True, other=self.capturing, match=True, timeout=OPEN_TIMEOUT)
        except WaitTimeoutError as error:
            raise WriterError(await self._complaint("did not begin to capture")) from error

    async def _configure(self, input_port: str) -> None:
        await together(
            self.position_mode.put(False),
            self.enable_callbacks.put(True),
            self.input_port.put(input_port),
            self.write_mode.put(WriteMode.STREAM),
            self.auto_increment.put(False),
            self.lazy_open.put(True),
            self.swmr_mode.put(True),
            self.store_attributes.put(True),
            self.frames_per_chunk.put(1),
            self.frames_per_flush.put(1),
            self.num_capture.put(0),  # for ever: a capture that ends by itself would miss what comes unexpected
            self.create_directory.put(-DIRECTORY_LEVELS),
        )

    async def _set_path(self, info: PathInfo) -> None:
        directory = str(info.directory)
        try:
            await self.file_path.put(directory)
        except PutFailedError as error:
            raise WriterError(self._unwritable(directory)) from error
        if not await self.file_path_exists.get_value():
            raise WriterError(self._unwritable(directory))
        await self.file_name.put(info.filename)
        await self.file_template.put("%s%s.h5")
        seen = PurePosixPath(await self.file_path.get_value()), await self.file_name.get_value()
        if seen != (PurePosixPath(directory), info.filename):
            msg = f"{self.name}: expected {directory}/{info.filename}, read back {seen[0]}/{seen[1]}"
            raise ReadbackError(msg)

    def _unwritable(self, directory: str) -> str:
        return (
            f"{self.name}: the IOC cannot write to {directory}: FilePathExists is No after CreateDirectory. "
            "Is it on a disk that the IOC sees, and may the IOC's user write there?"
        )

    async def check_capturing(self) -> None:
        """See that the file is still open.

        Raises:
            WriterError: Capture ended while frames were due; with what the plugin says.
        """
        if not await self.capturing.get_value():
            raise WriterError(await self._complaint("stopped capturing by itself"))

    async def _complaint(self, what: str) -> str:
        status, message, full_name = await together(
            self.write_status.get_value(), self.write_message.get_value(), self.full_file_name.get_value()
        )
        return (
            f"{self.name} {what}: file {full_name!r}, WriteStatus {status!r}, WriteMessage {message!r}. "
            "Is the disk full, or does another program hold the file open? The IOC's console says more"
        )

    async def uri(self, info: PathInfo) -> str:
        """The URI of the open file, from the name that the plugin says.

        Raises:
            AssetsNotReadyError: No frame has been written yet, so no file is open.
            WriterError: It writes somewhere else than it was told.
        """
        full_name = await self.full_file_name.get_value()
        if not full_name:
            msg = f"{self.name}: no file yet; it is opened with the first frame"
            raise AssetsNotReadyError(msg)
        path = PurePosixPath(full_name)
        if path.parent != PurePosixPath(str(info.directory)):
            msg = f"{self.name}: writes {full_name}, expected a file in {info.directory}; does another client use it?"
            raise WriterError(msg)
        return info.uri_directory + quote(path.name)

    async def flush(self) -> None:
        """Make every row counted so far readable, with its attributes."""
        await self.flush_now.put(True, wait=True, timeout=FLUSH_TIMEOUT)

    async def close(self) -> None:
        """End a capture; the caller has drained the queue.

        Raises:
            WriterError: It still captures.
        """
        try:
            await set_and_wait_for_other(self.capture, False, other=self.capturing, match=False, timeout=CLOSE_TIMEOUT)
        except WaitTimeoutError as error:
            raise WriterError(await self._complaint("does not close its file")) from error
