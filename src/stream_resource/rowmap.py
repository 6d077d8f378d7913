"""Where each event of one data key lives: seq_num → (resource, row), by intervals.

Theory of operation. Two views of the same datums are kept, both as sorted lists searched by bisection::

    datums in order of arrival        newest, by seq_num                 files, by row
    a rows 0:4   seq 1:5              1:3   a 0:2                        a   0:4  seq 1:5      (rows 2:4 superseded)
    a rows 4:8   seq 3:7  (redone)    3:7   a 4:8                        a   4:8  seq 3:7
    b rows 0:2   seq 9:11             9:11  b 0:2   (7, 8 skipped)       b   0:2  seq 9:11     (roll-over)

The newest datum that names a seq_num wins; what it replaces stays in the view by row. Neighbours that go on in both
seq_nums and rows are merged, so memory grows with ranges, not with frames and, for documents of `StreamComposer`, not
with datums. A datum at the end, as nearly all are, costs O(1) however many ranges there are; one that goes back costs
the moving of the references behind it.

Rows are events: a file whose events hold n frames each has rows n·row … n·(row+1) − 1 in its dataset (event-model: the
`indices` of a StreamDatum count events; bluesky's consolidators multiply by `shape[0]`).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from event_model.documents.stream_datum import StreamDatum
from event_model.documents.stream_resource import StreamResource

from .errors import RowMapError
from .frames import FrameRange, RangeSet

_FOREVER = 2**63 - 1


class Row(NamedTuple):
    """One event's place: the uid of its resource, and its row there counted in events."""

    resource: str
    row: int


class Stretch(NamedTuple):
    """Events that lie one after the other in one resource; both ranges have the same size."""

    seq_nums: FrameRange
    resource: str
    rows: FrameRange

    def cut(self, seq_nums: FrameRange) -> "Stretch | None":
        """The part of the stretch with these seq_nums, or None if there is none."""
        both = self.seq_nums.meet(seq_nums)
        if both is None:
            return None
        offset = self.rows.start - self.seq_nums.start
        return Stretch(both, self.resource, both.shift(offset))

    def joined(self, following: "Stretch") -> "Stretch | None":
        """Both as one stretch if `following` goes on where this one ends, else None."""
        if (self.resource, self.rows.stop, self.seq_nums.stop) != (
            following.resource,
            following.rows.start,
            following.seq_nums.start,
        ):
            return None
        seq_nums = FrameRange(self.seq_nums.start, following.seq_nums.stop)
        return Stretch(seq_nums, self.resource, FrameRange(self.rows.start, following.rows.stop))


def _append(stretches: list[Stretch], new: Stretch) -> None:
    joined = stretches[-1].joined(new) if stretches else None
    if joined is None:
        stretches.append(new)
    else:
        stretches[-1] = joined


class _File:
    """One resource's rows in file order, and which datums have been seen."""

    def __init__(self, uid: str) -> None:
        self.uid = uid
        self.rows = 0
        self.stretches: list[Stretch] = []
        self._counted = 0
        self._other_uids: set[str] = set()

    def knows(self, datum_uid: str) -> bool:
        if datum_uid in self._other_uids:
            return True
        number = datum_uid.removeprefix(f"{self.uid}/")
        return number.isascii() and number.isdecimal() and str(int(number)) == number and int(number) < self._counted

    def remember(self, datum_uid: str) -> None:
        # StreamComposer counts its datums: as long as the numbers come in order, one integer remembers them all.
        if datum_uid == f"{self.uid}/{self._counted}":
            self._counted += 1
        else:
            self._other_uids.add(datum_uid)

    def append(self, stretch: Stretch) -> None:
        self.rows = stretch.rows.stop
        _append(self.stretches, stretch)


