"""An axis and detectors in memory, of ophyd-async and of our make; a detector measures how often it was triggered."""

from typing import Any

Bench = tuple[list[Any], Any]
"""Detectors and axis."""


def of_ophyd_async(count: int) -> Bench:
    """Make soft devices of ophyd-async; they are connected already, as nothing is to be connected to."""
    from bluesky.protocols import Movable, Triggerable
    from ophyd_async.core import AsyncStatus, StandardReadable, StandardReadableFormat, soft_signal_r_and_setter

    class Counter(StandardReadable, Triggerable):
        def __init__(self, name: str) -> None:
            with self.add_children_as_readables(StandardReadableFormat.HINTED_SIGNAL):
                self.value, self._put = soft_signal_r_and_setter(float)
            self._triggers = 0.0
            super().__init__(name=name)

        @AsyncStatus.wrap
        async def trigger(self) -> None:
            self._triggers += 1
            self._put(self._triggers)

    class Axis(StandardReadable, Movable[float]):
        def __init__(self, name: str) -> None:
            with self.add_children_as_readables(StandardReadableFormat.HINTED_SIGNAL):
                self.readback, self._put = soft_signal_r_and_setter(float)
            super().__init__(name=name)

        @AsyncStatus.wrap
        async def set(self, value: float) -> None:
            self._put(value)

    return [Counter(f"det{number}") for number in range(count)], Axis("axis")


def of_ours(count: int) -> Bench:
    """Make our soft devices."""
    from wingbeat.async_devices import SoftDetector, SoftMotor

    return [SoftDetector(f"det{number}") for number in range(count)], SoftMotor("axis")
