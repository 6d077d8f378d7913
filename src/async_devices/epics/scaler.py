"""Scaler: counters of an EPICS scaler record, gated by a preset.

The record counts from CNT = 1 until a channel with its gate on has reached its preset; TP is the preset of the first
channel, in seconds. A put to CNT with a callback completes when the count has ended, *however* it ended: a count that
somebody stopped looks like a finished one, except that no preset is reached. That is checked.

Channels are read under the names that the record gives them (NM1, ...); those without a name are not read.
"""

import asyncio
import re
from collections.abc import Mapping

from ...task_scope import alongside, together
from ..device import Device, DeviceVector
from ..errors import AcquireError, ConnectFailure, IntrospectionError, ReadbackError, WaitTimeoutError
from ..readable import ReadableDevice
from ..signals import signal_r, signal_rw
from ..status import Progress, Report, Status
from ..verbs import async_verb, status_verb
from .errors import CountInterruptedError

GRACE = 10.0
"""Seconds that a count may take beyond its preset time."""
LONGEST_COUNT = 3600.0
"""Seconds that a count may take whose preset is a number of counts."""


class ScalerChannel(Device):
    """One counter."""

    def __init__(self, record: str, number: int) -> None:
        """Name the fields of a channel of `record`, a URI."""
        self.counts = signal_r(float, f"{record}.S{number}")
        self.label = signal_rw(str, f"{record}.NM{number}")
        self.preset = signal_rw(float, f"{record}.PR{number}")
        self.gate = signal_rw(bool, f"{record}.G{number}")
        super().__init__()


