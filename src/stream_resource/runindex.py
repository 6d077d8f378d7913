"""What the documents of one run say, kept up to date document by document.

Theory of operation. `RunIndex.apply` is a reducer: the state is a function of the documents seen so far, in their
order. It takes event-model's documents from our engine and from bluesky's. A document that comes twice changes
nothing (descriptors, resources, datums and events are known by uid); one that refers to something not seen, or that
belongs to another run, is refused, and the rows are then as they were. A StreamResource names no stream: it is kept
until its first datum names a descriptor.

Datums between the descriptor and the stop document may come in any order. One that leaves a hole is held back by its
RowMap, one whose resource is not announced yet by its stream; both are reported (`held`), and what is still held when
the run stops stays so. Resources keep the order in which they came: the rows of a later file are newer.
"""

from collections.abc import Mapping
from typing import Any, cast

from event_model.documents.stream_datum import StreamDatum
from event_model.documents.stream_resource import StreamResource

from .arrayindex import ArrayIndex as ArrayIndex
from .errors import RowHoleError, RowMapError, RunIndexError, StreamResourceError
from .events import EventColumns, EventRow
from .frames import FrameRange, RangeSet
from .rowmap import MAX_HELD, Held
from .verdicts import Verdicts

EXTERNAL_STREAM = "STREAM:"
"""What `external` of a data key is when its frames come by StreamDatum (event-model)."""

OTHER_ASSETS = frozenset({"resource", "datum", "datum_page", "bulk_datum"})
"""Documents of the older asset registry: they name no stream data, and are let pass."""


