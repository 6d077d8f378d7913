"""Rows and stored chunks for the loop: a bounded thread pool over the datasets that are being read.

A dataset's index grows when a row is asked for that it does not have yet, by one task per dataset while the others
wait for it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from ..stream_resource import FrameRange, RangeSet
from ..stream_resource.errors import NotYetVisibleError
from ..stream_resource.files import DatasetInfo
from .errors import NotYetWrittenError, UnreadableError
from .filehandles import FileHandles
from .roots import ReadableRoots
from .storeddataset import Array, Source, StoredChunk, StoredDataset

T = TypeVar("T")


@dataclass(slots=True)
class _Known:
    dataset: StoredDataset
    growing: asyncio.Lock = field(default_factory=asyncio.Lock)


class ChunkReader:
    """Reads committed rows. Close it when no request is left.

    Args:
        roots: The directories whose files may be read.
        threads: How many reads and decodes run at a time.
        datasets: How many datasets' indexes are kept.
        files: How many files are kept open.
    """

    def __init__(self, roots: ReadableRoots, *, threads: int = 4, datasets: int = 256, files: int = 64) -> None:
        self._handles = FileHandles(roots, limit=files)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="chunk-reader")
        self._limit = datasets
        self._known: OrderedDict[tuple[Path, str], _Known] = OrderedDict()
        self._opening = asyncio.Lock()

    async def info(self, source: Source) -> DatasetInfo:
        """Shape, type, chunks and filters of a dataset; its leading length is as it was when it was first opened.

        Raises:
            UnreadableError: The file or the dataset is not there, or is none of ours.
        """
        return (await self._open(source)).dataset.info

    async def stored(self, source: Source, rows: FrameRange) -> StoredChunk | None:
        """The chunk that holds exactly these committed rows, as stored; None if no complete chunk does.

        Raises:
            UnreadableError: The file is gone, short or damaged.
            NotYetWrittenError: The rows are committed, but the file of a live run does not show them yet.
        """
        known = await self._open(source)
        n = known.dataset.chunk_rows
        if n != rows.size or rows.start % n or rows.stop > source.committed_rows:
            return None
        await self._grow(known, source, rows)
        return await self._run(source, known.dataset.stored, rows.start // n)

    async def rows(self, source: Source, rows: FrameRange) -> Array:
        """Committed rows, decoded: shape (rows.size, *row shape), C order, of the stored type.

        Raises:
            UnreadableError: The file is gone, short or damaged.
            NotYetWrittenError: The rows are committed, but the file of a live run does not show them yet.
        """
        known = await self._open(source)
        await self._grow(known, source, rows)
        return await self._run(source, known.dataset.rows, rows)

    async def check(self, source: Source, rows: FrameRange) -> None:
        """Raise what reading these rows would raise for a file that is gone or short, before anything is sent.

        Raises:
            UnreadableError: Not all of the rows are in the file.
        """
        known = await self._open(source)
        await self._grow(known, source, rows)
        await self._run(source, known.dataset.check, rows)

    async def readable(self, source: Source) -> RangeSet:
        """The committed rows whose bytes are in the file; none if the file cannot be read."""
        try:
            known = await self._open(source)
            await self._grow(known, source, FrameRange(0, source.committed_rows))
            return await self._run(source, known.dataset.located, source.committed_rows)
        except (UnreadableError, NotYetWrittenError):
            return RangeSet()

    async def _open(self, source: Source) -> _Known:
        key = (source.path, source.dataset)
        if (known := self._known.get(key)) is not None:
            self._known.move_to_end(key)
            return known
        async with self._opening:
            if (known := self._known.get(key)) is None:
                known = self._known[key] = _Known(await self._run(source, StoredDataset.open, self._handles, source))
            while len(self._known) > self._limit:
                self._known.popitem(last=False)
            return known

    async def _grow(self, known: _Known, source: Source, rows: FrameRange) -> None:
        """Index the complete chunks that hold `rows`, and every other that is complete by then."""
        dataset = known.dataset
        if not (n := dataset.chunk_rows):
            return
        needed = min(-(-rows.stop // n), source.committed_rows // n)
        if needed <= dataset.indexed_chunks:
            return
        async with known.growing:
            if needed > dataset.indexed_chunks:
                await self._run(source, dataset.grow, source.committed_rows)

    async def _run(self, source: Source, function: Callable[..., T], *args: object) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, function, *args)
        except NotYetVisibleError as error:
            expected = f"{source.committed_rows} rows, which are committed"
            if source.growing:
                raise NotYetWrittenError(str(error), expected=expected, do="ask again") from error
            self._known.pop((source.path, source.dataset), None)
            raise UnreadableError(str(error), expected=expected, do="the file was cut off: restore it") from error
        except UnreadableError:
            # What is wrong may be that the file was replaced or repaired: the next request looks at it anew.
            self._known.pop((source.path, source.dataset), None)
            raise

    def close(self) -> None:
        """Wait for what runs and close every file. Blocks."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._handles.close()

    def statistics(self) -> dict[str, int]:
        """Datasets known, files open and in use."""
        return {"datasets": len(self._known), **self._handles.statistics()}
