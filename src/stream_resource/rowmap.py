"""Where each event of one data key lives: seq_num → (resource, row), by intervals.

Theory of operation. Two views of the same datums are kept, both as sorted stretches (stretches.py)::

    datums in file order              newest, by seq_num                 files, by row
    a rows 0:4   seq 1:5              1:3   a 0:2                        a   0:4  seq 1:5      (rows 2:4 superseded)
    a rows 4:8   seq 3:7  (redone)    3:7   a 4:8                        a   4:8  seq 3:7
    b rows 0:2   seq 9:11             9:11  b 0:2   (7, 8 skipped)       b   0:2  seq 9:11     (roll-over)

The newest row of a seq_num wins; what it replaces stays in the view by row. Newest is what was written last, not what
was delivered last: a higher row of the same resource, or any row of a resource announced later. So datums may come in
any order and more than once, and the map is the same as soon as all of them are in. Until then:

- a datum that leaves a hole in its resource's rows is held back and reported (`held`), and applied when the hole closes
  (filerows.py); at most `max_held` of them, then such a datum is refused, to be delivered again later;
- a datum that names rows which another one has named contradicts it, and is refused.

Neighbours that go on in both seq_nums and rows are merged, so memory grows with ranges, not with frames and, for
documents of `StreamComposer`, not with datums. A datum at the end, as nearly all are, costs O(1) however many ranges
there are; one that goes back costs the moving of the numbers behind it.

Rows are events: a file whose events hold n frames each has rows n·row … n·(row+1) − 1 in its dataset (event-model: the
`indices` of a StreamDatum count events; bluesky's consolidators multiply by `shape[0]`).
"""

from collections.abc import Iterator

from event_model.documents.stream_datum import StreamDatum
from event_model.documents.stream_resource import StreamResource

from .errors import RowHoleError, RowMapError
from .filerows import Claim, FileRows
from .filerows import Held as Held
from .frames import FrameRange, RangeSet
from .stretch import Row as Row
from .stretch import Stretch as Stretch
from .stretches import Placed, Stretches
from .verdicts import VERDICT_KEY, Verdict

MAX_HELD = 4096
"""How many datums of one data key are held back, unless told otherwise: a few megabytes."""


