"""Everything the data API can refuse, and the status each refusal has over HTTP.

    DataApiError
    ├── RequestError (ValueError)            yours: the request cannot be meant                       400
    │   ├── AmbiguousUidError                    a uid prefix that fits several runs                  400
    │   ├── RangeError                           a range that is empty or outside what is planned     416
    │   ├── MediaTypeError                       a body that does not say it is NDJSON                415
    │   ├── TooLargeError                        a body over the limit                                413
    │   └── HostError                            a Host header that is not ours (DNS rebinding)       421
    ├── AbsentError (LookupError)            yours: no such run, stream, key, row or planned frame    404
    ├── NotYetWrittenError (LookupError)     nobody's: it will come; ask again                        425
    ├── MissingFrameError (LookupError)      theirs: it was planned and will never come; says why     410
    ├── UnreadableError (OSError)            theirs: announced, but the file does not yield it        502
    │   └── OutsideRootsError (PermissionError)  the file is not under a readable root                403
    ├── CatalogError                         theirs: the catalogue cannot be opened or written        503
    └── ServeError                           theirs: the server cannot start                          503
        ├── PortTakenError                       somebody else listens there
        ├── DirectoryError                       the data directory is missing or not writable
        └── AlreadyServedError                   another data API holds this directory

The same classes are raised by `DataClient`, from the name in the reply.
"""

from typing import Final


class DataApiError(Exception):
    """Root of what the data API refuses.

    Args:
        detail: What happened, naming the run, frame or file.
        expected: What was expected.
        seen: What was seen instead.
        do: What the reader can do about it.
    """

    def __init__(self, detail: str, *, expected: str = "", seen: str = "", do: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.expected = expected
        self.seen = seen
        self.do = do

    def __str__(self) -> str:
        parts = [self.detail]
        parts += [f"{word} {text}" for word, text in (("expected", self.expected), ("seen", self.seen)) if text]
        parts += [self.do] if self.do else []
        return "; ".join(parts)

    def to_document(self) -> dict[str, str]:
        """The JSON body of the reply."""
        return {
            "error": type(self).__name__,
            "detail": self.detail,
            "expected": self.expected,
            "seen": self.seen,
            "do": self.do,
        }


class RequestError(DataApiError, ValueError):
    """The request cannot be meant as it stands."""


class AmbiguousUidError(RequestError):
    """A uid prefix fits more than one run."""


class RangeError(RequestError):
    """A range is empty, reversed or outside what is planned."""


class MediaTypeError(RequestError):
    """The body does not declare itself as NDJSON."""


class TooLargeError(RequestError):
    """The body is over the limit."""


class HostError(RequestError):
    """The Host header is not one of ours."""


class AbsentError(DataApiError, LookupError):
    """There is no such run, stream, key, row or planned frame."""


class NotYetWrittenError(DataApiError, LookupError):
    """The frame is planned and has not been committed yet."""


class MissingFrameError(DataApiError, LookupError):
    """The frame was planned and will never come."""


class UnreadableError(DataApiError, OSError):
    """The frame was announced, but its file does not yield it."""


class OutsideRootsError(UnreadableError, PermissionError):
    """The file is not under a directory that this server may read."""


class CatalogError(DataApiError):
    """The catalogue cannot be opened, read or written."""


class ServeError(DataApiError):
    """The server cannot start."""


class PortTakenError(ServeError, OSError):
    """The port cannot be bound."""


class DirectoryError(ServeError, OSError):
    """The data directory is missing or cannot be written."""


class AlreadyServedError(ServeError):
    """Another data API serves the same directory."""


STATUSES: Final[dict[type[DataApiError], int]] = {
    RequestError: 400,
    AmbiguousUidError: 400,
    RangeError: 416,
    MediaTypeError: 415,
    TooLargeError: 413,
    HostError: 421,
    AbsentError: 404,
    NotYetWrittenError: 425,
    MissingFrameError: 410,
    UnreadableError: 502,
    OutsideRootsError: 403,
    CatalogError: 503,
}


def status_of(error: DataApiError) -> int:
    """The HTTP status of a refusal; 500 for one that has no place in the table."""
    return STATUSES.get(type(error), 500)


def error_named(name: str) -> type[DataApiError]:
    """The class that a reply's `error` names, the root if it is none of ours."""
    return next((kind for kind in STATUSES if kind.__name__ == name), DataApiError)
