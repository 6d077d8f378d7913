"""PVs under one prefix."""

from collections.abc import Callable, Sequence
from typing import Any

from .pv import Handler, Kind, Meta, SimPV


class PVGroup:
    """PVs under one prefix, made with one short call each.

    Args:
        prefix: What every name begins with.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.pvs: dict[str, SimPV] = {}

    def __getitem__(self, suffix: str) -> SimPV:
        """Give the PV whose name is prefix + suffix."""
        return self.pvs[suffix]

    def add(self, suffix: str, kind: Kind, value: Any, *, handler: Handler | None = None, **meta: Any) -> SimPV:
        """Make a PV; `meta` are the fields of `Meta`."""
        pv = SimPV(self.prefix + suffix, kind, value=value, handler=handler, meta=Meta(**meta))
        self.pvs[suffix] = pv
        return pv

    def pair(
        self, suffix: str, kind: Kind, value: Any, *, after: Callable[[], None] | None = None, **meta: Any
    ) -> SimPV:
        """Make a setpoint and its read-back `_RBV` that follows it; `after` is called when both are posted."""
        readback = self.add(suffix + "_RBV", kind, value, read_only=True, **meta)

        async def follow(new: Any) -> None:
            setpoint.post(new)
            readback.post(new)
            if after is not None:
                after()

        setpoint = self.add(suffix, kind, value, handler=follow, **meta)
        return setpoint

    def text(self, suffix: str, value: str, *, handler: Handler | None = None, **meta: Any) -> SimPV:
        """Make a text PV of 256 bytes unless `length` says otherwise."""
        return self.add(suffix, Kind.TEXT, value, handler=handler, **({"length": 256} | meta))

    def enum(
        self, suffix: str, choices: Sequence[str], *, value: int = 0, handler: Handler | None = None, **meta: Any
    ) -> SimPV:
        """Make an enum PV."""
        return self.add(suffix, Kind.ENUM, value, handler=handler, choices=tuple(choices), **meta)
