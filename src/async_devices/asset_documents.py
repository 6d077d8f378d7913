"""The documents of a detector that writes files, in the device-side form: every event of every file once. Pure."""

from collections.abc import Iterator, Sequence

from event_model.documents import StreamResource

from ..stream_resource.composer import StreamComposer
from ..stream_resource.frames import FrameRange
from .flight import StreamAsset
from .protocols import StreamDocument


class AssetDocuments:
    """Documents of one file at a time.

    Example:
        >>> documents = AssetDocuments()
        >>> asset = StreamAsset(data_key="cam", uri="file://localhost/a.h5", dataset="/d", chunk_shape=(1, 4, 4))
        >>> [name for name, _ in documents.upto(3, [asset])], [name for name, _ in documents.upto(5, [asset])]
        (['stream_resource', 'stream_datum'], ['stream_datum'])
        >>> list(documents.upto(5, [asset]))
        []
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """A new file: its resources are announced again, and its events count from 0."""
        self._composer = StreamComposer()
        self.announced = 0

    def upto(self, events: int, assets: Sequence[StreamAsset]) -> Iterator[StreamDocument]:
        """The resources if they were not given before, then the events below `events` that were not given before.

        Args:
            events: How many are readable.
            assets: The datasets of the file.
        """
        if events <= self.announced:
            return
        if self.announced == 0:
            for asset in assets:
                yield "stream_resource", resource_of(asset, composer=self._composer)
        rows = FrameRange(self.announced, events)
        self.announced = events
        for asset in assets:
            yield "stream_datum", self._composer.datum(asset.data_key, rows=rows)


def resource_of(asset: StreamAsset, *, composer: StreamComposer) -> StreamResource:
    """Compose the document that announces the dataset of a detector's file."""
    return composer.resource(
        asset.data_key,
        uri=asset.uri,
        dataset=asset.dataset,
        chunk_shape=asset.chunk_shape,
        mimetype=asset.mimetype,
        swmr=asset.swmr,
    )
