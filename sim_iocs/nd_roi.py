"""The region-of-interest plugin (ROI1:) and the process plugin (PROC1:): what they do becomes part of the scene."""

from .nd_plugin import NDPlugin
from .ndarray import DISABLE_ENABLE, DTYPES, NO_YES, Ports, type_name
from .picture import Region, Scaling, Scene
from .pv import Kind
from .scenery import Scenery
from .shots import Shots

AUTOMATIC = "Automatic"


class RoiPlugin(NDPlugin):
    """Takes a region of each frame, and bins it.

    Args:
        prefix: PV prefix, as SIM:CAM:ROI1:.
        port: Its port name.
        source: Port name of its first input.
        ports: Where it takes and gives arrays.
    """

    def __init__(self, prefix: str, *, port: str, source: str, ports: Ports) -> None:
        super().__init__(prefix, kind="NDPluginROI", port=port, source=source, ports=ports)
        for axis in "XYZ":
            self.pvs.pair(f"Min{axis}", Kind.INT, 0)
            self.pvs.pair(f"Size{axis}", Kind.INT, 0)
            self.pvs.pair(f"Bin{axis}", Kind.INT, 1)
            self.pvs.pair(f"Enable{axis}", Kind.ENUM, 1, choices=DISABLE_ENABLE)
            self.pvs.pair(f"AutoSize{axis}", Kind.ENUM, 0, choices=NO_YES)
            self.pvs.add(f"MaxSize{axis}_RBV", Kind.INT, 0, read_only=True)
        self.pvs.text("Name", "")

    def process(self, scenery: Scenery, shots: Shots, tag: int) -> None:
        """Pass the region on; a size of 0 means all that there is."""
        del tag
        if not isinstance(scenery, Scene):
            return
        height, width = scenery.frame_shape[:2]
        self.pvs["MaxSizeX_RBV"].post_change(width)
        self.pvs["MaxSizeY_RBV"].post_change(height)
        left, columns, bin_x = self._along("X", width)
        top, rows, bin_y = self._along("Y", height)
        self.publish(scenery.then(Region(left, top, columns, rows, bin_x, bin_y)), shots)

    def _along(self, axis: str, most: int) -> tuple[int, int, int]:
        if not self.pvs["Enable" + axis].value:
            return 0, most, 1
        first = min(max(int(self.pvs["Min" + axis].value), 0), most - 1)
        size = int(self.pvs["Size" + axis].value)
        size = min(size, most - first) if size > 0 and not self.pvs["AutoSize" + axis].value else most - first
        return first, size, min(max(int(self.pvs["Bin" + axis].value), 1), size)


class ProcessPlugin(NDPlugin):
    """Adds an offset to every pixel and multiplies it.

    Args:
        prefix: PV prefix, as SIM:CAM:PROC1:.
        port: Its port name.
        source: Port name of its first input.
        ports: Where it takes and gives arrays.
    """

    def __init__(self, prefix: str, *, port: str, source: str, ports: Ports) -> None:
        super().__init__(prefix, kind="NDPluginProcess", port=port, source=source, ports=ports)
        self.pvs.pair("EnableOffsetScale", Kind.ENUM, 0, choices=DISABLE_ENABLE)
        self.pvs.pair("Scale", Kind.FLOAT, 1.0, precision=4)
        self.pvs.pair("Offset", Kind.FLOAT, 0.0, precision=4)
        self.pvs.pair("DataTypeOut", Kind.ENUM, len(DTYPES), choices=(*DTYPES, AUTOMATIC))

    def process(self, scenery: Scenery, shots: Shots, tag: int) -> None:
        """Pass the scaled frames on, clipped to the range of their type."""
        del tag
        if not isinstance(scenery, Scene):
            return
        chosen = self.pvs["DataTypeOut"].label
        name = type_name(scenery.frame_dtype) if chosen == AUTOMATIC else chosen
        offset, scale = 0.0, 1.0
        if self.pvs["EnableOffsetScale"].value:
            offset, scale = float(self.pvs["Offset"].value), float(self.pvs["Scale"].value)
        self.publish(scenery.then(Scaling(offset, scale, name.lower())), shots)
