"""A device that reads some of its signals, and records others as its configuration."""

from collections.abc import Sequence
from typing import Any

from event_model.documents import DataKey

from ..task_scope import together
from .device import Device
from .protocols import Hints, Reading
from .signal import SignalR
from .verbs import async_verb


class ReadableDevice(Device):
    """Reads, describes and hints by lists of its signals, all of them at once.

    Attributes:
        read_signals: What `read` gives.
        config_signals: What `read_configuration` gives.
        hinted_signals: What of it is worth plotting.
    """

    read_signals: Sequence[SignalR[Any]] = ()
    config_signals: Sequence[SignalR[Any]] = ()
    hinted_signals: Sequence[SignalR[Any]] = ()

    @property
    def hints(self) -> Hints:
        """Names of the hinted signals."""
        return {"fields": [signal.name for signal in self.hinted_signals]}

    @async_verb
    async def read(self) -> dict[str, Reading[Any]]:
        """One reading per read signal."""
        return await _readings(self.read_signals)

    async def describe(self) -> dict[str, DataKey]:
        """What `read` gives."""
        return await _descriptions(self.read_signals)

    async def read_configuration(self) -> dict[str, Reading[Any]]:
        """One reading per configuration signal."""
        return await _readings(self.config_signals)

    async def describe_configuration(self) -> dict[str, DataKey]:
        """What `read_configuration` gives."""
        return await _descriptions(self.config_signals)


async def _readings(signals: Sequence[SignalR[Any]]) -> dict[str, Reading[Any]]:
    readings = await together(*(signal.reading() for signal in signals))
    return {signal.name: reading for signal, reading in zip(signals, readings, strict=True)}


async def _descriptions(signals: Sequence[SignalR[Any]]) -> dict[str, DataKey]:
    found: dict[str, DataKey] = {}
    for keys in await together(*(signal.describe() for signal in signals)):
        found |= keys
    return found
