"""A real tiled server in a process of its own, and the two writers that put runs of bluesky into one."""

import subprocess
import sys
import warnings
from contextlib import contextmanager

with warnings.catch_warnings():  # what their imports warn of is theirs
    warnings.simplefilter("ignore")
    from bluesky.callbacks.tiled_writer import TiledWriter as BlueskyWriter
    from bluesky_tiled_plugins.writing.tiled_writer import TiledWriter as PluginsWriter
    from tiled.client import from_uri

WRITERS = {"bluesky 1.15": BlueskyWriter, "bluesky-tiled-plugins 2.0": PluginsWriter}

SERVER = """
import sys
from tiled.server import SimpleTiledServer
with SimpleTiledServer(readable_storage=[sys.argv[1]]) as server:
    print(server.uri, flush=True)
    sys.stdin.read()
"""


@contextmanager
def serving(readable):
    """A client of a server that may read files below `readable`."""
    command = [sys.executable, "-W", "ignore", "-c", SERVER, str(readable)]
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **streams) as process:
        try:
            uri = process.stdout.readline().strip()
            assert uri, "the tiled server did not start"
            client = from_uri(uri)
            try:
                yield client
            finally:
                client.context.close()
        finally:
            process.stdin.close()
