"""The application: every route on one screen."""

from collections.abc import Iterable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from .arrays import structure, valid
from .errors import DataApiError
from .frames import frame, frames, row
from .health import healthz, page, readyz
from .hosts import LOOPBACK, HostCheck
from .ledger import ledger
from .replies import no_route, refusal
from .runs import documents, post_documents, run, runs
from .service import DataService

ARRAY = "/runs/{uid}/streams/{stream}/{key}"
ROUTES = [
    Route("/", page),
    Route("/healthz", healthz),
    Route("/readyz", readyz),
    Route("/documents", post_documents, methods=["POST"]),
    Route("/runs", runs),
    Route("/runs/{uid}", run),
    Route("/runs/{uid}/ledger", ledger),
    Route("/runs/{uid}/documents", documents),
    Route(ARRAY, structure),
    Route(f"{ARRAY}/valid", valid),
    Route(f"{ARRAY}/frames", frames),
    Route(f"{ARRAY}/frames/{{seq_num}}", frame),
    Route(f"{ARRAY}/rows/{{row}}", row),
]


def make_app(service: DataService, *, host_names: Iterable[str] = LOOPBACK) -> Starlette:
    """The ASGI application over an open service.

    Args:
        service: What is served.
        host_names: The names that a request may be sent to.
    """
    app = Starlette(
        routes=ROUTES,
        middleware=[Middleware(HostCheck, names=frozenset(host_names))],
        exception_handlers={DataApiError: refusal, 404: no_route, 405: no_route, Exception: refusal},
    )
    app.state.service = service
    return app
