"""Plug-ins of areaDetector that look at frames or change them, one class per template of ADCore.

`layout_after` is what a plug-in makes of a frame's shape and type; `passes_every_frame` says what would keep frames
back without counting them as dropped.
"""

from ...task_scope import together
from ..device import Device, DeviceVector
from ..errors import FrameLayoutError
from ..signals import signal_r, signal_rbv, signal_rw
from .ad_block import AdBlock, optional_r, optional_rbv, optional_rw
from .ad_image import LiveImage
from .ad_layout import AUTOMATIC, Cut, FrameLayout

ROIS = 8


class AdPlugin(AdBlock):
    """Any plug-in (NDPluginBase.template)."""

    def __init__(self, prefix: str) -> None:
        self.input_port = signal_rbv(str, f"{prefix}NDArrayPort")
        self.enable_callbacks = signal_rbv(bool, f"{prefix}EnableCallbacks")
        self.queue_size = signal_rbv(int, f"{prefix}QueueSize")
        self.queue_free = signal_r(int, f"{prefix}QueueFree")
        self.dropped_arrays = signal_rbv(int, f"{prefix}DroppedArrays")
        self.array_size0 = signal_r(int, f"{prefix}ArraySize0_RBV")
        self.array_size1 = signal_r(int, f"{prefix}ArraySize1_RBV")
        self.array_size2 = optional_r(int, f"{prefix}ArraySize2_RBV")
        self.blocking_callbacks = optional_rbv(bool, f"{prefix}BlockingCallbacks")
        self.min_callback_time = optional_rbv(float, f"{prefix}MinCallbackTime")
        super().__init__(prefix)

    async def layout_after(self, layout: FrameLayout) -> FrameLayout:
        """What it makes of a frame: passes it on as it is.

        Raises:
            FrameLayoutError: That cannot be foretold.
        """
        return layout

    async def withholding(self) -> str:
        """What of its settings keeps frames back in silence; empty if nothing does."""
        if not await self.enable_callbacks.get_value():
            return f"{self.enable_callbacks.source} is Disable, expected Enable"
        if (pause := await self.min_callback_time.value_or(0.0)) > 0:
            return f"{self.min_callback_time.source} is {pause:g} s: it passes over frames that come sooner; expected 0"
        return ""

    async def last_layout(self) -> FrameLayout:
        """The last frame that it was given; only true until something before it changes.

        Raises:
            FrameLayoutError: It was given none.
        """
        sizes = await together(self.array_size0.get_value(), self.array_size1.get_value(), self.array_size2.value_or(0))
        color = await self.color_mode.get_value()
        # NDArrays count from the fastest dimension; of three, the colours' place follows from the mode.
        place = {"RGB1": 0, "RGB2": 1, "RGB3": 2}.get(color)
        size = [n for index, n in enumerate(sizes) if index != place][:2]
        return FrameLayout.of((size[0], size[1]), color, await self.data_type.get_value())


class RoiPlugin(AdPlugin):
    """A region of interest (NDROI.template); each setting along x and y."""

    def __init__(self, prefix: str) -> None:
        self.min_x, self.min_y = (signal_rbv(int, f"{prefix}Min{axis}") for axis in "XY")
        self.size_x, self.size_y = (signal_rbv(int, f"{prefix}Size{axis}") for axis in "XY")
        self.bin_x, self.bin_y = (signal_rbv(int, f"{prefix}Bin{axis}") for axis in "XY")
        self.enable_x, self.enable_y = (optional_rbv(bool, f"{prefix}Enable{axis}") for axis in "XY")
        self.auto_size_x, self.auto_size_y = (optional_rbv(bool, f"{prefix}AutoSize{axis}") for axis in "XY")
        self.reverse_x, self.reverse_y = (optional_rbv(bool, f"{prefix}Reverse{axis}") for axis in "XY")
        self.data_type_out = optional_rbv(str, f"{prefix}DataTypeOut")
        self.collapse_dims = optional_rbv(bool, f"{prefix}CollapseDims")
        self.enable_scale = optional_rbv(bool, f"{prefix}EnableScale")
        self.scale = optional_rbv(float, f"{prefix}Scale")
        super().__init__(prefix)

    async def layout_after(self, layout: FrameLayout) -> FrameLayout:
        """Cut, binned, converted."""
        if await self.collapse_dims.value_or(False):
            msg = f"{self.name}: {self.collapse_dims.source} is on: it may take a dimension away; turn it off"
            raise FrameLayoutError(msg)
        x = Cut(
            enabled=await self.enable_x.value_or(True),
            whole=await self.auto_size_x.value_or(False),
            start=await self.min_x.get_value(),
            size=await self.size_x.get_value(),
            binning=await self.bin_x.get_value(),
        )
        y = Cut(
            enabled=await self.enable_y.value_or(True),
            whole=await self.auto_size_y.value_or(False),
            start=await self.min_y.get_value(),
            size=await self.size_y.get_value(),
            binning=await self.bin_y.get_value(),
        )
        return layout.cut(x, y).converted(await self.data_type_out.value_or(AUTOMATIC))


