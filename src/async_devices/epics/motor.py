"""Motor: an axis behind an EPICS motor record.

What the record does that a client must know:

- A put to `.VAL` with a callback completes when the motion has ended, *wherever* it has ended. Beyond a soft limit
it completes at once,
  `.LVIO` is 1 and `.VAL` goes back. So the move is checked before (limits) and after (`.LVIO`, `.VAL`).
- `.STOP` with a callback would queue behind the move that it is to stop. It is written without one.
- `.VMAX` = 0 and `.LLM` = `.HLM` mean that there is no limit.
- After a stop, whoever asked for it, `.VAL` is where the axis came to rest. So a `.VAL` that is no longer the target
tells of a stop.
"""

import asyncio
from typing import Any

from ...task_scope import alongside, together
from ..errors import MoveFailedError, SetpointOutsideLimitsError, WaitTimeoutError
from ..protocols import Location
from ..readable import ReadableDevice
from ..signals import signal_r, signal_rw, signal_w
from ..status import Progress, Report, Status
from ..verbs import async_verb, status_verb

NO_LIMITS = (float("-inf"), float("inf"))
GRACE = 10.0
"""Seconds that a move may take beyond what distance and velocity make it."""


class Motor(ReadableDevice):
    """A motor record; its reading has the device's own name."""

    def __init__(self, prefix: str, *, protocol: str = "ca", name: str = "") -> None:
        """Name a record.

        Args:
            prefix: The record, for example SIM:X.
            protocol: ca or pva.
            name: Of the device.
        """
        record = f"{protocol}://{prefix}"
        self.user_setpoint = signal_rw(float, f"{record}.VAL")
        self.user_readback = signal_r(float, f"{record}.RBV")
        self.velocity = signal_rw(float, f"{record}.VELO")
        self.maximum_velocity = signal_r(float, f"{record}.VMAX")
        self.acceleration_time = signal_rw(float, f"{record}.ACCL")
        self.low_limit = signal_r(float, f"{record}.LLM")
        self.high_limit = signal_r(float, f"{record}.HLM")
        self.resolution = signal_r(float, f"{record}.MRES")
        self.units = signal_r(str, f"{record}.EGU")
        self.precision = signal_r(int, f"{record}.PREC")
        self.done_moving = signal_r(bool, f"{record}.DMOV")
        self.limit_violation = signal_r(int, f"{record}.LVIO")
        self.stop_signal = signal_w(int, f"{record}.STOP")
        self.read_signals = self.hinted_signals = (self.user_readback,)
        self.config_signals = (self.velocity, self.acceleration_time, self.units)
        self._target: float | None = None
        self._stopped_well: bool | None = None
        super().__init__(name)

    def set_name(self, name: str) -> None:
        """Name it; the readback has the name of the device itself."""
        super().set_name(name)
        self.user_readback.set_name(name)

    async def limits(self) -> tuple[float, float]:
        """The ends of its travel, in its units; infinite where there is none."""
        low, high = await together(self.low_limit.get_value(), self.high_limit.get_value())
        return (low, high) if low < high else NO_LIMITS

    async def max_velocity(self) -> float:
        """Its highest speed, units per second; 0 if the record does not say (VMAX = 0 means no limit)."""
        return await self.maximum_velocity.get_value()

    async def check_value(self, value: float) -> None:
        """Refuse a target that the record would refuse.

        Raises:
            SetpointOutsideLimitsError: Naming both limits.
        """
        low, high = await self.limits()
        if not low <= value <= high:
            units = await self.units.get_value()
            msg = (
                f"{self.name}: {value:g} {units} is outside its soft limits {low:g} to {high:g} {units}; "
                "nothing has moved. Choose a target between them, or move them "
                f"({self.low_limit.source}, {self.high_limit.source})"
            )
            raise SetpointOutsideLimitsError(msg)

    @status_verb
    def set(self, value: float, *, timeout: float | None = None) -> Status:
        """Move to `value`; done when it is there.

        Args:
            value: In its units.
            timeout: Seconds; by default what distance, velocity and acceleration make it, and ten more.

        Raises:
            SetpointOutsideLimitsError: Through the Status; nothing has moved.
            MoveFailedError: Through the Status: it ended somewhere else.
            WaitTimeoutError: Through the Status: it still moves.
        """
        return Status.reporting(
            lambda report: self._move(float(value), timeout, report), name=f"{self.name} set", owner=self.tasks
        )

    async def _move(self, target: float, timeout: float | None, report: Report) -> None:
        await self.check_value(target)
        initial, velocity, acceleration_time = await together(
            self.user_readback.get_value(), self.velocity.get_value(), self.acceleration_time.get_value()
        )
        if timeout is None:
            timeout = (abs(target - initial) / velocity if velocity > 0 else 0.0) + 2 * acceleration_time + GRACE
        self._target, self._stopped_well = target, None
        watching = self._report_progress(initial, target, velocity, report)
        try:
            await alongside(self.user_setpoint.put(target, wait=True, timeout=timeout), watching)
        except WaitTimeoutError as error:
            position = await self.user_readback.get_value()
            msg = f"{self.name}: after {timeout:.1f} s at {position:g}, not at {target:g}; it may still move: stop it"
            raise WaitTimeoutError(msg) from error
        await self._check_arrived(target)

    async def _check_arrived(self, target: float) -> None:
        violated, setpoint, position, resolution = await together(
            self.limit_violation.get_value(),
            self.user_setpoint.get_value(),
            self.user_readback.get_value(),
            self.resolution.get_value(),
        )
        if self._stopped_well:
            return
        if violated:
            reason = "the record reports a limit violation (LVIO)"
        elif self._target != target:
            reason = f"another set sent it to {self._target:g} meanwhile"
        elif abs(setpoint - target) > abs(resolution) / 2 + 1e-9 * abs(target):
            reason = "it was stopped or sent elsewhere"
        else:
            return
        msg = f"{self.name}: sent to {target:g}, came to rest at {position:g}: {reason}"
        raise MoveFailedError(msg)

    async def _report_progress(self, initial: float, target: float, velocity: float, report: Report) -> None:
        units, precision = await self.units.get_value(), await self.precision.get_value()
        loop = asyncio.get_running_loop()
        begun, distance = loop.time(), abs(target - initial)
        async for position in self.user_readback.observe():
            left = abs(target - position)
            report(
                Progress(
                    name=self.name,
                    current=position,
                    initial=initial,
                    target=target,
                    unit=units,
                    precision=precision,
                    fraction=1.0 - min(left / distance, 1.0) if distance else 1.0,
                    time_elapsed=loop.time() - begun,
                    time_remaining=left / velocity if velocity > 0 else None,
                )
            )

    @async_verb
    async def stop(self, success: bool = True) -> None:  # noqa: FBT001, FBT002  # bluesky's signature
        """Stop now, in control. A move under way ends: well if `success`, else with MoveFailedError."""
        self._stopped_well = success
        await self.stop_signal.put(1, wait=False)

    @async_verb
    async def locate(self) -> Location[Any]:
        """Where it was sent and where it is."""
        setpoint, readback = await together(self.user_setpoint.get_value(), self.user_readback.get_value())
        return {"setpoint": setpoint, "readback": readback}
