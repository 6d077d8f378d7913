"""Documents: composed once, validated always.

Composing is writing a literal in the key order of event-model's own composers. Every document is checked against
event-model's schema by a validator compiled once per process, which takes 1 to 2 µs where jsonschema takes 200.
Extra checks of event-model that no schema says (an event's keys are its descriptor's) are made where the keys are
known, in `bundle`.
"""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from types import MappingProxyType
from typing import Any, Protocol, cast

import event_model
import jsonschema_rs
import numpy as np
import orjson

from .errors import DocumentError, ExitStatus

Document = dict[str, Any]


class _Validator(Protocol):
    def is_valid(self, instance: Any) -> bool: ...
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
_VARIANT = MappingProxyType({digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"})


def new_uid() -> str:
    """Give a fresh uid: a random UUID."""
    return _uid(os.urandom(16).hex())


def new_uids(count: int) -> list[str]:
    """Give several at the price of one call for randomness."""
    digits = os.urandom(16 * count).hex()
    return [_uid(digits[at : at + 32]) for at in range(0, 32 * count, 32)]


def _uid(digits: str) -> str:
    """Write 32 hexadecimal digits as an UUID of version 4 (RFC 9562, section 5.4)."""
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{_VARIANT[digits[16]]}{digits[17:20]}-{digits[20:]}"


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
        if validator.is_valid(doc):  # half the price of `validate`, which is asked only to say what is wrong
            return
    except (ValueError, TypeError):  # numpy scalars, paths and the like
        pass
    # What is written is what counts.
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
    descriptor: str,
    *,
    seq_num: int,
    data: Document,
    timestamps: Document,
    filled: Mapping[str, bool],
    uid: str | None = None,
) -> Document:
    """Compose an Event, the `seq_num`th (from 1) of its stream."""
    return {
        "uid": new_uid() if uid is None else uid,
        "time": time.time(),
        "data": data,
        "timestamps": timestamps,
        "seq_num": seq_num,
        "filled": dict(filled),
        "descriptor": descriptor,
    }


def event_page(
    descriptor: str, first: int, readings: Sequence[Mapping[str, Any]], *, filled: Mapping[str, bool]
) -> Document:
    """Compose an EventPage of readings with `data`, `timestamps` and perhaps `time`, numbered from `first` (from 1)."""
    now, count = time.time(), len(readings)
    keys = list(readings[0]["data"])
    times = [reading.get("time") for reading in readings]
    data, timestamps = [reading["data"] for reading in readings], [reading["timestamps"] for reading in readings]
    return {
        "time": [now if at is None else at for at in times],
        "uid": new_uids(count),
        "seq_num": list(range(first, first + count)),
        "descriptor": descriptor,
        "filled": {key: [value] * count for key, value in filled.items()},
        "data": {key: [row[key] for row in data] for key in keys},
        "timestamps": {key: [row[key] for row in timestamps] for key in keys},
    }
