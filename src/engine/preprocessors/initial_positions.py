"""Where devices were before a plan moved them first.

Two children of a plan may move one device at the same time. So a device is asked under a lock of its own: nobody moves
it between the question and the answer.
"""

import asyncio
from collections.abc import Collection, Iterator
from typing import Any

from ..kinship import ancestry
from ..whereabouts import setpoint_of


class InitialPositions:
    """Where each device was first, by device, in the order of asking.

    Args:
        devices: Which devices count; None counts all. A part of a pseudo positioner counts with its whole.
    """

    def __init__(self, devices: Collection[Any] | None = None) -> None:
        self._devices = None if devices is None else {part for device in devices for part in _coupled(device)}
        self._positions: dict[Any, Any] = {}
        self._locks: dict[Any, asyncio.Lock] = {}

    def counts(self, device: Any) -> bool:
        """Whether a device is one of those."""
        return self._devices is None or device in self._devices

    async def of(self, device: Any) -> Any:
        """Give where a device was when this was first asked, in its own units."""
        async with self._locks.setdefault(_positioner(device), asyncio.Lock()):
            if device not in self._positions:
                await self._ask(device)
            return self._positions[device]

    async def _ask(self, device: Any) -> None:
        """Note where it is; of one axis of a pseudo positioner, all of them: they move each other."""
        positioner = _positioner(device)
        if positioner is device and not hasattr(device, "pseudo_positioners"):
            self._positions[device] = await setpoint_of(device)
            return
        position = await setpoint_of(positioner)
        self._positions[positioner] = position
        self._positions.update(zip(positioner.pseudo_positioners, position, strict=True))

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Go through (device, position), axes of a pseudo positioner as that one."""
        return iter([(device, at) for device, at in self._positions.items() if _positioner(device) is device])


def _positioner(device: Any) -> Any:
    """Give the pseudo positioner that a device is an axis of, else the device."""
    parent = next(iter(list(ancestry(device))[1:]), None)
    return parent if device in getattr(parent, "pseudo_positioners", ()) else device


def _coupled(device: Any) -> list[Any]:
    positioner = _positioner(device)
    return [positioner, *getattr(positioner, "pseudo_positioners", ())]
