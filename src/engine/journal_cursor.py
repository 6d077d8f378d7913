"""A reader's place in the journal."""

from bisect import bisect_right
from typing import BinaryIO

from ..stream_resource.journal import JournalRecord, decode_records
from .errors import JournalError
from .journal import Journal
from .journal_recovery import first_sequence, segments

PART_NBYTES = 2**20
"""How much is read from a segment at once; a record that is longer is read whole."""


class JournalCursor:
    """Reads the committed records of a journal in order, each once; its memory is bounded by one part of a file.

    Attributes:
        sequence: Number of the record that comes next.
    """

    def __init__(self, journal: Journal, sequence: int) -> None:
        self._journal = journal
        self._file: BinaryIO | None = None
        self._rest = b""
        self._read: list[JournalRecord] = []
        self.sequence = sequence

    @property
    def behind(self) -> int:
        """How many committed records are still to be read."""
        return self._journal.committed_sequence + 1 - self.sequence

    def in_memory(self) -> bool:
        """Whether the next records can be had without reading a file."""
        return self._journal.window(self.sequence, 1) is not None

    def next(self, limit: int) -> list[JournalRecord]:
        """Give up to `limit` records, none if there is nothing new; may read a file.

        Raises:
            JournalError: The file of an older record is gone.
        """
        found = self._journal.window(self.sequence, limit)
        if found is None:
            found = self._from_file(limit)
        else:
            self.close()
        if found:
            self.sequence = found[-1].sequence + 1
        return found

    def skip_to(self, sequence: int) -> int:
        """Leave out the records before `sequence`; give how many these are."""
        skipped = max(0, sequence - self.sequence)
        if skipped:
            self.close()
            self.sequence = sequence
        return skipped

    def close(self) -> None:
        """Close the file that is being read, if any."""
        if self._file is not None:
            self._file.close()
        self._file, self._rest, self._read = None, b"", []

    def _from_file(self, limit: int) -> list[JournalRecord]:
        while not self._read:
            file = self._file or self._open()
            self._read = [record for record in self._part(file) if record.sequence >= self.sequence]
        found, self._read = self._read[:limit], self._read[limit:]
        return found

    def _open(self) -> BinaryIO:
        found = segments(self._journal.directory)
        at = bisect_right([first_sequence(path) for path in found], self.sequence) - 1
        if at < 0:
            msg = f"record {self.sequence} of the journal in {self._journal.directory} is gone; its segment was removed"
            raise JournalError(msg)
        self._file = found[at].open("rb")
        self._rest = b""
        return self._file

    def _part(self, file: BinaryIO) -> list[JournalRecord]:
        part = file.read(PART_NBYTES)
        if not part:
            # The end of this segment: what is committed and not here begins the next one.
            self.close()
            return []
        decoded = decode_records(self._rest + part)
        self._rest = (self._rest + part)[decoded.consumed :]
        return decoded.records
