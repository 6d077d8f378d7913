"""What can go wrong around the demonstration.

DemoError
├── ServerStartError            theirs: a server of ours did not start or died; the log says why
└── DirectoryError (OSError)    yours: the data directory cannot be used
"""


class DemoError(Exception):
    """The demonstration cannot go on; the message says what, expected, seen and what to do."""


class ServerStartError(DemoError):
    """A child server ended, or stayed silent, before it was ready."""


class DirectoryError(DemoError, OSError):
    """The data directory is missing, not writable or full."""
