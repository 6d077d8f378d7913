"""A small blocking client of the data API, over the standard library's HTTP.

Frames arrive as they are stored where this client can decode them (see `chunkcodec`), so that the server need not.
"""

import http.client
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

import numpy as np
import numpy.typing as npt
import orjson

from ..stream_resource import FrameRange, RangeSet
from .chunkcodec import decode, read_pipeline
from .errors import DataApiError, NotYetWrittenError, UnreadableError, error_named
from .negotiation import CHUNK_TYPE, RAW_TYPE

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """A slice of an array.

    Attributes:
        data: The good frames, one after the other: shape (seq_nums.size, *frame shape).
        seq_nums: Which frames these are, counted from 1.
        missing: The frames of the range asked for that are not among them.
    """

    data: Array
    seq_nums: RangeSet
    missing: RangeSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One reply, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class DataClient:
    """Reads runs from a data API over one kept-alive connection. Not for several threads at a time.

    Args:
        url: The server's URL, such as `http://127.0.0.1:8000`.
        timeout: Seconds to wait for a reply.
    """

    def __init__(self, url: str, *, timeout: float = 30.0) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 80, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next request opens it again."""
        self._connection.close()

    def runs(self, *, limit: int = 100, before: str | None = None) -> list[dict[str, Any]]:
        """Summaries of runs, newest first; `before`: older than the run of this uid."""
        query = urlencode({"limit": limit, **({"before": before} if before else {})})
        return self._json(f"/runs?{query}")["runs"]

    def run(self, uid: str = "latest") -> dict[str, Any]:
        """Start, stop and streams of a run (uid, prefix or `latest`)."""
        return self._json(f"/runs/{quote(uid, safe='')}")

    def ledger(self, uid: str = "latest") -> dict[str, Any]:
        """What was planned, written, indexed and readable, per detector, and whether all agrees."""
        return self._json(f"/runs/{quote(uid, safe='')}/ledger")

    def documents(self, uid: str = "latest") -> list[tuple[str, dict[str, Any]]]:
        """The run's documents in order, each with its name."""
        lines = self._get(f"/runs/{quote(uid, safe='')}/documents").body.splitlines()
        return [(record["name"], record["doc"]) for record in map(orjson.loads, lines)]

    def structure(self, uid: str, key: str, *, stream: str = "primary") -> dict[str, Any]:
        """Shape, type and progress of an array."""
        return self._json(_array(uid, stream, key))

    def valid(self, uid: str, key: str, *, stream: str = "primary") -> npt.NDArray[np.bool_]:
        """Per frame from seq_num 1 on: whether it can be read."""
        return np.frombuffer(self._get(f"{_array(uid, stream, key)}/valid").body, np.uint8).astype(np.bool_)

    def frame(self, uid: str, key: str, *, seq_num: int, stream: str = "primary", wait: float = 0.0) -> Array:
        """One frame by its seq_num, which counts from 1.

        Args:
            uid: A run's uid, the beginning of one, or `latest`.
            key: The data key.
            seq_num: Which frame.
            stream: The stream's name.
            wait: For how many seconds to ask again while the frame is not written yet.

        Raises:
            NotYetWrittenError: It is not written yet, and `wait` is over.
            MissingFrameError: It will never come; the message says why.
            AbsentError: It was not planned, or there is no such array.
            UnreadableError: Its file does not yield it.
        """
        return self._one(f"{_array(uid, stream, key)}/frames/{seq_num}", wait)

    def row(self, uid: str, key: str, *, row: int, stream: str = "primary") -> Array:
        """One physical row, counted from 0, superseded ones with them."""
        return self._one(f"{_array(uid, stream, key)}/rows/{row}", 0.0)

    def frames(
        self, uid: str, key: str, *, start: int | None = None, stop: int | None = None, stream: str = "primary"
    ) -> Frames:
        """The good frames with start <= seq_num < stop; without them, everything that is committed."""
        query = urlencode({name: n for name, n in (("start", start), ("stop", stop)) if n is not None})
        reply = self._get(f"{_array(uid, stream, key)}/frames?{query}", {"Accept": RAW_TYPE})
        return Frames(
            data=_decoded(reply),
            seq_nums=_ranges(reply.headers.get("x-wingbeat-seq-nums", "")),
            missing=_ranges(reply.headers.get("x-wingbeat-missing", "")),
        )

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        """Any GET as it comes back, whatever its status."""
        try:
            self._connection.request("GET", path, headers=dict(headers or {}))
            answer = self._connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            # The server closes idle connections; a GET may be sent again.
            self._connection.close()
            self._connection.request("GET", path, headers=dict(headers or {}))
            answer = self._connection.getresponse()
        body = answer.read()
        return Reply(status=answer.status, headers={k.lower(): v for k, v in answer.getheaders()}, body=body)

    def _get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        reply = self.get(path, headers)
        if reply.status >= 400:
            raise _error(reply)
        return reply

    def _json(self, path: str) -> dict[str, Any]:
        return orjson.loads(self._get(path).body)

    def _one(self, path: str, wait: float) -> Array:
        deadline = time.monotonic() + wait
        while True:
            try:
                return _decoded(
                    self._get(path, {"Accept": f"{CHUNK_TYPE}, {RAW_TYPE};q=0.5", "Accept-Encoding": "identity"})
                )
            except NotYetWrittenError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.02)


def _array(uid: str, stream: str, key: str) -> str:
    return f"/runs/{quote(uid, safe='')}/streams/{quote(stream, safe='')}/{quote(key, safe='')}"


def _decoded(reply: Reply) -> Array:
    dtype = np.dtype(reply.headers["x-wingbeat-dtype"])
    shape = tuple(int(n) for n in reply.headers["x-wingbeat-shape"].split(",") if n)
    if reply.headers.get("content-type", "").startswith(CHUNK_TYPE):
        return decode(reply.body, read_pipeline(reply.headers.get("x-wingbeat-filters", "")), shape=shape, dtype=dtype)
    expected = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if len(reply.body) != expected:
        raise UnreadableError(
            "the reply is not whole", expected=f"{expected} bytes", seen=str(len(reply.body)), do="ask again"
        )
    return np.frombuffer(reply.body, dtype).reshape(shape)


def _ranges(text: str) -> RangeSet:
    pairs = (part.split(":") for part in text.split(",") if part)
    return RangeSet(FrameRange(int(start), int(stop)) for start, stop in pairs)


def _error(reply: Reply) -> DataApiError:
    try:
        said = orjson.loads(reply.body)
        words = {name: str(said.get(name) or "") for name in ("expected", "seen", "do")}
        return error_named(str(said["error"]))(str(said["detail"]), **words)
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return DataApiError(f"the server answered {reply.status}", seen=reply.body[:200].decode(errors="replace"))
