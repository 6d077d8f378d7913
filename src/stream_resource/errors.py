"""What can go wrong between a stream's documents and its bytes.

::

    StreamResourceError
    ├── yours: what was asked for cannot be
    │   ├── FrameRangeError (ValueError)        a range that ends before it starts, or starts below zero
    │   ├── ComposeError (ValueError)           a StreamResource or StreamDatum that must not be emitted
    │   ├── FrameWriteError (ValueError)        frames that do not fit the dataset they are written to
    │   ├── VerdictError (ValueError)           two verdicts on one frame, or one outside the plan
    │   ├── SelectionError (IndexError)         a selection that the layout does not have
    │   ├── UnknownFrameError (IndexError)      a frame that this run never had and never will have
    │   ├── UnknownKeyError (KeyError)          a run, stream or data key that is not there
    │   └── NotYetWrittenError (LookupError)    a frame beyond the last committed one, of a run that goes on
    ├── theirs: what a detector, a disk or another program has done
    │   ├── MissingFrameError (LookupError)     a frame that was skipped or lost: there is no data for it
    │   ├── NotYetVisibleError (LookupError)    a row that was announced, but that the file does not show yet
    │   ├── UnreadableError (OSError)           a file that is gone, short, corrupt or not what was announced
    │   ├── UnwritableError (OSError)           a file that cannot be made, or frames that the disk did not take
    │   ├── UnreachableUriError (ValueError)    a URI that does not name a file on this machine
    │   ├── UnsupportedLayoutError (ValueError) a dataset stored in a way that this function cannot index
    │   ├── SidecarError (ValueError)           bytes of a chunk index that are torn, damaged or of another kind
    │   ├── RowMapError (ValueError)            stream documents that contradict each other, or of unequal lengths
    │   │   └── RowHoleError                    a datum that leaves a hole, where it cannot be held back until it closes
    │   └── RunIndexError (ValueError)          a document that does not belong to the run, or out of order
    └── ours: what only we could have broken
        └── CorruptJournalError (ValueError)    a journal whose middle does not match its checksums

`MissingFrameError` and `NotYetWrittenError` are not IndexErrors on purpose: Python ends an iteration at an IndexError
in silence.
"""


class StreamResourceError(Exception):
    """The root of every error that this package raises."""


class FrameRangeError(StreamResourceError, ValueError):
    """A range of frames that ends before it starts, or starts below zero."""


class ComposeError(StreamResourceError, ValueError):
    """A StreamResource or StreamDatum that must not be emitted."""


class FrameWriteError(StreamResourceError, ValueError):
    """Frames that do not fit the dataset they are written to, or a writer that takes no more of them."""


class VerdictError(StreamResourceError, ValueError):
    """Two verdicts on one frame, or a verdict outside the planned frames."""


class SelectionError(StreamResourceError, IndexError):
    """A selection that the array does not have."""


class UnknownFrameError(StreamResourceError, IndexError):
    """A frame that this run never had and never will have."""


class UnknownKeyError(StreamResourceError, KeyError):
    """A run, stream or data key that is not there."""

    def __str__(self) -> str:
        # KeyError shows the repr of its argument: a message with quotes in it becomes unreadable.
        return str(self.args[0]) if self.args else ""


class NotYetWrittenError(StreamResourceError, LookupError):
    """A frame beyond the last committed one, of a run that still goes on."""


class MissingFrameError(StreamResourceError, LookupError):
    """A frame that was skipped or lost: there is no data for it, and no fill value stands in for it."""


class NotYetVisibleError(StreamResourceError, LookupError):
    """A row that was announced, but that the file does not show yet: the writer has not flushed it."""


class UnreadableError(StreamResourceError, OSError):
    """A file that is gone, short, corrupt, or not what was announced."""


class UnwritableError(StreamResourceError, OSError):
    """A file that cannot be made, or frames that the disk did not take."""


class UnreachableUriError(StreamResourceError, ValueError):
    """A URI that does not name a file on this machine."""


class UnsupportedLayoutError(StreamResourceError, ValueError):
    """A dataset stored in a way that this function cannot index."""


class SidecarError(StreamResourceError, ValueError):
    """Bytes of a chunk index that are torn, damaged, or of another kind or version."""


class RowMapError(StreamResourceError, ValueError):
    """Stream documents that contradict each other, or with unequal lengths."""


class RowHoleError(RowMapError):
    """A datum that leaves a hole in the rows, where it cannot be held back until the hole closes."""


class RunIndexError(StreamResourceError, ValueError):
    """A document that does not belong to the run, or that came before what it refers to."""


class CorruptJournalError(StreamResourceError, ValueError):
    """A journal whose middle does not match its checksums.

    Attributes:
        offset: The byte of the buffer at which the damaged record begins; all before it is whole.
    """

    def __init__(self, message: str, *, offset: int = 0) -> None:
        super().__init__(message)
        self.offset = offset
