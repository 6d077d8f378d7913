"""What the catalogue must know of a document: its own uid, and the document that says which run it belongs to."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast

import orjson

from ..stream_resource.verdicts import VERDICT_KEY
from .errors import RequestError

_REFERENCES: Final = {
    "descriptor": "run_start",
    "stream_resource": "run_start",
    "resource": "run_start",
    "stop": "run_start",
    "event": "descriptor",
    "event_page": "descriptor",
    "stream_datum": "descriptor",
    "datum": "resource",
    "datum_page": "resource",
}
# Documents that others refer to: their uid leads on to the run.
OWNERS: Final = frozenset({"start", "descriptor", "stream_resource", "resource"})
NAMES: Final = frozenset(_REFERENCES) | {"start"}


class Document(NamedTuple):
    """One document as it came; NamedTuple because one is made per record."""

    name: str
    doc: Mapping[str, Any]
    payload: bytes


class Identity(NamedTuple):
    """A document's own uid and the uid of what it refers to (None for a start)."""

    uid: str
    reference: str | None


class DatumRow(NamedTuple):
    """A StreamDatum as an interval row; `verdict` is what it says of its rows if they are not simply good."""

    uid: str
    descriptor: str
    resource: str
    row_start: int
    row_stop: int
    seq_start: int
    seq_stop: int
    verdict: str | None = None


def parse(name: str, payload: bytes) -> Document:
    """A document from its JSON.

    Raises:
        RequestError: It is not JSON, not an object, or of an unknown name.
    """
    if name not in NAMES:
        msg = f"{name!r} is not the name of a document"
        raise RequestError(msg, expected=", ".join(sorted(NAMES)), seen=name)
    try:
        doc = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        msg = f"a {name} document is not JSON"
        raise RequestError(msg, seen=str(error)) from error
    if not isinstance(doc, dict):
        msg = f"a {name} document is not an object"
        raise RequestError(msg, expected="an object", seen=type(doc).__name__)
    document = Document(name, doc, payload)
    identify(document)
    return document


def identify(document: Document) -> Identity:
    """Who a document is and whom it refers to.

    Raises:
        RequestError: A uid is missing or not a text.
    """
    name, doc = document.name, document.doc
    key = _REFERENCES.get(name)
    uid: object = doc.get("datum_id" if name in ("datum", "datum_page") else "uid")
    if isinstance(uid, list):  # pages carry one uid per row; the first stands for the page
        uid = next(iter(cast("list[object]", uid)), None)
    reference = doc.get(key) if key else None
    if isinstance(uid, str) and uid and (key is None or (isinstance(reference, str) and reference)):
        return Identity(uid, reference)
    msg = f"a {name} document does not say who it is"
    raise RequestError(
        msg, expected=f"uid{f' and {key}' if key else ''}", seen=f"{uid!r}{f' and {reference!r}' if key else ''}"
    )


def datum_row(doc: Mapping[str, Any]) -> DatumRow:
    """The interval row of a StreamDatum.

    Raises:
        RequestError: A field is missing or of the wrong type.
    """
    try:
        rows, seqs = doc["indices"], doc["seq_nums"]
        row_start, row_stop, seq_start, seq_stop = (
            int(n) for n in (rows["start"], rows["stop"], seqs["start"], seqs["stop"])
        )
        verdict: object = doc.get(VERDICT_KEY)
        return DatumRow(
            uid=str(doc["uid"]),
            descriptor=str(doc["descriptor"]),
            resource=str(doc["stream_resource"]),
            row_start=row_start,
            row_stop=row_stop,
            seq_start=seq_start,
            seq_stop=seq_stop,
            verdict=None if verdict is None else str(verdict),
        )
    except (KeyError, TypeError, ValueError) as error:
        msg = f"a stream_datum is malformed: {error!r}"
        raise RequestError(msg, expected="uid, descriptor, stream_resource, indices and seq_nums") from error


def datum_document(row: DatumRow) -> dict[str, Any]:
    """The StreamDatum of an interval row.

    >>> datum_document(DatumRow("d", "e", "r", 0, 2, 1, 3))["seq_nums"]
    {'start': 1, 'stop': 3}
    """
    marked = {} if row.verdict is None else {VERDICT_KEY: row.verdict}
    return {
        "uid": row.uid,
        "descriptor": row.descriptor,
        "stream_resource": row.resource,
        "indices": {"start": row.row_start, "stop": row.row_stop},
        "seq_nums": {"start": row.seq_start, "stop": row.seq_stop},
        **marked,
    }