class RowMap:
    """The rows of one data key; fed with its stream documents in order.

    Args:
        data_key: The key's name, for messages.

    Example:
        >>> from wingbeat.stream_resource import StreamComposer
        >>> composer, rows = StreamComposer(), RowMap("cam")
        >>> rows.add_resource(composer.resource("cam", uri="file://localhost/a.h5", dataset="/d", chunk_shape=(1,)))
        >>> rows.add_datum(composer.datum("cam", rows=FrameRange(0, 3), seq_nums=FrameRange(1, 4)))
        True
        >>> rows.locate(2).row
        1
    """

    def __init__(self, data_key: str = "") -> None:
        self._data_key = data_key
        self._files: dict[str, _File] = {}
        self._newest: list[Stretch] = []
        self._good = RangeSet()
        self._rows = 0

    def add_resource(self, doc: StreamResource) -> None:
        """Announce a file. The same document again changes nothing.

        Raises:
            RowMapError: The resource belongs to another data key.
        """
        uid, data_key = doc["uid"], doc["data_key"]
        self._data_key = self._data_key or data_key
        if data_key != self._data_key:
            msg = f"stream_resource {uid} is of {data_key!r}; expected {self._data_key!r}"
            raise RowMapError(msg)
        self._files.setdefault(uid, _File(uid))

    def add_datum(self, doc: StreamDatum) -> bool:
        """Add the rows of a datum; False if a datum with this uid was added before.

        Raises:
            RowMapError: The resource is unknown, the rows do not go on where its rows ended, or rows and seq_nums are
                not
                of one length. The map is then unchanged.
        """
        file = self._files.get(doc["stream_resource"])
        if file is None:
            msg = f"datum {doc['uid']} of {self._data_key!r} needs resource {doc['stream_resource']}: send it first"
            raise RowMapError(msg)
        if file.knows(doc["uid"]):
            return False
        stretch = self._checked(file, doc)
        file.remember(doc["uid"])
        if not stretch.rows.empty:
            file.append(stretch)
            self._rows += stretch.rows.size
            self._put(stretch)
            self._good = self._good.with_range(stretch.seq_nums)  # a row may be replaced, but never goes away
        return True

    def knows(self, doc: StreamDatum) -> bool:
        """Whether a datum with this uid was added before."""
        file = self._files.get(doc["stream_resource"])
        return file is not None and file.knows(doc["uid"])

    def _checked(self, file: _File, doc: StreamDatum) -> Stretch:
        indices, numbers = doc["indices"], doc["seq_nums"]
        rows = FrameRange.of(indices["start"], indices["stop"])
        seq_nums = FrameRange.of(numbers["start"], numbers["stop"])
        where = f"datum {doc['uid']} of {self._data_key!r} (resource {file.uid})"
        if rows.start != file.rows:
            what = "leaves a hole" if rows.start > file.rows else "repeats rows"
            msg = f"{where} {what}: expected indices from {file.rows}, seen {rows}; frames would be lost or shifted"
            raise RowMapError(msg)
        if rows.size != seq_nums.size or (seq_nums.start < 1 and not rows.empty):
            msg = f"{where} has {rows.size} indices: expected as many seq_nums, counted from 1, seen {seq_nums}"
            raise RowMapError(msg)
        return Stretch(seq_nums, file.uid, rows)

    def _put(self, new: Stretch) -> None:
        if not self._newest or new.seq_nums.start >= self._newest[-1].seq_nums.stop:
            _append(self._newest, new)
        else:
            self._replace(new)

    def _replace(self, new: Stretch) -> None:
        at = self._first_ending_after(new.seq_nums.start)
        end = bisect_left(self._newest, new.seq_nums.stop, key=lambda stretch: stretch.seq_nums.start)
        replaced = self._newest[at:end]
        before = replaced[0].cut(FrameRange(0, new.seq_nums.start)) if replaced else None
        after = replaced[-1].cut(FrameRange(new.seq_nums.stop, _FOREVER)) if replaced else None
        self._newest[at:end] = [stretch for stretch in (before, new, after) if stretch is not None]
        self._join(at + (before is not None))

    def _join(self, at: int) -> None:
        for left in (at, at - 1):
            if 0 <= left < len(self._newest) - 1:
                joined = self._newest[left].joined(self._newest[left + 1])
                if joined is not None:
                    self._newest[left : left + 2] = [joined]

    def _first_ending_after(self, seq_num: int) -> int:
        return bisect_right(self._newest, seq_num, key=lambda stretch: stretch.seq_nums.stop)

    def locate(self, seq_num: int) -> Row | None:
        """Where the newest row of `seq_num` is, or None if it has none; O(log ranges)."""
        at = self._first_ending_after(seq_num)
        if at == len(self._newest) or not self._newest[at].seq_nums.holds(seq_num):
            return None
        stretch = self._newest[at]
        return Row(stretch.resource, stretch.rows.start + seq_num - stretch.seq_nums.start)

    def stretches(self, seq_nums: FrameRange) -> Iterator[Stretch]:
        """The newest rows of `seq_nums`, ascending by seq_num; what is missing is left out."""
        for at in range(self._first_ending_after(seq_nums.start), len(self._newest)):
            part = self._newest[at].cut(seq_nums)
            if part is None:
                return
            yield part

    @property
    def resources(self) -> tuple[str, ...]:
        """The uids of the resources, in order of arrival."""
        return tuple(self._files)

    @property
    def rows(self) -> int:
        """All rows of all resources, superseded ones with them."""
        return self._rows

    @property
    def last_seq_num(self) -> int:
        """The highest seq_num that has a row; 0 if none has."""
        return self._newest[-1].seq_nums.stop - 1 if self._newest else 0

    @property
    def good(self) -> RangeSet:
        """The seq_nums that have a row."""
        return self._good

    def missing(self, upto: FrameRange) -> RangeSet:
        """The seq_nums of `upto` that have no row."""
        return self.good.gaps(upto)

    def physical_rows(self, resource: str) -> int:
        """How many rows of `resource` have been committed.

        Raises:
            RowMapError: The resource is unknown.
        """
        return self._file(resource).rows

    def physical(self, resource: str) -> tuple[Stretch, ...]:
        """Every committed row of `resource`, ascending by row, with the seq_num that each was written for.

        Raises:
            RowMapError: The resource is unknown.
        """
        return tuple(self._file(resource).stretches)

    def superseded(self, resource: str) -> RangeSet:
        """The rows of `resource` whose event was redone later: they hold data that no seq_num leads to.

        Raises:
            RowMapError: The resource is unknown.
        """
        newest = RangeSet(s.rows for s in self._newest if s.resource == resource)
        return newest.gaps(FrameRange(0, self._file(resource).rows))

    def _file(self, resource: str) -> _File:
        file = self._files.get(resource)
        if file is None:
            msg = f"{self._data_key!r} has no resource {resource}; it has {list(self._files)}"
            raise RowMapError(msg)
        return file
