"""PVs that areaDetector's drivers and plugins share (NDArrayBase)."""

from collections.abc import Awaitable, Callable

import numpy as np

from .pv import Kind
from .pv_group import PVGroup

DTYPES = {
    name: np.dtype(name.lower())
    for name in ("Int8", "UInt8", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float32", "Float64")
}
COLOR_MODES = ("Mono", "Bayer", "RGB1", "RGB2", "RGB3", "YUV444", "YUV422", "YUV421")
NO_YES = ("No", "Yes")
DISABLE_ENABLE = ("Disable", "Enable")


def add_ndarray_pvs(
    pvs: PVGroup, port: str, *, dtype: str, on_counter: Callable[[int], Awaitable[None]] | None = None
) -> None:
    """Add the PVs that every areaDetector port has.

    Args:
        pvs: Where.
        port: Port name.
        dtype: First data type, as areaDetector spells it.
        on_counter: Handler of puts on ArrayCounter; None lets them through.
    """
    pvs.add("PortName_RBV", Kind.STRING, port, read_only=True)
    pvs.add("ADCoreVersion_RBV", Kind.STRING, "3.14.0", read_only=True)
    pvs.add("DriverVersion_RBV", Kind.STRING, "0.1.0", read_only=True)
    pvs.add("UniqueId_RBV", Kind.INT, 0, read_only=True)
    pvs.text("NDAttributesFile", "")
    pvs.enum(
        "NDAttributesStatus", ("Attributes file OK", "File not found", "XML syntax error"), value=1, read_only=True
    )
    for suffix in ("ArraySizeX", "ArraySizeY", "ArraySizeZ", "ArraySize0", "ArraySize1", "ArraySize2", "ArraySize"):
        pvs.add(suffix + "_RBV", Kind.INT, 0, read_only=True)
    pvs.enum("ColorMode", COLOR_MODES)
    pvs.enum("ColorMode_RBV", COLOR_MODES, read_only=True)
    pvs.enum("DataType_RBV", tuple(DTYPES), value=list(DTYPES).index(dtype), read_only=True)
    pvs.add("ArrayCounter", Kind.INT, 0, handler=on_counter or _both(pvs, "ArrayCounter"))
    pvs.add("ArrayCounter_RBV", Kind.INT, 0, read_only=True)


def post_shape(pvs: PVGroup, shape: tuple[int, int], dtype: np.dtype[np.generic]) -> None:
    """Post the shape (height, width) and size of the frames that pass a port."""
    height, width = shape
    for suffix, value in (("X", width), ("Y", height), ("0", width), ("1", height)):
        pvs[f"ArraySize{suffix}_RBV"].post_change(value)
    pvs["ArraySize_RBV"].post_change(width * height * dtype.itemsize)


def _both(pvs: PVGroup, suffix: str) -> Callable[[int], Awaitable[None]]:
    async def put(value: int) -> None:
        pvs[suffix].post(value)
        pvs[suffix + "_RBV"].post(value)

    return put
