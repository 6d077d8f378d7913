"""Events composed, checked against event-model's schema and encoded: 2, 10 and 50 keys."""

import gc
import time
from typing import Any

from .bench import SideResult, Which, digest_of

NAME = "document_event"
PEER = "event_model compose_event, validating, and orjson"
CASES = ("2 keys", "10 keys", "50 keys")
GOAL = 25.0
UNIT = "µs/event"
SCALE = 1e6
PACKAGES = ("event-model", "orjson", "jsonschema-rs")

EVENTS = 300
"""So few that their data stay in the processor's cache, where those of a new event are."""

# The data of all events are made beforehand; `gc.freeze` takes them out of both sides' collections.


def side(which: Which) -> dict[str, SideResult]:
    """Time the events of each case; the digest is what their JSON says of numbers, data and times."""
    make = _ours if which == "ours" else _peer
    make(2)  # imports and first calls are not timed
    return {case: make(int(case.split()[0])) for case in CASES}


def _columns(keys: int, number: int) -> tuple[dict[str, float], dict[str, float]]:
    """Data and timestamps of an event, as both composers take them."""
    names = [f"key{k}" for k in range(keys)]
    data = {name: number * 0.1 + k for k, name in enumerate(names)}
    return data, {name: 1.7e9 + number + k / 1000 for k, name in enumerate(names)}


def _descriptor(keys: int) -> dict[str, Any]:
    data_keys = {f"key{k}": {"dtype": "number", "shape": [], "source": "sim"} for k in range(keys)}
    return {"uid": "descriptor", "data_keys": data_keys, "name": "primary", "run_start": "run", "time": 0.0}


def _result(encoded: list[bytes], elapsed: float) -> SideResult:
    import orjson

    docs = [orjson.loads(payload) for payload in encoded]
    said = [orjson.dumps([doc["seq_num"], doc["data"], doc["timestamps"], doc["descriptor"]]) for doc in docs]
    return SideResult(seconds=elapsed / len(docs), digest=digest_of(*said, len({doc["uid"] for doc in docs})))


def _ours(keys: int) -> SideResult:
    from wingbeat.engine import documents

    events = [_columns(keys, number) for number in range(EVENTS)]
    encoded: list[bytes] = []
    expected = events[0][0].keys()
    gc.freeze()
    begun = time.perf_counter()
    for seq_num, (data, timestamps) in enumerate(events, 1):
        assert data.keys() == expected
        doc = documents.event("descriptor", seq_num=seq_num, data=data, timestamps=timestamps, filled={})
        encoded.append(documents.encode("event", doc))
    return _result(encoded, time.perf_counter() - begun)


def _peer(keys: int) -> SideResult:
    from collections import Counter

    import orjson
    from event_model import ComposeEvent

    compose = ComposeEvent(_descriptor(keys), Counter({"primary": 1}))
    events = [_columns(keys, number) for number in range(EVENTS)]
    encoded: list[bytes] = []
    gc.freeze()
    begun = time.perf_counter()
    for data, timestamps in events:
        doc = compose(data=data, timestamps=timestamps, filled={})
        encoded.append(orjson.dumps(doc))
    return _result(encoded, time.perf_counter() - begun)
