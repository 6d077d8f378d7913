"""What a camera file says of its rows, read with h5py and numpy alone."""

import h5py
import numpy as np


def written_rows(report: dict) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unique ids, exposure times and stamped trigger numbers of the camera's file, read by h5py alone."""
    (path,) = report["files"]["cam"]
    with h5py.File(path, "r", locking=False) as file:
        attributes = file["/entry/instrument/NDAttributes"]
        ids = attributes["NDArrayUniqueId"][:]
        seconds, nanoseconds = attributes["NDArrayEpicsTSSec"][:], attributes["NDArrayEpicsTSnSec"][:]
        digits = file["/entry/data/data"][:, 0, 0:4].astype(np.int64)
    return ids, seconds.astype(np.int64) * 10**9 + nanoseconds, digits @ (10_000 ** np.arange(4))
