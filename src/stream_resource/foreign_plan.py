"""How a run is told to a consumer that takes file row i of every key for row i (see `foreign`)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast
from uuid import NAMESPACE_URL, uuid5

from .composer import StreamComposer
from .frames import FrameRange, RangeSet
from .virtual import VirtualDataset

FOREIGN_KEY = "foreign_form"
"""Key of a stop document that says, by stream, what the foreign form left out; absent where it changed nothing."""

Document = tuple[str, dict[str, Any]]
"""A document's kind, and the document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignColumn:
    """An external key of which the good rows are put together.

    Attributes:
        key: The data key.
        resources: The uids of the StreamResources that it has in the run.
        parameters: Of the newest of them.
        seq_nums: Of the rows that are told.
        dataset: The virtual dataset of these rows; None where it cannot be had.
        absent: Why not.
    """

    key: str
    resources: frozenset[str]
    parameters: Mapping[str, Any]
    seq_nums: RangeSet
    dataset: VirtualDataset | None
    absent: str = ""

    def without(self, reasons: Mapping[str, str]) -> "ForeignColumn":
        """The column without its dataset, if that is among `reasons` by name."""
        if self.dataset is None or self.dataset.name not in reasons:
            return self
        return replace(self, dataset=None, absent=reasons[self.dataset.name])


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignStream:
    """What becomes of one stream.

    Attributes:
        name: Of the stream.
        descriptor: The uid of its first descriptor.
        left_out: seq_nums that none of its columns tells.
        columns: The keys that are told anew.
        events: The places of the events that are told, counted from 0 in order of arrival; None if all are, in order.
    """

    name: str
    descriptor: str
    left_out: RangeSet
    columns: tuple[ForeignColumn, ...]
    events: RangeSet | None

    def to_document(self) -> dict[str, Any]:
        """What the stop document says of it: `left_out` as half-open ranges of seq_nums, `absent` by key why."""
        absent = {column.key: column.absent for column in self.columns if column.dataset is None}
        return {"left_out": [list(part) for part in self.left_out], "absent": absent}


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignPlan:
    """How a run's documents are told.

    Attributes:
        run: The run's uid.
        descriptors: The stream of each descriptor.
        streams: Those that are not told as they are.
    """

    run: str
    descriptors: Mapping[str, str]
    streams: Mapping[str, ForeignStream]

    @property
    def as_it_is(self) -> bool:
        """Whether the documents are right as they are."""
        return not self.streams

    @property
    def datasets(self) -> tuple[VirtualDataset, ...]:
        """The virtual datasets that the documents will name; all of them go into one file."""
        columns = (column for stream in self.streams.values() for column in stream.columns)
        return tuple(column.dataset for column in columns if column.dataset is not None)

    def without(self, reasons: Mapping[str, str]) -> "ForeignPlan":
        """The same plan without some datasets, by name, each with the reason why it cannot be had."""
        streams = {
            name: replace(stream, columns=tuple(column.without(reasons) for column in stream.columns))
            for name, stream in self.streams.items()
        }
        return replace(self, streams=streams)

    def documents(self, documents: Iterable[Document], *, uri: str, swmr: bool = False) -> Iterator[Document]:
        """The documents in the foreign form.

        Args:
            documents: The run's, in their order; start and descriptors may be left out if they were sent before.
            uri: Where the file with `datasets` is; not looked at if there are none.
            swmr: Whether a file behind them is still open in its writer.
        """
        if self.as_it_is:
            yield from documents
            return
        teller = _Teller(self, uri, swmr=swmr)
        for name, doc in documents:
            yield from teller.tell(name, doc)


class _Teller:
    """Tells one run: what stays goes through, the rest is told in front of the stop document."""

    def __init__(self, plan: ForeignPlan, uri: str, *, swmr: bool) -> None:
        self._plan = plan
        self._uri = uri
        self._swmr = swmr
        columns = [column for stream in plan.streams.values() for column in stream.columns]
        self._dropped = frozenset[str]().union(*(column.resources for column in columns))
        self._seen = dict.fromkeys(plan.streams, 0)
        self._kept: dict[str, list[dict[str, Any]]] = {name: [] for name in plan.streams}

    def tell(self, name: str, doc: dict[str, Any]) -> Iterator[Document]:
        match name:
            case "stream_resource" if doc["uid"] in self._dropped:
                return
            case "stream_datum" if doc["stream_resource"] in self._dropped:
                return
            case "event" | "event_page":
                yield from self._event(name, doc)
            case "stop":
                for stream in self._plan.streams.values():
                    yield from self._anew(stream)
                said = {name: stream.to_document() for name, stream in self._plan.streams.items()}
                yield "stop", {**doc, FOREIGN_KEY: said}
            case _:
                yield name, doc

    def _event(self, name: str, doc: dict[str, Any]) -> Iterator[Document]:
        stream = self._plan.streams.get(self._plan.descriptors[doc["descriptor"]])
        if stream is None or stream.events is None:
            yield name, doc
            return
        for event in [doc] if name == "event" else _events_of_page(doc):
            if stream.events.holds(self._seen[stream.name]):
                self._kept[stream.name].append(event)
            self._seen[stream.name] += 1

    def _anew(self, stream: ForeignStream) -> Iterator[Document]:
        # An event that was redone comes after events with higher numbers.
        for event in sorted(self._kept[stream.name], key=lambda event: event["seq_num"]):
            yield "event", event
        for column in stream.columns:
            if column.dataset is not None:
                yield from self._column(stream, column, column.dataset)

    def _column(self, stream: ForeignStream, column: ForeignColumn, dataset: VirtualDataset) -> Iterator[Document]:
        # The same run told twice has the same uids.
        uid = str(uuid5(NAMESPACE_URL, f"{self._plan.run}{dataset.name}"))
        composer = StreamComposer(new_uid=lambda: uid)
        chunk_shape = tuple(column.parameters.get("chunk_shape", ()))
        resource = composer.resource(
            column.key, uri=self._uri, dataset=dataset.name, chunk_shape=chunk_shape, swmr=self._swmr
        )
        joined = {"join_method": column.parameters.get("join_method", "concat")}
        resource["parameters"] = {**resource["parameters"], **joined}
        yield "stream_resource", {**resource, "run_start": self._plan.run}
        row = 0
        for seq_nums in column.seq_nums:
            rows = FrameRange(row, row + seq_nums.size)
            datum = composer.datum(column.key, rows=rows, seq_nums=seq_nums)
            yield "stream_datum", {**datum, "descriptor": stream.descriptor}
            row = rows.stop


def _events_of_page(page: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for i, uid in enumerate(page["uid"]):
        nested = {
            name: {key: column[i] for key, column in cast("Mapping[str, Any]", page.get(name, {})).items()}
            for name in ("data", "timestamps", "filled")
        }
        yield {
            "uid": uid,
            "descriptor": page["descriptor"],
            "seq_num": page["seq_num"][i],
            "time": page["time"][i],
            **nested,
        }
