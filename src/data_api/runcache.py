"""The RunIndexes of the runs that somebody reads, kept up with the documents that arrive.

A run's index is built from the catalogue when it is first asked for, and then fed by the ingest. The lock orders the
two: an ingest commits first and feeds afterwards, so a build either has read a document already (feeding it again
does nothing, the reducer is idempotent) or is fed it when the build is done. Memory therefore never runs ahead of the
catalogue or behind it.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Iterable

from ..stream_resource import RunIndex, StreamResourceError
from .catalog import Catalog
from .documents import Document

log = logging.getLogger(__name__)


class RunCache:
    """At most `limit` run indexes, least recently read dropped first."""

    def __init__(self, catalog: Catalog, *, limit: int = 32) -> None:
        self._catalog = catalog
        self._limit = limit
        self._indexes: OrderedDict[str, RunIndex] = OrderedDict()
        self._lock = asyncio.Lock()

    def held(self, uid: str) -> RunIndex | None:
        """The index of the run with this full uid if it is here, without asking the catalogue."""
        index = self._indexes.get(uid)
        if index is not None:
            self._indexes.move_to_end(uid)
        return index

    async def get(self, uid: str) -> RunIndex:
        """The index of the run with this full uid, which stays current while it is held here.

        Raises:
            AbsentError: There is no such run.
        """
        if (index := self.held(uid)) is not None:
            return index
        async with self._lock:
            if (index := self.held(uid)) is not None:
                return index
            await self._catalog.run(uid)
            index = RunIndex()
            async for page in self._catalog.documents(uid):
                for document in page:
                    _feed(index, document)
            self._indexes[uid] = index
            while len(self._indexes) > self._limit:
                self._indexes.popitem(last=False)
            return index

    async def feed(self, documents: Iterable[tuple[str, Document]]) -> None:
        """Give committed documents, paired with their run's uid, to the indexes that are held."""
        async with self._lock:
            for uid, document in documents:
                if (index := self._indexes.get(uid)) is not None:
                    _feed(index, document)

    def statistics(self) -> dict[str, int]:
        """How many indexes are held, and how many there may be."""
        return {"held": len(self._indexes), "limit": self._limit}


def _feed(index: RunIndex, document: Document) -> None:
    try:
        index.apply(document.name, dict(document.doc))
    except (StreamResourceError, KeyError, TypeError) as error:
        # The document stays in the catalogue as it came; what it announces is not served, the rest of the run is.
        log.error("a %s document does not fit its run: %s", document.name, error)
