"""Signals in memory: `soft://`. No server, no task; a write is there when the call returns."""

import time
from dataclasses import replace
from typing import Any

import numpy as np

from .backend import SignalBackend
from .datatypes import Served, element_dtype, served_for
from .protocols import Reading


class SoftBackend(SignalBackend):
    """A PV in memory, connected from the start."""

    def __init__(
        self,
        source: str,
        *,
        datatype: Any,
        initial: Any = None,
        units: str | None = None,
        precision: int | None = None,
    ) -> None:
        """Make a PV that holds `initial`, or the datatype's zero.

        Args:
            source: Its URI, soft://something.
            datatype: Of its values.
            initial: Its first value.
            units: Of its values.
            precision: Digits after the point.
        """
        super().__init__(source, datatype=datatype)
        self.serves(replace(served_for(datatype), units=units, precision=precision))
        self._monitored = False
        self._current: Reading[Any] = self._reading_of(_zero(datatype) if initial is None else initial)

    def _reading_of(self, value: Any) -> Reading[Any]:
        wire = self.converter.to_wire(value)
        seconds, nanoseconds = divmod(time.time_ns(), 10**9)
        return {
            "value": self.converter.from_wire(wire),
            "timestamp": seconds + nanoseconds * 1e-9,
            "alarm_severity": 0,
            "stamp": (seconds, nanoseconds),
        }

    async def connect(self, *, timeout: float) -> None:
        """Nothing to do."""

    async def disconnect(self) -> None:
        """End every observation."""
        self.close_observers()

    def set_now(self, value: Any) -> None:
        """Change the value as a server would: without a put."""
        self._current = self._reading_of(value)
        if self._monitored:
            self.updated(self._current)

    async def reading(self, *, timeout: float | None = None) -> Reading[Any]:
        """The value."""
        del timeout
        return self._current

    async def put(self, value: Any, *, wait: bool = True, timeout: float | None = None) -> None:
        """Change the value; it is checked and converted once."""
        del wait, timeout
        self.set_now(value)

    async def put_wire(self, wire: Any, *, wait: bool, timeout: float | None) -> None:
        """Change the value."""
        await self.put(self.converter.from_wire(wire), wait=wait, timeout=timeout)

    async def describe_wire(self, *, timeout: float | None) -> Served:
        """As it was made."""
        del timeout
        return self.served

    def start_monitor(self) -> None:
        """Pass changes on."""
        self._monitored = True
        self.updated(self._current)

    def stop_monitor(self) -> None:
        """Pass nothing on."""
        self._monitored = False


def _zero(datatype: Any) -> Any:
    if datatype is None:
        return 0
    if (dtype := element_dtype(datatype)) is not None:
        return np.zeros(0, dtype=dtype)
    kind = served_for(datatype).kind
    return next(iter(datatype)) if kind == "enum" else [] if kind == "strings" else datatype()