class StreamIndex:
    """One stream of a run: its descriptors, its events and its arrays.

    Attributes:
        name: Of the stream.
        descriptors: Its descriptors, oldest first.
        data_keys: Every data key of any descriptor.
        arrays: The external keys.
        events: The events, as columns.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.descriptors: list[dict[str, Any]] = []
        self.data_keys: dict[str, dict[str, Any]] = {}
        self.arrays: dict[str, ArrayIndex] = {}
        self.events = EventColumns(name)
        self._early: dict[str, StreamDatum] = {}

    @property
    def num_events(self) -> int:
        """The highest number of events that its Event documents or one of its arrays account for."""
        return max(len(self.events), *(array.committed for array in self.arrays.values()), 0)

    @property
    def held(self) -> tuple[Held, ...]:
        """The datums that are held back: behind a hole, or before their resource (these have no data key yet)."""
        early = tuple(_held_early(doc) for doc in self._early.values())
        return (*(held for array in self.arrays.values() for held in array.held), *early)

    def hold_early(self, doc: StreamDatum) -> None:
        """Keep a datum until its resource is announced.

        Raises:
            RowMapError: Its rows and seq_nums are not of one length.
            RowHoleError: No more datums can be held back; it can be given again later.
        """
        held = _held_early(doc)
        if held.rows.size != held.seq_nums.size:
            msg = f"stream_datum {held.datum} has rows {held.rows}: expected as many seq_nums, seen {held.seq_nums}"
            raise RowMapError(msg)
        if len(self._early) >= MAX_HELD:
            msg = (
                f"stream_datum {doc['uid']} came before its stream_resource {doc['stream_resource']}, and"
                f" {MAX_HELD} others are held back in stream {self.name!r}: give the resource first"
            )
            raise RowHoleError(msg)
        self._early[doc["uid"]] = doc

    def holds_early(self, doc: StreamDatum) -> bool:
        """Whether a datum with this uid waits for its resource."""
        return doc["uid"] in self._early

    def take_early(self, resource: str) -> list[StreamDatum]:
        """The datums that were waiting for a resource; they wait no more."""
        taken = [doc for doc in self._early.values() if doc["stream_resource"] == resource]
        for doc in taken:
            del self._early[doc["uid"]]
        return taken

    def add_descriptor(self, doc: dict[str, Any]) -> None:
        """Add a descriptor; data keys that were there must not change their shape or type.

        Raises:
            RunIndexError: An array key would change.
        """
        new: dict[str, dict[str, Any]] = doc["data_keys"]
        for key, array in self.arrays.items():
            if key in new and _array_facts(new[key]) != _array_facts(array.data_key):
                msg = (
                    f"descriptor {doc['uid']} of stream {self.name!r} changes array {key!r}: expected"
                    f" {_array_facts(array.data_key)}, seen {_array_facts(new[key])}; use a new stream"
                )
                raise RunIndexError(msg)
        self.descriptors.append(doc)
        for key, data_key in new.items():
            self.data_keys.setdefault(key, data_key)
            if data_key.get("external") == EXTERNAL_STREAM and key not in self.arrays:
                self.arrays[key] = ArrayIndex(key, data_key, early=self._early)


def _held_early(doc: StreamDatum) -> Held:
    rows = FrameRange.of(doc["indices"]["start"], doc["indices"]["stop"])
    seq_nums = FrameRange.of(doc["seq_nums"]["start"], doc["seq_nums"]["stop"])
    return Held(doc["uid"], doc["stream_resource"], "", rows, seq_nums, RangeSet([FrameRange(0, rows.start)]))


def _array_facts(data_key: Mapping[str, Any]) -> tuple[Any, ...]:
    return data_key.get("external"), list(data_key["shape"]), data_key.get("dtype_numpy")


class RunIndex:
    """The state of one run after the documents applied so far.

    Attributes:
        start: The start document, or None before it came.
        stop: The stop document, or None while the run goes on.
        streams: The streams by name, in order of declaration.
    """

    def __init__(self) -> None:
        self.start: dict[str, Any] | None = None
        self.stop: dict[str, Any] | None = None
        self.streams: dict[str, StreamIndex] = {}
        self._stream_of_descriptor: dict[str, StreamIndex] = {}
        self._resources: dict[str, StreamResource] = {}
        self._orders: dict[str, int] = {}

    @property
    def held(self) -> dict[str, tuple[Held, ...]]:
        """The datums that are held back, by stream; a stream that has none is left out."""
        return {name: held for name, stream in self.streams.items() if (held := stream.held)}

    @property
    def uid(self) -> str:
        """The run's uid; empty before the start document."""
        return self.start["uid"] if self.start else ""

    def owns(self, doc: Mapping[str, Any]) -> bool:
        """Whether a document names this run, or one of its descriptors; to sort a journal of several runs."""
        if "descriptor" in doc:
            return doc["descriptor"] in self._stream_of_descriptor
        return doc.get("run_start", doc.get("uid")) == self.uid

    def apply(self, name: str, doc: Mapping[str, Any]) -> None:
        """Take one document; documents of a run come in its order.

        Args:
            name: The document's kind: "start", "descriptor", "event", "event_page", "stream_resource", ... .
            doc: The document; it is kept, not copied.

        Raises:
            RunIndexError: An unknown kind, another run's document, or one that came before what it refers to.
            RowMapError: A StreamDatum that names another's rows, has unequal lengths, or cannot be held back any more.
                If it had come before its StreamResource, this is raised with the latter, which is taken all the same.
        """
        if name != "start" and self.start is None:
            msg = f"document {name!r} {doc.get('uid')} came before the start document"
            raise RunIndexError(msg)
        try:
            self._dispatch(name, dict(doc))
        except (KeyError, TypeError) as error:
            msg = f"run {self.uid}: {name} {doc.get('uid')} is not as event-model's schema has it: {error!r}"
            raise RunIndexError(msg) from error

    def _dispatch(self, name: str, doc: dict[str, Any]) -> None:
        match name:
            case "start":
                self._start(doc)
            case "descriptor":
                self._descriptor(doc)
            case "event":
                self._events(doc, [doc])
            case "event_page":
                self._events(doc, _rows_of_page(doc))
            case "stream_resource":
                self._resource(doc)
            case "stream_datum":
                self._datum(doc)
            case "stop":
                self._stop(doc)
            case _ if name in OTHER_ASSETS:
                pass
            case _:
                msg = f"run {self.uid}: expected a document of event-model, seen {name!r}"
                raise RunIndexError(msg)

    def _start(self, doc: dict[str, Any]) -> None:
        if self.start is not None and self.start["uid"] != doc["uid"]:
            msg = f"run {self.uid} got the start document of run {doc['uid']}: index each run on its own"
            raise RunIndexError(msg)
        self.start = self.start or doc

    def _descriptor(self, doc: dict[str, Any]) -> None:
        self._own(doc, "descriptor")
        if doc["uid"] in self._stream_of_descriptor:
            return
        self._open(doc, "descriptor")
        stream = self.streams.get(doc["name"]) or StreamIndex(doc["name"])
        stream.add_descriptor(doc)
        self.streams[stream.name] = self._stream_of_descriptor[doc["uid"]] = stream

    def _events(self, doc: dict[str, Any], rows: list[dict[str, Any]]) -> None:
        events = self._stream(doc).events
        for row in rows:
            if not events.knows(row["uid"]):
                self._open(row, "event")
                events.add(row["uid"], EventRow(row["seq_num"], row["time"], row["data"], row["timestamps"]))

    def _resource(self, doc: dict[str, Any]) -> None:
        self._own(doc, "stream_resource")
        if doc["uid"] in self._resources:
            return
        self._open(doc, "stream_resource")
        self._resources[doc["uid"]] = StreamResource(**doc)
        self._orders[doc["uid"]] = len(self._orders)
        refused = [
            error
            for stream in self.streams.values()
            for datum in stream.take_early(doc["uid"])
            if (error := self._refusal(stream, datum)) is not None
        ]
        if refused:
            raise refused[0]

    def _refusal(self, stream: StreamIndex, datum: StreamDatum) -> StreamResourceError | None:
        """Add a datum of an announced resource; gives what was wrong with it."""
        try:
            self._add(stream, datum)
        except StreamResourceError as error:
            return error
        return None

    def _datum(self, doc: dict[str, Any]) -> None:
        stream = self._stream(doc)
        datum = StreamDatum(**doc)
        if datum["stream_resource"] in self._resources:
            self._add(stream, datum)
        elif not stream.holds_early(datum):
            self._open(datum, "stream_datum")
            stream.hold_early(datum)

    def _add(self, stream: StreamIndex, datum: StreamDatum) -> None:
        resource = self._resources[datum["stream_resource"]]
        array = stream.arrays.get(resource["data_key"])
        if array is None:
            msg = (
                f"stream_datum {datum['uid']} is of data key {resource['data_key']!r}; the external keys of stream"
                f" {stream.name!r} are {list(stream.arrays)}: declare it with external 'STREAM:'"
            )
            raise RunIndexError(msg)
        if not array.rowmap.knows(datum):
            self._open(datum, "stream_datum")
            array.add_resource(resource, order=self._orders[resource["uid"]])
            array.add_datum(datum)

    def _stop(self, doc: dict[str, Any]) -> None:
        self._own(doc, "stop")
        if self.stop is not None and self.stop["uid"] != doc["uid"]:
            msg = f"run {self.uid} got a second stop document: expected {self.stop['uid']}, seen {doc['uid']}"
            raise RunIndexError(msg)
        for stream in self.streams.values():
            for array in stream.arrays.values():
                _close(array, _summary(doc, _detector_of(array.key, stream.descriptors)))
        self.stop = doc

    def _own(self, doc: Mapping[str, Any], name: str) -> None:
        run_start = doc.get("run_start") or self.uid
        if run_start != self.uid:
            msg = f"{name} {doc['uid']} belongs to run {run_start}; this is run {self.uid}"
            raise RunIndexError(msg)

    def _open(self, doc: Mapping[str, Any], name: str) -> None:
        if self.stop is not None:
            msg = f"{name} {doc['uid']} came after the stop document of run {self.uid}"
            raise RunIndexError(msg)

    def _stream(self, doc: Mapping[str, Any]) -> StreamIndex:
        stream = self._stream_of_descriptor.get(doc["descriptor"])
        if stream is None:
            msg = f"document {doc['uid']} is of descriptor {doc['descriptor']!r}, which run {self.uid} does not have"
            raise RunIndexError(msg)
        return stream


def _rows_of_page(page: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "uid": uid,
            "seq_num": page["seq_num"][i],
            "time": page["time"][i],
            "data": {key: column[i] for key, column in page["data"].items()},
            "timestamps": {key: column[i] for key, column in page["timestamps"].items()},
        }
        for i, uid in enumerate(page["uid"])
    ]


def _detector_of(key: str, descriptors: list[dict[str, Any]]) -> str:
    """The name of the object that a data key belongs to; the key itself if no descriptor says."""
    for descriptor in descriptors:
        for name, keys in descriptor.get("object_keys", {}).items():
            if key in keys:
                return name
    return key


def _summary(stop: Mapping[str, Any], detector: str) -> Mapping[str, Any]:
    """What our stop documents say of a detector's frames; another engine's `frames` may be anything."""
    frames = stop.get("frames")
    summary = cast("dict[str, Any]", frames).get(detector) if isinstance(frames, dict) else None
    return cast("dict[str, Any]", summary) if isinstance(summary, dict) else {}


def _close(array: ArrayIndex, summary: Mapping[str, Any]) -> None:
    array.closed = True
    array.planned = summary.get("planned")
    array.verdicts = Verdicts.from_document(summary["verdicts"]) if summary.get("verdicts") else None
