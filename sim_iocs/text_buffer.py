"""How EPICS' own PV Access server (QSRV) keeps a long text: as bytes of a waveform of a fixed length.

Theory of operation. A put copies its bytes to the begin of the buffer and leaves the rest as it was. So a text that is
longer than the buffer is cut, and one that does not end with NUL keeps the tail of a longer one before it; both
without an error. What the record understands ends at the first NUL.
"""

import numpy as np
from numpy.typing import NDArray


class TextBuffer:
    """A waveform of characters.

    Args:
        text: First content.
        length: Bytes, with the NUL at the end.

    Examples:
        >>> buffer = TextBuffer("/data/old", length=12)
        >>> buffer.put(b"/tmp")
        b'/tmpa/old'
        >>> buffer.put(b"/tmp" + bytes(1))
        b'/tmp'
        >>> buffer.put(b"/a/path/too/long")
        b'/a/path/too'
    """

    def __init__(self, text: str, *, length: int) -> None:
        self._bytes = bytearray(length)
        self.show(text)

    def show(self, text: str) -> NDArray[np.int8]:
        """Take what the record says, and give what clients see: the text and its NUL."""
        content = text.encode()[: len(self._bytes) - 1] + b"\0"
        self._bytes[: len(content)] = content
        return np.frombuffer(content, np.int8)

    def put(self, sent: bytes) -> bytes:
        """Take what a client sent, and give what the record understands."""
        kept = sent[: len(self._bytes) - 1]
        self._bytes[: len(kept)] = kept
        return bytes(self._bytes).split(b"\0", 1)[0]
