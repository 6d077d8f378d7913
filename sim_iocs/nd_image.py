"""The PVA image plugin (Pva1:): each frame as an NTNDArray at Pva1:Image.

Theory of operation. A p4p SharedPV keeps the last frame and gives every subscriber a queue of its own, so a slow
subscriber sees gaps in `uniqueId` and in nothing else. Frames are drawn here, so the queue bounds them as it does
those of a statistics plugin.
"""

from typing import Any

import numpy as np
from p4p import Value
from p4p.nt import NTNDArray
from p4p.server.asyncio import SharedPV

from .clock import NS
from .nd_stats import DrawingPlugin
from .ndarray import COLOR_MODES, Ports
from .pv import Kind
from .scenery import Pixels
from .shots import Shots

MEMBERS = {
    "int8": "byteValue",
    "int16": "shortValue",
    "int32": "intValue",
    "int64": "longValue",
    "uint8": "ubyteValue",
    "uint16": "ushortValue",
    "uint32": "uintValue",
    "uint64": "ulongValue",
    "float32": "floatValue",
    "float64": "doubleValue",
}


class ImagePlugin(DrawingPlugin):
    """Serves frames over PV Access.

    Args:
        prefix: PV prefix, as SIM:CAM:Pva1:.
        port: Its port name.
        source: Port name of its first input.
        ports: Where it takes and gives arrays.
    """

    def __init__(self, prefix: str, *, port: str, source: str, ports: Ports) -> None:
        super().__init__(prefix, kind="NDPluginPva", port=port, source=source, ports=ports)
        self.name = prefix + "Image"
        self.pvs.add("PvName_RBV", Kind.TEXT, self.name, read_only=True, length=256)
        self._type = NTNDArray.buildType()
        self._served: SharedPV | None = None

    def shared(self) -> dict[str, SharedPV]:
        """Give the image by name, to be served; call it in the running loop."""
        self._served = SharedPV(initial=Value(self._type, {"uniqueId": 0}))
        return {self.name: self._served}

    def look(self, image: Pixels, shot: Shots) -> None:
        """Post a frame."""
        if self._served is not None:
            self._served.post(Value(self._type, ntndarray(image, shot)))


def ntndarray(image: Pixels, shot: Shots) -> dict[str, Any]:
    """Give the fields of an NTNDArray.

    Args:
        image: (height, width), or (height, width, 3).
        shot: One row: time stamp, unique id, attributes.
    """
    plain = np.ascontiguousarray(image)
    seconds, nanoseconds = divmod(int(shot.stamp_ns[0]), NS)
    stamp = {"secondsPastEpoch": seconds, "nanoseconds": nanoseconds}
    color = COLOR_MODES.index("RGB1" if image.ndim == 3 else "Mono")
    attributes = [_attribute("ColorMode", np.int32(color), "Color mode")]
    attributes += [_attribute(name, column[0], name) for name, column in shot.attributes.items()]
    return {
        "value": (MEMBERS[plain.dtype.name], plain.reshape(-1)),
        "codec": {"name": ""},
        "compressedSize": plain.nbytes,
        "uncompressedSize": plain.nbytes,
        "uniqueId": int(shot.unique_id[0]),
        "dataTimeStamp": stamp,
        "timeStamp": stamp,
        # The fastest dimension first, as areaDetector counts.
        "dimension": [
            {"size": size, "offset": 0, "fullSize": size, "binning": 1, "reverse": False}
            for size in reversed(plain.shape)
        ],
        "attribute": attributes,
    }


def _attribute(name: str, value: Any, description: str) -> dict[str, Any]:
    return {"name": name, "value": value.item(), "descriptor": description, "sourceType": 0, "source": ""}
