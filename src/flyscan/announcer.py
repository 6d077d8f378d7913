"""Composing the stream documents of a flight: every row of every file in exactly one datum."""

from collections.abc import AsyncIterator, Iterator, Sequence

from ..async_devices.asset_documents import resource_of
from ..async_devices.errors import AssetsNotReadyError
from ..async_devices.flight import FlightDetector
from ..async_devices.protocols import StreamDocument
from ..stream_resource.composer import StreamComposer
from ..stream_resource.frames import FrameRange, RangeSet
from ..stream_resource.verdicts import Verdict
from .account import Run
from .ledger import Ledger


class Announcer:
    """Composes what the ledger has agreed on since it was last asked.

    Args:
        ledger: Which rows hold which frames.
        recorders: Whatever writes rows.
    """

    def __init__(self, ledger: Ledger, recorders: Sequence[FlightDetector]) -> None:
        self._ledger = ledger
        self._recorders = tuple(recorders)
        self._composer = StreamComposer()
        self._keys: dict[str, list[str]] = {}

    async def documents(self) -> AsyncIterator[StreamDocument]:
        """Give stream_resource once per file, then stream_datum per range of agreed frames.

        A detector whose file is not known yet holds its own rows back, not those of the others.
        """
        for recorder in self._recorders:
            if recorder.name not in self._keys:
                try:
                    assets = await recorder.assets()
                except AssetsNotReadyError:
                    continue
                self._keys[recorder.name] = [asset.data_key for asset in assets]
                for asset in assets:
                    yield "stream_resource", resource_of(asset, composer=self._composer)
            unknown = self._ledger.unknown(recorder.name)
            for run in self._ledger.take(recorder.name):
                for rows, frames, verdict in _by_verdict(run, unknown):
                    for key in self._keys[recorder.name]:
                        datum = self._composer.datum(key, rows=rows, seq_nums=frames.shift(1), verdict=verdict)
                        yield "stream_datum", datum


def _by_verdict(run: Run, unknown: RangeSet) -> Iterator[tuple[FrameRange, FrameRange, Verdict]]:
    """Cut a run where frames that are certain meet frames that are not: each part with its rows and its verdict."""
    rows, frames = run
    if frames is None:
        return
    whole = RangeSet([frames])
    parts = [(part, Verdict.UNKNOWN) for part in whole & unknown] + [(part, Verdict.GOOD) for part in whole - unknown]
    for part, verdict in sorted(parts):
        yield part.shift(rows.start - frames.start), part, verdict
