"""Whether the process lives, whether it does its work, and the web page."""

from importlib.resources import files

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from .replies import json_reply
from .service import service_of

# Everything the page needs is in it; nothing of it may load or call anything else.
PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:"
)


async def healthz(_request: Request) -> Response:
    """GET /healthz: the process answers."""
    return json_reply({"status": "ok"})


async def readyz(request: Request) -> Response:
    """GET /readyz: 200 while the journal is followed and whole, else 503 with the reason."""
    service = service_of(request)
    tail, ingest = service.tail.statistics(), service.ingest.statistics()
    following = not service.following.done()
    problems = [*tail.damage, *([ingest.trouble] if ingest.trouble else [])]
    problems += [] if following else ["the journal is no longer followed: see the log"]
    report = {
        "ready": not problems,
        "problems": problems,
        "journal": {"sequence": tail.sequence, "segment": tail.segment, "records": tail.records},
        "documents": {"taken": ingest.taken, "refused": ingest.refused},
        "runs": service.cache.statistics(),
        "files": service.reader.statistics(),
    }
    return json_reply(report, status=503 if problems else 200)


async def page(_request: Request) -> Response:
    """GET /: a live view of the runs."""
    html = files(__package__ or "wingbeat.data_api").joinpath("page.html").read_text("utf-8")
    return HTMLResponse(html, headers={"Content-Security-Policy": PAGE_POLICY, "Cache-Control": "no-cache"})
