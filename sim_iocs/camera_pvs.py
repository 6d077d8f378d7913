"""The PVs of a camera's driver (cam1:), and what their settings mean."""

from collections.abc import Awaitable, Callable
from typing import Any
from xml.etree import ElementTree

from .camera_settings import LARGEST, CameraSettings, Trap
from .errors import RefusedPutError
from .exposure import Mode
from .ndarray import (
    ATTRIBUTES_STATUS,
    DISABLE_ENABLE,
    DRIVER_COLOR_MODES,
    DTYPES,
    NO_YES,
    OFF_ON,
    add_attributes_pvs,
    add_ndarray_pvs,
)
from .pv import Kind
from .pv_group import PVGroup

STATES = (
    *("Idle", "Acquire", "Readout", "Correct", "Saving", "Aborting", "Error", "Waiting", "Initializing"),
    *("Disconnected", "Aborted"),
)
SHORTEST_EXPOSURE = 1e-6
PORT = "CAM"
MODES: dict[str, Mode] = {"Internal": "internal", "External": "edge", "Gate": "gate", "Burst": "burst"}
COUNTERS = ("NumExposed", "MissedTriggers", "LostTriggers", "FrameCount", "NumImagesCounter", "NumExposuresCounter")
OK_STATUS, NOT_FOUND, SYNTAX_ERROR = 0, 1, 2

Put = Callable[[int], Awaitable[None]]


