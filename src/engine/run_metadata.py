"""What every start document says besides what the plan and its caller give."""

import contextlib
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any


def next_scan_id(md: Mapping[str, Any]) -> int:
    """Count on from the last scan_id, as bluesky does; the first is 1.

    Example:
        >>> next_scan_id({"scan_id": 41})
        42
    """
    return int(md.get("scan_id", 0)) + 1


def versions() -> dict[str, str]:
    """Give the versions of what made the documents."""
    found: dict[str, str] = {}
    for package in ("wingbeat", "event_model"):
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
