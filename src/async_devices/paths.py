"""Where detectors put their files."""

import itertools
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePath
from typing import Protocol
from urllib.parse import quote

from ..stream_resource.uris import path_of_uri
from .errors import NoPathProviderError, PathRefusedError
from .path_trees import PathTree, by_day


@dataclass(frozen=True, slots=True, kw_only=True)
class PathInfo:
    """Where one file goes, as each of those who touch it sees the place.

    Attributes:
        directory: As the writer sees it; a PureWindowsPath for a writer on Windows.
        filename: Without its suffix, which is the writer's.
        uri_directory: The same directory as readers see it, as a URI that ends in a slash.
        client_directory: The same as this process sees it; None: where `uri_directory` leads.
    """

    directory: PurePath
    filename: str
    uri_directory: str
    client_directory: Path | None = None

    @classmethod
    def local(cls, directory: Path, filename: str) -> "PathInfo":
        """A place that writers and readers see under the same path."""
        directory = directory.absolute()
        return cls(directory=directory, filename=filename, uri_directory=directory_uri(directory))

    @property
    def client(self) -> Path:
        """The directory as this process sees it.

        Raises:
            UnreachableUriError: It does not say, and its URI leads to another machine.
        """
        return self.client_directory or path_of_uri(self.uri_directory)

    def written(self, full_name: str, *, writer: str) -> PurePath:
        """What a writer says that it opened, as a path of the writer's kind.

        Args:
            full_name: As the writer says it.
            writer: Who writes, for the message.

        Raises:
            PathRefusedError: It lies elsewhere than told.
        """
        path = type(self.directory)(full_name)
        if path.parent != self.directory:
            msg = f"{writer} writes {full_name}, expected a file in {self.directory}; does another client use it?"
            raise PathRefusedError(msg)
        return path

    def uri_of(self, full_name: str, *, writer: str) -> str:
        """The URI of the file that a writer says it opened; see `written`."""
        return self.uri_directory + quote(self.written(full_name, writer=writer).name)

    def client_path_of(self, full_name: str, *, writer: str) -> Path:
        """The file that a writer says it opened, as this process sees it; see `written`."""
        return self.client / self.written(full_name, writer=writer).name


def directory_uri(directory: Path) -> str:
    """A directory of this machine as a URI.

    Example:
        >>> directory_uri(Path("/data/of today"))
        'file://localhost/data/of%20today/'
    """
    return directory.absolute().as_uri().replace("file:///", "file://localhost/", 1).rstrip("/") + "/"


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
    """Files in root/<tree>/<run>/<device>-<n>: one directory per run, one number per arming.

    The tree is the day (2026-11-22), unless another is given: see `path_trees` for date trees, proposal and sample.

    Call `begin(run)` when a run opens. Without it, the directory is the next free number. A directory
    belongs to one provider: making it is atomic, so that two processes on one root never share one and no file is
    written twice.
    """

    def __init__(self, root: Path | str, *, tree: PathTree = by_day) -> None:
        """Put files below `root`.

        Args:
            root: Need not exist yet.
            tree: Gives the directories between root and run; asked when a run opens.
        """
        self._root = Path(root)
        self._tree = tree
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
        place = self._root / self._tree(datetime.now().astimezone())
        place.mkdir(parents=True, exist_ok=True)
        numbers = itertools.count(1)
        names = (f"{n:05d}" if run is None else run if n == 1 else f"{run}-{n}" for n in numbers)
        return next(place / name for name in names if _made(place / name))


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
