"""Events that lie one after the other in one resource."""

from typing import NamedTuple

from .frames import FrameRange


class Row(NamedTuple):
    """One event's place: the uid of its resource, and its row there counted in events."""

    resource: str
    row: int


class Stretch(NamedTuple):
    """Events that lie one after the other in one resource; both ranges have the same size."""

    seq_nums: FrameRange
    resource: str
    rows: FrameRange
