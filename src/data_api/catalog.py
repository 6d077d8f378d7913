"""The catalogue: runs, documents and datum intervals in a database, with the cursor of the journal they came from.

Documents and the cursor are written in one transaction. A data API that is killed between two batches starts where
the last commit left it: nothing is lost. A batch that arrives again conflicts on the documents' uids: nothing is
doubled.

One process writes (it holds a lock on the directory), so that `position` can be counted here.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self

import orjson
from sqlalchemy import Row, Select, event, func, insert, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.schema import Table

from .documents import DatumRow, Document, datum_document
from .errors import AbsentError, AmbiguousUidError, CatalogError
from .schema import CURSORS, DATUMS, DOCUMENTS, METADATA, RUNS

PAGE_DOCUMENTS = 500


class JournalCursor(NamedTuple):
    """Where reading a journal goes on: byte `offset` of `segment`; `sequence` is the last record taken (-1: none)."""

    segment: str = ""
    offset: int = 0
    sequence: int = -1


class RunSummary(NamedTuple):
    """A run's row."""

    uid: str
    scan_id: int | None
    time: float
    plan_name: str | None
    exit_status: str | None
    start: dict[str, Any]
    stop: dict[str, Any] | None


class Entry(NamedTuple):
    """A document on its way in, with the uid of its run and its own; NamedTuple because one is made per record."""

    run: str
    uid: str
    document: Document
    datum: DatumRow | None


