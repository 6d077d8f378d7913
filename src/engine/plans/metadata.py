"""What plans write into their start documents, as bluesky's do: what reads it there can read ours."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from ..kinship import hinted_fields

PATTERNS = "bluesky.plan_patterns"
"""The module that defines the patterns' names; ours give the same points."""

Metadata = Mapping[str, Any]
Dimensions = list[tuple[list[str], str]]


def checked_detectors(detectors: Any) -> Sequence[Any]:
    """Give the detectors if they are a sequence of devices.

    Raises:
        TypeError: They are not: one detector alone, a name.
    """
    if not isinstance(detectors, Sequence) or isinstance(detectors, str):
        msg = f"detectors must be a list or tuple of devices, seen {detectors!r}; write [detector] for one"
        raise TypeError(msg)
    return cast(Sequence[Any], detectors)


def reprs(devices: Sequence[Any]) -> list[str]:
    """Give how devices are written."""
    return [repr(device) for device in devices]


def with_user(metadata: Metadata, md: Metadata | None) -> dict[str, Any]:
    """Give a plan's metadata with the user's in front; what both say of the hints is not mixed."""
    merged: dict[str, Any] = {**metadata, **(md or {})}
    merged["hints"] = hints_of(merged)
    return merged


def hints_of(said: Any) -> dict[str, Any]:
    """Give the hints in metadata, or of a device, as a dict of their own."""
    found: Any = cast(Metadata, said).get("hints") if isinstance(said, Mapping) else getattr(said, "hints", None)
    return dict(cast(Metadata, found or {}))


def each_axis(motors: Sequence[Any]) -> Dimensions | None:
    """Give a dimension per axis; None if one of them hints at no fields."""
    hints = [hints_of(motor) for motor in motors]
    if any("fields" not in hint for hint in hints):
        return None
    return [(hint["fields"], "primary") for hint in hints]


def one_dimension(motors: Sequence[Any]) -> dict[str, Any]:
    """Give hints of one dimension that all axes go along together; none if there are no fields."""
    fields = [field for motor in motors for field in hinted_fields(motor)]
    return {"dimensions": [(fields, "primary")]} if fields else {}


def hinted(metadata: dict[str, Any], **hints: Any) -> dict[str, Any]:
    """Add hints that are not there and are not None."""
    known = {key: value for key, value in hints.items() if value is not None}
    metadata["hints"] = {**known, **metadata["hints"]}
    return metadata
