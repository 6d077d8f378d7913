"""Documents into the catalogue and the live indexes: in order, once, and with the cursor."""

import asyncio

import orjson
import pytest
from sqlalchemy.exc import OperationalError
from wingbeat.data_api.catalog import Catalog, JournalCursor
from wingbeat.data_api.documents import parse
from wingbeat.data_api.errors import AbsentError, CatalogError, RequestError
from wingbeat.data_api.ingest import JOURNAL, Ingest
from wingbeat.data_api.runcache import RunCache
from wingbeat.data_api.tail import TailBatch
from wingbeat.stream_resource import FrameRange, StreamComposer
from wingbeat.stream_resource.journal import JournalRecord


def document(name, doc):
    return parse(name, orjson.dumps(doc))


def a_run(uid="run-1", *, datums=3, time=1.0):
    composer = StreamComposer()
    key = {"source": "sim", "dtype": "array", "shape": [1, 4, 4], "dtype_numpy": "<u2", "external": "STREAM:"}
    names = {"name": "primary", "data_keys": {"cam": key}, "object_keys": {"cam": ["cam"]}}
    resource = composer.resource("cam", uri="file://localhost/a.h5", dataset="/d", chunk_shape=(1, 4, 4))
    yield document("start", {"uid": uid, "time": time, "scan_id": 3, "plan_name": "count"})
    yield document(
        "descriptor", {"uid": f"{uid}-d", "run_start": uid, "time": time, "configuration": {}, "hints": {}} | names
    )
    yield document("stream_resource", dict(resource) | {"run_start": uid})
    for i in range(datums):
        datum = composer.datum("cam", rows=FrameRange(i, i + 1), seq_nums=FrameRange(i + 1, i + 2))
        yield document("stream_datum", dict(datum) | {"descriptor": f"{uid}-d"})
    yield document("stop", {"uid": f"{uid}-s", "run_start": uid, "time": time + 1, "exit_status": "success"})


@pytest.fixture
async def catalog(tmp_path):
    catalog = await Catalog.open(f"sqlite+aiosqlite:///{tmp_path}/catalog.sqlite")
    yield catalog
    await catalog.aclose()


async def documents(catalog, uid):
    return [(d.name, d.doc) async for page in catalog.documents(uid) for d in page]


async def test_a_run_comes_out_as_it_went_in(catalog):
    run = list(a_run(datums=1200))
    ingest = Ingest(catalog, RunCache(catalog))
    for start in range(0, len(run), 100):
        await ingest.take(run[start : start + 100])
    assert await documents(catalog, "run-1") == [(d.name, d.doc) for d in run]
    summary = await catalog.run("run-1")
    assert (summary.scan_id, summary.plan_name, summary.exit_status) == (3, "count", "success")


async def test_what_comes_twice_is_there_once_in_whatever_batches(catalog):
    run = list(a_run())
    cache = RunCache(catalog)
    ingest = Ingest(catalog, cache)
    await ingest.take(run[:4])
    index = await cache.get("run-1")
    for batch in (run[:6], run[2:], run, run[5:]):
        await ingest.take(batch)
    assert await documents(catalog, "run-1") == [(d.name, d.doc) for d in run]
    assert index.streams["primary"].arrays["cam"].committed == 3
    assert index.stop is not None


async def test_two_runs_may_interleave(catalog):
    one, two = list(a_run("one")), list(a_run("two", time=2.0))
    ingest = Ingest(catalog, RunCache(catalog))
    await ingest.take([d for pair in zip(one, two, strict=True) for d in pair])
    assert await documents(catalog, "one") == [(d.name, d.doc) for d in one]
    assert await documents(catalog, "two") == [(d.name, d.doc) for d in two]
    assert [run.uid for run in await catalog.runs(limit=10)] == ["two", "one"]


async def test_an_ingest_that_forgot_its_runs_finds_them_in_the_catalogue(catalog):
    run = list(a_run())
    await Ingest(catalog, RunCache(catalog)).take(run[:3])
    report = await Ingest(catalog, RunCache(catalog)).take(run[3:])
    assert report == (4, ())
    assert len(await documents(catalog, "run-1")) == 7


