"""URIs of files: to paths on this machine."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from .errors import UnreachableUriError

_THIS_MACHINE = frozenset({"", "localhost"})


def path_of_uri(uri: str) -> Path:
    """The path that a `file://localhost/...` or `file:///...` URI names (RFC 8089), with percent-encoding undone.

    Example:
        >>> path_of_uri("file://localhost/data/run%201.h5").as_posix()
        '/data/run 1.h5'

    Raises:
        UnreachableUriError: Another scheme, another host, or no absolute path. The data API may reach it.
    """
    parts = urlsplit(uri)
    # A "?" or "#" that was not encoded belongs to the file's name: file URIs have neither query nor fragment.
    name = uri.partition("://")[2].partition("/")[2]
    path = unquote(f"/{name}")
    if parts.scheme == "file" and parts.netloc in _THIS_MACHINE and name and "\0" not in path:
        return Path(path)
    msg = (
        f"{uri} is not a file on this machine: expected file://localhost/<absolute path>."
        " Read it through the data API of the machine that has it"
    )
    raise UnreachableUriError(msg)
