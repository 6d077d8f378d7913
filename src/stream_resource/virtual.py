"""The runs of rows that a virtual dataset is made of."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from .errors import UnsupportedLayoutError
from .frames import FrameRange, RangeSet

HDF5_MIMETYPE = "application/x-hdf5"
"""What a StreamResource of an HDF5 file says."""


class Selected(Protocol):
    """What an HDF5 dataspace tells of its selection (h5py.h5s.SpaceID)."""

    def get_select_bounds(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The first and the last selected element, both included."""
        ...

    def get_select_npoints(self) -> int:
        """How many elements are selected."""
        ...


Source = tuple[Selected, str, str, Selected]
"""What h5py's `virtual_sources` gives of each: the virtual selection, file name, dataset name, source selection."""


class VirtualRun(NamedTuple):
    """Rows of a virtual dataset, and the rows of another dataset that they are."""

    rows: FrameRange
    path: Path
    dataset: str
    source: FrameRange

    def cut(self, rows: FrameRange) -> "VirtualRun | None":
        """The part of the run with these rows of the virtual dataset, or None if there is none."""
        both = self.rows.meet(rows)
        if both is None:
            return None
        return self._replace(rows=both, source=both.shift(self.source.start - self.rows.start))


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualDataset:
    """A virtual dataset to be made.

    Attributes:
        name: Its path in the file.
        frame_shape: Of one row.
        dtype: Of one element; that of every source.
        runs: What its rows are, ascending and without a hole.
    """

    name: str
    frame_shape: tuple[int, ...]
    dtype: "np.dtype[Any]"
    runs: tuple[VirtualRun, ...]

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return self.runs[-1].rows.stop if self.runs else 0


def virtual_run(path: Path | str, frame_shape: tuple[int, ...], source: Source) -> VirtualRun:
    """One source of the virtual dataset in `path`, whose rows have `frame_shape`.

    Raises:
        UnsupportedLayoutError: The source gives parts of rows, or every n-th row.
    """
    space, file_name, dataset, source_space = source
    (first, *low), (last, *high) = space.get_select_bounds()
    (source_first, *_), (source_last, *_) = source_space.get_select_bounds()
    rows, source_rows = FrameRange(first, last + 1), FrameRange(source_first, source_last + 1)
    whole = low == [0] * len(low) and [n + 1 for n in high] == list(frame_shape)
    # As many points as the bounds hold: neither selection leaves rows out.
    if not whole or space.get_select_npoints() != rows.size * prod(frame_shape) or rows.size != source_rows.size:
        msg = f"a virtual dataset of {path} maps parts of rows of {dataset} in {file_name}: expected runs of whole rows"
        raise UnsupportedLayoutError(msg)
    # HDF5 reads "." as the file itself, and other names relative to the virtual file's directory.
    target = Path(path) if file_name == "." else Path(path).parent / file_name
    return VirtualRun(rows, target, dataset, source_rows)


def by_source(runs: Iterable[VirtualRun]) -> dict[tuple[Path, str], RangeSet]:
    """The rows that runs take from each (path, dataset)."""
    sources: dict[tuple[Path, str], list[FrameRange]] = {}
    for run in runs:
        sources.setdefault((run.path, run.dataset), []).append(run.source)
    return {source: RangeSet(rows) for source, rows in sources.items()}


def odd_value(dtype: "np.dtype[Any]") -> object:
    """A fill value that does not look like data: NaN, or the largest integer; None for other types."""
    if dtype.kind in "iu":
        return np.iinfo(dtype).max
    return np.nan if dtype.kind in "fc" else None
