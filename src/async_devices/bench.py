"""Light devices without a server: for plans tried at a desk, for tests, and for measuring an engine.

They cost a few microseconds per verb: no tasks, no signals, done Statuses unless they are told to take time.
"""

import asyncio
import time
from collections.abc import Callable

from event_model.documents import DataKey

from .device import Device
from .errors import SetpointOutsideLimitsError
from .protocols import Hints, Location, Reading
from .status import Progress, Report, Status
from .verbs import async_verb, status_verb

REPORT_PERIOD = 0.1
"""Seconds between two positions of a SoftMotor that takes time, as a motor record's readback."""


class SoftMotor(Device):
    """An axis in memory. At once by default; with a velocity it takes time and can be stopped."""

    def __init__(
        self,
        name: str = "",
        *,
        initial: float = 0.0,
        velocity: float = 0.0,
        units: str = "mm",
        limits: tuple[float, float] | None = None,
    ) -> None:
        """Make an axis at `initial`.

        Args:
            name: Of the device.
            initial: Position, in `units`.
            velocity: In `units` per second; 0 is there at once.
            units: Of positions.
            limits: (low, high) beyond which a target is refused.
        """
        self.velocity = velocity
        self.units = units
        self.limits = limits
        self._setpoint = initial
        self._position = initial
        self._stopped = asyncio.Event()
        super().__init__(name)

    @property
    def hints(self) -> Hints:
        """Its position."""
        return {"fields": [self._name]}

    @property
    def position(self) -> float:
        """Where it is."""
        return self._position

    def check_value(self, value: float) -> None:
        """Refuse a target outside the limits.

        Raises:
            SetpointOutsideLimitsError: Naming both.
        """
        if self.limits is not None and not self.limits[0] <= value <= self.limits[1]:
            low, high = self.limits
            span = f"{low} to {high} {self.units}"
            msg = f"{self._name}: {value} {self.units} is outside its limits {span}; nothing has moved"
            raise SetpointOutsideLimitsError(msg)

    @status_verb
    def set(self, value: float) -> Status:
        """Move to `value`."""
        self.check_value(value)
        self._setpoint = value
        if self.velocity > 0:
            return Status.reporting(
                lambda report: self._travel(value, report), name=f"{self._name} set", owner=self.tasks
            )
        self._position = value
        return Status.finished(name=self._name)

    async def _travel(self, target: float, report: Report) -> None:
        loop = asyncio.get_running_loop()
        self._stopped.clear()
        initial, begun = self._position, loop.time()
        total = abs(target - initial) / self.velocity
        while (elapsed := loop.time() - begun) < total and not self._stopped.is_set():
            self._position = initial + (target - initial) * elapsed / total
            report(self._progress(initial, target, elapsed, total))
            try:
                async with asyncio.timeout(min(REPORT_PERIOD, total - elapsed)):
                    await self._stopped.wait()
            except TimeoutError:
                continue
        if not self._stopped.is_set():
            self._position = target
        report(self._progress(initial, target, total, total))

    def _progress(self, initial: float, target: float, elapsed: float, total: float) -> Progress:
        return Progress(
            name=self._name,
            current=self._position,
            initial=initial,
            target=target,
            unit=self.units,
            fraction=elapsed / total if total else 1.0,
            time_elapsed=elapsed,
            time_remaining=total - elapsed,
        )

    @async_verb
    async def stop(self, success: bool = True) -> None:  # noqa: FBT001, FBT002  # bluesky's signature
        """Stop where it is. A move under way ends."""
        del success
        self._stopped.set()

    @async_verb
    async def read(self) -> dict[str, Reading[float]]:
        """Its position."""
        return {self._name: {"value": self._position, "timestamp": time.time()}}

    async def describe(self) -> dict[str, DataKey]:
        """A number."""
        return {
            self._name: {
                "source": f"soft://{self._name}",
                "dtype": "number",
                "shape": [],
                "dtype_numpy": "<f8",
                "units": self.units,
            }
        }

    @async_verb
    async def locate(self) -> Location[float]:
        """Where it was sent and where it is."""
        return {"setpoint": self._setpoint, "readback": self._position}


class SoftDetector(Device):
    """A detector of one number, computed when it is triggered."""

    def __init__(self, name: str = "", *, value: Callable[[], float] | None = None, exposure: float = 0.0) -> None:
        """Make a detector.

        Args:
            name: Of the device.
            value: What it measures; by default, how often it was triggered.
            exposure: Seconds that a trigger takes; 0 is done at once.
        """
        self.exposure = exposure
        self.triggers = 0
        self._value = value or (lambda: float(self.triggers))
        self._measured: Reading[float] = {"value": 0.0, "timestamp": 0.0}
        super().__init__(name)

    @property
    def hints(self) -> Hints:
        """Its value."""
        return {"fields": [self._name]}

    @status_verb
    def trigger(self) -> Status:
        """Measure."""
        if self.exposure > 0:
            return Status(self._expose(), name=f"{self._name} trigger", owner=self.tasks)
        self._measure()
        return Status.finished(name=self._name)

    async def _expose(self) -> None:
        await asyncio.sleep(self.exposure)
        self._measure()

    def _measure(self) -> None:
        self.triggers += 1
        self._measured = {"value": self._value(), "timestamp": time.time()}

    @async_verb
    async def read(self) -> dict[str, Reading[float]]:
        """What was measured last."""
        return {self._name: self._measured}

    async def describe(self) -> dict[str, DataKey]:
        """A number."""
        return {
            self._name: {
                "source": f"soft://{self._name}",
                "dtype": "number",
                "shape": [],
                "dtype_numpy": "<f8",
                "units": "",
            }
        }