class Catalog:
    """The catalogue in one database. Make it with `open`."""

    def __init__(self, engine: AsyncEngine, *, position: int) -> None:
        self._engine = engine
        self._position = position

    @classmethod
    async def open(cls, url: str) -> Self:
        """Open the database at a URL (`sqlite+aiosqlite:///…`, `postgresql+asyncpg://…`), making its tables.

        Raises:
            CatalogError: It cannot be opened.
        """
        engine = create_async_engine(url)
        if engine.dialect.name == "sqlite":
            event.listen(engine.sync_engine, "connect", _tune_sqlite)
        try:
            async with engine.begin() as connection:
                await connection.run_sync(METADATA.create_all)
                return cls(engine, position=await _last_position(connection) + 1)
        except (SQLAlchemyError, OSError) as error:
            await engine.dispose()
            raise _failed("opened", error, which=engine.url.render_as_string()) from error

    async def aclose(self) -> None:
        """Close every connection."""
        await self._engine.dispose()

    async def commit(self, entries: Sequence[Entry], *, source: str = "", cursor: JournalCursor | None = None) -> None:
        """Write documents and, for those from a journal, its cursor, in one transaction. Known ones are passed over.

        Raises:
            CatalogError: Nothing was written.
        """
        try:
            async with self._engine.begin() as connection:
                await self._write(connection, entries)
                if cursor is not None:
                    await self._move_cursor(connection, source, cursor)
        except SQLAlchemyError as error:
            raise _failed("written", error) from error

    async def _write(self, connection: AsyncConnection, entries: Sequence[Entry]) -> None:
        # The position is given before the tables part: a run's datums and its other documents keep their common order.
        placed = list(enumerate(entries, self._position))
        self._position += len(entries)
        starts = [_run_row(at, entry.document.doc) for at, entry in placed if entry.document.name == "start"]
        await self._insert(connection, RUNS, starts)
        await self._insert(connection, DOCUMENTS, [_document_row(at, entry) for at, entry in placed if not entry.datum])
        datums = [{"position": at, "run": entry.run, **entry.datum._asdict()} for at, entry in placed if entry.datum]
        await self._insert(connection, DATUMS, datums)
        for stop in (entry.document.doc for entry in entries if entry.document.name == "stop"):
            values = {"stop": dict(stop), "exit_status": stop.get("exit_status")}
            await connection.execute(update(RUNS).where(RUNS.c.uid == stop["run_start"]).values(**values))

    async def _insert(self, connection: AsyncConnection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
        if not rows:
            return
        # Conflicts are on uids alone: positions are counted by this, the only writer.
        keys = ["uid", "name"] if table is DOCUMENTS else ["uid"]
        build = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        await connection.execute(build(table).on_conflict_do_nothing(index_elements=keys), rows)

    async def _move_cursor(self, connection: AsyncConnection, source: str, cursor: JournalCursor) -> None:
        values = {"segment": cursor.segment, "offset_nbytes": cursor.offset, "sequence": cursor.sequence}
        moved = await connection.execute(update(CURSORS).where(CURSORS.c.source == source).values(**values))
        if moved.rowcount == 0:
            await connection.execute(insert(CURSORS).values(source=source, **values))

    async def cursor(self, source: str) -> JournalCursor:
        """Where reading `source` goes on; the beginning if it was never read."""
        rows = await self._all(select(CURSORS).where(CURSORS.c.source == source))
        return JournalCursor(rows[0].segment, rows[0].offset_nbytes, rows[0].sequence) if rows else JournalCursor()

    async def runs(self, *, limit: int, before: str | None = None) -> list[RunSummary]:
        """Runs, newest first, at most `limit`; `before`: those older than the run of this uid.

        Raises:
            AbsentError: There is no run `before`.
        """
        query = select(RUNS).order_by(RUNS.c.time.desc(), RUNS.c.position.desc()).limit(limit)
        if before is not None:
            mark = await self._all(select(RUNS.c.time, RUNS.c.position).where(RUNS.c.uid == before))
            if not mark:
                raise _no_run(before)
            query = query.where(tuple_(RUNS.c.time, RUNS.c.position) < tuple_(*mark[0]))
        return [_summary(row) for row in await self._all(query)]

    async def resolve(self, name: str) -> str:
        """The full uid of a uid, of a prefix that fits one run only, or of `latest`.

        Raises:
            AbsentError: No run fits.
            AmbiguousUidError: Several runs fit the prefix.
        """
        query = select(RUNS.c.uid).order_by(RUNS.c.time.desc(), RUNS.c.position.desc())
        if name == "latest":
            found = await self._all(query.limit(1))
        else:
            found = await self._all(query.where(RUNS.c.uid == name))
            if not found and name:
                # A range, not LIKE: it uses the index on both databases, and uids may hold % and _.
                found = await self._all(
                    query.where(func.substr(RUNS.c.uid, 1, len(name)) == name, RUNS.c.uid >= name).limit(2)
                )
        if not found:
            raise _no_run(name)
        if len(found) > 1:
            msg = f"{name!r} is the beginning of several runs' uids"
            raise AmbiguousUidError(
                msg, expected="one run", seen=", ".join(row.uid for row in found), do="give more of it"
            )
        return str(found[0].uid)

    async def run(self, uid: str) -> RunSummary:
        """The row of the run with this full uid.

        Raises:
            AbsentError: There is none.
        """
        rows = await self._all(select(RUNS).where(RUNS.c.uid == uid))
        if not rows:
            raise _no_run(uid)
        return _summary(rows[0])

    async def owners(self, uids: Iterable[str]) -> dict[str, str]:
        """The runs of those starts, descriptors and resources among `uids` that are known: uid to run uid."""
        query = select(DOCUMENTS.c.uid, DOCUMENTS.c.run).where(DOCUMENTS.c.uid.in_(list(uids)))
        return {row.uid: row.run for row in await self._all(query)}

    async def documents(self, run: str) -> AsyncIterator[list[Document]]:
        """The documents of a run in the order they were taken, in pages. Pages are read as they are asked for."""
        after = -1
        while True:
            page = await self._page(run, after)
            if not page:
                return
            yield [document for _, document in page]
            after = page[-1][0]

    async def _page(self, run: str, after: int) -> list[tuple[int, Document]]:
        def part(table: Table) -> Select[Any]:
            mine = select(table).where(table.c.run == run, table.c.position > after)
            return mine.order_by(table.c.position).limit(PAGE_DOCUMENTS)

        kept = [
            (row.position, Document(row.name, orjson.loads(row.payload), row.payload))
            for row in await self._all(part(DOCUMENTS))
        ]
        datums = [(row.position, _datum(row)) for row in await self._all(part(DATUMS))]
        return sorted(kept + datums, key=lambda item: item[0])[:PAGE_DOCUMENTS]

    async def _all(self, query: Select[Any]) -> Sequence[Row[Any]]:
        try:
            async with self._engine.connect() as connection:
                return (await connection.execute(query)).all()
        except SQLAlchemyError as error:
            raise _failed("read", error) from error


def _tune_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    # WAL: readers never wait for the writer. NORMAL: a commit survives the death of the process.
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=5000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


async def _last_position(connection: AsyncConnection) -> int:
    found = [(await connection.execute(select(func.max(t.c.position)))).scalar() for t in (RUNS, DOCUMENTS, DATUMS)]
    return max((int(n) for n in found if n is not None), default=-1)


def _document_row(position: int, entry: Entry) -> dict[str, Any]:
    name, payload = entry.document.name, entry.document.payload
    return {"position": position, "run": entry.run, "uid": entry.uid, "name": name, "payload": payload}


def _run_row(position: int, start: Mapping[str, Any]) -> dict[str, Any]:
    scan_id, plan_name, time = start.get("scan_id"), start.get("plan_name"), start.get("time")
    return {
        "position": position,
        "uid": start["uid"],
        "scan_id": scan_id if isinstance(scan_id, int) else None,
        "time": float(time) if isinstance(time, int | float) else 0.0,
        "plan_name": plan_name if isinstance(plan_name, str) else None,
        "start": dict(start),
    }


def _summary(row: Row[Any]) -> RunSummary:
    return RunSummary(row.uid, row.scan_id, row.time, row.plan_name, row.exit_status, row.start, row.stop)


def _datum(row: Row[Any]) -> Document:
    doc = datum_document(DatumRow(*(getattr(row, name) for name in DatumRow._fields)))
    return Document("stream_datum", doc, orjson.dumps(doc))


def _no_run(name: str) -> AbsentError:
    return AbsentError(
        f"there is no run {name!r}", expected="a run's uid, the beginning of one, or latest", do="see /runs"
    )


def _failed(verb: str, error: Exception, *, which: str = "") -> CatalogError:
    what = f"the catalogue {which}".rstrip()
    # SQLAlchemy's texts go on with the statement, its parameters and a link.
    seen = str(error).partition("\n")[0]
    return CatalogError(f"{what} cannot be {verb}", seen=seen, do="check the disk, and that it is a catalogue of ours")
