"""Values out of readings."""

from collections.abc import Mapping
from typing import Any


def value_of(readings: Mapping[str, Mapping[str, Any]], key: str) -> Any:
    """Give the value of a data key.

    Raises:
        ValueError: It is not among the readings.
    """
    if key not in readings:
        msg = f"no field {key!r} was read; there are {', '.join(readings)}"
        raise ValueError(msg)
    return readings[key]["value"]
