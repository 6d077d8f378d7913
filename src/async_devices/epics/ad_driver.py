"""The driver of an areaDetector camera: what every one of them has, and what a flight asks of it.

A driver for a camera is a thin subclass: PVs of its own, its trigger modes by the kind of trigger, and rules. Those
that areaDetector has in common are here (ADBase.template of ADCore); what an IOC may lack is optional, and what then
cannot be known is None:

    exposures made   NumExposed_RBV if the driver has it; ArrayCounter_RBV otherwise: frames read out since arming
    dead time        DeadTime_RBV if the driver has it; the driver class's own rule otherwise; else unknown
    stamps           StampSource if the driver has it; what the user declares otherwise
"""

from collections.abc import Mapping
from typing import ClassVar

from ...task_scope import task_scope, together
from ..datatypes import SubsetEnum
from ..errors import FrameLayoutError
from ..flight import Identity, TriggerInfo, TriggerKind
from ..mocking import mock_of
from ..signals import signal_r, signal_rbv, signal_rw
from .ad_block import AdBlock, optional_r, optional_rw
from .ad_layout import FrameLayout


class ImageMode(SubsetEnum):
    """How many images an acquisition makes."""

    SINGLE = "Single"
    MULTIPLE = "Multiple"
    CONTINUOUS = "Continuous"


class AdDriver(AdBlock):
    """`cam1:` of any areaDetector camera.

    Attributes:
        trigger_modes: What TriggerMode is called per kind of trigger; a kind that is not there is refused.
        default_identity: By what frames can be recognised unless the user knows better.
        most_images: NumImages for an unbounded number of external triggers; None: ImageMode Continuous takes any.
        size_counts_binned: Whether SizeX counts pixels after binning; None: not known, so binning is refused.
    """

    trigger_modes: ClassVar[Mapping[TriggerKind, str]] = {"internal": "Internal", "edge": "External"}
    default_identity: ClassVar[Identity] = Identity.SOFTWARE_TIME
    most_images: ClassVar[int | None] = None
    size_counts_binned: ClassVar[bool | None] = None

    def __init__(self, prefix: str) -> None:
        """Name the PVs; `prefix` is a URI with the colon, as ca://SIM:CAM:cam1:."""
        self.acquire = signal_rw(bool, f"{prefix}Acquire")
        self.acquiring = signal_r(bool, f"{prefix}Acquire_RBV")
        self.acquire_time = signal_rbv(float, f"{prefix}AcquireTime")
        self.acquire_period = signal_rbv(float, f"{prefix}AcquirePeriod")
        self.num_images = signal_rbv(int, f"{prefix}NumImages")
        self.image_mode = signal_rbv(ImageMode, f"{prefix}ImageMode")
        self.trigger_mode = signal_rbv(str, f"{prefix}TriggerMode")
        self.wait_for_plugins = signal_rw(bool, f"{prefix}WaitForPlugins")
        self.size_x = signal_r(int, f"{prefix}SizeX_RBV")
        self.size_y = signal_r(int, f"{prefix}SizeY_RBV")
        self.detector_state = signal_r(str, f"{prefix}DetectorState_RBV")
        self.bin_x = optional_r(int, f"{prefix}BinX_RBV")
        self.bin_y = optional_r(int, f"{prefix}BinY_RBV")
        self.model = optional_r(str, f"{prefix}Model_RBV")
        self.num_exposed = optional_r(int, f"{prefix}NumExposed_RBV")
        self.deadtime = optional_r(float, f"{prefix}DeadTime_RBV")
        self.stamp_source = optional_rw(str, f"{prefix}StampSource")
        super().__init__(prefix)

    async def select_trigger(self, value: TriggerInfo) -> None:
        """Set what starts an exposure. Drivers with more than one PV for that write them in their order."""
        await self.trigger_mode.put(self.trigger_modes[value.kind])

    async def set_images(self, value: TriggerInfo) -> None:
        """Set how many images an acquisition makes.

        For external triggers the number is unbounded where the driver can: one that had counted a spurious trigger
        would refuse the last true one.
        """
        internal = value.kind == "internal"
        multiple = value.bounded if internal else self.most_images is not None
        await self.image_mode.put(ImageMode.MULTIPLE if multiple else ImageMode.CONTINUOUS)
        number = value.frames_per_kickoff if internal else self.most_images
        if multiple:
            await self.num_images.put(number or 1)

    async def wait_armed(self, timeout: float) -> None:
        """Wait until a trigger would be taken; drivers that say more than Acquire_RBV wait for it."""
        del timeout

    async def behave_as_mock(self) -> None:
        """Make the images that are asked for, at once; without a number of them, acquire until told to stop."""
        mock_of(self.num_images).set_now(1)
        mock_of(self.image_mode).set_now(ImageMode.SINGLE)
        mock_of(self.acquire).on_put(self._acquire_as_mock)

    async def _acquire_as_mock(self, acquire: bool) -> None:  # noqa: FBT001  # what Acquire is written with
        mode = await self.image_mode.get_value()
        acquiring = mock_of(self.acquiring)
        acquiring.set_now(acquire)
        if not acquire or mode == ImageMode.CONTINUOUS:
            return
        made = await self.num_images.get_value() if mode == ImageMode.MULTIPLE else 1
        for counter in (self.array_counter, self.num_exposed):
            mock_of(counter).set_now(await counter.get_value() + made)
        mock_of(self.acquire).set_now(False)
        acquiring.set_now(False)

    async def rule_for_deadtime(self) -> float | None:
        """Seconds between two exposures by what is known of this kind of camera; None: nothing is."""
        return None

    async def exposed(self, *, since_acquire: bool) -> int:
        """Exposures since arming.

        Args:
            since_acquire: Acquire = 1 was written once since arming, so that a count since then serves as well: it
                knows of exposures that are not read out yet.
        """
        if since_acquire and self.num_exposed.present:
            return await self.num_exposed.get_value()
        return await self.array_counter.get_value()

    async def frame_layout(self) -> FrameLayout:
        """The frames that it will make.

        From SizeX/Y and DataType, which follow their setpoints at once; ArraySizeX/Y follow with the next frame only.

        Raises:
            FrameLayoutError: A colour mode whose order in the file is not known, or a binning whose effect is not.
        """
        (width, height, bin_x, bin_y), (data_type, color) = await self._settings_of_frames()
        try:
            if (bin_x, bin_y) != (1, 1) and self.size_counts_binned is not True:
                width, height = self._binned(width, bin_x), self._binned(height, bin_y)
            return FrameLayout.of((width, height), color, data_type)
        except FrameLayoutError as error:
            msg = f"{self.name}: {error}"
            raise FrameLayoutError(msg) from error

    async def _settings_of_frames(self) -> tuple[list[int], list[str]]:
        async with task_scope() as group:
            texts = group.create_task(together(self.data_type.get_value(), self.color_mode.get_value()))
            numbers = await together(
                self.size_x.get_value(), self.size_y.get_value(), self.bin_x.value_or(1), self.bin_y.value_or(1)
            )
        return numbers, texts.result()

    def _binned(self, size: int, binning: int) -> int:
        if self.size_counts_binned is None:
            msg = (
                f"binned by {binning}, and {type(self).__name__} does not know whether SizeX counts binned pixels; "
                "take a frame first (await detector.prime()), or use the camera's own driver class"
            )
            raise FrameLayoutError(msg)
        return size // binning
