"""Composing the stream documents of a flight: every row of every file in exactly one datum."""

from collections.abc import AsyncIterator, Sequence

from ..async_devices.errors import AssetsNotReadyError
from ..async_devices.flight import FlightDetector
from ..async_devices.protocols import StreamDocument
from ..stream_resource.composer import StreamComposer
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
                    yield (
                        "stream_resource",
                        self._composer.resource(
                            asset.data_key,
                            uri=asset.uri,
                            dataset=asset.dataset,
                            chunk_shape=asset.chunk_shape,
                            mimetype=asset.mimetype,
                            swmr=asset.swmr,
                        ),
                    )
            for rows, frames in self._ledger.take(recorder.name):
                if frames is None:
                    continue
                for key in self._keys[recorder.name]:
                    yield "stream_datum", self._composer.datum(key, rows=rows, seq_nums=frames.shift(1))
