"""Refuses requests whose Host is not ours: a web page that rebinds its own name to loopback must not read the data."""

from collections.abc import Iterable

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from .errors import HostError
from .replies import refusal

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def host_name(header: str) -> str:
    """The name in a Host header, without port and brackets.

    >>> host_name("[::1]:8000"), host_name("LocalHost:80")
    ('::1', 'localhost')
    """
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].lower()


class HostCheck:
    """ASGI middleware that lets pass what was sent to one of the names."""

    def __init__(self, app: ASGIApp, *, names: Iterable[str] = LOOPBACK) -> None:
        self._app = app
        self._names = frozenset(name.lower() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse with 421."""
        if scope["type"] == "http":
            request = Request(scope)
            header = request.headers.get("host", "")
            if host_name(header) not in self._names:
                expected = f"one of {', '.join(sorted(self._names))}"
                error = HostError(
                    "this server does not go by that name", expected=expected, seen=header, do="use --host-name"
                )
                await refusal(request, error)(scope, receive, send)
                return
        await self._app(scope, receive, send)
