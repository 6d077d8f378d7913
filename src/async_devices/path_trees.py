"""Directories between the root of all files and those of one run: by date, by proposal and sample.

A tree is a function of the time at which a run opens; RunPathProvider asks it then.
"""

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import PurePosixPath

from .errors import PathRefusedError

PathTree = Callable[[datetime], PurePosixPath]
"""Gives a relative path for a run that opens at a time."""

_NAME = re.compile(r"[\w.+-]+", re.ASCII)


def by_day(opened: datetime) -> PurePosixPath:
    """One directory per day.

    Example:
        >>> str(by_day(datetime(2026, 11, 22)))
        '2026-11-22'
    """
    return PurePosixPath(opened.date().isoformat())


def by_date(opened: datetime) -> PurePosixPath:
    """Year, month and day, one below the other.

    Example:
        >>> str(by_date(datetime(2026, 11, 22)))
        '2026/11/22'
    """
    return PurePosixPath(f"{opened:%Y/%m/%d}")


def flat(opened: datetime) -> PurePosixPath:
    """Nothing in between: runs are numbered directly below the root."""
    del opened
    return PurePosixPath()


class ProposalTree:
    """Year, proposal and sample: root/2026/cm12345/wafer-7/<run>. Change the sample between runs.

    Example:
        >>> tree = ProposalTree("cm12345", sample="wafer-7")
        >>> str(tree(datetime(2026, 11, 22)))
        '2026/cm12345/wafer-7'
        >>> tree.sample = "wafer-8"
    """

    def __init__(self, proposal: str, *, sample: str = "") -> None:
        """Name both; without a sample, the runs are directly below the proposal.

        Raises:
            PathRefusedError: A name that is not the name of a directory.
        """
        self.proposal = checked_name(proposal)
        self.sample = sample

    @property
    def sample(self) -> str:
        """What is measured; may be empty."""
        return self._sample

    @sample.setter
    def sample(self, name: str) -> None:
        self._sample = checked_name(name) if name else ""

    def __call__(self, opened: datetime) -> PurePosixPath:
        """The directories of a run that opens now."""
        return PurePosixPath(str(opened.year), self.proposal, self._sample)


def checked_name(name: str) -> str:
    """A name that every file system takes as it is.

    Raises:
        PathRefusedError: Other characters than letters, digits and _ . + -, or nothing but dots.
    """
    if not _NAME.fullmatch(name) or not name.strip("."):
        msg = f"{name!r} cannot name a directory; expected letters, digits and _ . + - alone"
        raise PathRefusedError(msg)
    return name