class DriverPVs:
    """The driver's PVs, at power-on.

    Args:
        prefix: PV prefix, as SIM:CAM:cam1:.
        settings: Sensor, triggers, clock, traps.
        on_acquire: Handler of puts on Acquire.
        on_counter: Handler of puts on ArrayCounter.
        on_attributes: Handler of puts on NDAttributesFile.

    Attributes:
        port: Port name.
    """

    def __init__(
        self,
        prefix: str,
        settings: CameraSettings,
        *,
        on_acquire: Put,
        on_counter: Put,
        on_attributes: Callable[[str], Awaitable[None]],
    ) -> None:
        self.pvs, self.port, self._settings = PVGroup(prefix), PORT, settings
        self._traps = settings.traps
        add_ndarray_pvs(
            self.pvs,
            PORT,
            dtype=settings.data_type,
            color_modes=DRIVER_COLOR_MODES,
            on_counter=on_counter,
        )
        add_attributes_pvs(self.pvs, handler=on_attributes)
        self._add_acquisition_pvs(on_acquire)
        self._add_trigger_pvs()
        self._add_sensor_pvs()
        self._add_sim_pvs()
        self._initial = {suffix: pv.value for suffix, pv in self.pvs.pvs.items()}

    def trigger_mode(self) -> Mode:
        """Where triggers come from now, and what one gives."""
        if self._settings.kind == "generic":
            return MODES[self.pvs["TriggerMode"].label]
        if self.pvs["TriggerMode"].label == "Off":
            return "internal"
        return "gate" if self.pvs["ExposureMode"].label == "TriggerWidth" else "edge"

    def traps(self) -> frozenset[Trap]:
        """Which behaviours of real IOCs it imitates now."""
        return self._traps

    def power_on(self, width: int, height: int) -> None:
        """Set everything as it was at power-on, with a sensor of another size."""
        for suffix, value in self._initial.items():
            self.pvs[suffix].post(value)
        for axis, pixels in (("X", width), ("Y", height)):
            self.pvs[f"MaxSize{axis}_RBV"].post(pixels)
            self._set_size(axis, pixels)

    def load_attributes(self, text: str) -> None:
        """Take NDAttributesFile: XML, or the name of a file, which is never there; the status says what came of it."""
        self.pvs["NDAttributesFile"].post(text)
        if not text:
            return  # as a real driver: the status stays
        status = NOT_FOUND
        if "<Attributes" in text:
            try:
                ElementTree.fromstring(text)  # a few hundred bytes, from a client on loopback
                status = OK_STATUS
            except ElementTree.ParseError:
                status = SYNTAX_ERROR
        self.pvs["NDAttributesStatus"].post(ATTRIBUTES_STATUS[status])

    async def _put_exposure(self, seconds: float) -> None:
        for name in ("AcquireTime", "AcquireTime_RBV"):
            self.pvs[name].post(max(seconds, SHORTEST_EXPOSURE))

    async def _put_readout(self, seconds: float) -> None:
        for suffix in ("ReadoutTime", "ReadoutTime_RBV", "DeadTime_RBV"):
            self.pvs[suffix].post(max(seconds, 0.0))

    async def _put_width(self, pixels: int) -> None:
        self._set_size("X", pixels)

    async def _put_height(self, pixels: int) -> None:
        self._set_size("Y", pixels)

    def _set_size(self, axis: str, pixels: int) -> None:
        most = int(self.pvs[f"MaxSize{axis}_RBV"].value)
        for name in (f"Size{axis}", f"Size{axis}_RBV"):
            self.pvs[name].post(min(max(pixels, 4), most))

    async def _put_color(self, index: int) -> None:
        # RGB2 and RGB3 are other orders of the same: this camera makes RGB1 alone.
        mode = "RGB1" if index else "Mono"
        for name in ("ColorMode", "ColorMode_RBV"):
            self.pvs[name].post(mode)

    async def _put_traps(self, text: str) -> None:
        names = text.replace(",", " ").split()
        try:
            self._traps = frozenset(Trap(name) for name in names)
        except ValueError as error:
            msg = f"{self.pvs['Traps'].name}: {error}; there are {', '.join(sorted(Trap))}"
            raise RefusedPutError(msg) from error
        self.pvs["Traps"].post(",".join(sorted(self._traps)))

    def _add_acquisition_pvs(self, on_acquire: Put) -> None:
        pvs = self.pvs
        seconds: dict[str, Any] = {"units": "s", "precision": 6}
        pvs.add("AcquireTime", Kind.FLOAT, 1e-3, handler=self._put_exposure, **seconds)
        pvs.add("AcquireTime_RBV", Kind.FLOAT, 1e-3, read_only=True, **seconds)
        pvs.pair("AcquirePeriod", Kind.FLOAT, 5e-3, **seconds)
        pvs.pair("NumImages", Kind.INT, 100)
        pvs.pair("NumExposures", Kind.INT, 1)
        pvs.pair("ImageMode", Kind.ENUM, 2, choices=("Single", "Multiple", "Continuous"))
        pvs.enum("Acquire", ("Done", "Acquire"), handler=on_acquire)
        pvs.enum("Acquire_RBV", ("Done", "Acquiring"), read_only=True)
        pvs.enum("AcquireBusy", ("Done", "Acquiring"), read_only=True)
        pvs.enum("WaitForPlugins", NO_YES)
        pvs.pair("ArrayCallbacks", Kind.ENUM, 1, choices=DISABLE_ENABLE)
        pvs.enum("DetectorState_RBV", STATES, read_only=True)
        pvs.text("StatusMessage_RBV", "", read_only=True)
        for suffix in COUNTERS:
            pvs.add(suffix + "_RBV", Kind.INT, 0, read_only=True)

    def _add_trigger_pvs(self) -> None:
        pvs = self.pvs
        if self._settings.kind == "generic":
            pvs.pair("TriggerMode", Kind.ENUM, 0, choices=tuple(MODES))
        else:
            pvs.pair("TriggerMode", Kind.ENUM, 0, choices=OFF_ON)
            pvs.pair("TriggerSource", Kind.ENUM, 0, choices=("Software", "Line1", "Line2"))
            pvs.pair("ExposureMode", Kind.ENUM, 0, choices=("Timed", "TriggerWidth"))
        pvs.pair("FramesPerTrigger", Kind.INT, 1)

    def _add_sensor_pvs(self) -> None:
        pvs, settings = self.pvs, self._settings
        seconds: dict[str, Any] = {"units": "s", "precision": 6}
        pvs.enum("DataType", tuple(DTYPES), value=list(DTYPES).index(settings.data_type), handler=self._put_type)
        color = DRIVER_COLOR_MODES.index(settings.color)
        pvs.enum("ColorMode", DRIVER_COLOR_MODES, value=color, handler=self._put_color)
        pvs["ColorMode_RBV"].post(settings.color)
        pvs.add("ReadoutTime", Kind.FLOAT, settings.readout_time, handler=self._put_readout, **seconds)
        for suffix in ("ReadoutTime_RBV", "DeadTime_RBV"):
            pvs.add(suffix, Kind.FLOAT, settings.readout_time, read_only=True, **seconds)
        sizes = (("X", settings.width, self._put_width), ("Y", settings.height, self._put_height))
        for axis, pixels, handler in sizes:
            pvs.add(f"MaxSize{axis}_RBV", Kind.INT, LARGEST, read_only=True)
            pvs.add(f"Size{axis}", Kind.INT, pixels, handler=handler)
            pvs.add(f"Size{axis}_RBV", Kind.INT, pixels, read_only=True)
            pvs.pair(f"Min{axis}", Kind.INT, 0)
            pvs.pair(f"Bin{axis}", Kind.INT, 1)
        model = "Manta G-235" if settings.kind == "genicam" else "simulated camera"
        for suffix, text in (("Manufacturer", "Wingbeat"), ("Model", model), ("SerialNumber", "0")):
            pvs.add(suffix + "_RBV", Kind.STRING, text, read_only=True)
        for suffix in ("SDKVersion", "FirmwareVersion"):
            pvs.add(suffix + "_RBV", Kind.STRING, "0.1.0", read_only=True)

    async def _put_type(self, index: int) -> None:
        for name in ("DataType", "DataType_RBV"):
            self.pvs[name].post(index)

    def _add_sim_pvs(self) -> None:
        """What no real camera has: its truth and its switches."""
        pvs, settings = self.pvs, self._settings
        stamps = ("Camera clock", "IOC")
        pvs.pair("StampSource", Kind.ENUM, stamps.index(settings.stamps), choices=stamps)
        ids = ("Frames", "Triggers")
        pvs.pair("IdSource", Kind.ENUM, ids.index(settings.unique_ids), choices=ids)
        pvs.pair("ClockError", Kind.FLOAT, settings.clock_error_ppm, units="ppm", precision=3)
        pvs.pair("PicturePool", Kind.INT, settings.pool)
        pvs.text("Traps", ",".join(sorted(settings.traps)), handler=self._put_traps, length=512)
