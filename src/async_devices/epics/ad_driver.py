"""The driver of an areaDetector camera: what every one of them has, and what a flight asks of it."""

import numpy as np

from ...task_scope import together
from ..datatypes import SubsetEnum
from ..device import Device
from ..errors import AcquireError, ReadbackError, WaitTimeoutError
from ..flight import TriggerInfo
from ..signals import set_and_wait_for_other, signal_r, signal_rbv, signal_rw

STOP_TIMEOUT = 10.0
"""Seconds in which a driver must have stopped."""


class ImageMode(SubsetEnum):
    """How many images an acquisition makes."""

    SINGLE = "Single"
    MULTIPLE = "Multiple"
    CONTINUOUS = "Continuous"


class AdDriver(Device):
    """`cam1:`."""

    def __init__(self, prefix: str, *, exposed: str = "NumExposed_RBV", deadtime: str = "DeadTime_RBV") -> None:
        """Name the PVs.

        Args:
            prefix: URI with the colon, as ca://SIM:CAM:cam1:.
            exposed: PV that counts exposures since Acquire; NumImagesCounter_RBV where a driver has nothing better.
            deadtime: PV with the seconds between two exposures.
        """
        self.acquire = signal_rw(bool, f"{prefix}Acquire")
        self.acquiring = signal_r(bool, f"{prefix}Acquire_RBV")
        self.acquire_time = signal_rbv(float, f"{prefix}AcquireTime")
        self.acquire_period = signal_rbv(float, f"{prefix}AcquirePeriod")
        self.num_images = signal_rbv(int, f"{prefix}NumImages")
        self.image_mode = signal_rbv(ImageMode, f"{prefix}ImageMode")
        self.trigger_mode = signal_rbv(str, f"{prefix}TriggerMode")
        self.stamp_source = signal_rw(str, f"{prefix}StampSource")
        self.array_counter = signal_rbv(int, f"{prefix}ArrayCounter")
        self.array_callbacks = signal_rbv(bool, f"{prefix}ArrayCallbacks")
        self.wait_for_plugins = signal_rw(bool, f"{prefix}WaitForPlugins")
        self.size_x = signal_r(int, f"{prefix}SizeX_RBV")
        self.size_y = signal_r(int, f"{prefix}SizeY_RBV")
        self.data_type = signal_r(str, f"{prefix}DataType_RBV")
        self.color_mode = signal_r(str, f"{prefix}ColorMode_RBV")
        self.port_name = signal_r(str, f"{prefix}PortName_RBV")
        self.detector_state = signal_r(str, f"{prefix}DetectorState_RBV")
        self.num_exposed = signal_r(int, f"{prefix}{exposed}")
        self.deadtime = signal_r(float, f"{prefix}{deadtime}")
        super().__init__()

    async def ensure_stopped(self) -> None:
        """End an acquisition.

        Acquire = 0 goes out without a callback: with one it would queue behind the callback of Acquire = 1.

        Raises:
            AcquireError: It still runs.
        """
        try:
            await set_and_wait_for_other(self.acquire, False, other=self.acquiring, match=False, timeout=STOP_TIMEOUT)
        except WaitTimeoutError as error:
            state = await self.detector_state.get_value()
            msg = f"{self.name}: still acquiring {STOP_TIMEOUT:g} s after Acquire = 0, DetectorState {state!r}"
            raise AcquireError(msg) from error

    async def start(self) -> None:
        """Begin an acquisition and go on when it runs: its end is nobody's callback.

        Raises:
            AcquireError: It does not start.
        """
        try:
            await set_and_wait_for_other(self.acquire, True, other=self.acquiring, match=True, timeout=STOP_TIMEOUT)
        except WaitTimeoutError as error:
            state = await self.detector_state.get_value()
            msg = f"{self.name}: not acquiring {STOP_TIMEOUT:g} s after Acquire = 1, DetectorState {state!r}"
            raise AcquireError(msg) from error

    async def configure(self, value: TriggerInfo, trigger_mode: str) -> None:
        """Set exposure, period, trigger and number of images, and see that they took.

        For external triggers the number of images is unbounded: a driver that had counted a spurious trigger would
        refuse the last true one.
        """
        internal = value.kind == "internal" and value.frames > 0
        await self.trigger_mode.put(trigger_mode)
        await self.image_mode.put(ImageMode.MULTIPLE if internal else ImageMode.CONTINUOUS)
        await self.num_images.put(max(1, value.frames))
        await self.acquire_time.put(value.livetime)
        await self.acquire_period.put(value.livetime + value.deadtime)
        await self.array_callbacks.put(True)
        await self.wait_for_plugins.put(False)
        await self.array_counter.put(0)
        await self._check_configured(value, trigger_mode)

    async def _check_configured(self, value: TriggerInfo, trigger_mode: str) -> None:
        seconds, mode, counter = (
            await self.acquire_time.get_value(),
            await self.trigger_mode.get_value(),
            await self.array_counter.get_value(),
        )
        wrong: list[str] = []
        if abs(seconds - value.livetime) > max(1e-6, 1e-3 * value.livetime):
            wrong.append(f"AcquireTime_RBV {seconds:g} s, expected {value.livetime:g} s")
        if mode != trigger_mode:
            wrong.append(f"TriggerMode_RBV {mode!r}, expected {trigger_mode!r}")
        if counter != 0:
            wrong.append(f"ArrayCounter_RBV {counter}, expected 0")
        if wrong:
            msg = f"{self.name}: the driver did not take its settings: {'; '.join(wrong)}"
            raise ReadbackError(msg)

    async def frame_layout(self) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
        """Shape and type of the frames that it will make.

        From SizeX/Y and DataType, which follow their setpoints at once; ArraySizeX/Y follow with the next frame only.

        Raises:
            AcquireError: A colour mode whose order in the file is not known.
        """
        x, y = await together(self.size_x.get_value(), self.size_y.get_value())
        data_type, color = await together(self.data_type.get_value(), self.color_mode.get_value())
        dtype = np.dtype(data_type.lower())
        match color:
            case "Mono":
                return (y, x), dtype
            case "RGB1":  # pixel by pixel: the plugin writes (n, y, x, 3)
                return (y, x, 3), dtype
            case _:
                msg = (
                    f"{self.name}: ColorMode is {color!r}; expected 'Mono' or 'RGB1', whose order in the file is known"
                )
                raise AcquireError(msg)
