"""PVs that areaDetector's drivers and plugins share (NDArrayBase), and how arrays go from port to port.

Theory of operation. Every driver and plugin is a port with a name; a plugin takes the arrays of the port that its
NDArrayPort names, and may be told to take another's at any time. `Ports` knows the plugins and passes arrays on to
those that listen. A plugin that listens to itself, directly or round a circle, is given an array once.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

import numpy as np

from .pv import Kind
from .pv_group import PVGroup
from .scenery import Scenery
from .shots import Shots

DTYPES = {
    name: np.dtype(name.lower())
    for name in ("Int8", "UInt8", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float32", "Float64")
}
COLOR_MODES = ("Mono", "Bayer", "RGB1", "RGB2", "RGB3", "YUV444", "YUV422", "YUV421")
DRIVER_COLOR_MODES = ("Mono", "RGB1", "RGB2", "RGB3")
NO_YES = ("No", "Yes")
DISABLE_ENABLE = ("Disable", "Enable")
OFF_ON = ("Off", "On")
ATTRIBUTES_STATUS = ("Attributes file OK", "File not found", "XML syntax error", "Attributes macro error")
AXES = ("X", "Y", "Z")


class Listener(Protocol):
    """A plugin as its input sees it."""

    @property
    def input_port(self) -> str:
        """The port that it listens to."""
        ...

    def accept(self, scenery: Scenery, shots: Shots) -> None:
        """Take arrays."""
        ...


class Ports:
    """The plugins of one detector, by what they listen to."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._passing: set[str] = set()

    def connect(self, listener: Listener) -> None:
        """Add a plugin."""
        self._listeners.append(listener)

    def publish(self, port: str, *, scenery: Scenery, shots: Shots) -> None:
        """Pass arrays of `port` to all that listen to it."""
        if port in self._passing or not shots.size:
            return
        self._passing.add(port)
        try:
            for listener in self._listeners:
                if listener.input_port == port:
                    listener.accept(scenery, shots)
        finally:
            self._passing.discard(port)


def add_ndarray_pvs(
    pvs: PVGroup,
    port: str,
    *,
    dtype: str,
    color_modes: tuple[str, ...] = COLOR_MODES,
    on_counter: Callable[[int], Awaitable[None]] | None = None,
) -> None:
    """Add the PVs that every areaDetector port has.

    Args:
        pvs: Where.
        port: Port name.
        dtype: First data type, as areaDetector spells it.
        color_modes: Choices of ColorMode: a driver has fewer than a plugin.
        on_counter: Handler of puts on ArrayCounter; None lets them through.
    """
    pvs.add("PortName_RBV", Kind.STRING, port, read_only=True)
    pvs.add("ADCoreVersion_RBV", Kind.STRING, "3.14.0", read_only=True)
    pvs.add("DriverVersion_RBV", Kind.STRING, "0.1.0", read_only=True)
    pvs.add("NDimensions_RBV", Kind.INT, 2, read_only=True)
    for suffix in (*(f"ArraySize{axis}" for axis in AXES), "ArraySize0", "ArraySize1", "ArraySize2", "ArraySize"):
        pvs.add(suffix + "_RBV", Kind.INT, 0, read_only=True)
    for suffix in ("UniqueId", "EpicsTSSec", "EpicsTSNsec"):
        pvs.add(suffix + "_RBV", Kind.INT, 0, read_only=True)
    pvs.add("TimeStamp_RBV", Kind.FLOAT, 0.0, units="s", precision=6, read_only=True)
    pvs.add("ArrayRate_RBV", Kind.FLOAT, 0.0, units="Hz", precision=1, read_only=True)
    pvs.enum("ColorMode_RBV", color_modes, read_only=True)
    pvs.enum("DataType_RBV", tuple(DTYPES), value=list(DTYPES).index(dtype), read_only=True)
    pvs.add("ArrayCounter", Kind.INT, 0, handler=on_counter or _both(pvs, "ArrayCounter"))
    pvs.add("ArrayCounter_RBV", Kind.INT, 0, read_only=True)


def add_attributes_pvs(
    pvs: PVGroup, *, length: int = 256, handler: Callable[[str], Awaitable[None]] | None = None
) -> None:
    """Add NDAttributesFile, of so many bytes, and its status; without a handler puts pass through."""
    pvs.text("NDAttributesFile", "", handler=handler, length=length)
    pvs.text("NDAttributesMacros", "")
    pvs.enum("NDAttributesStatus", ATTRIBUTES_STATUS, value=1, read_only=True)


def post_layout(pvs: PVGroup, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> None:
    """Post shape (rows first) and type of the arrays that pass a port, fastest dimension first as areaDetector does."""
    sizes = (*reversed(shape), *(0 for _ in range(3 - len(shape))))
    for k, size in enumerate(sizes[:3]):
        pvs[f"ArraySize{k}_RBV"].post_change(size)
    # In colour, X and Y leave out the dimension of the components.
    x, y = (sizes[1], sizes[2]) if len(shape) == 3 else sizes[:2]
    for axis, size in zip(AXES, (x, y, 0), strict=True):
        pvs[f"ArraySize{axis}_RBV"].post_change(size)
    pvs["NDimensions_RBV"].post_change(len(shape))
    pvs["ArraySize_RBV"].post_change(int(np.prod(shape)) * dtype.itemsize)
    pvs["DataType_RBV"].post_change(type_name(dtype))
    pvs["ColorMode_RBV"].post_change("RGB1" if len(shape) == 3 else "Mono")


def type_name(dtype: np.dtype[np.generic]) -> str:
    """A numpy type as areaDetector spells it."""
    return next(name for name, known in DTYPES.items() if known == dtype)


def _both(pvs: PVGroup, suffix: str) -> Callable[[int], Awaitable[None]]:
    async def put(value: int) -> None:
        pvs[suffix].post(value)
        pvs[suffix + "_RBV"].post(value)

    return put
