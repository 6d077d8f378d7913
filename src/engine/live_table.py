"""A table that grows by one row per event: number, time, what is scanned, and what the devices hint at.

It is text of fixed columns, so it is the same on a terminal, in a notebook and in a file.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .documents import Document

NARROWEST = 10
WIDEST = 18
GAP = "  "


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of values.

    Attributes:
        key: The data key.
        units: Written under it.
        precision: Digits behind the point; None: six digits in all.
    """

    key: str
    units: str = ""
    precision: int | None = None

    @property
    def width(self) -> int:
        """Characters."""
        return min(WIDEST, max(NARROWEST, len(self.key), len(self.units)))

    def cell(self, value: Any) -> str:
        """Write a value, right-aligned and cut to the width.

        Example:
            >>> Column(key="x", precision=3).cell(1.23456), Column(key="x").cell(None), Column(key="n").cell(12)
            ('     1.235', '         –', '        12')
        """
        return _fit(self._text(value), self.width)

    def _text(self, value: Any) -> str:
        if value is None:
            return "–"
        if isinstance(value, float):
            exact = "" if self.precision is None else f"{value:.{self.precision}f}"
            return exact if exact and len(exact) <= self.width else f"{value:.6g}"
        return str(value)


def _fit(text: str, width: int) -> str:
    return f"{text:>{width}}" if len(text) <= width else text[: width - 1] + "…"


class LiveTable:
    """The rows of one stream.

    Args:
        columns: What may be shown, most wanted first.
        width: Characters in a line; columns that do not fit are left out and named under the head.

    Attributes:
        columns: What is shown.
        left_out: Data keys that do not fit.
    """

    def __init__(self, columns: Sequence[Column], *, width: int) -> None:
        self._number = Column(key="#")
        used = 6 + len(GAP) + 10
        fitting = 0
        for column in columns:
            used += len(GAP) + column.width
            fitting += used <= width
        self.columns = tuple(columns[:fitting])
        self.left_out = tuple(column.key for column in columns[fitting:])

    def head(self) -> list[str]:
        """Give the lines above the rows."""
        names = GAP.join([f"{'#':>6}", f"{'time':>10}", *(_fit(column.key, column.width) for column in self.columns)])
        units = GAP.join([" " * 6, " " * 10, *(_fit(column.units, column.width) for column in self.columns)]).rstrip()
        lines = [names, *([units] if units else []), "─" * len(names)]
        return [*lines, f"(no room for {', '.join(self.left_out)})"] if self.left_out else lines

    def row(self, event: Document) -> str:
        """Give the line of an event."""
        seconds = event["time"]
        clock = time.strftime("%H:%M:%S", time.localtime(seconds)) + f".{int(seconds % 1 * 10)}"
        cells = (column.cell(event["data"].get(column.key)) for column in self.columns)
        return GAP.join([f"{event['seq_num']:>6}", f"{clock:>10}", *cells])


def columns_of(start: Document, descriptor: Document) -> list[Column]:
    """Choose what to show of a stream: scanned axes first, then what devices hint at, single values alone.

    A device that hints at nothing shows all its single values.
    """
    scanned = [key for keys, _ in start.get("hints", {}).get("dimensions", ()) for key in keys]
    hinted = [key for name in descriptor["object_keys"] for key in _hinted(descriptor, name)]
    data_keys = descriptor["data_keys"]
    return [
        _column(key, data_keys[key])
        for key in dict.fromkeys([*scanned, *hinted])
        if key in data_keys and _is_single(data_keys[key])
    ]


def _hinted(descriptor: Document, name: str) -> list[str]:
    hints = descriptor.get("hints", {}).get(name)
    if hints is None or "fields" not in hints:
        return list(descriptor["object_keys"][name])
    return list(hints["fields"])


def _is_single(data_key: Mapping[str, Any]) -> bool:
    return not data_key.get("external") and not data_key["shape"] and data_key["dtype"] != "array"


def _column(key: str, data_key: Mapping[str, Any]) -> Column:
    precision = data_key.get("precision")
    units = str(data_key.get("units") or "")
    return Column(key=key, units=units, precision=precision if isinstance(precision, int) and precision >= 0 else None)
