"""What is read from a PandA's capture file: numbers and times of triggers, and whether it is what was promised.

Blocking functions, called in threads. Two writers make such files:

| | start of the arming | type of a dataset |
|---|---|---|
| with `start_time_ns` | an int64 | as its table of datasets says |
| PandABlocks-ioc | `start_time`, ISO 8601, UTC | float64 where it scales or averages, else the field's own |

The second one's table says float64 of everything. So a type is checked as soon as the file can be read, and a wrong one
is an error: a reader that believed it would read other numbers.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...stream_resource.errors import UnreadableError
from ...stream_resource.files import dataset_info, read_attribute, read_rows
from ...stream_resource.frames import FrameRange
from ..errors import WriterError
from ..flight import FrameIdentities
from .errors import DatasetTypeError

START_TIMES = "PCAP.TS_START.Value"


def iso_to_ns(text: str) -> int:
    """Unix nanoseconds of an ISO 8601 instant, exactly; without a time zone it is UTC.

    Examples:
        >>> iso_to_ns("1970-01-01T00:00:01.000000002Z")
        1000000002
    """
    whole, _, rest = text.strip().partition(".")
    digits = rest.rstrip("Zz")
    if not digits.isdigit() and digits:
        msg = f"an instant like 2026-01-01T00:00:00.123456789Z is expected, seen {text!r}"
        raise WriterError(msg)
    moment = datetime.fromisoformat(whole.rstrip("Zz")).replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000_000 + int(digits.ljust(9, "0")[:9] or 0)


def start_time_ns(path: Path) -> int | None:
    """When the arming began, Unix nanoseconds; None if the file does not say."""
    for attribute in ("start_time_ns", "start_time"):
        try:
            value = read_attribute(path, attribute)
        except UnreadableError:
            continue
        return iso_to_ns(value) if isinstance(value, str) else int(value)
    return None


def identities(path: Path, rows: FrameRange, *, counter: str) -> FrameIdentities:
    """Numbers and times of the triggers of some rows; the times are None if the file does not say when it began."""
    numbers: NDArray[np.int64] = np.rint(read_rows(path, counter, rows=rows)).astype(np.int64)
    start_ns = start_time_ns(path)
    times_ns: NDArray[np.int64] | None = None
    if start_ns is not None:
        # Nanoseconds are rounded before they are added to the start: float64 has no room for both.
        times_ns = start_ns + np.rint(read_rows(path, START_TIMES, rows=rows) * 1e9).astype(np.int64)
    return FrameIdentities(trigger_numbers=numbers, times_ns=times_ns, unique_ids=None)


def check_types(path: Path, datasets: Mapping[str, str], *, name: str) -> None:
    """See that datasets are of the types that were declared.

    Args:
        path: The file.
        datasets: Declared numpy type of each.
        name: Of the device, for the message.

    Raises:
        DatasetTypeError: Naming the dataset and both types.
    """
    for dataset, declared in datasets.items():
        written = dataset_info(path, dataset).dtype
        if written != np.dtype(declared):
            msg = (
                f"{name}: {path} holds {dataset} as {written}, its descriptor says {np.dtype(declared)}, as the server "
                f"does in DATA.DATASETS. Tell the device: dtypes={{{dataset!r}: {written.name!r}}}"
            )
            raise DatasetTypeError(msg)
