"""The documents of an engine as an iterator."""

import asyncio
from collections.abc import AsyncGenerator, Callable

from .delivery import deliveries
from .documents import Document
from .journal import Journal
from .journal_cursor import JournalCursor

BATCH_RECORDS = 64


async def follow(journal: Journal, *, closed: Callable[[], bool]) -> AsyncGenerator[tuple[str, Document], None]:
    """Iterate over (name, document) from now on, until `closed` says that no more will come and all were given.

    Events come one by one, also those that were packed in pages.
    """
    cursor = JournalCursor(journal, journal.next_sequence)
    news = journal.listen()
    try:
        while not (closed() and cursor.behind <= 0):
            at_hand = cursor.in_memory()
            batch = cursor.next(BATCH_RECORDS) if at_hand else await asyncio.to_thread(cursor.next, BATCH_RECORDS)
            for record in batch:
                for delivered in deliveries(record.name, record.payload, pages=False):
                    yield delivered
            if not batch and not closed():
                await news.wait()
                news.clear()
    finally:
        journal.ignore(news)
        cursor.close()