async def test_a_document_of_an_unknown_run_is_refused_alone(catalog):
    run = list(a_run())
    stranger = document("event", {"uid": "e", "descriptor": "nobody"})
    report = await Ingest(catalog, RunCache(catalog)).take([*run[:3], stranger, *run[3:]])
    assert report.taken == 7
    assert "nobody" in report.refused[0]


async def test_the_cursor_is_moved_with_the_documents_or_not_at_all(catalog, monkeypatch):
    run = list(a_run())
    ingest = Ingest(catalog, RunCache(catalog))
    await ingest.take(run[:3], cursor=JournalCursor("a", 10, 2))
    assert await catalog.cursor(JOURNAL) == JournalCursor("a", 10, 2)

    async def fail(*_):
        raise OperationalError("UPDATE", {}, OSError("disk full"))

    monkeypatch.setattr(catalog, "_move_cursor", fail)
    with pytest.raises(CatalogError, match="disk full"):
        await ingest.take(run[3:], cursor=JournalCursor("a", 20, 6))
    monkeypatch.undo()
    assert await catalog.cursor(JOURNAL) == JournalCursor("a", 10, 2)
    assert len(await documents(catalog, "run-1")) == 3
    await ingest.take(run[3:], cursor=JournalCursor("a", 20, 6))
    assert await documents(catalog, "run-1") == [(d.name, d.doc) for d in run]


class OneBatch:
    """A tail that has one batch."""

    def __init__(self, documents):
        self.records = [JournalRecord(i, d.name, d.payload) for i, d in enumerate(documents)]

    async def batches(self):
        yield TailBatch(self.records, JournalCursor("a", 99, len(self.records) - 1))


async def test_what_the_catalogue_refuses_is_tried_again_and_lost_never(catalog, monkeypatch):
    run = list(a_run(datums=1200))
    ingest = Ingest(catalog, RunCache(catalog), retry=0)
    refused = [3]
    write = catalog._write

    async def fail_thrice(connection, entries):
        await write(connection, entries)
        if refused[0]:
            refused[0] -= 1
            assert (ingest.statistics().trouble != "") == (refused[0] < 2)
            raise OperationalError("INSERT", {}, OSError("disk full"))

    monkeypatch.setattr(catalog, "_write", fail_thrice)
    await ingest.follow(OneBatch(run))
    assert await documents(catalog, "run-1") == [(d.name, d.doc) for d in run]
    assert await catalog.cursor(JOURNAL) == JournalCursor("a", 99, len(run) - 1)
    assert ingest.statistics().trouble == ""


async def test_an_index_that_is_built_while_documents_arrive_misses_none(catalog):
    run = list(a_run(datums=1500))
    cache = RunCache(catalog)
    ingest = Ingest(catalog, cache)
    await ingest.take(run[:1000])
    async with asyncio.TaskGroup() as group:
        building = group.create_task(cache.get("run-1"))
        for start in range(1000, len(run), 20):
            await ingest.take(run[start : start + 20])
    assert building.result().streams["primary"].arrays["cam"].committed == 1500
    assert building.result().stop is not None


async def test_a_bounded_cache_forgets_and_builds_again(catalog):
    ingest = Ingest(catalog, cache := RunCache(catalog, limit=2))
    for uid in ("a", "b", "c"):
        await ingest.take(list(a_run(uid)))
        await cache.get(uid)
    assert cache.statistics() == {"held": 2, "limit": 2}
    assert (await cache.get("a")).streams["primary"].arrays["cam"].committed == 3
    with pytest.raises(AbsentError):
        await cache.get("nobody")


async def test_a_datum_that_leaves_a_hole_is_kept_but_not_served(catalog):
    run = list(a_run())
    cache = RunCache(catalog)
    await Ingest(catalog, cache).take([*run[:4], *run[5:]])  # the second datum is lost
    assert (await cache.get("run-1")).streams["primary"].arrays["cam"].committed == 1
    assert len(await documents(catalog, "run-1")) == 6


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("start", b"{"),
        ("start", b"[]"),
        ("start", b"{}"),
        ("start", b'{"uid":7}'),
        ("x", b"{}"),
        ("event", b'{"uid":"e"}'),
    ],
)
def test_what_is_no_document_is_refused(name, payload):
    with pytest.raises(RequestError):
        parse(name, payload)
