"""The foreign form of a run: documents that a consumer reads rightly which takes file row i of every key for row i.

Theory of operation. Such consumers (bluesky's TiledWriter and consolidators are) add up the lengths of `indices`, put
all files of a key behind one another, and never look at `seq_nums`. Right for them is a key whose rows, all of them and
in the order of its one file, are its good frames. Any other key gets a virtual dataset of just these::

    file a    row  0 1 2 3 4 5        seq_num 2 and 3 were redone: rows 1 and 2 are superseded
              seq  1 2 3 2 3 4
    good rows      0     3 4 5        one StreamResource on a virtual dataset of 4 rows, indices 0:4, seq_nums 1:5

and an event that was emitted again under its seq_num is sent once, the newest.

No row is filled in for a frame that is missing or unknown, so the rows behind it would move up against the other keys
of the stream, and row i would no longer be one instant. Therefore a seq_num that one column lacks before its own end is
left out of all columns of the stream, events with it; a column that ends early just is shorter::

    seq_num   1 2 3 4 5 6
    cam       × × . × ×          3 is missing: left out everywhere      cam    1 2 4 5
    panda     × × × × × ×        cam ends after 5                       panda  1 2 4 5 6

What was left out stands in the stop document under `foreign_form`, and datums keep the true seq_nums.
"""

from collections.abc import Iterable, Mapping
from functools import reduce
from itertools import pairwise
from typing import Any, cast
from urllib.parse import quote

from event_model.documents.stream_datum import StreamDatum
from event_model.documents.stream_resource import StreamResource

from .arrayindex import ArrayIndex
from .errors import UnreachableUriError
from .foreign_plan import ForeignColumn, ForeignPlan, ForeignStream
from .frames import FrameRange, RangeSet
from .rowmap import RowMap
from .runindex import RunIndex
from .stretch import Stretch
from .uris import path_of_uri
from .virtual import HDF5_MIMETYPE, VirtualDataset, VirtualRun

_INEXPRESSIBLE = ("slice", "squeeze", "multiplier")
"""Parameters of a StreamResource by which another reader of it would select or shape what it reads."""


class ForeignForm:
    """Takes the documents of one run, in their order, and then says what they are in the foreign form.

    Memory grows with ranges and documents' uids are not kept; whoever uses it keeps the documents themselves.
    """

    def __init__(self) -> None:
        self._index = RunIndex()
        self._stream_of: dict[str, str] = {}
        self._key_of: dict[str, str] = {}
        self._events: dict[str, RowMap] = {}
        self._repeated: set[tuple[str, str]] = set()

    def apply(self, name: str, doc: Mapping[str, Any]) -> None:
        """Take a document.

        Raises:
            StreamResourceError: It does not fit those before it.
        """
        match name:
            case "event":
                self._count(doc["descriptor"], [doc["seq_num"]])
                return
            case "event_page":
                self._count(doc["descriptor"], doc["seq_num"])
                return
            case "descriptor":
                self._stream_of[doc["uid"]] = doc["name"]
            case "stream_resource":
                self._key_of[doc["uid"]] = doc["data_key"]
            case "stream_datum":
                self._note_repeated(doc)
            case _:
                pass
        self._index.apply(name, doc)

    def _count(self, descriptor: str, seq_nums: Iterable[int]) -> None:
        # Events are the rows of a table: RowMap tells which of them were replaced.
        stream = self._stream_of[descriptor]
        if stream not in self._events:
            self._events[stream] = RowMap(stream)
            self._events[stream].add_resource(_table(stream))
        events = self._events[stream]
        for seq_num in seq_nums:
            events.add_datum(_table_row(stream, events.rows, seq_num=seq_num))

    def _note_repeated(self, doc: Mapping[str, Any]) -> None:
        stream, key = self._stream_of.get(doc["descriptor"], ""), self._key_of.get(doc["stream_resource"], "")
        if stream in self._index.streams and key in self._index.streams[stream].arrays:
            rowmap = self._index.streams[stream].arrays[key].rowmap
            if rowmap.knows(StreamDatum(**cast("Any", doc))):
                self._repeated.add((stream, key))

    def plan(self) -> ForeignPlan:
        """What has to be changed; complete once the stop document has come."""
        streams = (self._stream(name) for name in self._index.streams)
        return ForeignPlan(
            run=self._index.uid,
            descriptors=dict(self._stream_of),
            streams={stream.name: stream for stream in streams if stream is not None},
        )

    def _stream(self, name: str) -> ForeignStream | None:
        stream, events = self._index.streams[name], self._events.get(name)
        arrays = [array for array in stream.arrays.values() if array.rowmap.rows]
        good = [array.good for array in arrays] + ([events.good] if events else [])
        left_out = reduce(RangeSet.__or__, map(_holes, good), RangeSet())
        kept = {array.key: _stretches(array.rowmap, array.good - left_out) for array in arrays}
        changed = [a for a in arrays if (name, a.key) in self._repeated or not _as_it_is(a, kept[a.key])]
        told = _stretches(events, events.good - left_out) if events else []
        retold = events is not None and not _all_in_order(told, events.rows)
        if not changed and not retold:
            return None
        return ForeignStream(
            name=name,
            descriptor=stream.descriptors[0]["uid"],
            left_out=left_out,
            columns=tuple(_column(name, array, kept[array.key]) for array in changed),
            events=RangeSet(stretch.rows for stretch in told) if retold else None,
        )