class RowMap:
    """The rows of one data key; fed with its stream documents in any order.

    Args:
        data_key: The key's name, for messages.
        max_held: How many datums are held back at the same time. With 0, a datum that leaves a hole is refused: for
            producers, which must not make one.

    Example:
        >>> from wingbeat.stream_resource import StreamComposer
        >>> composer, rows = StreamComposer(), RowMap("cam")
        >>> rows.add_resource(composer.resource("cam", uri="file://localhost/a.h5", dataset="/d", chunk_shape=(1,)))
        >>> first = composer.datum("cam", rows=FrameRange(0, 3), seq_nums=FrameRange(1, 4))
        >>> second = composer.datum("cam", rows=FrameRange(3, 5), seq_nums=FrameRange(4, 6))
        >>> rows.add_datum(second), rows.locate(4), [held.waits_for for held in rows.held]
        (True, None, [RangeSet(0:3)])
        >>> rows.add_datum(first), rows.locate(4).row, rows.held
        (True, 3, ())
    """

    def __init__(self, data_key: str = "", *, max_held: int = MAX_HELD) -> None:
        self._data_key = data_key
        self._max_held = max_held
        self._num_held = 0
        self._files: dict[str, FileRows] = {}
        self._uids: dict[int, str] = {}
        self._latest = -1
        self._newest = Stretches()
        self._good = RangeSet()
        self._certain: RangeSet | None = None
        self._rows = 0

    def add_resource(self, doc: StreamResource, *, order: int | None = None) -> None:
        """Announce a file. The same document again changes nothing.

        Args:
            doc: The document.
            order: Its place among the resources, if they are not given in the order in which they were announced.

        Raises:
            RowMapError: The resource belongs to another data key, or another resource has its place.
        """
        uid, data_key = doc["uid"], doc["data_key"]
        self._data_key = self._data_key or data_key
        if data_key != self._data_key:
            msg = f"stream_resource {uid} is of {data_key!r}; expected {self._data_key!r}"
            raise RowMapError(msg)
        if uid not in self._files:
            self._announce(FileRows(uid, self._latest + 1 if order is None else order))

    def _announce(self, file: FileRows) -> None:
        taken = self._uids.get(file.order)
        if taken is not None:
            msg = f"resources {taken} and {file.uid} of {self._data_key!r} are both said to be number {file.order}"
            raise RowMapError(msg)
        self._files[file.uid] = file
        self._uids[file.order] = file.uid
        if file.order < self._latest:
            self._files = dict(sorted(self._files.items(), key=lambda item: item[1].order))
        self._latest = max(self._latest, file.order)

    def add_datum(self, doc: StreamDatum) -> bool:
        """Add the rows of a datum, or hold it back; False if a datum with this uid was added before.

        Raises:
            RowHoleError: The rows leave a hole and no more datums can be held back. The map is unchanged: the datum can
                be added again later.
            RowMapError: The resource is unknown, the rows are another datum's already, or rows and seq_nums are not of
                one length. The map is unchanged.
        """
        file = self._files.get(doc["stream_resource"])
        if file is None:
            msg = f"datum {doc['uid']} of {self._data_key!r} needs resource {doc['stream_resource']}: send it first"
            raise RowMapError(msg)
        if file.knows(doc["uid"]):
            return False
        claim = self._checked(file, doc)
        file.remember(doc["uid"])
        if claim.rows.empty:
            return True
        if claim.rows.start > file.rows:
            file.hold(claim)
            self._num_held += 1
            return True
        self._num_held += 1
        for committed in file.commit(claim):
            self._num_held -= 1
            self._apply(file, committed)
        return True

    def knows(self, doc: StreamDatum) -> bool:
        """Whether a datum with this uid was added before."""
        file = self._files.get(doc["stream_resource"])
        return file is not None and file.knows(doc["uid"])

    @property
    def held(self) -> tuple[Held, ...]:
        """The datums that are held back, by resource and row."""
        return tuple(held for file in self._files.values() for held in file.held(self._data_key))

    @property
    def num_held(self) -> int:
        """How many datums are held back; O(1)."""
        return self._num_held

    def _checked(self, file: FileRows, doc: StreamDatum) -> Claim:
        indices, numbers = doc["indices"], doc["seq_nums"]
        rows = FrameRange.of(indices["start"], indices["stop"])
        seq_nums = FrameRange.of(numbers["start"], numbers["stop"])
        where = f"datum {doc['uid']} of {self._data_key!r} (resource {file.uid})"
        expected = f"expected indices from {file.rows}, seen {rows}"
        if rows.start < file.rows:
            msg = f"{where} repeats rows: {expected}; frames would be lost or shifted"
            raise RowMapError(msg)
        rival = file.rival(rows)
        if rival is not None:
            held = f"datum {rival.datum}, which is held back, has {rival.rows}"
            msg = f"{where} repeats rows: seen {rows}; {held}"
            raise RowMapError(msg)
        if rows.size != seq_nums.size or (seq_nums.start < 1 and not rows.empty):
            msg = f"{where} has {rows.size} indices: expected as many seq_nums, counted from 1, seen {seq_nums}"
            raise RowMapError(msg)
        if rows.start > file.rows and not rows.empty and self._num_held >= self._max_held:
            msg = (
                f"{where} leaves a hole: {expected}; frames would be lost or shifted. {self._num_held} datums are held"
                f" back and no more than {self._max_held} can be: add the rows in front of it first, then add it again"
            )
            raise RowHoleError(msg)
        return Claim(doc["uid"], rows, seq_nums, doc.get(VERDICT_KEY) != Verdict.UNKNOWN)

    def _apply(self, file: FileRows, claim: Claim) -> None:
        self._rows += claim.rows.size
        new = Placed(*claim.seq_nums, claim.rows.start, file.order)
        if file.order == self._latest:
            self._put(new, certain=claim.certain)
        else:
            for part in self._not_newer(claim.seq_nums, file.order):
                self._put(new.cut(*part), certain=claim.certain)
        self._good = self._good.with_range(claim.seq_nums)  # a row may be replaced, but never goes away

    def _not_newer(self, seq_nums: FrameRange, order: int) -> RangeSet:
        """Those of `seq_nums` that have no row in a resource announced after the one at `order`."""
        newer = (FrameRange(part.start, part.stop) for part in self._newest.cut(seq_nums) if part.owner > order)
        return RangeSet(newer).gaps(seq_nums)

    def _put(self, new: Placed, *, certain: bool) -> None:
        if not certain and self._certain is None:
            self._certain = self._good
        if self._certain is not None:
            held, seq_nums = self._certain, FrameRange(new.start, new.stop)
            self._certain = held.with_range(seq_nums) if certain else held.without(seq_nums)
        if new.start >= self._newest.stop:
            self._newest.append(new)
        else:
            self._newest.replace(new)

    def locate(self, seq_num: int) -> Row | None:
        """Where the newest row of `seq_num` is, or None if it has none; O(log ranges)."""
        placed = self._newest.find(seq_num)
        return None if placed is None else Row(self._uids[placed.owner], placed.row + seq_num - placed.start)

    def stretches(self, seq_nums: FrameRange) -> Iterator[Stretch]:
        """The newest rows of `seq_nums`, ascending by seq_num; what is missing is left out."""
        return map(self._stretch, self._newest.cut(seq_nums))

    def _stretch(self, placed: Placed) -> Stretch:
        rows = FrameRange(placed.row, placed.row + placed.stop - placed.start)
        return Stretch(FrameRange(placed.start, placed.stop), self._uids[placed.owner], rows)

    @property
    def resources(self) -> tuple[str, ...]:
        """The uids of the resources, in the order in which they were announced."""
        return tuple(self._files)

    @property
    def rows(self) -> int:
        """All rows of all resources, superseded ones with them."""
        return self._rows

    @property
    def last_seq_num(self) -> int:
        """The highest seq_num that has a row; 0 if none has."""
        return max(self._newest.stop - 1, 0)

    @property
    def good(self) -> RangeSet:
        """The seq_nums that have a row."""
        return self._good

    @property
    def certain(self) -> RangeSet:
        """The seq_nums whose newest row is not marked as one of which it cannot be told which frame it holds."""
        return self._good if self._certain is None else self._certain

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
        return tuple(map(self._stretch, self._file(resource).stretches))

    def superseded(self, resource: str) -> RangeSet:
        """The rows of `resource` whose event was redone later: they hold data that no seq_num leads to.

        Raises:
            RowMapError: The resource is unknown.
        """
        file = self._file(resource)
        newest = RangeSet(self._stretch(placed).rows for placed in self._newest if placed.owner == file.order)
        return newest.gaps(FrameRange(0, file.rows))

    def _file(self, resource: str) -> FileRows:
        file = self._files.get(resource)
        if file is None:
            msg = f"{self._data_key!r} has no resource {resource}; it has {list(self._files)}"
            raise RowMapError(msg)
        return file
