"""Documents in: from the journal's tail or over HTTP into the catalogue, then into the indexes that are being read."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import NamedTuple

from .catalog import Catalog, Entry, JournalCursor
from .documents import OWNERS, Document, datum_row, identify, parse
from .errors import CatalogError, RequestError
from .runcache import RunCache
from .tail import JournalTail

BATCH_DOCUMENTS = 500
KNOWN_OWNERS = 4096
JOURNAL = "journal"
log = logging.getLogger(__name__)


class IngestReport(NamedTuple):
    """What became of some documents: taken (again or for the first time), or refused, each with its reason."""

    taken: int
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestStatistics:
    """Documents taken and refused since the start; `trouble` is why nothing can be taken at the moment, or empty."""

    taken: int
    refused: int
    trouble: str


class Ingest:
    """Takes documents in batches. Calls are done one after the other.

    Args:
        catalog: Where they are written.
        cache: Whose indexes they are given to afterwards.
        retry: Seconds until what came from a journal is tried again when the catalogue refused it.
    """

    def __init__(self, catalog: Catalog, cache: RunCache, *, retry: float = 1.0) -> None:
        self._catalog = catalog
        self._cache = cache
        self._owners: OrderedDict[str, str] = OrderedDict()
        self._turn = asyncio.Lock()
        self._retry = retry
        self._trouble = ""
        self._taken = 0
        self._refused = 0

    async def follow(self, tail: JournalTail) -> None:
        """Take everything a journal holds and will hold. Ends by cancellation."""
        async with aclosing(tail.batches()) as batches:
            async for records, cursor in batches:
                for start in range(0, len(records), BATCH_DOCUMENTS):
                    some = records[start : start + BATCH_DOCUMENTS]
                    # The offset within one read is not known; a replay from the earlier one does no harm.
                    done = start + BATCH_DOCUMENTS >= len(records)
                    documents, refused = _parsed((record.name, record.payload) for record in some)
                    await self._take_at_last(documents, refused, cursor if done else None)

    async def _take_at_last(
        self, documents: Sequence[Document], refused: Sequence[str], cursor: JournalCursor | None
    ) -> None:
        """Take documents, however long the catalogue refuses them: a disk that is full is emptied some day."""
        while True:
            try:
                await self.take(documents, refused=refused, cursor=cursor)
            except CatalogError as error:
                self._trouble = str(error)
                log.error("%s; trying again in %g s", error, self._retry)
                await asyncio.sleep(self._retry)
                continue
            self._trouble = ""
            return

    async def take(
        self, documents: Sequence[Document], *, refused: Sequence[str] = (), cursor: JournalCursor | None = None
    ) -> IngestReport:
        """Commit documents, with the journal's cursor if they came from there.

        Raises:
            CatalogError: Nothing was committed.
        """
        async with self._turn:
            owners = await self._owners_of(documents)
            entries, problems = entries_of(documents, owners)
            await self._catalog.commit(entries, source=JOURNAL, cursor=cursor)
            self._remember({entry.uid: entry.run for entry in entries if entry.document.name in OWNERS})
            await self._cache.feed((entry.run, entry.document) for entry in entries)
        report = IngestReport(len(entries), (*refused, *problems))
        self._taken += report.taken
        self._refused += len(report.refused)
        for problem in report.refused:
            log.warning("document refused: %s", problem)
        return report

    async def _owners_of(self, documents: Sequence[Document]) -> dict[str, str]:
        """The run of each document whose run is known: uid to run uid, also for what they refer to."""
        identities = [identify(document) for document in documents]
        named = {identity.reference for identity in identities if identity.reference}
        known = {uid: self._owners[uid] for uid in named if uid in self._owners}
        within = {i.uid for d, i in zip(documents, identities, strict=True) if d.name in OWNERS}
        if unknown := named - known.keys() - within:
            known |= await self._catalog.owners(unknown)
        for document, identity in zip(documents, identities, strict=True):
            run = identity.uid if document.name == "start" else known.get(identity.reference or "")
            if run is not None:
                known[identity.uid] = run
        return known

    def _remember(self, owners: Mapping[str, str]) -> None:
        self._owners.update(owners)
        for uid in owners:
            self._owners.move_to_end(uid)
        while len(self._owners) > KNOWN_OWNERS:
            self._owners.popitem(last=False)

    def statistics(self) -> IngestStatistics:
        """Documents taken and refused so far."""
        return IngestStatistics(taken=self._taken, refused=self._refused, trouble=self._trouble)


def entries_of(documents: Sequence[Document], owners: Mapping[str, str]) -> tuple[list[Entry], list[str]]:
    """What to write for some documents whose runs are known, in their order, and why the others are refused."""
    entries: list[Entry] = []
    problems: list[str] = []
    for document in documents:
        uid, reference = identify(document)
        run = owners.get(uid)
        if run is None:
            problems.append(f"{document.name} {uid} refers to {reference}, which is not known here")
            continue
        try:
            datum = datum_row(document.doc) if document.name == "stream_datum" else None
        except RequestError as error:
            problems.append(str(error))
            continue
        entries.append(Entry(run, uid, document, datum))
    return entries, problems


def _parsed(records: Iterable[tuple[str, bytes]]) -> tuple[list[Document], list[str]]:
    documents: list[Document] = []
    refused: list[str] = []
    for name, payload in records:
        try:
            documents.append(parse(name, payload))
        except RequestError as error:
            refused.append(str(error))
    return documents, refused