def _holes(good: RangeSet) -> RangeSet:
    """The seq_nums that are not there, before the last one that is."""
    last = max((part.stop for part in good), default=1)
    return good.gaps(FrameRange(1, last))


def _stretches(rowmap: RowMap, seq_nums: RangeSet) -> list[Stretch]:
    return [stretch for part in seq_nums for stretch in rowmap.stretches(part)]


def _as_it_is(array: ArrayIndex, kept: list[Stretch]) -> bool:
    return len(array.resources) == 1 and not array.held and _all_in_order(kept, array.rowmap.rows)


def _all_in_order(kept: list[Stretch], rows: int) -> bool:
    in_order = all(one.rows.stop == following.rows.start for one, following in pairwise(kept))
    return in_order and sum(stretch.rows.size for stretch in kept) == rows


def _column(stream: str, array: ArrayIndex, kept: list[Stretch]) -> ForeignColumn:
    name = f"/{quote(stream, safe='')}/{quote(array.key, safe='')}"
    absent = (
        _inexpressible(array)
        if kept
        else "no frame of it is left: each is unknown, beyond the plan, or lacked by another key"
    )
    dataset: VirtualDataset | None = None
    if not absent:
        try:
            dataset = _virtual(name, array, kept)
        except UnreachableUriError as error:
            absent = str(error)
    newest = array.resources[array.rowmap.resources[-1]]
    return ForeignColumn(
        key=array.key,
        resources=frozenset(array.resources),
        parameters=newest["parameters"],
        seq_nums=RangeSet(stretch.seq_nums for stretch in kept),
        dataset=dataset,
        absent=absent,
    )


def _inexpressible(array: ArrayIndex) -> str:
    for resource in array.resources.values():
        if resource["mimetype"] != HDF5_MIMETYPE:
            return f"its files are {resource['mimetype']}: only {HDF5_MIMETYPE} has virtual datasets"
        named = [name for name in _INEXPRESSIBLE if resource["parameters"].get(name)]
        if named:
            return f"its stream_resource {resource['uid']} has {named}: a virtual dataset does not"
    return ""


def _virtual(name: str, array: ArrayIndex, kept: list[Stretch]) -> VirtualDataset:
    runs: list[VirtualRun] = []
    end = 0
    for stretch in kept:
        resource, source = array.resources[stretch.resource], array.file_rows(stretch.rows)
        path, dataset = path_of_uri(resource["uri"]), resource["parameters"]["dataset"]
        runs.append(VirtualRun(FrameRange(end, end + source.size), path, dataset, source))
        end += source.size
    return VirtualDataset(name=name, frame_shape=array.frame_shape, dtype=array.dtype, runs=tuple(runs))


def _table(stream: str) -> StreamResource:
    return StreamResource(uid=stream, run_start="", data_key=stream, mimetype="", uri="", parameters={})


def _table_row(stream: str, row: int, *, seq_num: int) -> StreamDatum:
    return StreamDatum(
        uid=f"{stream}/{row}",
        stream_resource=stream,
        descriptor="",
        indices={"start": row, "stop": row + 1},
        seq_nums={"start": seq_num, "stop": seq_num + 1},
    )