class ProcessPlugin(AdPlugin):
    """Background, flat field, scale, clipping and a recursive filter (NDProcess.template)."""

    def __init__(self, prefix: str) -> None:
        self.data_type_out = signal_rbv(str, f"{prefix}DataTypeOut")
        self.enable_background = optional_rbv(bool, f"{prefix}EnableBackground")
        self.enable_flat_field = optional_rbv(bool, f"{prefix}EnableFlatField")
        self.enable_offset_scale = signal_rbv(bool, f"{prefix}EnableOffsetScale")
        self.scale = signal_rbv(float, f"{prefix}Scale")
        self.offset = signal_rbv(float, f"{prefix}Offset")
        self.enable_low_clip = optional_rbv(bool, f"{prefix}EnableLowClip")
        self.enable_high_clip = optional_rbv(bool, f"{prefix}EnableHighClip")
        self.enable_filter = optional_rbv(bool, f"{prefix}EnableFilter")
        self.filter_callbacks = optional_rbv(str, f"{prefix}FilterCallbacks")
        self.num_filter = optional_rbv(int, f"{prefix}NumFilter")
        super().__init__(prefix)

    async def layout_after(self, layout: FrameLayout) -> FrameLayout:
        """Converted."""
        return layout.converted(await self.data_type_out.get_value())

    async def withholding(self) -> str:
        """A filter may give one frame for several."""
        if await self.enable_filter.value_or(False) and "only" in await self.filter_callbacks.value_or(""):
            return f"{self.filter_callbacks.source} gives one frame for several; expected 'Every array'"
        return await super().withholding()


class StatsPlugin(AdPlugin):
    """Statistics of a frame (NDStats.template)."""

    def __init__(self, prefix: str) -> None:
        self.compute_statistics = signal_rbv(bool, f"{prefix}ComputeStatistics")
        self.compute_centroid = signal_rbv(bool, f"{prefix}ComputeCentroid")
        self.centroid_threshold = optional_rbv(float, f"{prefix}CentroidThreshold")
        self.compute_profiles = optional_rbv(bool, f"{prefix}ComputeProfiles")
        self.compute_histogram = optional_rbv(bool, f"{prefix}ComputeHistogram")
        self.background_width = optional_rbv(int, f"{prefix}BgdWidth")
        self.minimum, self.maximum = (signal_r(float, f"{prefix}{name}Value_RBV") for name in ("Min", "Max"))
        self.mean, self.sigma = signal_r(float, f"{prefix}MeanValue_RBV"), optional_r(float, f"{prefix}Sigma_RBV")
        self.total, self.net = signal_r(float, f"{prefix}Total_RBV"), optional_r(float, f"{prefix}Net_RBV")
        self.centroid_x, self.centroid_y = (signal_r(float, f"{prefix}Centroid{axis}_RBV") for axis in "XY")
        self.sigma_x, self.sigma_y = (optional_r(float, f"{prefix}Sigma{axis}_RBV") for axis in "XY")
        super().__init__(prefix)


