"""The rows of one resource in file order, and the datums that wait for rows in front of theirs.

Theory of operation. A resource's rows are committed from 0 on without a hole. A datum whose rows begin behind the last
committed one is held back, sorted by its rows, until what is between has come::

    committed    0:4
    held         6:9  12:20        6:9 waits for 4:6;  12:20 waits for 4:6 and 9:12
    arrives      4:6               committed 0:9; 12:20 goes on waiting for 9:12

Neither committed nor held rows are ever named by a second datum: such a one contradicts the first and is refused when
it arrives. So nothing can go wrong any more when a hole closes.
"""

from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

from .frames import FrameRange, RangeSet
from .stretches import Placed, Stretches


class Claim(NamedTuple):
    """What one datum says: its uid, its rows with their seq_nums, and whether these rows are known to hold them."""

    datum: str
    rows: FrameRange
    seq_nums: FrameRange
    certain: bool


class Held(NamedTuple):
    """A datum that is held back, because rows in front of its own have not been announced yet.

    `rows` are rows of `resource`, counted in events; `waits_for` are those that must come before. `data_key` is empty
    and `waits_for` may be so while the resource itself is not announced.
    """

    datum: str
    resource: str
    data_key: str
    rows: FrameRange
    seq_nums: FrameRange
    waits_for: RangeSet


class FileRows:
    """One resource's rows, which datums have been seen, and which of them are held back.

    Attributes:
        uid: Of the resource.
        order: Its place among the resources of its key; rows of a later one are newer.
        rows: How many rows are committed.
        stretches: The committed rows, ascending; their owner is `order`.
    """

    def __init__(self, uid: str, order: int) -> None:
        self.uid = uid
        self.order = order
        self.rows = 0
        self.stretches = Stretches()
        self._held: list[Claim] = []
        self._counted = 0
        self._other_uids: set[str] = set()

    def knows(self, datum_uid: str) -> bool:
        """Whether a datum with this uid was taken, held ones with them."""
        if datum_uid in self._other_uids:
            return True
        number = datum_uid.removeprefix(f"{self.uid}/")
        return number.isascii() and number.isdecimal() and str(int(number)) == number and int(number) < self._counted

    def remember(self, datum_uid: str) -> None:
        """Know this datum from now on."""
        # StreamComposer counts its datums: as long as the numbers leave no hole, one integer remembers them all.
        if datum_uid != f"{self.uid}/{self._counted}":
            self._other_uids.add(datum_uid)
            return
        self._counted += 1
        while self._other_uids and (later := f"{self.uid}/{self._counted}") in self._other_uids:
            self._other_uids.remove(later)
            self._counted += 1

    def rival(self, rows: FrameRange) -> Claim | None:
        """The held datum that names one of these rows, if there is one."""
        at = bisect_left(self._held, rows.stop, key=_first_row)
        return self._held[at - 1] if at and self._held[at - 1].rows.meet(rows) else None

    def hold(self, claim: Claim) -> None:
        """Keep a datum until the rows in front of it have come."""
        self._held.insert(bisect_left(self._held, _first_row(claim), key=_first_row), claim)

    def commit(self, claim: Claim) -> Iterator[Claim]:
        """Take the rows that go on where the committed ones end, and every held datum that then does the same."""
        self._commit(claim)
        yield claim
        while self._held and _first_row(self._held[0]) == self.rows:
            following = self._held.pop(0)
            self._commit(following)
            yield following

    def _commit(self, claim: Claim) -> None:
        self.rows = claim.rows.stop
        self.stretches.append(Placed(*claim.seq_nums, claim.rows.start, self.order))

    def held(self, data_key: str) -> Iterator[Held]:
        """The datums that are held back, ascending by row."""
        waits_for, known = RangeSet(), self.rows
        for claim in self._held:
            waits_for = waits_for.with_range(FrameRange(known, claim.rows.start))
            known = claim.rows.stop
            yield Held(claim.datum, self.uid, data_key, claim.rows, claim.seq_nums, waits_for)


def _first_row(claim: Claim) -> int:
    return claim.rows.start
