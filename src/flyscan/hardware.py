"""What a flight needs of the devices in its rig, besides detectors (async_devices.flight)."""

from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from ..async_devices.flight import FlightDetector
from ..async_devices.protocols import Status
from .window import Floats, Ints


class EncoderScaleLike(Protocol):
    """How the trigger box turns counts into a position."""

    @property
    def scale(self) -> float:
        """Axis units per count."""
        ...

    @property
    def offset(self) -> float:
        """Axis units at count 0."""
        ...


class TriggerBox(Protocol):
    """A PandA."""

    name: str

    @property
    def capture(self) -> FlightDetector:
        """What it writes per trigger: trigger number, time, positions."""
        ...

    async def arm(self) -> None:
        """Begin to capture."""
        ...

    async def disarm(self) -> None:
        """Capture no more."""
        ...

    async def enable_sequencer(self, number: int = 1) -> None:
        """Let the sequencer run its table."""
        ...

    async def disable_sequencer(self, number: int = 1) -> None:
        """Stop the sequencer."""
        ...

    async def load_sequencer(
        self, table: dict[str, NDArray[Any]], *, number: int = 1, prescale_ticks: int = 1, repeats: int = 1
    ) -> None:
        """Write the table and read it back."""
        ...

    async def routing(self) -> Mapping[str, str]:
        """Give the source of every input that matters."""
        ...

    async def encoder_scales(self) -> Mapping[str, EncoderScaleLike]:
        """Give the scale of every encoder input."""
        ...

    async def health(self) -> Mapping[str, str]:
        """Give "OK" or what ails each block."""
        ...


class TrajectoryController(Protocol):
    """A PMAC in PVT mode."""

    name: str

    async def build(
        self,
        *,
        coordinate_system: str,
        times_us: Ints,
        positions: Mapping[str, Floats],
        velocities: Mapping[str, Floats],
    ) -> None:
        """Load a profile: per axis letter one position and velocity for each time."""
        ...

    def execute(self) -> Status:
        """Run it; done when it has ended."""
        ...

    async def abort(self) -> None:
        """Stop all axes now, in control."""
        ...


class FlightMotor(Protocol):
    """A motor that carries an axis to the start of the run-up."""

    name: str

    def set(self, value: float) -> Status:
        """Move."""
        ...

    def limits(self) -> Awaitable[tuple[float, float]]:
        """Give the ends of its travel."""
        ...

    def max_velocity(self) -> Awaitable[float]:
        """Give its highest speed; 0 if it does not say."""
        ...
