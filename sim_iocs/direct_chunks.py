"""Large uncompressed chunks past the page cache: a third of the time, and a tenth of the processor's.

Theory of operation. The kernel's copy of a frame into its page cache is what limits the rate at which large frames can
be written. So HDF5 only allocates the chunks, when the dataset is extended (early allocation, aligned, never filled),
and the pixels are written to where it put them through a descriptor of the same file that bypasses the cache
(O_DIRECT), which asks for aligned memory, offsets and sizes. The kernel keeps readers through the cache coherent. Rows
that are extended become visible to readers with the dataset's flush, after their pixels are in the file.

HDF5 finds a chunk's address by looking through all of them. It allocates chunks of one extension one after the other,
which the first and the last address prove; only if they do not, each is asked for.
"""

import mmap
import os
from pathlib import Path

import h5py
import numpy as np

from .scenery import Pixels

BLOCK = 4096
SMALLEST_NBYTES = 131_072
RUN_NBYTES = 8_000_000


def suits(nbytes: int) -> bool:
    """Whether chunks of so many bytes gain by it."""
    return nbytes >= SMALLEST_NBYTES and nbytes % BLOCK == 0 and hasattr(os, "O_DIRECT")


class DirectChunks:
    """Writes chunks of one frame each.

    Args:
        path: Of the file, which HDF5 has open.
        shape: Of a frame.
        dtype: Of a frame.

    Attributes:
        frames: Memory for as many frames as can be written at once; draw into it.

    Raises:
        OSError: The file system does not let the cache be bypassed.
    """

    def __init__(self, path: Path, *, shape: tuple[int, ...], dtype: "np.dtype[np.generic]") -> None:
        self._nbytes = int(np.prod(shape)) * dtype.itemsize
        count = max(RUN_NBYTES // self._nbytes, 1)
        self._memory = mmap.mmap(-1, count * self._nbytes)  # anonymous: aligned to pages
        self.frames: Pixels = np.frombuffer(self._memory, dtype=dtype).reshape(count, *shape)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_DIRECT)

    def write(self, dataset: h5py.Dataset, row: int, *, count: int) -> None:
        """Write the first `count` of `frames` to the rows from `row` on, which are allocated.

        Raises:
            OSError: No room on the disk.
        """
        zeros = (0,) * (len(self.frames.shape) - 1)
        first, last = (dataset.id.get_chunk_info_by_coord((k, *zeros)).byte_offset or 0 for k in (row, row + count - 1))
        if last - first == (count - 1) * self._nbytes:
            self._put(0, count, offset=first)
            return
        for k in range(count):
            offset = dataset.id.get_chunk_info_by_coord((row + k, *zeros)).byte_offset or 0
            self._put(k, k + 1, offset=offset)

    def _put(self, start: int, stop: int, *, offset: int) -> None:
        view = memoryview(self._memory)[start * self._nbytes : stop * self._nbytes]
        while view.nbytes:
            written = os.pwrite(self._descriptor, view, offset)
            view, offset = view[written:], offset + written

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)
