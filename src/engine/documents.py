"""Documents: composed once, validated always.

Composing is writing a literal in the key order of event-model's own composers. Every document is checked against
event-model's schema by a validator compiled once per process, which takes 1 to 2 µs where jsonschema takes 200.
Extra checks of event-model that no schema says (an event's keys are its descriptor's) are made where the keys are
known, in `bundle`.
"""

import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, Protocol, cast

import event_model
import jsonschema_rs
import numpy as np
import orjson

from .errors import DocumentError, ExitStatus

Document = dict[str, Any]


class _Validator(Protocol):
    def validate(self, instance: Any) -> None: ...


def _compiled() -> Mapping[str, _Validator]:
    names = (
        "start",
        "descriptor",
        "event",
        "event_page",
        "resource",
        "datum",
        "stream_resource",
        "stream_datum",
        "stop",
    )
    known = cast(Mapping[Any, Mapping[str, Any]], vars(event_model)["schemas"])
    schemas = {name: dict(known[event_model.DocumentNames[name]]) for name in names}
    return {name: cast(_Validator, jsonschema_rs.validator_for(schema)) for name, schema in schemas.items()}


_VALIDATORS = _compiled()


def new_uid() -> str:
    """Give a fresh uid."""
    return str(uuid.uuid4())


def encode(name: str, doc: Mapping[str, Any]) -> bytes:
    """Check a document against its schema and give it as JSON.

    Arrays of numpy become lists. NaN and infinities become null, as JSON has no word for them.

    Raises:
        DocumentError: The schema refuses it, or it holds what JSON cannot say.
    """
    validator = _VALIDATORS.get(name)
    if validator is None:
        msg = f"no document is called {name!r}; event-model's are {', '.join(_VALIDATORS)}"
        raise DocumentError(msg)
    try:
        payload = orjson.dumps(doc, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError as error:
        msg = f"{name} document cannot be written as JSON: {error}; use str keys, numbers, text, lists and arrays"
        raise DocumentError(msg) from error
    try:
        _validate(validator, doc, payload)
    except jsonschema_rs.ValidationError as error:
        path = "".join(f"[{step!r}]" for step in error.instance_path)
        msg = f"{name} document{path} is not what event-model's schema says: {error.message}"
        raise DocumentError(msg) from error
    return payload


def _validate(validator: _Validator, doc: Mapping[str, Any], payload: bytes) -> None:
    try:
        validator.validate(doc)
    except (ValueError, TypeError) as error:
        if isinstance(error, jsonschema_rs.ValidationError):
            raise
        # numpy scalars, paths and the like: what is written is what counts
        validator.validate(orjson.loads(payload))


def _plain(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return cast(Any, value).tolist()
    if isinstance(value, (tuple, set, frozenset)):
        return list(cast(Sequence[Any], value))
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return dict(cast(Mapping[str, Any], value))
    msg = f"{type(value).__name__} {value!r}"
    raise TypeError(msg)


def start(metadata: Mapping[str, Any]) -> Document:
    """Compose a RunStart of the metadata of a run."""
    return {**metadata, "uid": new_uid(), "time": time.time()}


def stop(
    run_start: str, *, exit_status: ExitStatus, reason: str, num_events: Mapping[str, int], extra: Mapping[str, Any]
) -> Document:
    """Compose a RunStop; `extra` keys stand beside event-model's own and may not replace them."""
    doc: Document = {
        **extra,
        "uid": new_uid(),
        "time": time.time(),
        "run_start": run_start,
        "exit_status": exit_status,
        "reason": reason,
        "num_events": dict(num_events),
    }
    return doc


def event(
    descriptor: str, *, seq_num: int, data: Document, timestamps: Document, filled: Mapping[str, bool]
) -> Document:
    """Compose an Event, the `seq_num`th (from 1) of its stream."""
    return {
        "uid": new_uid(),
        "time": time.time(),
        "data": data,
        "timestamps": timestamps,
        "seq_num": seq_num,
        "filled": dict(filled),
        "descriptor": descriptor,
    }
