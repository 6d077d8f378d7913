"""Starting and stopping a driver, and configuring it for what will trigger it.

Acquire is written without a callback throughout. One that waits for the acquisition's end stays outstanding on its
channel, and a second write with a callback then holds up the client's whole circuit until the first has ended: the
stop of a run that is to be stopped would take effect after it. What was asked for is seen by Acquire_RBV and by counts.
"""

from ...task_scope import task_scope, together
from ..errors import AcquireError, ReadbackError, UnknownDeadtimeError, UnsupportedTriggerError, WaitTimeoutError
from ..flight import TriggerInfo
from ..signals import set_and_wait_for_other_value
from .ad_driver import AdDriver

STOP_TIMEOUT = 10.0
"""Seconds in which a driver must have stopped."""
ARM_TIMEOUT = 30.0
"""Seconds that arming may take: an Eiger needs several."""
AWAY = ("Disconnected", "Initializing")
"""States of DetectorState_RBV in which a driver has no camera to acquire with."""
ROUNDING = 1e-8
"""Seconds by which a dead time may be short: a tick of 8 ns either way is rounding, not a demand."""


class AdAcquire:
    """Brings a driver to acquire, and to rest."""

    def __init__(self, driver: AdDriver) -> None:
        self._driver = driver

    async def ensure_stopped(self) -> None:
        """End an acquisition.

        Raises:
            AcquireError: It still runs.
        """
        driver = self._driver
        try:
            await set_and_wait_for_other_value(
                driver.acquire, False, other=driver.acquiring, match=False, timeout=STOP_TIMEOUT
            )
        except WaitTimeoutError as error:
            raise AcquireError(await self._complaint("still acquiring", "Acquire = 0")) from error

    async def ensure_ready(self) -> None:
        """Wait for a camera that restarts: it takes settings and swallows Acquire.

        Raises:
            AcquireError: It does not come back.
        """

        def is_back(state: str) -> bool:
            return state not in AWAY

        is_back.__doc__ = f"a state other than {' and '.join(AWAY)}"
        try:
            await self._driver.detector_state.wait_for_value(is_back, timeout=STOP_TIMEOUT)
        except WaitTimeoutError as error:
            msg = f"{self._driver.name}: the camera does not answer its IOC: {error}. Is it switched on and plugged in?"
            raise AcquireError(msg) from error

    async def start(self) -> None:
        """Begin an acquisition by external triggers and go on when a trigger would be taken.

        Raises:
            AcquireError: It does not start.
        """
        driver = self._driver
        try:
            await set_and_wait_for_other_value(
                driver.acquire, True, other=driver.acquiring, match=True, timeout=STOP_TIMEOUT
            )
            await driver.wait_armed(ARM_TIMEOUT)
        except WaitTimeoutError as error:
            raise AcquireError(await self._complaint("not acquiring", "Acquire = 1")) from error

    async def release(self) -> None:
        """Begin an acquisition that may be over before anybody has seen it run."""
        await self._driver.acquire.put(True, wait=False)

    async def ended(self, timeout: float) -> None:
        """Wait until the acquisition that was begun has ended by itself.

        Raises:
            AcquireError: It runs longer.
        """
        try:
            await self._driver.acquiring.wait_for_value(False, timeout=timeout)
        except WaitTimeoutError as error:
            raise AcquireError(await self._complaint(f"still acquiring {timeout:g} s", "all its frames")) from error

    async def _complaint(self, what: str, after: str) -> str:
        state = await self._driver.detector_state.get_value()
        return f"{self._driver.name}: {what} after {after}, {self._driver.acquiring.source}; DetectorState {state!r}"


class AdTrigger:
    """Configures a driver for a trigger request, and refuses those that it cannot serve."""

    def __init__(self, driver: AdDriver, *, deadtime: float | None = None) -> None:
        """Serve a driver.

        Args:
            driver: What is configured.
            deadtime: Seconds between two exposures, if the user knows better than the driver.
        """
        self._driver = driver
        self.known_deadtime = deadtime

    async def deadtime(self) -> float:
        """Seconds between two exposures: as given or measured, as the driver says, or by its class's rule.

        Raises:
            UnknownDeadtimeError: None of them knows.
        """
        if self.known_deadtime is not None:
            return self.known_deadtime
        if self._driver.deadtime.present:
            return await self._driver.deadtime.get_value()
        if (rule := await self._driver.rule_for_deadtime()) is not None:
            return rule
        msg = (
            f"{self._driver.name}: no {self._driver.deadtime.source}, and no rule for this camera. Measure it "
            "(await detector.measure_deadtime(livetime=...)) or give it (deadtime=...)"
        )
        raise UnknownDeadtimeError(msg)

    async def check(self, value: TriggerInfo) -> None:
        """Refuse what would miss triggers.

        Raises:
            UnsupportedTriggerError: A kind that the driver does not take, no live time, or too little dead time.
            UnknownDeadtimeError: For external triggers.
        """
        modes = self._driver.trigger_modes
        if value.kind not in modes:
            msg = f"{self._driver.name}: a {value.kind!r} trigger; it takes {sorted(modes)}"
            raise UnsupportedTriggerError(msg)
        if value.kind == "internal":
            return
        needed = await self.deadtime()
        if value.deadtime < needed - ROUNDING or (value.livetime <= 0 and value.kind != "gate"):
            msg = (
                f"{self._driver.name}: live {value.livetime:g} s and dead {value.deadtime:g} s; it needs live time and "
                f"at least {needed:g} s dead, or it misses triggers. Lengthen the frame or shorten the exposure"
            )
            raise UnsupportedTriggerError(msg)

    async def prepare(self, value: TriggerInfo) -> None:
        """Set trigger, images, exposure and period, reset the counter, and see that they took.

        Raises:
            ReadbackError: Something did not.
        """
        driver = self._driver
        await driver.select_trigger(value)
        await together(
            driver.set_images(value),
            self._set_times(value),
            driver.array_callbacks.put_if_present(True),
            driver.wait_for_plugins.put(False),
            driver.array_counter.put(0),
        )
        await self._check_taken(value)

    async def _set_times(self, value: TriggerInfo) -> None:
        """Exposure before period: some drivers clamp a period that is shorter."""
        if value.kind != "gate":
            await self._driver.acquire_time.put(value.livetime)
            await self._driver.acquire_period.put(value.livetime + value.deadtime)

    async def _check_taken(self, value: TriggerInfo) -> None:
        driver, expected = self._driver, self._driver.trigger_modes[value.kind]
        async with task_scope() as group:
            reading_mode = group.create_task(driver.trigger_mode.get_value())
            reading_counter = group.create_task(driver.array_counter.get_value())
            seconds = await driver.acquire_time.get_value()
        mode, counter = reading_mode.result(), reading_counter.result()
        wrong: list[str] = []
        if value.kind != "gate" and abs(seconds - value.livetime) > max(1e-6, 1e-3 * value.livetime):
            wrong.append(f"AcquireTime_RBV {seconds:g} s, expected {value.livetime:g} s")
        if mode != expected:
            wrong.append(f"TriggerMode_RBV {mode!r}, expected {expected!r}")
        if counter != 0:
            wrong.append(f"ArrayCounter_RBV {counter}, expected 0")
        if wrong:
            msg = f"{driver.name}: the driver did not take its settings: {'; '.join(wrong)}"
            raise ReadbackError(msg)
