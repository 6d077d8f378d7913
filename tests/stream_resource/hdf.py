"""Small HDF5 files as detectors write them."""

import h5py
import numpy as np

DATA = "/entry/data/data"


def frames(start, stop, shape=(2, 3), dtype="u2"):
    """Frames of which every pixel tells the row it was written to."""
    size = int(np.prod(shape, dtype=int))
    numbers = np.arange(start * size, stop * size).reshape(stop - start, *shape)
    return (numbers % 60_000).astype(dtype)


class Writer:
    """A SWMR writer of (n, 2, 3) frames; rows become visible at `flush` only."""

    def __init__(self, path, *, chunk=1, locking=False, swmr=True, **options):
        self.file = h5py.File(path, "w", libver="latest", locking=locking)
        self.data = self.file.create_dataset(
            DATA, (0, 2, 3), "u2", chunks=(chunk, 2, 3), maxshape=(None, 2, 3), **options
        )
        if swmr:
            self.file.swmr_mode = True

    def write(self, n):
        rows = len(self.data)
        self.data.resize(rows + n, axis=0)
        self.data[rows:] = frames(rows, rows + n)

    def flush(self):
        self.data.flush()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.file.close()


def finished(path, n, *, chunk=1, dataset=DATA, data=None, **options):
    """A closed file with `n` frames."""
    data = frames(0, n) if data is None else data
    with h5py.File(path, "w", libver="latest") as file:
        file.create_dataset(
            dataset, data=data, chunks=(chunk, *data.shape[1:]), maxshape=(None, *data.shape[1:]), **options
        )
    return path
