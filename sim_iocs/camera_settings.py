"""What a camera is like: its sensor, its triggers, its clock, and which of real cameras' traps it sets."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from .section import Section

LARGEST = 2048


class Trap(StrEnum):
    """A behaviour of real areaDetector IOCs that clients stumble over; each is off unless it is listed.

    Attributes:
        PHANTOM_ROW: A file opened before the first frame (LazyOpen = No) has one row of zeros until that comes.
        STALE_LAYOUT: Such a file takes shape and type from the frame before; without one, Capture = 1 does nothing.
        ZERO_ROWS: The dataset grows with each frame, its chunk comes when it is full: rows in between read as zeros.
        SILENT_OPEN_ERRORS: A file that cannot be made ends the capture, and a moment later WriteStatus is Write OK.
        STOP_LOSES_QUEUE: Capture = 0 forgets the frames that are queued, and counts them nowhere.
        NUM_CAPTURE_EQUALITY: A capture ends when NumCaptured equals NumCapture; lowered below, it never does.
        SIGN_IGNORED: A frame of another type of the same width is written as if it were of the file's type.
        ABSENT_FILTERS: Blosc, BSLZ4 and LZ4 were not compiled in: the put succeeds, the read-back stays.
        POSITION_MODE_KILLS: A capture with PositionMode and no position attribute fails, and the next ends the IOC.
        SINGLE_MODE: Capture = 1 with FileWriteMode = Single does nothing, and says nothing.
        SHORT_PLUGIN_WAIT: Acquire completes before the plugins are done, although WaitForPlugins is Yes.
        SLOW_ATTRIBUTES: A put to NDAttributesFile takes half a second.
        HEALTHY_ALARMS: Undefined records and switches that are on have alarms, with nothing wrong; from the start only.
    """

    PHANTOM_ROW = "phantom_row"
    STALE_LAYOUT = "stale_layout"
    ZERO_ROWS = "zero_rows"
    SILENT_OPEN_ERRORS = "silent_open_errors"
    STOP_LOSES_QUEUE = "stop_loses_queue"
    NUM_CAPTURE_EQUALITY = "num_capture_equality"
    SIGN_IGNORED = "sign_ignored"
    ABSENT_FILTERS = "absent_filters"
    POSITION_MODE_KILLS = "position_mode_kills"
    SINGLE_MODE = "single_mode"
    SHORT_PLUGIN_WAIT = "short_plugin_wait"
    SLOW_ATTRIBUTES = "slow_attributes"
    HEALTHY_ALARMS = "healthy_alarms"


class CameraSettings(Section):
    """A camera with its plugins.

    Attributes:
        kind: generic has one TriggerMode {Internal, External, Gate, Burst}; genicam has TriggerMode {Off, On} and
            TriggerSource, as ADAravis.
        trigger: Output of the trigger box that is wired to it.
        width: Pixels.
        height: Pixels.
        data_type: As areaDetector spells it.
        color: Mono, or RGB1 for three bytes or words per pixel.
        readout_time: Dead time after each exposure, in seconds.
        picture_axes: Motor names of the sample's horizontal and vertical axis.
        stamps: Time stamps are exact starts of exposure by the camera's clock, or the IOC's: after the read-out, late
            by 0 to 20 ms more.
        clock_error_ppm: How much too fast the camera's clock runs since the start of the beamline.
        unique_ids: Count frames, contiguous whatever was missed; or triggers, where a missed one leaves a gap.
        trigger_attribute: NDAttribute under which each frame carries its trigger's number; empty for none.
        pool: Pictures drawn in advance and used in turn (frame of trigger t shows picture (t - 1) mod pool, stamped
            with that number + 1); 0 draws each frame at the axes' positions. For rates beyond what can be compressed.
        disk_rate: What the HDF5 plugin writes per second, in MB; 0 = as fast as the disk.
        writer: Where files are written: in a process of its own, or in a thread.
        traps: Which behaviours of real IOCs it imitates that clients stumble over.
    """

    kind: Literal["generic", "genicam"] = "generic"
    trigger: str = "TTLOUT1"
    width: int = Field(default=64, ge=4, le=LARGEST)
    height: int = Field(default=64, ge=1, le=LARGEST)
    data_type: Literal["UInt8", "Int16", "UInt16", "Int32", "UInt32", "Float32", "Float64"] = "UInt16"
    color: Literal["Mono", "RGB1"] = "Mono"
    readout_time: float = Field(default=5e-5, ge=0)
    picture_axes: tuple[str, str] = ("X", "Y")
    stamps: Literal["Camera clock", "IOC"] = "IOC"
    clock_error_ppm: float = Field(default=0.0, gt=-1e5, lt=1e5)
    unique_ids: Literal["Frames", "Triggers"] = "Frames"
    trigger_attribute: str = Field(default="", pattern=r"^\w*$")
    pool: int = Field(default=0, ge=0, le=4096)
    disk_rate: float = Field(default=0.0, ge=0)
    writer: Literal["process", "thread"] = "process"
    traps: frozenset[Trap] = frozenset()
