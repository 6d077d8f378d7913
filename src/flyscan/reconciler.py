"""Reading what the detectors have written into the ledger while they write."""

import asyncio
from collections.abc import Callable, Sequence

import numpy as np

from ..async_devices.flight import DetectorCounts, FlightDetector
from ..stream_resource.frames import FrameRange
from .errors import TriggerBoxError
from .ledger import Ledger

BATCH_ROWS = 50_000
"""Rows whose identities are read at once."""


class Reconciler:
    """Follows the written counts of all recorders and feeds their identities to the ledger.

    Args:
        ledger: Where the rows are accounted for.
        recorders: The capture first: its rows are the triggers that the others are matched with.
        clock: Gives the seconds by which news are dated.
    """

    def __init__(self, ledger: Ledger, recorders: Sequence[FlightDetector], *, clock: Callable[[], float]) -> None:
        self.ledger = ledger
        self.changed = asyncio.Event()
        self.news = {recorder.name: clock() for recorder in recorders}
        """When each recorder's count last rose."""
        self._recorders = tuple(recorders)
        self._written = {recorder.name: 0 for recorder in recorders}
        self._read = {recorder.name: 0 for recorder in recorders}
        self._clock = clock

    async def watch(self, recorder: FlightDetector) -> None:
        """Follow one recorder's count until cancelled."""
        async for written in recorder.observe_written():
            if written > self._written[recorder.name]:
                self._written[recorder.name] = written
                self.news[recorder.name] = self._clock()
                self.changed.set()

    async def reconcile(self) -> FrameRange:
        """Read the identities of the rows there are now; give the frames that all have newly agreed on.

        Rows that come meanwhile wait for the next time: a writer faster than the reader must not keep it from the
        deadlines.
        """
        for recorder in self._recorders:
            written = self._written[recorder.name]
            while self._read[recorder.name] < written:
                start = self._read[recorder.name]
                await self._read_rows(recorder, FrameRange(start, min(written, start + BATCH_ROWS)))
        return self.ledger.advance()

    async def _read_rows(self, recorder: FlightDetector, rows: FrameRange) -> None:
        identities = await recorder.identities(rows)
        if recorder is self._recorders[0]:
            if identities.trigger_numbers is None:
                msg = f"{recorder.name} captures no trigger numbers: capture the counter of the trigger output"
                raise TriggerBoxError(msg)
            self.ledger.add_triggers(identities.trigger_numbers.astype(np.int64), identities.times_ns)
        self.ledger.add_rows(recorder.name, rows, identities=identities)
        self._read[recorder.name] = rows.stop

    async def conclude(self) -> None:
        """Read the rows that are left and judge every frame: no more will come."""
        counts: dict[str, DetectorCounts] = {}
        for recorder in self._recorders:
            counts[recorder.name] = seen = await recorder.counts()
            self._written[recorder.name] = max(seen.written, self._written[recorder.name])
        await self.reconcile()
        self.ledger.finish(counts)
        self.ledger.advance()
