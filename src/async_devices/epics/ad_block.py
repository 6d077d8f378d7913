"""What every part of an areaDetector is: a block of PVs with a port, some of which a given IOC may lack.

Records differ between releases of ADCore and between drivers. A signal that a block can do without is declared as
`OptionalSignal`: when everything else of the block has connected, it is given the time that the rest took and
GRACE seconds more, and is absent if it does not answer by then. So an IOC that lacks some costs a second once, and one
that is slow to answer is not taken for one that lacks them.
"""

import time
from typing import Any, TypeVar, cast

from ..device import Device, connect_children
from ..errors import ConnectFailure
from ..signal import SignalRW
from ..signals import signal_r, signal_rbv

T = TypeVar("T")

GRACE = 1.0
"""Seconds beyond twice the time that the required PVs of a block took."""


class OptionalSignal(SignalRW[T]):
    """A PV that this IOC may lack; `present` says, once connected."""

    present: bool = False

    async def connect_self(self, path: tuple[str, ...], timeout: float) -> list[ConnectFailure]:
        """Connect it, or find it absent; a PV of another type is a failure as ever."""
        failures = await super().connect_self(path, timeout)
        self.present = not failures
        if failures:
            await self.disconnect()
        return [failure for failure in failures if failure.seen.startswith("serves")]

    async def value_or(self, default: T) -> T:
        """Its value, or `default` if this IOC lacks it."""
        return await self.get_value() if self.present else default

    async def put_if_present(self, value: T) -> None:
        """Write it, unless this IOC lacks it."""
        if self.present:
            await self.put(value)


def optional_r(datatype: type[T], uri: str) -> OptionalSignal[T]:
    """A value read from one PV that may be absent."""
    return OptionalSignal(datatype, read=uri)


def optional_rw(datatype: type[T], uri: str) -> OptionalSignal[T]:
    """A value written to and read from one PV that may be absent."""
    return OptionalSignal(datatype, read=uri, write=uri)


def optional_rbv(datatype: type[T], uri: str) -> OptionalSignal[T]:
    """A value written to one PV and read from the one with `_RBV` after it, either of which may be absent."""
    return OptionalSignal(datatype, read=f"{uri}_RBV", write=uri)


class AdBlock(Device):
    """A driver or a plug-in: whatever sends or takes NDArrays (NDArrayBase.template)."""

    def __init__(self, prefix: str) -> None:
        """Name the PVs; `prefix` is a URI with the colon, as ca://SIM:CAM:cam1:."""
        self.port_name = signal_r(str, f"{prefix}PortName_RBV")
        self.array_counter = signal_rbv(int, f"{prefix}ArrayCounter")
        self.array_callbacks = optional_rbv(bool, f"{prefix}ArrayCallbacks")
        self.data_type = signal_r(str, f"{prefix}DataType_RBV")
        self.color_mode = signal_r(str, f"{prefix}ColorMode_RBV")
        self.attributes_file = optional_rw(str, f"{prefix}NDAttributesFile")
        self.attributes_status = optional_r(str, f"{prefix}NDAttributesStatus")
        super().__init__()

    async def connect_self(self, path: tuple[str, ...], timeout: float) -> list[ConnectFailure]:
        """Connect what it must have, then what it may have."""
        optional = self._optional()
        required = [(name, child) for name, child in self.children() if name not in optional]
        begun = time.monotonic()
        failures = await connect_children(required, path, timeout=timeout)
        if failures:
            return failures
        patience = GRACE + 2 * (time.monotonic() - begun)
        return await connect_children(optional.items(), path, timeout=min(timeout, patience))

    @property
    def absent(self) -> tuple[str, ...]:
        """The PVs that this IOC lacks; known once connected."""
        return tuple(signal.source for signal in self._optional().values() if not signal.present)

    def _optional(self) -> dict[str, OptionalSignal[Any]]:
        children = dict(self.children())
        return {
            name: cast("OptionalSignal[Any]", child)
            for name, child in children.items()
            if isinstance(child, OptionalSignal)
        }