class Scaler(ReadableDevice):
    """A scaler record: triggered, it counts once."""

    def __init__(self, prefix: str, *, channels: int = 8, protocol: str = "ca", name: str = "") -> None:
        """Name a record.

        Args:
            prefix: The record, for example SIM:SCALER.
            channels: How many it has.
            protocol: ca or pva.
            name: Of the device.
        """
        record = f"{protocol}://{prefix}"
        self.count = signal_rw(bool, f"{record}.CNT")
        self.auto_count = signal_rw(bool, f"{record}.CONT")
        self.preset_time = signal_rw(float, f"{record}.TP")
        self.elapsed = signal_r(float, f"{record}.T")
        self.frequency = signal_r(float, f"{record}.FREQ")
        self.channels = DeviceVector({n: ScalerChannel(record, n) for n in range(1, channels + 1)})
        self.config_signals = (self.preset_time, self.frequency)
        self._labels: dict[int, str] = {}
        self._auto_before = False
        self._stopped_well: bool | None = None
        super().__init__(name)

    async def connect_self(self, path: tuple[str, ...], timeout: float) -> list[ConnectFailure]:
        """Connect, and read the names of the channels.

        Raises:
            IntrospectionError: Two channels have one name.
        """
        failures = await super().connect_self(path, timeout)
        if not failures:
            await self.read_labels()
        return failures

    async def read_labels(self) -> None:
        """Read the names of the channels again; done at every connect.

        Raises:
            IntrospectionError: Two channels have one name.
        """
        labels = await together(*(channel.label.get_value() for channel in self.channels.values()))
        self._labels = {n: key_of(label) for n, label in zip(self.channels, labels, strict=True) if label.strip()}
        if len(set(self._labels.values())) < len(self._labels):
            msg = f"{self.name}: two channels have one name: {self._labels}; change NM1 to NM{len(self.channels)}"
            raise IntrospectionError(msg)
        named = [self.channels[number].counts for number in self._labels]
        self.read_signals = (self.elapsed, *named)
        self.hinted_signals = [self.channels[number].counts for number in self._labels if number > 1]
        self.set_name(self.name)

    def set_name(self, name: str) -> None:
        """Name it; channels are called after their labels."""
        super().set_name(name)
        for number, label in self._labels.items():
            self.channels[number].counts.set_name(f"{name}-{label}" if name else "")

    @status_verb
    def prepare(self, value: float | Mapping[int, float]) -> Status:
        """Set the preset: seconds, or counts per channel number, the first of which to be reached ends a count.

        Raises:
            ReadbackError: Through the Status: the record took another.
        """
        return Status(self._prepare(value), name=f"{self.name} prepare", owner=self.tasks)

    async def _prepare(self, value: float | Mapping[int, float]) -> None:
        presets: Mapping[int, float] = value if isinstance(value, Mapping) else {}
        gated = set(presets) or {1}
        await together(
            *(channel.gate.put(number in gated) for number, channel in self.channels.items()),
            *(self.channels[number].preset.put(counts) for number, counts in presets.items()),
        )
        if not isinstance(value, Mapping):
            await self.preset_time.put(value)
            seen = await self.preset_time.get_value()
            if abs(seen - value) > 1e-6 + 1e-3 * value:
                msg = f"{self.name}: {self.preset_time.source} is {seen:g} s after {value:g} s was written"
                raise ReadbackError(msg)

    @status_verb
    def trigger(self) -> Status:
        """Count once; done when a preset is reached.

        Raises:
            AcquireError: Through the Status: it counts already.
            CountInterruptedError: Through the Status: it was stopped before.
            WaitTimeoutError: Through the Status: it still counts.
        """
        return Status.reporting(self._count, name=f"{self.name} trigger", owner=self.tasks)

    async def _count(self, report: Report) -> None:
        if await self.count.get_value():
            msg = f"{self.name}: counts already, for somebody else or by itself (CONT); nothing was started"
            raise AcquireError(msg)
        self._begin()
        seconds, gates = await self.preset_time.get_value(), await self.gates()
        timeout = (seconds if gates == {1} else LONGEST_COUNT) + GRACE
        try:
            await alongside(self.count.put(True, wait=True, timeout=timeout), self._report(seconds, report))
        except WaitTimeoutError as error:
            msg = f"{self.name}: still counts after {timeout:g} s; stop it"
            raise WaitTimeoutError(msg) from error
        if self._stopped_well is not True and not await self.reached():
            elapsed = await self.elapsed.get_value()
            msg = f"{self.name}: was stopped after {elapsed:g} s, before any of its presets ({seconds:g} s) was reached"
            raise CountInterruptedError(msg)

    def _begin(self) -> None:
        self._stopped_well = None

    async def gates(self) -> set[int]:
        """Numbers of the channels whose preset ends a count."""
        on = await together(*(channel.gate.get_value() for channel in self.channels.values()))
        return {number for number, gate in zip(self.channels, on, strict=True) if gate}

    async def reached(self) -> bool:
        """Whether a preset is reached."""
        elapsed, seconds = await together(self.elapsed.get_value(), self.preset_time.get_value())
        gates = await self.gates()
        if elapsed >= seconds * (1 - 1e-6) and (1 in gates or not gates):
            return True
        for number in gates - {1}:
            counts, preset = await together(
                self.channels[number].counts.get_value(), self.channels[number].preset.get_value()
            )
            if counts >= preset:
                return True
        return False

    async def _report(self, seconds: float, report: Report) -> None:
        begun = asyncio.get_running_loop().time()
        async for elapsed in self.elapsed.observe():
            report(
                Progress(
                    name=self.name,
                    current=elapsed,
                    initial=0.0,
                    target=seconds,
                    unit="s",
                    precision=3,
                    fraction=min(elapsed / seconds, 1.0) if seconds else None,
                    time_elapsed=asyncio.get_running_loop().time() - begun,
                    time_remaining=max(seconds - elapsed, 0.0),
                )
            )

    @status_verb
    def stage(self) -> Status:
        """End counting by itself (CONT), and stop what counts."""
        return Status(self._stage(), name=f"{self.name} stage", owner=self.tasks)

    async def _stage(self) -> None:
        self._auto_before = await self.auto_count.get_value()
        if self._auto_before:
            await self.auto_count.put(False)
        if await self.count.get_value():
            await self.count.put(False, wait=False)
            await self.count.wait_for_value(False)

    @status_verb
    def unstage(self) -> Status:
        """Let it count by itself again, if it did."""
        return Status(self._unstage(), name=f"{self.name} unstage", owner=self.tasks)

    async def _unstage(self) -> None:
        if self._auto_before:
            self._auto_before = False
            await self.auto_count.put(True, wait=False)

    @async_verb
    async def stop(self, success: bool = True) -> None:  # noqa: FBT001, FBT002  # bluesky's signature
        """Stop counting: the trigger under way ends well if `success`, else with CountInterruptedError."""
        self._stopped_well = success
        await self.count.put(False, wait=False)


def key_of(label: str) -> str:
    """A label as part of a data key.

    Examples:
        >>> key_of("ion chamber 1.5 bar")
        'ion_chamber_1_5_bar'
    """
    return re.sub(r"\W+", "_", label.strip())
