"""What a client accepts, what it holds already, and how long it may keep a reply: pure functions over headers."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

CHUNK_TYPE: Final = "application/x-hdf5-chunk"
RAW_TYPE: Final = "application/octet-stream"
VARY: Final = "Accept, Accept-Encoding"
IMMUTABLE: Final = "public, max-age=31536000, immutable"
REVALIDATE: Final = "no-cache"


class Form(StrEnum):
    """How one frame is sent. Each form of a frame is a representation with an ETag of its own."""

    RAW = "raw"
    DEFLATE = "deflate"
    CHUNK = "chunk"


def preferences(header: str) -> dict[str, float]:
    """The names in an Accept or Accept-Encoding header with their q.

    >>> preferences("gzip, deflate;q=0.5")
    {'gzip': 1.0, 'deflate': 0.5}
    """
    found: dict[str, float] = {}
    for item in header.split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        if name:
            found[name.lower()] = next((_quality(p) for p in parameters if p.lower().startswith("q=")), 1.0)
    return found


def _quality(parameter: str) -> float:
    try:
        return float(parameter[2:])
    except ValueError:
        return 0.0


def accepted_forms(headers: Mapping[str, str]) -> frozenset[Form]:
    """The forms a client can take. Raw bytes are always among them; the chunk form must be asked for by name."""
    forms = {Form.RAW}
    if preferences(headers.get("accept", "")).get(CHUNK_TYPE, 0.0) > 0:
        forms.add(Form.CHUNK)
    codings = preferences(headers.get("accept-encoding", ""))
    if codings.get("deflate", codings.get("*", 0.0)) > 0:
        forms.add(Form.DEFLATE)
    return frozenset(forms)


def etag(resource: str, row: int, form: Form) -> str:
    """The strong ETag of one committed row: the bytes behind it never change, so documents alone decide it.

    >>> etag("a1b2", 7, Form.RAW)
    '"a1b2.7.raw"'
    """
    return f'"{resource}.{row}.{form}"'


def matched(if_none_match: str, candidates: Iterable[str]) -> str | None:
    """The first of our ETags that the client holds already, or None. Weak tags match as RFC 9110 §13.1.2 says."""
    if not if_none_match:
        return None
    held = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return next((tag for tag in candidates if tag in held or "*" in held), None)
