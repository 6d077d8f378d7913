"""TemperatureController: set, ramp and settle.

A temperature is there when it has been within `tolerance` of the target for `settle_time` without a break; the first
touch is not enough, because controllers overshoot. While it is waited for, the setpoint and the state are watched:
another setpoint, a fault or an off switch end the wait at once.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from ...task_scope import task_scope, together
from ..errors import ReadbackError, WaitTimeoutError
from ..protocols import Location
from ..readable import ReadableDevice
from ..signals import signal_r, signal_rbv, signal_rw
from ..status import Progress, Report, Status
from ..verbs import async_verb, status_verb
from .errors import SetpointChangedError, TemperatureError, TemperatureFaultError

GRACE = 60.0
"""Seconds that it may take beyond ramp and settle time."""
LONGEST_RAMP = 3600.0
"""Seconds that it may take where the controller has no ramp."""
SLACK = 1.5
"""How much longer than its ramp a real stage takes."""


class TemperatureController(ReadableDevice):
    """A temperature stage; its reading is its temperature."""

    def __init__(
        self,
        prefix: str,
        *,
        tolerance: float = 0.1,
        settle_time: float = 10.0,
        protocol: str = "ca",
        name: str = "",
    ) -> None:
        """Name a controller.

        Args:
            prefix: With the colon, as SIM:TEMP:.
            tolerance: Within which the temperature is there, in its units.
            settle_time: Seconds for which it must stay there.
            protocol: ca or pva.
            name: Of the device.
        """
        pv = f"{protocol}://{prefix}"
        self.tolerance = tolerance
        self.settle_time = settle_time
        self.setpoint = signal_rbv(float, f"{pv}SP")
        self.readback = signal_r(float, f"{pv}RBV")
        self.ramp_rate = signal_rbv(float, f"{pv}RAMP")
        self.state = signal_r(str, f"{pv}STAT")
        self.on = signal_rw(bool, f"{pv}ON")
        self.read_signals = self.hinted_signals = (self.readback,)
        self.config_signals = (self.setpoint, self.ramp_rate)
        self._stopped_well: bool | None = None
        self._settling: asyncio.Task[None] | None = None
        super().__init__(name)

    def set_name(self, name: str) -> None:
        """Name it; the temperature has the name of the device itself."""
        super().set_name(name)
        self.readback.set_name(name)

    @status_verb
    def set(self, value: float, *, timeout: float | None = None) -> Status:
        """Go to a temperature; done when it has settled there.

        Args:
            value: In its units.
            timeout: Seconds; by default what ramp and settle time make it, with slack.

        Raises:
            TemperatureFaultError: Through the Status: it is off or in fault.
            SetpointChangedError: Through the Status: somebody set it to something else.
            ReadbackError: Through the Status: the controller took another setpoint.
            WaitTimeoutError: Through the Status: it has not settled.
        """
        return Status.reporting(
            lambda report: self._set(float(value), timeout, report), name=f"{self.name} set", owner=self.tasks
        )

    async def _set(self, target: float, timeout: float | None, report: Report) -> None:
        self._check_state(await self.state.get_value())
        self._begin()
        initial, ramp = await together(self.readback.get_value(), self.ramp_rate.get_value())
        seconds = abs(target - initial) / ramp * 60.0 if ramp > 0 else LONGEST_RAMP
        limit = timeout if timeout is not None else SLACK * seconds + self.settle_time + GRACE
        await self.setpoint.put(target)
        await self._check_taken(target)
        try:
            async with asyncio.timeout(limit), task_scope() as group:
                beside = (group.create_task(self._watch_state()), group.create_task(self._watch_setpoint(target)))
                self._settling = group.create_task(self._settle(target, initial, seconds, report))
                await asyncio.wait({self._settling})
                for task in beside:
                    task.cancel()
        except TimeoutError as error:
            position = await self.readback.get_value()
            msg = (
                f"{self.name}: {position:g} after {limit:.0f} s, not within {self.tolerance:g} of {target:g} for "
                f"{self.settle_time:g} s; it still regulates"
            )
            raise WaitTimeoutError(msg) from error
        if self._stopped_well is False:
            msg = f"{self.name}: was stopped at {await self.readback.get_value():g} on its way to {target:g}"
            raise TemperatureError(msg)

    def _begin(self) -> None:
        self._stopped_well = None

    async def _check_taken(self, target: float) -> None:
        seen = await self.setpoint.get_value()
        if abs(seen - target) > self.tolerance:
            msg = (
                f"{self.name}: {self.setpoint.source} is {seen:g} after {target:g} was written; out of range, or "
                "does somebody else write it?"
            )
            raise ReadbackError(msg)

    def _check_state(self, state: str) -> None:
        if state in ("Off", "Fault"):
            msg = f"{self.name}: is {state.lower()} ({self.state.source}); see its alarms, switch it on"
            raise TemperatureFaultError(msg)

    async def _watch_state(self) -> None:
        async for state in self.state.observe():
            self._check_state(state)

    async def _watch_setpoint(self, target: float) -> None:
        async for setpoint in self.setpoint.observe():
            if abs(setpoint - target) > self.tolerance and self._stopped_well is None:
                msg = f"{self.name}: on its way to {target:g} somebody else set it to {setpoint:g}"
                raise SetpointChangedError(msg)

    async def _settle(self, target: float, initial: float, seconds: float, report: Report) -> None:
        loop = asyncio.get_running_loop()
        begun, inside_since = loop.time(), None
        with self.readback.observe() as readings:
            while True:
                value = await _next(readings, None if inside_since is None else inside_since + self.settle_time)
                now = loop.time()
                if value is not None:
                    report(self._progress(value, initial=initial, target=target, times=(now - begun, seconds)))
                    inside = abs(value - target) <= self.tolerance
                    inside_since = (inside_since or now) if inside else None
                if inside_since is not None and now - inside_since >= self.settle_time:
                    return

    def _progress(self, value: float, *, initial: float, target: float, times: tuple[float, float]) -> Progress:
        elapsed, seconds = times
        distance = abs(target - initial)
        return Progress(
            name=self.name,
            current=value,
            initial=initial,
            target=target,
            unit="K",
            precision=3,
            fraction=1.0 - min(abs(target - value) / distance, 1.0) if distance else 1.0,
            time_elapsed=elapsed,
            time_remaining=max(seconds + self.settle_time - elapsed, 0.0),
        )

    @async_verb
    async def stop(self, success: bool = True) -> None:  # noqa: FBT001, FBT002  # bluesky's signature
        """Hold the temperature that it has now; a set under way ends, well if `success`."""
        self._stopped_well = success
        if self._settling is not None:
            self._settling.cancel()
        await self.setpoint.put(await self.readback.get_value(), wait=False)

    @async_verb
    async def locate(self) -> Location[Any]:
        """Where it was sent and where it is."""
        setpoint, readback = await together(self.setpoint.get_value(), self.readback.get_value())
        return {"setpoint": setpoint, "readback": readback}


async def _next(values: AsyncIterator[float], deadline: float | None) -> float | None:
    """The next value; None when there is none until `deadline`, in the loop's time."""
    try:
        async with asyncio.timeout_at(deadline):
            return await anext(values)
    except TimeoutError:
        return None
