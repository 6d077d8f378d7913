"""Where detectors put their files."""

import itertools
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from .errors import NoPathProviderError


@dataclass(frozen=True, slots=True, kw_only=True)
class PathInfo:
    """Where one file goes.

    Attributes:
        directory: As the writer sees it.
        filename: Without its suffix, which is the writer's.
        uri_directory: The same directory as readers see it, as a URI that ends in a slash.
    """

    directory: Path
    filename: str
    uri_directory: str

    @classmethod
    def local(cls, directory: Path, filename: str) -> "PathInfo":
        """A place that writers and readers see under the same path."""
        directory = directory.absolute()
        uri = directory.as_uri().replace("file:///", "file://localhost/", 1)
        return cls(directory=directory, filename=filename, uri_directory=f"{uri}/")


class PathProvider(Protocol):
    """Says where the next file of a device goes. May touch the disk: call it off the loop."""

    def __call__(self, device_name: str) -> PathInfo:
        """A place for one file of the device called so."""
        ...


class StaticPathProvider:
    """Files of all devices in one directory, called after the device and counted.

    A file that exists already is never named again, whoever wrote it.
    """

    def __init__(self, directory: Path | str, *, filename: Callable[[str], str] | None = None) -> None:
        """Put files in `directory`.

        Args:
            directory: Need not exist yet.
            filename: From a device's name to a file's, instead of counting; then names are the caller's business.
        """
        self._directory = Path(directory)
        self._filename = filename
        self._counters = defaultdict[str, "itertools.count[int]"](lambda: itertools.count(1))

    @property
    def directory(self) -> Path:
        """Where the files go; it need not exist yet."""
        return self._directory

    def __call__(self, device_name: str) -> PathInfo:
        """Create the directory and name the next file."""
        self._directory.mkdir(parents=True, exist_ok=True)
        if self._filename is not None:
            return PathInfo.local(self._directory, self._filename(device_name))
        taken = {path.stem for path in self._directory.iterdir()}
        names = (f"{device_name}-{n:04d}" for n in self._counters[device_name])
        return PathInfo.local(self._directory, next(name for name in names if name not in taken))


class RunPathProvider:
    """Files in root/<YYYY-MM-DD>/<run>/<device>-<n>: one directory per run, one number per arming.

    Call `begin(run)` when a run opens. Without it, the directory is the next free number of the day. A directory
    belongs to one provider: making it is atomic, so that two processes on one root never share one and no file is
    written twice.
    """

    def __init__(self, root: Path | str) -> None:
        self._root = Path(root)
        self._in_run: StaticPathProvider | None = None

    @property
    def directory(self) -> Path:
        """The root, below which the files go; it need not exist yet."""
        return self._root

    def begin(self, run: str | None = None) -> Path:
        """Make and use a new directory, called after `run` (its first free variant) or numbered.

        Returns:
            The directory.
        """
        directory = self._new_directory(run)
        self._in_run = StaticPathProvider(directory)
        return directory

    def __call__(self, device_name: str) -> PathInfo:
        """Name the next file of the device in the directory of the run."""
        provider = self._in_run or StaticPathProvider(self.begin())
        self._in_run = provider
        return provider(device_name)

    def _new_directory(self, run: str | None) -> Path:
        day = self._root / datetime.now().astimezone().date().isoformat()
        day.mkdir(parents=True, exist_ok=True)
        numbers = itertools.count(1)
        names = (f"{n:05d}" if run is None else run if n == 1 else f"{run}-{n}" for n in numbers)
        return next(day / name for name in names if _made(day / name))


def _made(directory: Path) -> bool:
    try:
        directory.mkdir()
    except FileExistsError:
        return False
    return True


class DefaultPaths:
    """The provider of devices that were given none; a session sets it."""

    def __init__(self) -> None:
        self._provider: PathProvider | None = None

    def set(self, provider: PathProvider | None) -> None:
        """Use `provider` from now on; None: nobody says."""
        self._provider = provider

    def get(self) -> PathProvider:
        """The provider.

        Raises:
            NoPathProviderError: None is set.
        """
        if self._provider is None:
            msg = (
                "no path provider: a detector needs to know where its files go. Expected one given to it as "
                "path_provider=..., or a default (wingbeat.start(directory) sets one; in a script: "
                "DEFAULT_PATHS.set(StaticPathProvider(directory)))"
            )
            raise NoPathProviderError(msg)
        return self._provider


DEFAULT_PATHS = DefaultPaths()
"""The default of this process."""
