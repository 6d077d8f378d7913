"""Runs: the list, one run, its documents out and documents in."""

from collections.abc import AsyncIterator
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ..stream_resource import RunIndex
from .catalog import Catalog, RunSummary
from .documents import Document, parse
from .errors import MediaTypeError, RangeError, RequestError, TooLargeError
from .replies import json_reply, whole_number
from .service import service_of

NDJSON = "application/x-ndjson"
LARGEST_PAGE = 1000
LARGEST_BODY_NBYTES = 64 << 20


async def runs(request: Request) -> Response:
    """GET /runs?limit=&before=: summaries, newest first; `before` is the `next` of the reply before."""
    limit = whole_number(request, "limit")
    limit = 100 if limit is None else limit
    if not 1 <= limit <= LARGEST_PAGE:
        raise RangeError("limit is out of range", expected=f"1 to {LARGEST_PAGE}", seen=str(limit))
    found = await service_of(request).catalog.runs(limit=limit, before=request.query_params.get("before"))
    return json_reply({"runs": [_line(run) for run in found], "next": found[-1].uid if len(found) == limit else None})


def _line(run: RunSummary) -> dict[str, Any]:
    return {
        "uid": run.uid,
        "scan_id": run.scan_id,
        "time": run.time,
        "plan_name": run.plan_name,
        "exit_status": run.exit_status,
        "num_points": run.start.get("num_points"),
    }


async def run(request: Request) -> Response:
    """GET /runs/{uid}: start, stop, and the streams with their arrays."""
    uid, index = await service_of(request).run(request.path_params["uid"])
    return json_reply({"uid": uid, "start": index.start, "stop": index.stop, "streams": streams_of(index)})


def streams_of(index: RunIndex) -> dict[str, Any]:
    """Per stream: how many events it has, its data keys, and how far its arrays are."""
    return {
        name: {
            "num_events": stream.num_events,
            "data_keys": stream.data_keys,
            "arrays": {
                key: {"committed": array.committed, "good": array.good.size, "rows": array.rowmap.rows}
                for key, array in stream.arrays.items()
            },
        }
        for name, stream in index.streams.items()
    }


async def documents(request: Request) -> Response:
    """GET /runs/{uid}/documents: one JSON object {"name", "doc"} a line, in the order they were emitted."""
    catalog = service_of(request).catalog
    uid = await catalog.resolve(request.path_params["uid"])
    return StreamingResponse(_lines(catalog, uid), media_type=NDJSON, headers={"Cache-Control": "no-store"})


async def _lines(catalog: Catalog, uid: str) -> AsyncIterator[bytes]:
    async for page in catalog.documents(uid):
        yield b"".join(b'{"name":%b,"doc":%b}\n' % (orjson.dumps(d.name), d.payload) for d in page)


async def post_documents(request: Request) -> Response:
    """POST /documents: NDJSON as `documents` gives it. Sent again it does no harm."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != NDJSON:
        # A page in a browser can send a form or plain text anywhere; this type it cannot send without asking us first.
        raise MediaTypeError("documents come as NDJSON", expected=NDJSON, seen=kind or "no Content-Type")
    body = await _body(request)
    taken = [_document(number, line) for number, line in enumerate(body.split(b"\n"), 1) if line.strip()]
    report = await service_of(request).ingest.take(taken)
    return json_reply({"taken": report.taken, "refused": list(report.refused)}, status=400 if report.refused else 200)


async def _body(request: Request) -> bytes:
    parts: list[bytes] = []
    nbytes = 0
    async for part in request.stream():
        nbytes += len(part)
        if nbytes > LARGEST_BODY_NBYTES:
            msg = "the body is too large"
            raise TooLargeError(
                msg, expected=f"at most {LARGEST_BODY_NBYTES} bytes", seen="more", do="send smaller batches"
            )
        parts.append(part)
    return b"".join(parts)


def _document(number: int, line: bytes) -> Document:
    try:
        record = orjson.loads(line)
        return parse(str(record["name"]), orjson.dumps(record["doc"]))
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise RequestError(
            f"line {number} is not a document", expected='{"name": …, "doc": {…}}', seen=str(error)
        ) from error
    except RequestError as error:
        raise RequestError(f"line {number}: {error.detail}", expected=error.expected, seen=error.seen) from error
