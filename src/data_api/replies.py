"""Replies: JSON, refusals, parts of at most 1 MB, and the numbers in a query."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from .errors import AbsentError, DataApiError, NotYetWrittenError, RequestError, status_of

# Larger bodies lose two to three times to page faults and copies (measured); smaller parts lose to system calls.
PART_NBYTES: Final = 1 << 20
RETRY_AFTER: Final = "1"


class JsonResponse(Response):
    """JSON by orjson, numpy values included."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The body's bytes."""
        return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)


def json_reply(content: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON reply that no cache keeps: it changes while runs go on."""
    return JsonResponse(content, status_code=status, headers={"Cache-Control": "no-store", **(headers or {})})


def refusal(_request: Request, error: Exception) -> Response:
    """The one place where an error becomes a reply."""
    if not isinstance(error, DataApiError):
        document = {"error": "InternalError", "detail": "the data API failed; its log says where", "do": "report it"}
        return json_reply(document, status=500)
    headers = {"Retry-After": RETRY_AFTER} if isinstance(error, NotYetWrittenError) else {}
    return json_reply(error.to_document(), status=status_of(error), headers=headers)


def no_route(request: Request, error: Exception) -> Response:
    """What an unknown path or a wrong method gets, in the same form as every refusal."""
    status = getattr(error, "status_code", 404)
    if status == 405:
        refused: DataApiError = RequestError(f"{request.url.path} does not take {request.method}")
    else:
        refused = AbsentError(f"{request.url.path} is not served here", do="see /")
    return json_reply(refused.to_document(), status=status, headers=getattr(error, "headers", None))


class PartsResponse(StreamingResponse):
    """A body of known length from an iterator of buffers, sent in parts of at most 1 MB.

    A failure in mid-body breaks the connection before the announced length is reached, so that the client cannot
    mistake what it has for the whole.
    """

    def __init__(
        self, buffers: AsyncIterator[memoryview], *, nbytes: int, headers: Mapping[str, str], media_type: str
    ) -> None:
        super().__init__(in_parts(buffers), headers={**headers, "Content-Length": str(nbytes)}, media_type=media_type)
        self._buffers = buffers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head, and the body unless the method is HEAD."""
        if scope["method"] == "HEAD":
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b""})
            return
        await super().__call__(scope, receive, send)


async def in_parts(buffers: AsyncIterator[memoryview]) -> AsyncIterator[memoryview]:
    """The bytes of all buffers in parts of at most 1 MB."""
    async for buffer in buffers:
        for start in range(0, len(buffer), PART_NBYTES):
            yield buffer[start : start + PART_NBYTES]


def whole_number(request: Request, name: str) -> int | None:
    """A whole number from the query or the path; None if it is not there.

    Raises:
        RequestError: It is not one.
    """
    text = request.path_params.get(name, request.query_params.get(name))
    if text is None:
        return None
    # int() would take " 1_0 " and digits of other scripts as well
    if isinstance(text, str) and text.isascii() and text.removeprefix("-").isdecimal() and len(text) < 20:
        return int(text)
    msg = f"{name} is not a whole number"
    raise RequestError(msg, expected="digits", seen=repr(text))
