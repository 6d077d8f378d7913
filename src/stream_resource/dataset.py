"""What an HDF5 dataset is, as a record without h5py."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .layout import Filter, Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetInfo:
    """What a dataset is at the moment of looking.

    Attributes:
        shape: The visible extent; a growing file shows what was flushed.
        dtype: Of one element.
        chunk_shape: None unless the dataset is chunked.
        filters: The pipeline, in the order of writing.
        contiguous_offset: Where the data begin in the file in bytes; None unless contiguous, stored, and in this file.
        virtual: Whether the data are in other datasets.
    """

    shape: tuple[int, ...]
    dtype: "np.dtype[Any]"
    chunk_shape: tuple[int, ...] | None
    filters: tuple[Filter, ...]
    contiguous_offset: int | None
    virtual: bool

    @property
    def layout(self) -> Layout:
        """Shape, type, chunks and filters as the pure arithmetic wants them; without chunks, one row is a chunk."""
        chunk_shape = self.chunk_shape or ((1, *self.shape[1:]) if all(self.shape[1:]) and self.shape else ())
        return Layout(shape=self.shape, dtype=self.dtype, chunk_shape=chunk_shape, filters=self.filters)
