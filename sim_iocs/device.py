"""What the beamline asks of a device, and what a device may offer beyond that."""

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from .faults import Switch
from .pv_group import PVGroup


@runtime_checkable
class Device(Protocol):
    """Something with PVs that the pump keeps up to date."""

    @property
    def busy(self) -> bool:
        """Whether the pump has to go on for it."""
        ...

    def update(self, now_ns: int) -> None:
        """Compute what happened until now, and post it."""
        ...

    def groups(self) -> Iterable[PVGroup]:
        """Give its PVs, served over both protocols."""
        ...


@runtime_checkable
class Breakable(Protocol):
    """A device that can be made to go wrong."""

    def switches(self) -> Iterable[Switch]:
        """Give its faults."""
        ...


@runtime_checkable
class Running(Protocol):
    """A device with a task of its own."""

    async def run(self) -> None:
        """Work until cancelled."""
        ...


@runtime_checkable
class Closing(Protocol):
    """A device that has to finish something at the end."""

    async def aclose(self) -> None:
        """Finish."""
        ...
