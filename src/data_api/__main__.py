"""`python -m wingbeat.data_api DIR`: serve a data directory.

Status 3: it could not start, and one line on stderr says why.
"""

import argparse
import logging
import sys
from pathlib import Path

from .errors import DataApiError
from .server import ServeSettings, serve

CANNOT_START = 3


def main(arguments: list[str] | None = None) -> int:
    """Serve as the arguments say; the exit status."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = ServeSettings(
        directory=given.directory.absolute(),
        host=given.host,
        port=given.port,
        readable_roots=tuple(given.readable_root),
        host_names=tuple(given.host_name),
        database=given.database,
        print_ready=given.print_ready,
        stay=given.stay,
    )
    try:
        serve(settings)
    except DataApiError as error:
        sys.stderr.write(f"{error}\n")
        return CANNOT_START
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m wingbeat.data_api", description="Serve a data directory over HTTP, live."
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="the data directory (its journal is followed)")
    parser.add_argument("--host", default="127.0.0.1", help="address to bind (default: loopback only)")
    parser.add_argument("--port", type=int, default=8000, help="port; 0 takes a free one")
    parser.add_argument(
        "--readable-root", type=Path, action="append", default=[], help="another directory whose files may be read"
    )
    parser.add_argument("--host-name", action="append", default=[], help="another name that requests may be sent to")
    parser.add_argument("--database", help="SQLAlchemy URL of the catalogue (default: DIR/catalog.sqlite)")
    parser.add_argument("--print-ready", action="store_true", help="print one line of JSON when ready")
    parser.add_argument("--stay", action="store_true", help="do not leave at the end of standard input")
    return parser


if __name__ == "__main__":
    sys.exit(main())
