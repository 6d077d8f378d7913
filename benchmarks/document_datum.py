"""Stream datums of 100 frames each, composed, checked against event-model's schema and encoded."""

import time
from typing import Any

from .bench import SideResult, Which, digest_of

NAME = "document_datum"
PEER = "event_model compose_stream_datum, validating, and orjson"
GOAL = 30.0
UNIT = "µs/datum"
SCALE = 1e6
PACKAGES = ("event-model", "orjson", "jsonschema-rs")

DATUMS = 3000
FRAMES = 100


def side(which: Which) -> SideResult:
    """Time the datums; the digest is the rows and numbers that their JSON says."""
    compose = _ours() if which == "ours" else _peer()
    compose(0, FRAMES)  # first calls are not timed
    begun = time.perf_counter()
    encoded = [compose(number * FRAMES, (number + 1) * FRAMES) for number in range(1, DATUMS + 1)]
    return _result(encoded, time.perf_counter() - begun)


def _ours() -> Any:
    from wingbeat.engine import documents
    from wingbeat.stream_resource import FrameRange, StreamComposer

    composer = StreamComposer()
    composer.resource("cam", uri="file://localhost/cam.h5", dataset="/entry/data/data", chunk_shape=(1, 512, 512))

    def compose(start: int, stop: int) -> bytes:
        datum = composer.datum("cam", rows=FrameRange(start, stop), seq_nums=FrameRange(start + 1, stop + 1))
        return documents.encode("stream_datum", {**datum, "descriptor": "descriptor"})

    return compose


def _peer() -> Any:
    import orjson
    from event_model import ComposeStreamResource, StreamRange

    resource = ComposeStreamResource()(
        data_key="cam", mimetype="application/x-hdf5", uri="file://localhost/cam.h5", parameters={}
    )
    descriptor: Any = {"uid": "descriptor"}

    def compose(start: int, stop: int) -> bytes:
        rows, seq_nums = StreamRange(start=start, stop=stop), StreamRange(start=start + 1, stop=stop + 1)
        return orjson.dumps(resource.compose_stream_datum(rows, seq_nums, descriptor))

    return compose


def _result(encoded: list[bytes], elapsed: float) -> SideResult:
    import orjson

    docs = [orjson.loads(payload) for payload in encoded]
    said = [orjson.dumps([doc["indices"], doc["seq_nums"], doc["descriptor"]]) for doc in docs]
    uids = {doc["uid"] for doc in docs}
    return SideResult(seconds=elapsed / DATUMS, digest=digest_of(*said, len(uids)))
