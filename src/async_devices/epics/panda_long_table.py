"""LongTable: a sequencer table of any length, sent part by part while it runs.

A table written to TABLE is played from the FPGA's own memory and ends with it: 4096 lines. Servers that stream have
TABLE_APPEND beside it: parts written there are queued behind each other and played as one table, until the part that
is written to TABLE_APPEND_LAST has been played. QUEUED_LINES says how many have not begun.

    sent    |----part 1----|----part 2----|          next part when QUEUED_LINES <= ahead
    begun   |======>

A part that comes too late stops the sequencer, and HEALTH says "DMA underrun": an error at once, not lost frames.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...task_scope import task_scope
from ..errors import ReadbackError
from .errors import PandaFaultError, UnsupportedTableError
from .panda_blocks import SeqBlock
from .panda_watch import HARMLESS

if TYPE_CHECKING:
    from .panda import Panda

MOST_LINES = 4096
"""Lines of one part, and of a table that is not streamed."""

Columns = Mapping[str, NDArray[Any]]


def as_served(column: Any, served: Any) -> Any:
    """A column in the type in which the server holds it; text columns are lists."""
    dtype: np.dtype[Any] = np.asarray(served).dtype
    if isinstance(served, np.ndarray) and dtype.kind in "biuf":
        return np.asarray(column, dtype=dtype)
    return [str(text) for text in column]


def difference(expected: Any, seen: Any) -> str:
    """What is wrong with a column that was read back; empty if nothing is.

    Examples:
        >>> difference(np.array([1, 2]), np.array([1, 3]))
        'reads 3 in line 1, expected 2 (1 lines differ)'
    """
    seen = [] if seen is None else seen
    length = len(seen)
    if length != len(expected):
        return f"has {length} lines, expected {len(expected)}"
    wrong = np.flatnonzero(np.asarray(seen) != np.asarray(expected))
    if not wrong.size:
        return ""
    line = int(wrong[0])
    return f"reads {seen[line]} in line {line}, expected {expected[line]} ({wrong.size} lines differ)"


class LongTable:
    """A table on its way to a sequencer."""

    def __init__(self, panda: "Panda", seq: SeqBlock, parts: Iterable[Columns], *, ahead: int) -> None:
        """Belong to a sequencer whose prescaler is set.

        Args:
            panda: Whose sequencer it is.
            seq: The sequencer.
            parts: Tables of at most 4096 lines, consumed as they are needed.
            ahead: Lines still to begin at which the next part is sent.

        Raises:
            UnsupportedTableError: This server cannot stream tables.
        """
        if "table_append" not in seq or "table_append_last" not in seq:
            msg = (
                f"{panda.name}: {seq.label} has no TABLE_APPEND on this server: at most {MOST_LINES} lines, written as "
                "one table. Fly it in several runs, or with repeats"
            )
            raise UnsupportedTableError(msg)
        self._panda, self._seq, self._ahead = panda, seq, ahead
        self._parts = iter(parts)
        self._next: Columns | None = next(self._parts, None)
        self.lines = 0
        """Lines sent so far."""

    async def begin(self) -> None:
        """Send as many parts as keep the sequencer `ahead`; enable it after that.

        Raises:
            ReadbackError: The server holds another part than was sent.
        """
        served = await self._seq.table.get_value()
        await self._seq.table.put({name: as_served([], column) for name, column in served.items()})
        while self._next is not None and self.lines <= self._ahead:
            await self._send()

    async def feed(self) -> None:
        """Send the rest while the sequencer runs; done when all is sent.

        Raises:
            PandaFaultError: A part came too late.
            ReadbackError: The server holds another part than was sent.
        """
        self._check_health(await self._seq.health.get_value())
        async with task_scope() as group:
            watching = group.create_task(self._watch_health())
            async for queued in self._seq.queued_lines.observe():
                if self._next is None:
                    break
                if queued <= self._ahead:
                    await self._send()
            watching.cancel()

    async def _send(self) -> None:
        part, self._next = self._next, next(self._parts, None)
        if part is None:
            return
        field = self._seq["table_append_last" if self._next is None else "table_append"]
        served = await field.get_value()
        await field.put({name: as_served(part[name], column) for name, column in served.items()})
        back = await field.get_value()
        for name, column in part.items():
            if wrong := difference(column, back.get(name)):
                msg = f"{self._panda.name}: {self._seq.label}, part behind line {self.lines}: column {name} {wrong}"
                raise ReadbackError(msg)
        self.lines += len(part["repeats"])

    async def _watch_health(self) -> None:
        async for health in self._seq.health.observe():
            self._check_health(health)

    def _check_health(self, health: str) -> None:
        if health not in HARMLESS:
            msg = (
                f"{self._panda.name}: {self._seq.label}.HEALTH is {health!r} with {self.lines} lines sent: parts come "
                "too late; keep further ahead, or send larger ones"
            )
            raise PandaFaultError(msg)
