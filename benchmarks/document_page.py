"""Pages of 1000 events with 10 keys, composed, checked against event-model's schema and encoded."""

import gc
import time
from typing import Any

from .bench import SideResult, Which, digest_of

NAME = "document_page"
PEER = "event_model compose_event_page, validating, and orjson"
GOAL = 50.0
UNIT = "ms/page"
SCALE = 1e3
PACKAGES = ("event-model", "orjson", "jsonschema-rs")

PAGES = 10
ROWS = 1000
KEYS = 10


def side(which: Which) -> SideResult:
    """Time the pages; the digest is what their JSON says of numbers, data and times."""
    parts = [[_partial(page * ROWS + row) for row in range(ROWS)] for page in range(PAGES)]
    encode = _ours() if which == "ours" else _peer()
    encoded: list[bytes] = []
    encode(1, parts[0][:1])  # first calls are not timed
    gc.freeze()  # what was made beforehand is no part of either side's collections
    begun = time.perf_counter()
    for page, partials in enumerate(parts):
        encoded.append(encode(page * ROWS + 1, partials))
    return _result(encoded, time.perf_counter() - begun)


def _partial(number: int) -> dict[str, Any]:
    keys = [f"key{k}" for k in range(KEYS)]
    data = {key: number * 0.1 + k for k, key in enumerate(keys)}
    return {"data": data, "timestamps": dict.fromkeys(keys, 1.7e9 + number), "time": 1.7e9 + number}


def _ours() -> Any:
    from wingbeat.engine import documents

    def encode(first: int, partials: list[dict[str, Any]]) -> bytes:
        return documents.encode("event_page", documents.event_page("descriptor", first, partials, filled={}))

    return encode


def _peer() -> Any:
    from collections import Counter

    import orjson
    from event_model import ComposeEventPage

    keys = [f"key{k}" for k in range(KEYS)]
    data_keys = {key: {"dtype": "number", "shape": [], "source": "sim"} for key in keys}
    descriptor: Any = {"uid": "descriptor", "data_keys": data_keys, "name": "primary", "run_start": "run", "time": 0.0}
    compose = ComposeEventPage(descriptor, Counter({"primary": 1}))

    def encode(first: int, partials: list[dict[str, Any]]) -> bytes:
        page = compose(
            data={key: [one["data"][key] for one in partials] for key in keys},
            timestamps={key: [one["timestamps"][key] for one in partials] for key in keys},
            time=[one["time"] for one in partials],
            seq_num=list(range(first, first + len(partials))),
        )
        return orjson.dumps(page)

    return encode


def _result(encoded: list[bytes], elapsed: float) -> SideResult:
    import orjson

    pages = [orjson.loads(payload) for payload in encoded]
    said = [orjson.dumps([page[key] for key in ("seq_num", "time", "data", "timestamps")]) for page in pages]
    uids = {uid for page in pages for uid in page["uid"]}
    return SideResult(seconds=elapsed / PAGES, digest=digest_of(*said, len(uids)))