class RoiStat(Device):
    """One region of an ROIStat plug-in (NDROIStatN.template)."""

    def __init__(self, prefix: str) -> None:
        self.label = signal_rw(str, f"{prefix}Name")
        self.use = signal_rbv(bool, f"{prefix}Use")
        self.min_x, self.min_y = (signal_rbv(int, f"{prefix}Min{axis}") for axis in "XY")
        self.size_x, self.size_y = (signal_rbv(int, f"{prefix}Size{axis}") for axis in "XY")
        self.minimum, self.maximum = (signal_r(float, f"{prefix}{name}Value_RBV") for name in ("Min", "Max"))
        self.mean, self.total = signal_r(float, f"{prefix}MeanValue_RBV"), signal_r(float, f"{prefix}Total_RBV")
        super().__init__()


class RoiStatPlugin(AdPlugin):
    """Statistics of several regions at once (NDROIStat.template)."""

    def __init__(self, prefix: str, *, regions: int = ROIS) -> None:
        """Name the PVs of so many regions, counted from 1 as the IOC does."""
        self.regions = DeviceVector({n: RoiStat(f"{prefix}{n}:") for n in range(1, regions + 1)})
        super().__init__(prefix)


class CircularBuffPlugin(AdPlugin):
    """Keeps the last frames until it is triggered (NDCircularBuff.template)."""

    def __init__(self, prefix: str) -> None:
        self.capture = signal_rbv(bool, f"{prefix}Capture")
        self.trigger_now = signal_rw(bool, f"{prefix}Trigger")
        self.pre_count = signal_rbv(int, f"{prefix}PreCount")
        self.post_count = signal_rbv(int, f"{prefix}PostCount")
        self.preset_trigger_count = optional_rbv(int, f"{prefix}PresetTriggerCount")
        self.flush_on_soft_trigger = optional_rbv(str, f"{prefix}FlushOnSoftTrg")
        self.current_image = optional_r(int, f"{prefix}CurrentQty_RBV")
        self.status_message = optional_r(str, f"{prefix}StatusMessage_RBV")
        super().__init__(prefix)

    async def withholding(self) -> str:
        """It keeps frames back by nature."""
        return f"{self.name} passes on the frames around a trigger alone; feed the writer from what is before it"


class PvaPlugin(AdPlugin):
    """Serves frames over PV Access (NDPva.template), as <prefix>Image, whatever protocol the other PVs are on."""

    def __init__(self, prefix: str) -> None:
        self.image_name = signal_r(str, f"{prefix}PvName_RBV")
        self._image_uri = f"pva://{prefix.partition('://')[2]}Image"
        super().__init__(prefix)

    def images(self) -> LiveImage:
        """Pictures as they come: `async with plugin.images() as images`, then iterate. Enable its callbacks first."""
        return LiveImage(self._image_uri, name=f"{self.name}-image")


class TiffPlugin(AdPlugin):
    """One TIFF file per frame (NDFileTIFF.template over NDFile.template)."""

    def __init__(self, prefix: str) -> None:
        self.file_path, self.file_name = (signal_rbv(str, f"{prefix}File{part}") for part in ("Path", "Name"))
        self.file_template = signal_rbv(str, f"{prefix}FileTemplate")
        self.file_number = signal_rbv(int, f"{prefix}FileNumber")
        self.auto_increment = signal_rbv(bool, f"{prefix}AutoIncrement")
        self.auto_save = optional_rbv(bool, f"{prefix}AutoSave")
        self.write_mode = signal_rbv(str, f"{prefix}FileWriteMode")
        self.num_capture = signal_rbv(int, f"{prefix}NumCapture")
        self.num_captured = signal_r(int, f"{prefix}NumCaptured_RBV")
        self.capture = signal_rw(bool, f"{prefix}Capture")
        self.full_file_name = signal_r(str, f"{prefix}FullFileName_RBV")
        self.write_status = optional_r(str, f"{prefix}WriteStatus")
        self.write_message = optional_r(str, f"{prefix}WriteMessage")
        self.create_directory = optional_rw(int, f"{prefix}CreateDirectory")
        super().__init__(prefix)


class JpegPlugin(TiffPlugin):
    """One JPEG file per frame (NDFileJPEG.template): lossy, for looking at."""

    def __init__(self, prefix: str) -> None:
        self.quality = optional_rbv(int, f"{prefix}JPEGQuality")
        super().__init__(prefix)
