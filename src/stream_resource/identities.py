"""By what the rows of a detector's file can be recognised."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .errors import NotYetVisibleError

EPICS_EPOCH_S = 631_152_000
"""1990-01-01 in Unix seconds: areaDetector counts its time stamps from there."""


ATTRIBUTES = "/entry/instrument/NDAttributes"
"""Where areaDetector's HDF5 plugin puts the attributes of each frame."""

UNIQUE_IDS = "NDArrayUniqueId"
TIMES_NS = "FrameTimeNs"
"""Unix nanoseconds as int64: written by our own frame writer, not by areaDetector."""

COLUMNS = (UNIQUE_IDS, TIMES_NS, "NDArrayEpicsTSSec", "NDArrayEpicsTSnSec", "NDArrayTimeStamp")
"""The attributes that tell frames apart."""


class Identities(NamedTuple):
    """How the rows of a file can be recognised; None where nothing is stored.

    `unique_ids` are areaDetector's NDArrayUniqueId, `times_ns` Unix nanoseconds; one of each per row.
    """

    unique_ids: NDArray[np.int64] | None
    times_ns: NDArray[np.int64] | None


def times_ns(columns: Mapping[str, NDArray[Any]], *, where: str) -> NDArray[np.int64] | None:
    """Unix nanoseconds from the columns of an areaDetector file, or None if it holds no stamps.

    Args:
        columns: FrameTimeNs (Unix nanoseconds) is taken as it is. NDArrayEpicsTSSec and NDArrayEpicsTSnSec (exact) and
            NDArrayTimeStamp (float64 seconds, in steps of 120 ns) all count from 1990; the exact pair is taken where
            the driver set it.
        where: What the columns are of, for messages.

    Raises:
        NotYetVisibleError: Some rows have no stamp yet, and others have.
    """
    unix = columns.get(TIMES_NS)
    if unix is not None:
        return unix.astype(np.int64) if _set(unix, where) else None
    seconds, nanoseconds = columns.get("NDArrayEpicsTSSec"), columns.get("NDArrayEpicsTSnSec")
    if seconds is not None and nanoseconds is not None and _set(seconds, where):
        return (seconds.astype(np.int64) + EPICS_EPOCH_S) * 10**9 + nanoseconds.astype(np.int64)
    stamps = columns.get("NDArrayTimeStamp")
    if stamps is None or not _set(stamps, where):
        return None
    # Whole seconds and fraction apart: float64 nanoseconds since 1970 would be 256 ns apart.
    whole = np.floor(stamps)
    return (whole.astype(np.int64) + EPICS_EPOCH_S) * 10**9 + np.rint((stamps - whole) * 1e9).astype(np.int64)


def _set(stamps: NDArray[Any], where: str) -> bool:
    """Whether the stamps were written; a zero is fill, or a driver that never sets this kind of stamp."""
    zeros = int(np.count_nonzero(stamps == 0))
    if 0 < zeros < len(stamps):
        msg = f"{where}: {zeros} of {len(stamps)} time stamps are not flushed yet: flush the file and ask again"
        raise NotYetVisibleError(msg)
    return zeros == 0 and len(stamps) > 0
