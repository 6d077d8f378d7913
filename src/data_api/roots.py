"""Which files may be served: those under the readable roots, after every symbolic link has been followed."""

import os
from collections.abc import Iterable
from pathlib import Path

from .errors import OutsideRootsError


class ReadableRoots:
    """The directories whose files may be read.

    Documents name files by URI, and documents can come from outside (`POST /documents`): a URI proves nothing.
    """

    def __init__(self, roots: Iterable[Path]) -> None:
        self._roots = tuple(Path(os.path.realpath(root)) for root in roots)

    @property
    def roots(self) -> tuple[Path, ...]:
        """The roots, resolved."""
        return self._roots

    def resolve(self, path: Path) -> Path:
        """The real path of `path` (which need not exist). Blocks: it asks the file system.

        Raises:
            OutsideRootsError: It leads out of every root, by `..` or by a link.
        """
        real = Path(os.path.realpath(path))
        if any(real.is_relative_to(root) for root in self._roots):
            return real
        msg = f"{path} is not under a directory that this server may read"
        raise OutsideRootsError(
            msg,
            expected=f"a file under {', '.join(map(str, self._roots))}",
            seen=str(real),
            do="start the data API with --readable-root for its directory",
        )
