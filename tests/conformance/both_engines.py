"""The documents of a plan from bluesky's engine and from ours, made comparable."""

from collections.abc import Callable
from typing import Any

import bluesky
import orjson
from event_model import DocumentNames, schema_validators
from wingbeat.engine import RunEngine

Documents = list[tuple[str, dict[str, Any]]]

OURS = {"uid", "time", "timestamps", "versions", "run_start", "descriptor", "timestamp", "datum_id"}
"""Keys whose values differ from engine to engine and from run to run."""


def _comparable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _comparable(item) for key, item in value.items() if key not in OURS}
    return [_comparable(item) for item in value] if isinstance(value, list) else value


def plain(docs: Documents) -> Documents:
    """Documents as JSON has them, without what must differ."""
    return [
        (name, _comparable(orjson.loads(orjson.dumps(doc, option=orjson.OPT_SERIALIZE_NUMPY)))) for name, doc in docs
    ]


def without_plan_type(docs: Documents) -> Documents:
    """Leave out what an async plan is not: a generator."""
    for name, doc in docs:
        if name == "start":
            doc.pop("plan_type")
    return docs


def by_bluesky(make: Callable[[], Any], **md: Any) -> Documents:
    docs: Documents = []
    engine = bluesky.RunEngine({}, context_managers=[])
    engine.subscribe(lambda name, doc: docs.append((name, doc)))
    try:
        engine(make(), **md)
    finally:
        engine.loop.call_soon_threadsafe(engine.loop.stop)
        engine._th.join()
        engine.loop.close()
    return docs


async def by_us(make: Callable[[], Any], **md: Any) -> Documents:
    docs: Documents = []
    async with RunEngine() as engine:
        engine.subscribe(lambda name, doc: docs.append((name, doc)), critical=True, pages=True)
        await engine(make(), **md)
    for name, doc in docs:
        schema_validators[DocumentNames[name]].validate(doc)
    return docs
