"""Values recorded with every frame: NDAttributes, those that the plug-in always writes and those that are asked for.

areaDetector takes the list of attributes as XML in NDAttributesFile (NDArrayBase.template). The PV holds 256 bytes of a
driver and 2048 of the HDF5 plug-in, and over PV Access longer text is cut in silence, so its length is checked here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import quoteattr

import numpy as np

from ..errors import ReadbackError, ValueRefusedError, WaitTimeoutError
from .ad_block import AdBlock

GROUP = "/entry/instrument/NDAttributes"
LONGEST_OF_DRIVER = 255
LONGEST_XML = 2047
"""Bytes that the HDF5 plug-in's NDAttributesFile holds, without its NUL."""
STATUS_TIMEOUT = 5.0
"""Seconds: the IOC connects a client to every PV that is named."""
STATUS_GOOD = "Attributes file OK"

DbrType = Literal["DBR_DOUBLE", "DBR_FLOAT", "DBR_LONG", "DBR_SHORT", "DBR_CHAR", "DBR_NATIVE"]
_DTYPES = {"DBR_DOUBLE": "<f8", "DBR_FLOAT": "<f4", "DBR_LONG": "<i4", "DBR_SHORT": "<i2", "DBR_CHAR": "|i1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NDAttribute:
    """The value of a PV, recorded by the IOC with every frame.

    Attributes:
        name: Of the attribute; its data key is <detector>-<name>.
        pv: Whose value it is.
        dbrtype: As what it is recorded.
        units: Of its values.
        description: For people.
    """

    name: str
    pv: str
    dbrtype: DbrType = "DBR_DOUBLE"
    units: str | None = None
    description: str = ""

    @property
    def dtype(self) -> str:
        """Of its dataset, as numpy writes it.

        Raises:
            ValueRefusedError: DBR_NATIVE: only the IOC knows.
        """
        if self.dbrtype not in _DTYPES:
            msg = f"attribute {self.name!r} of type {self.dbrtype}: expected one of {sorted(_DTYPES)}, so that its "
            raise ValueRefusedError(msg + "data key can be described before the first frame")
        return _DTYPES[self.dbrtype]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameColumn:
    """A dataset with one value per frame, beside the frames.

    Attributes:
        suffix: Of its data key, behind the detector's name.
        dataset: Where it is in the file.
        dtype: As numpy writes it.
        units: Of its values.
    """

    suffix: str
    dataset: str
    dtype: str
    units: str | None = None


IDENTITY_COLUMNS = (
    FrameColumn(suffix="unique_id", dataset=f"{GROUP}/NDArrayUniqueId", dtype="<i4"),
    FrameColumn(suffix="timestamp", dataset=f"{GROUP}/NDArrayTimeStamp", dtype="<f8", units="s"),
    FrameColumn(suffix="epics_ts_sec", dataset=f"{GROUP}/NDArrayEpicsTSSec", dtype="<u4", units="s"),
    FrameColumn(suffix="epics_ts_nsec", dataset=f"{GROUP}/NDArrayEpicsTSnSec", dtype="<u4", units="ns"),
)
"""What the HDF5 plug-in writes with StoreAttr on: the driver's count and its stamps, in seconds since 1990."""


def columns_of(attributes: Sequence[NDAttribute]) -> tuple[FrameColumn, ...]:
    """The identities, and one column per attribute.

    Example:
        >>> columns_of([NDAttribute(name="Current", pv="SR:CURRENT", units="mA")])[-1].dataset
        '/entry/instrument/NDAttributes/Current'
    """
    asked = (
        FrameColumn(suffix=each.name, dataset=f"{GROUP}/{each.name}", dtype=np.dtype(each.dtype).str, units=each.units)
        for each in attributes
    )
    return (*IDENTITY_COLUMNS, *asked)


def attributes_xml(attributes: Sequence[NDAttribute]) -> str:
    """What NDAttributesFile takes.

    Raises:
        ValueRefusedError: Longer than the PV of an HDF5 plug-in holds.

    Example:
        >>> attributes_xml([NDAttribute(name="T", pv="TEMP:RBV")])
        '<Attributes><Attribute name="T" type="EPICS_PV" source="TEMP:RBV" dbrtype="DBR_DOUBLE"/></Attributes>'
    """
    rows = "".join(_xml(each) for each in attributes)
    text = f"<Attributes>{rows}</Attributes>"
    if len(text.encode()) > LONGEST_XML:
        msg = f"{len(attributes)} NDAttributes are {len(text.encode())} bytes of XML; NDAttributesFile holds "
        raise ValueRefusedError(f"{msg}{LONGEST_XML}. Ask for fewer, or give the IOC a file")
    return text


def _xml(each: NDAttribute) -> str:
    described = f" description={quoteattr(each.description)}" if each.description else ""
    return (
        f'<Attribute name={quoteattr(each.name)} type="EPICS_PV" source={quoteattr(each.pv)} '
        f'dbrtype="{each.dbrtype}"{described}/>'
    )


async def ask_for(driver: AdBlock, writer: AdBlock, attributes: Sequence[NDAttribute]) -> None:
    """Have attributes recorded with every frame: by the driver, as of its exposure, or by the writer if they are many.

    Raises:
        ReadbackError: The IOC does not take the list; with what it says of it.
        ValueRefusedError: The list is too long.
    """
    text = attributes_xml(attributes)
    block = driver if len(text.encode()) <= LONGEST_OF_DRIVER else writer
    if not block.attributes_file.present:
        msg = f"{block.name}: this IOC does not serve {block.attributes_file.source}; it cannot record NDAttributes"
        raise ReadbackError(msg)
    await block.attributes_file.put(text)
    if not block.attributes_status.present:
        return
    try:
        await block.attributes_status.wait_for_value(STATUS_GOOD, timeout=STATUS_TIMEOUT)
    except WaitTimeoutError as error:
        msg = f"{block.name} does not take the list of NDAttributes: {error}"
        raise ReadbackError(msg) from error
