"""The sequencer's table: its 17 columns as clients write them, and its lines as the sequencer reads them."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from .errors import RefusedPutError

TRIGGERS = (
    "Immediate",
    *(f"BIT{bit}={value}" for bit in "ABC" for value in (0, 1)),
    *(f"POS{position}{sign}POSITION" for position in "ABC" for sign in (">=", "<=")),
)
"""The 13 conditions, in the order of their numbers."""

MAX_LINES = 4096
OUTPUTS = "ABCDEF"

COLUMNS: dict[str, type[np.generic] | None] = {
    "repeats": np.uint16,
    "trigger": None,
    "position": np.int32,
    "time1": np.uint32,
    **{f"out{o}1": np.bool_ for o in OUTPUTS.lower()},
    "time2": np.uint32,
    **{f"out{o}2": np.bool_ for o in OUTPUTS.lower()},
}
"""Columns of the table in order, with their types; the trigger column holds strings."""


class SeqLine(NamedTuple):
    """One line of the table; times in prescaled ticks, outputs as bits 0..5 for A..F."""

    repeats: int
    trigger: int
    position: int
    time1: int
    outs1: int
    time2: int
    outs2: int

    @classmethod
    def table(cls, columns: Mapping[str, Any]) -> list[Self]:
        """Lines from the 17 columns, each a sequence of the table's length.

        Raises:
            RefusedPutError: a column is missing or of another length, a trigger is unknown, or the table is too long.
        """
        lengths = {name: len(columns[name]) for name in COLUMNS if name in columns}
        if set(lengths) != set(COLUMNS) or len(set(lengths.values())) > 1:
            raise RefusedPutError(
                f"sequencer table: expected {len(COLUMNS)} columns of one length, seen {lengths}; send them all"
            )
        count = lengths["repeats"]
        if count > MAX_LINES:
            raise RefusedPutError(
                f"sequencer table: at most {MAX_LINES} lines, seen {count}; use repeats or split the scan"
            )
        triggers = [_trigger_number(name, line) for line, name in enumerate(columns["trigger"])]
        outs = [_bits(columns, phase) for phase in "12"]
        names = ("repeats", "position", "time1", "time2")
        repeats, position, time1, time2 = (np.asarray(columns[name]).tolist() for name in names)
        rows = zip(repeats, triggers, position, time1, outs[0], time2, outs[1], strict=True)
        return [cls(*(int(value) for value in row)) for row in rows]


def _trigger_number(name: str, line: int) -> int:
    if name not in TRIGGERS:
        raise RefusedPutError(f"sequencer table line {line + 1}: trigger {name!r} is none of {', '.join(TRIGGERS)}")
    return TRIGGERS.index(name)


def _bits(columns: Mapping[str, Any], phase: str) -> list[int]:
    bits: NDArray[np.int64] = np.zeros(len(columns["repeats"]), np.int64)
    for n, output in enumerate(OUTPUTS.lower()):
        bits |= np.asarray(columns[f"out{output}{phase}"], np.bool_).astype(np.int64) << n
    return bits.tolist()
