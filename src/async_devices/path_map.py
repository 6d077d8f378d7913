r"""One place under three names: as the IOC, this process and the server of the data see it.

    client   /dls/i99/data/run          what a path provider gives; where identities are read
    writer   X:\data\run                 what FilePath is set to, on an IOC on Windows or with another mount
    server   /exports/i99/data/run      what URIs say

The rule with the longest client directory that holds a path counts.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from urllib.parse import quote

from .errors import PathRefusedError
from .paths import PathInfo, PathProvider

VISIBLE_TIMEOUT = 5.0
"""Seconds that a new directory may take to be seen through a network file system."""
LOOK_AGAIN = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class PathRule:
    """One directory and everything below it.

    Attributes:
        client: As this process sees it.
        writer: As the IOC sees it; a drive letter or a UNC share makes it a Windows path.
        server: As the server of the data sees it; None: as this process does.
    """

    client: str
    writer: str
    server: str | None = None

    def below(self, directory: Path) -> PurePosixPath | None:
        """Where `directory` lies below the client's; None if it does not."""
        try:
            return PurePosixPath(directory.absolute().relative_to(self.client))
        except ValueError:
            return None


class PathMap:
    r"""Rules from the client's view of a directory to the writer's and the server's.

    Example:
        >>> paths = PathMap(PathRule(client="/dls/i99/data", writer="X:\\data", server="/exports/i99"))
        >>> str(paths.writer_directory(Path("/dls/i99/data/run 1")))
        'X:\\data\\run 1'
        >>> paths.uri_directory(Path("/dls/i99/data/run 1"))
        'file://localhost/exports/i99/run%201/'
    """

    def __init__(self, *rules: PathRule) -> None:
        self.rules: Sequence[PathRule] = sorted(rules, key=lambda rule: -len(PurePosixPath(rule.client).parts))

    def writer_directory(self, directory: Path) -> PurePath:
        """As the IOC sees a directory of this process.

        Raises:
            PathRefusedError: No rule holds it.
        """
        rule, below = self._rule(directory)
        return writer_path(rule.writer) / below

    def uri_directory(self, directory: Path) -> str:
        """As readers see a directory of this process, as a URI that ends in a slash.

        Raises:
            PathRefusedError: No rule holds it.
        """
        rule, below = self._rule(directory)
        path = PurePosixPath(rule.server or rule.client) / below
        return f"file://localhost{quote(str(path)).rstrip('/')}/"

    def _rule(self, directory: Path) -> tuple[PathRule, PurePosixPath]:
        for rule in self.rules:
            if (below := rule.below(directory)) is not None:
                return rule, below
        known = ", ".join(rule.client for rule in self.rules) or "nothing"
        msg = f"no rule says how the writer sees {directory}; rules hold for {known}. Add one, or write below these"
        raise PathRefusedError(msg)


class MappedPathProvider:
    """A provider of places as this process sees them, told to writers and readers as they see them."""

    def __init__(self, provider: PathProvider, path_map: PathMap) -> None:
        self._provider = provider
        self._map = path_map

    def __call__(self, device_name: str) -> PathInfo:
        """Name the next file of a device.

        Raises:
            PathRefusedError: No rule holds the directory.
        """
        info = self._provider(device_name)
        client = info.client
        return replace(
            info,
            directory=self._map.writer_directory(client),
            uri_directory=self._map.uri_directory(client),
            client_directory=client,
        )


def writer_path(text: str) -> PurePath:
    """A path in the manner of the machine that it belongs to.

    Example:
        >>> writer_path("C:/data"), writer_path("/data")
        (PureWindowsPath('C:/data'), PurePosixPath('/data'))
    """
    windows = PureWindowsPath(text)
    return windows if windows.drive else PurePosixPath(text)


async def check_place(info: PathInfo, suffix: str, *, writer: str) -> None:
    """See that this process sees the directory, and that no file of that name is there.

    Called after the writer has made the directory. A network file system may show it late.

    Args:
        info: The place.
        suffix: Of the file, as ".h5".
        writer: Who will write, for the message.

    Raises:
        PathRefusedError: Not seen within VISIBLE_TIMEOUT, or the name is taken.
    """
    directory = info.client
    if not await _appears(directory):
        msg = (
            f"{writer} was told to write into {info.directory}, but this process does not see {directory} "
            f"{VISIBLE_TIMEOUT:g} s later. Is it on a disk that both see? A PathMap says how each of them sees it"
        )
        raise PathRefusedError(msg)
    if await asyncio.to_thread((directory / (info.filename + suffix)).exists):
        msg = f"{writer}: {directory / (info.filename + suffix)} exists already and would be overwritten; name another"
        raise PathRefusedError(msg)


async def _appears(directory: Path) -> bool:
    for _ in range(round(VISIBLE_TIMEOUT / LOOK_AGAIN)):
        if await asyncio.to_thread(directory.is_dir):
            return True
        await asyncio.sleep(LOOK_AGAIN)  # nothing tells when a network file system has caught up
    return False
