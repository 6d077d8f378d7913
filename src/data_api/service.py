"""What the routes stand on: catalogue, indexes, reader and the journal's tail, opened and closed together."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request

from ..stream_resource import FrameRange, RunIndex
from ..stream_resource.arrayindex import ArrayIndex
from ..stream_resource.errors import UnreachableUriError
from ..stream_resource.uris import path_of_uri
from ..task_owner import TaskOwner
from .availability import ArrayView, view_array
from .catalog import Catalog
from .chunkreader import ChunkReader
from .errors import DirectoryError, UnreadableError
from .ingest import JOURNAL, Ingest
from .roots import ReadableRoots
from .runcache import RunCache
from .storeddataset import Source
from .tail import JournalTail

JOURNAL_DIRECTORY = "journal"
CATALOG_FILE = "catalog.sqlite"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataService:
    """One data directory being served."""

    catalog: Catalog
    cache: RunCache
    ingest: Ingest
    reader: ChunkReader
    tail: JournalTail
    following: asyncio.Task[None]

    async def run(self, name: str) -> tuple[str, RunIndex]:
        """The full uid and the index of the run that `name` (uid, prefix or `latest`) means.

        Raises:
            AbsentError: There is none.
            AmbiguousUidError: There are several.
        """
        if (index := self.cache.held(name)) is not None:
            return name, index
        uid = await self.catalog.resolve(name)
        return uid, await self.cache.get(uid)

    async def array(self, request: Request) -> ArrayView:
        """The array that the path of a request names.

        Raises:
            AbsentError: There is none.
        """
        path = request.path_params
        uid, run = await self.run(path["uid"])
        return view_array(uid, run, stream=path["stream"], key=path["key"])


@asynccontextmanager
async def open_service(
    directory: Path, *, roots: Iterable[Path] = (), database: str | None = None
) -> AsyncGenerator[DataService]:
    """Serve `directory` for the length of the block.

    Args:
        directory: The data directory; its files may be read, and its `journal` is followed.
        roots: More directories whose files may be read.
        database: URL of the catalogue; by default `catalog.sqlite` in the directory.

    Raises:
        CatalogError: The catalogue cannot be opened.
        DirectoryError: The journal's directory cannot be made.
    """
    journal = directory / JOURNAL_DIRECTORY
    try:
        await asyncio.to_thread(journal.mkdir, exist_ok=True)
    except OSError as error:
        msg = f"{journal} cannot be made"
        raise DirectoryError(msg, expected="a directory", seen=str(error), do="check its owner and the disk") from error
    async with AsyncExitStack() as stack:
        catalog = await Catalog.open(database or f"sqlite+aiosqlite:///{directory / CATALOG_FILE}")
        stack.push_async_callback(catalog.aclose)
        reader = ChunkReader(ReadableRoots((directory, *roots)))
        stack.push_async_callback(asyncio.to_thread, reader.close)
        cache = RunCache(catalog)
        ingest = Ingest(catalog, cache)
        tail = JournalTail(journal, await catalog.cursor(JOURNAL))
        owner = TaskOwner("data API")
        stack.push_async_callback(owner.aclose)
        following = owner.start(ingest.follow(tail), name="ingest")
        following.add_done_callback(_report_end)
        yield DataService(catalog=catalog, cache=cache, ingest=ingest, reader=reader, tail=tail, following=following)


def _report_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("the journal is no longer followed; what is committed stays served", exc_info=error)


def service_of(request: Request) -> DataService:
    """The service behind a request."""
    return request.app.state.service


def source_of(array: ArrayIndex, resource: str) -> Source:
    """The dataset of a resource, with its committed rows (rows of the file: events times frames per event).

    Raises:
        UnreadableError: It names no dataset, or its URI no file on this machine.
    """
    document = array.resources[resource]
    if "dataset" not in document["parameters"]:
        msg = f"stream_resource {resource} names no dataset"
        raise UnreadableError(msg, expected="parameters.dataset", seen=", ".join(document["parameters"]))
    try:
        path = path_of_uri(document["uri"])
    except UnreachableUriError as error:
        raise UnreadableError(str(error), expected="a file:// URI", seen=document["uri"]) from error
    rows = array.file_rows(FrameRange(0, array.rowmap.physical_rows(resource)))
    return Source(path, str(document["parameters"]["dataset"]), rows.stop, not array.closed)
