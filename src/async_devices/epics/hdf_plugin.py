"""The HDF5 plug-in of areaDetector: opens a SWMR file, closes it, and notices when it does not.

What the plug-in does that a client must know (each was met on a real IOC):

- Capture = 1 while it captures starts the *same file name* again and truncates it. So it is closed before.
- Not lazy, it freezes the previous frame's shape and writes a phantom zero row. So LazyOpen is on, and the file's
  name is known with the first frame only.
- A file that cannot be made shows as Capture_RBV going back to Done, with WriteStatus 'Write OK' a moment later. So
  Capture_RBV is what counts, and losing it while frames are due is an error.
- Capture = 0 with frames in the queue loses them and counts them nowhere. So the queue is drained before.
- A PositionMode left on kills the IOC with the next capture; extra dimensions, a layout file, a temporary suffix or
  chunks that cut a frame give another file than expected. So they are reset.
- FlushNow's callback is a true completion, and the only way to read the attributes of the last 16384 frames.
"""

from ...task_scope import together
from ..datatypes import SubsetEnum
from ..errors import PathRefusedError, PutFailedError, ReadbackError, WaitTimeoutError, WriterError
from ..path_map import check_place
from ..paths import PathInfo
from ..signals import set_and_wait_for_other_value, signal_r, signal_rbv, signal_rw
from .ad_block import optional_rbv
from .ad_plugins import AdPlugin

OPEN_TIMEOUT = 10.0
FLUSH_TIMEOUT = 30.0
CLOSE_TIMEOUT = 60.0
DIRECTORY_LEVELS = 10
SUFFIX = ".h5"


class WriteMode(SubsetEnum):
    """Stream writes frames as they come."""

    STREAM = "Stream"


class HdfPlugin(AdPlugin):
    """`HDF1:` (NDFileHDF5.template over NDFile.template)."""

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
        self.compression = optional_rbv(str, f"{prefix}Compression")
        self.chunk_size_auto = optional_rbv(bool, f"{prefix}ChunkSizeAuto")
        self.extra_dimensions = optional_rbv(int, f"{prefix}NumExtraDims")
        self.layout_file = optional_rbv(str, f"{prefix}XMLFileName")
        self.temporary_suffix = optional_rbv(str, f"{prefix}TempSuffix")
        self.attribute_chunk = optional_rbv(int, f"{prefix}NDAttributeChunk")
        super().__init__(prefix)

    async def open(self, info: PathInfo) -> None:
        """Close what is open, set the path, and capture; the input is wired by the chain.

        Args:
            info: Where the file goes.

        Raises:
            PathRefusedError: The IOC cannot make the directory, this process does not see it, or the file exists.
            WriterError: Capture does not begin.
            ReadbackError: The plug-in shows another path.
        """
        await self.close()
        await self._configure()
        await self._set_path(info)
        await check_place(info, SUFFIX, writer=self.name)
        try:
            # Without a callback: it would stay outstanding until the capture ends.
            await set_and_wait_for_other_value(
                self.capture, True, other=self.capturing, match=True, timeout=OPEN_TIMEOUT
            )
        except WaitTimeoutError as error:
            raise WriterError(await self.complaint("did not begin to capture")) from error

    async def _configure(self) -> None:
        await together(
            self.position_mode.put(False),
            self.write_mode.put(WriteMode.STREAM),
            self.auto_increment.put(False),
            self.lazy_open.put(True),
            self.swmr_mode.put(True),
            self.store_attributes.put(True),
            self.frames_per_chunk.put(1),
            self.frames_per_flush.put(1),
            self.num_capture.put(0),  # for ever: a capture that ends by itself would miss what comes unexpected
            self.create_directory.put(-DIRECTORY_LEVELS),
            self.chunk_size_auto.put_if_present(True),
            self.extra_dimensions.put_if_present(0),
            self.layout_file.put_if_present(""),
            self.temporary_suffix.put_if_present(""),
        )

    async def _set_path(self, info: PathInfo) -> None:
        directory, kind = str(info.directory), type(info.directory)
        try:
            await self.file_path.put(directory)
        except PutFailedError as error:
            raise PathRefusedError(self._unwritable(directory)) from error
        if not await self.file_path_exists.get_value():
            raise PathRefusedError(self._unwritable(directory))
        await together(self.file_name.put(info.filename), self.file_template.put(f"%s%s{SUFFIX}"))
        seen = kind(await self.file_path.get_value()), await self.file_name.get_value()
        if seen != (info.directory, info.filename):
            msg = f"{self.name}: expected {directory}/{info.filename}, read back {seen[0]}/{seen[1]}"
            raise ReadbackError(msg)

    def _unwritable(self, directory: str) -> str:
        return (
            f"{self.name}: the IOC cannot write to {directory}: {self.file_path_exists.source} is No after "
            "CreateDirectory. Is it on a disk that the IOC sees under this name (a PathMap says how it sees it), and "
            "may the IOC's user write there?"
        )

    async def complaint(self, what: str) -> str:
        """A message that says what happened, and what the plug-in says about it."""
        status, message, full_name = await together(
            self.write_status.get_value(), self.write_message.get_value(), self.full_file_name.get_value()
        )
        return (
            f"{self.name} {what}: file {full_name!r}, {self.write_status.source} {status!r}, WriteMessage {message!r}. "
            "Is the disk full, or does another program hold the file open? The IOC's console says more"
        )

    async def flush(self) -> None:
        """Make every row counted so far readable, with its attributes."""
        await self.flush_now.put(True, wait=True, timeout=FLUSH_TIMEOUT)

    async def close(self) -> None:
        """End a capture; the caller has drained the queue.

        Raises:
            WriterError: It still captures.
        """
        try:
            await set_and_wait_for_other_value(
                self.capture, False, other=self.capturing, match=False, timeout=CLOSE_TIMEOUT
            )
        except WaitTimeoutError as error:
            raise WriterError(await self.complaint("does not close its file")) from error
