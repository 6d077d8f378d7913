"""The design of a PandA: its settings, saved, compared and loaded.

A design is every field that keeps what is written to it, as {"SEQ1.PRESCALE": value}; what starts, arms or opens
something is none. Loading writes only what differs, in an order that no field of a block can spoil: units before the
values that they scale, enables last, so that nothing runs half configured. Everything written is read back.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast

import numpy as np

from ...task_scope import together
from ..errors import ReadbackError
from ..signal import SignalRW
from .errors import MissingFieldError
from .pvi import PviDevice

Design = Mapping[str, Any]

ACTIONS = frozenset(
    {
        "PCAP.ARM",
        "DATA.CAPTURE",
        "DATA.FLUSH_NOW",
        "DATA.HDF_DIRECTORY",
        "DATA.HDF_FILE_NAME",
        "DATA.NUM_CAPTURE",
    }
)
"""Writable fields that belong to a run and not to a design."""


class Change(NamedTuple):
    """A field that differs between two designs; None where one of them has no such field."""

    before: Any
    after: Any


def is_setting(name: str) -> bool:
    """Whether a writable field is part of a design.

    Examples:
        >>> is_setting("SEQ1.REPEATS"), is_setting("PCAP.ARM"), is_setting("INENC1.SETP")
        (True, False, False)
    """
    sets_at_once = name.endswith((".SETP", ".SET", "_APPEND", "_LAST")) and not name.startswith("SRGATE")
    return name not in ACTIONS and not sets_at_once


def write_order(names: Iterable[str]) -> list[str]:
    """Units first, then values, tables and routes, enables last.

    Examples:
        >>> write_order(["SEQ1.ENABLE", "SEQ1.PRESCALE", "SEQ1.PRESCALE_UNITS"])
        ['SEQ1.PRESCALE_UNITS', 'SEQ1.PRESCALE', 'SEQ1.ENABLE']
    """

    def rank(name: str) -> int:
        field = name.partition(".")[2]
        return 0 if field.endswith("UNITS") else 2 if field == "ENABLE" else 1

    return sorted(names, key=lambda name: (rank(name), name))


def differences(before: Design, after: Design) -> dict[str, Change]:
    """The fields in which two designs differ.

    Examples:
        >>> differences({"SEQ1.REPEATS": 1, "SEQ2.REPEATS": 1}, {"SEQ1.REPEATS": 2, "SEQ2.REPEATS": 1})
        {'SEQ1.REPEATS': Change(before=1, after=2)}
    """
    names = [*before, *(name for name in after if name not in before)]
    return {
        name: Change(before.get(name), after.get(name))
        for name in names
        if not _equal(before.get(name), after.get(name))
    }


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        one, other = cast("Design", a), cast("Design", b)
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(a, float) and isinstance(b, float):
        return bool(np.isclose(a, b, rtol=1e-9, atol=0.0, equal_nan=True))
    return bool(np.array_equal(np.asarray(a), np.asarray(b)))


def _signals(panda: PviDevice) -> dict[str, SignalRW[Any]]:
    return {
        f"{block.label}.{field.upper()}": block[field]
        for block in panda.blocks.values()
        for field in block.writable
        if is_setting(f"{block.label}.{field.upper()}")
    }


async def save_design(panda: PviDevice) -> dict[str, Any]:
    """Every setting of a PandA, read now; tables as dicts of columns."""
    signals = _signals(panda)
    values = await together(*(signal.get_value() for signal in signals.values()))
    return dict(sorted(zip(signals, values, strict=True)))


async def load_design(panda: PviDevice, design: Design) -> dict[str, Change]:
    """Write what differs from a design, and read it back.

    Returns:
        What was changed.

    Raises:
        MissingFieldError: The design has settings that this PandA has not; nothing was written.
        ReadbackError: Something reads back otherwise.
    """
    signals = _signals(panda)
    if unknown := sorted(design.keys() - signals.keys()):
        msg = f"{panda.name}: the design sets {unknown}, which this PandA does not serve; nothing was written"
        raise MissingFieldError(msg)
    now = await save_design(panda)
    changes = differences({name: now[name] for name in design}, design)
    for name in write_order(changes):
        await signals[name].put(design[name])
    left = differences({name: await signals[name].get_value() for name in changes}, {n: design[n] for n in changes})
    if left:
        shown = ", ".join(f"{name} = {change.before!r}, not {change.after!r}" for name, change in left.items())
        msg = f"{panda.name}: after loading the design, {shown}; does another client write to it?"
        raise ReadbackError(msg)
    return changes
