"""From a record of the journal to the documents that a subscriber is called with."""

from collections.abc import Iterator
from typing import Any

import orjson

from .documents import Document

Delivered = tuple[str, Document]


def deliveries(name: str, payload: bytes, *, pages: bool) -> Iterator[Delivered]:
    """Give the documents in a record; a page of events is taken apart unless `pages`.

    Example:
        >>> page = b'{"uid": ["a", "b"], "time": [1.0, 2.0], "seq_num": [1, 2], "descriptor": "d", "filled": {},'
        >>> page += b' "data": {"x": [5, 6]}, "timestamps": {"x": [1.0, 2.0]}}'
        >>> [(kind, doc["seq_num"], doc["data"]) for kind, doc in deliveries("event_page", page, pages=False)]
        [('event', 1, {'x': 5}), ('event', 2, {'x': 6})]
    """
    doc: Document = orjson.loads(payload)
    if name != "event_page" or pages:
        yield name, doc
        return
    for event in events_of_page(doc):
        yield "event", event


def events_of_page(page: Document) -> Iterator[Document]:
    """Take a page of events apart."""
    data, timestamps = page["data"], page["timestamps"]
    filled: dict[str, list[Any]] = page.get("filled") or {}
    for row, uid in enumerate(page["uid"]):
        yield {
            "uid": uid,
            "time": page["time"][row],
            "data": _row(data, row),
            "timestamps": _row(timestamps, row),
            "seq_num": page["seq_num"][row],
            "filled": _row(filled, row),
            "descriptor": page["descriptor"],
        }


def _row(columns: dict[str, list[Any]], row: int) -> dict[str, Any]:
    return {key: column[row] for key, column in columns.items()}
