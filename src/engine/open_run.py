"""A run that is open: its streams, and every document that goes into it."""

import asyncio
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..stream_resource.errors import StreamResourceError
from ..task_scope import together
from . import documents
from .assets import AssetPacker
from .bundle import AssetDocument, Bundle
from .documents import Document
from .errors import DocumentError, ExitStatus, IllegalMessageError
from .event_pack import Taken
from .notes import INTERRUPTIONS, NoteStream, readings_of
from .operation import name_of
from .run import Run
from .step import STEP
from .stream import Description, Stream
from .transaction import Entry, emit
from .uids import Uids

if TYPE_CHECKING:
    from .branch import Branch
    from .execution import Execution
    from .monitor import Monitor

Emit = Callable[[str, Document], None]


class OpenRun:
    """A run between its start and its stop document.

    Attributes:
        uid: Of the run.
        handle: What the plan's author reads the run with.
        streams: By name.
        monitors: By device.
        notes: Streams of the engine's own remarks, by name.
        extra: Keys that the stop document will have besides event-model's own.
    """

    def __init__(self, execution: "Execution", key: Hashable | None, metadata: Mapping[str, Any]) -> None:
        self.key = key
        self.streams: dict[str, Stream] = {}
        self.monitors: dict[Any, Monitor] = {}
        self.extra: dict[str, Any] = {}
        self.notes: dict[str, NoteStream] = {}
        self._execution = execution
        self._descriptions: dict[Any, Description] = {}
        self._declaring: dict[str, asyncio.Lock] = {}
        self._dropped: dict[str, list[Bundle]] = {}
        self._packer = AssetPacker()
        self._uids = Uids()
        start = documents.start(metadata)
        self.uid: str = start["uid"]
        self.handle = Run(self.uid)
        self.emit("start", start)
        if execution.engine.record_interruptions:
            self._declare_notes(INTERRUPTIONS, "interruption")

    def emit(self, name: str, doc: Document) -> None:
        """Put a document into the run's handle and the journal, if it is one that can follow those before it.

        Raises:
            DocumentError: event-model's schema refuses it, or it contradicts an earlier one.
        """
        if self.monitors:
            self.flush_monitors()
        payload = documents.encode(name, doc)
        try:
            self.handle.index.apply(name, doc)
        except StreamResourceError as error:
            raise DocumentError(str(error)) from error
        self._execution.engine.emit(name, doc, payload=payload)

    # Describing.

    async def _describe(self, branch: "Branch", device: Any, *, collect: bool) -> Description:
        known = self._descriptions.get(device)
        if known is None:
            keys, configuration = await together(
                self._data_keys(branch, device, collect=collect), self._configuration(branch, device)
            )
            known = self._descriptions[device] = Description(keys, configuration)
        return known

    async def _data_keys(self, branch: "Branch", device: Any, *, collect: bool) -> Mapping[str, Any]:
        verb = "describe_collect" if collect and hasattr(device, "describe_collect") else "describe"
        return await self._execution.value(branch, verb, device)

    async def _configuration(self, branch: "Branch", device: Any) -> Document:
        if not hasattr(device, "describe_configuration"):
            return {"data": {}, "timestamps": {}, "data_keys": {}}
        value = self._execution.value
        data_keys = await value(branch, "describe_configuration", device)
        readings = await value(branch, "read_configuration", device)
        return {
            "data": {key: reading["value"] for key, reading in readings.items()},
            "timestamps": {key: reading["timestamp"] for key, reading in readings.items()},
            "data_keys": data_keys,
        }

    async def declare(self, branch: "Branch", name: str, devices: Sequence[Any], *, collect: bool) -> Stream:
        """Describe the devices and emit the descriptor of stream `name`, unless it is known already.

        Raises:
            IllegalMessageError: The stream is known, and made of other devices.
        """
        async with self._declaring.setdefault(name, asyncio.Lock()):
            stream = self.streams.get(name)
            if stream is None:
                found = await self._describe_all(branch, devices, collect=collect)
                stream = self.streams[name] = Stream(name, self.uid, found)
                self.emit("descriptor", stream.descriptor)
        if set(stream.devices) != set(devices):
            expected, seen = _names(stream.devices), _names(devices)
            msg = f"stream {name!r} is made of {expected}, seen {seen}; give other devices a stream of their own"
            raise IllegalMessageError(msg)
        return stream

    async def _describe_all(self, branch: "Branch", devices: Sequence[Any], *, collect: bool) -> dict[Any, Description]:
        found = await together(*(self._describe(branch, device, collect=collect) for device in devices))
        return dict(zip(devices, found, strict=True))

    async def declare_own(self, branch: "Branch", device: Any) -> list[Stream]:
        """Declare the streams that a flyer says it has: `describe_collect` gives {stream: {key: data key}}.

        Raises:
            IllegalMessageError: It says so for no stream: it gives data keys at once.
        """
        told: Mapping[str, Mapping[str, Any]] = await self._execution.value(branch, "describe_collect", device)
        if any("dtype" in keys for keys in told.values()):
            msg = f"collect of {name_of(device)}: no stream was declared for it; send declare_stream(..., collect=True)"
            raise IllegalMessageError(msg)
        configuration = await self._configuration(branch, device)
        for name, keys in told.items():
            if name not in self.streams:
                self.streams[name] = Stream(name, self.uid, {device: Description(keys, configuration)})
                self.emit("descriptor", self.streams[name].descriptor)
        return [self.streams[name] for name in told]

    async def configured(self, branch: "Branch", device: Any) -> None:
        """Take note that `device` was configured: every stream of it gets a new descriptor."""
        self._descriptions.pop(device, None)
        for stream in self.streams.values():
            if device in stream.devices:
                old = stream.devices[device]
                stream.devices[device] = Description(old.data_keys, await self._configuration(branch, device))
                self.flush_monitors()  # what came before belongs to the old descriptor
                self.emit("descriptor", stream.describe())

    # Events.

    async def save(self, branch: "Branch", bundle: Bundle) -> None:
        """Make an event of a bundle, and number it; an empty bundle makes none.

        Raises:
            DocumentError: What was read is not what the descriptor announces.
        """
        if not bundle.devices:
            return
        stream = await self._stream(branch, bundle)
        for dropped in self._dropped.pop(bundle.stream, ()):
            self._put(Entry(run=self, stream=stream, bundle=dropped, at=time.time(), kept=False))
        self._put(Entry(run=self, stream=stream, bundle=bundle, at=time.time()))

    def drop(self, bundle: Bundle) -> None:
        """Announce the rows of a bundle that is dropped; those of a stream that is not known yet with its first event.

        What was read of a bundle that was broken off does not say what its stream is made of.
        """
        stream = self.streams.get(bundle.stream)
        if stream is None or not stream.devices.keys() >= set(bundle.devices):
            self._dropped.setdefault(bundle.stream, []).append(bundle)
            return
        self._put(Entry(run=self, stream=stream, bundle=bundle, at=time.time(), kept=False))

    async def _stream(self, branch: "Branch", bundle: Bundle) -> Stream:
        stream = self.streams.get(bundle.stream)
        if stream is None or set(stream.devices) != set(bundle.devices):
            stream = await self.declare(branch, bundle.stream, bundle.devices, collect=False)
        return stream

    def _put(self, entry: Entry) -> None:
        step = STEP.get()
        if step is None:
            emit([entry])
        else:
            step.stage(entry)

    def commit(self, stream: Stream, bundle: Bundle, *, at: float) -> None:
        """Emit a bundle as the next event of a stream.

        Raises:
            DocumentError: What was read is not what the descriptor announces.
        """
        seq_num = stream.last_seq_num + 1
        self.pack(stream, self._without_strays(stream, bundle.assets), single=True)
        self.event(stream, bundle.readings, at)
        for key in stream.external_keys:
            stream.next_seq_num[key] = seq_num + 1

    def discard(self, stream: Stream, bundle: Bundle, *, ahead: int = 0) -> None:
        """Announce the rows of a bundle that is no event, under the seq_num that it would have had."""
        seq_num = stream.last_seq_num + 1 + ahead
        assets = self._without_strays(stream, bundle.assets)
        self.pack(stream, [(name, _numbered(name, doc, seq_num)) for name, doc in assets], single=True)

    def _without_strays(self, stream: Stream, assets: Sequence[AssetDocument]) -> list[AssetDocument]:
        """Split what holds rows of an attempt that was broken off between trigger and read.

        Such rows come with the datum of the next event. They get its seq_num, and its own row, the last, is the newest.
        """
        strays = self._execution.strays & {device.name for device in stream.devices}
        if not strays:
            return list(assets)
        seq_num, keys = stream.last_seq_num + 1, self._packer.keys_of(assets)
        owners = {key: data_key["object_name"] for key, data_key in stream.descriptor["data_keys"].items()}
        split: list[AssetDocument] = []
        for name, doc in assets:
            stray = name == "stream_datum" and owners.get(keys.get(doc["stream_resource"], "")) in strays
            split += _split(doc, seq_num) if stray else [(name, doc)]
        self._execution.strays -= strays
        return split

    def event(self, stream: Stream, readings: Mapping[str, Mapping[str, Any]], at: float | None = None) -> None:
        """Emit the next event of a stream.

        Raises:
            DocumentError: The keys are not those of the descriptor.
        """
        _check_keys(stream, readings)
        doc = documents.event(
            stream.descriptor["uid"],
            seq_num=stream.last_seq_num + 1,
            data={key: reading["value"] for key, reading in readings.items()},
            timestamps={key: reading["timestamp"] for key, reading in readings.items()},
            filled=stream.filled,
            uid=self._uids.draw(),
        )
        doc["time"] = time.time() if at is None else at
        self.emit("event", doc)
        stream.last_seq_num += 1

    def packed(self, stream: Stream, taken: Sequence[Taken]) -> None:
        """Emit the next events of a stream, packed in a page.

        Raises:
            DocumentError: The keys of a reading are not those of the descriptor; nothing is emitted.
        """
        for one in taken:
            _check_keys(stream, one.reading)
        self.events(stream, [_partial(one) for one in taken])

    def events(self, stream: Stream, readings: Sequence[Mapping[str, Any]]) -> None:
        """Emit the next events of a stream, packed in a page.

        Args:
            stream: The stream.
            readings: Of each event its `data`, `timestamps` and `time`, as flyers give them.

        Raises:
            DocumentError: The keys are not those of the descriptor.
        """
        if readings:
            first = stream.last_seq_num + 1
            page = documents.event_page(stream.descriptor["uid"], first, readings, filled=stream.filled)
            self.emit("event_page", page)
            stream.last_seq_num += len(readings)

    def pack(
        self, stream: Stream | None, assets: Sequence[AssetDocument], *, single: bool = False
    ) -> list[AssetDocument]:
        """Fill in what devices leave to the engine in their asset documents, check them, and emit them in order.

        Args:
            stream: What they belong to.
            assets: As devices give them.
            single: They belong to one event: each stream_datum must have one frame.

        Raises:
            CollectError: They do not go on where the run's earlier ones ended.
        """
        packed: list[AssetDocument] = []
        for name, doc in assets:
            filled = self._packer.fill(self.uid, stream, name, doc, single=single)
            if filled is not None:
                self.emit(name, filled)
                packed.append((name, filled))
        if stream is not None and not single:
            self._packer.level(stream)
        return packed

    def note(self, name: str, **words: str) -> None:
        """Emit an event of the engine's own stream `name`, which is announced when it is first needed."""
        notes = self.notes.get(name) or self._declare_notes(name, *words)
        self.event(notes, readings_of(words))

    def _declare_notes(self, name: str, *keys: str) -> NoteStream:
        stream = self.notes[name] = NoteStream(name, self.uid, keys)
        self.emit("descriptor", stream.descriptor)
        return stream

    # The end.

    def flush_monitors(self) -> None:
        """Emit the events of monitors that are held to be packed."""
        for monitor in list(self.monitors.values()):
            monitor.flush()

    def pause_monitors(self) -> None:
        """Make no events of changes until `resume_monitors`."""
        for monitor in self.monitors.values():
            monitor.close()

    def resume_monitors(self) -> None:
        """Make events of them again, beginning with what is so now."""
        for monitor in self.monitors.values():
            monitor.open()

    async def stop_monitors(self) -> None:
        """Subscribe to nothing any more."""
        for monitor in list(self.monitors.values()):
            monitor.close()
        self.monitors.clear()

    async def close(self, *, exit_status: ExitStatus, reason: str, extra: Mapping[str, Any] | None = None) -> None:
        """Emit the stop document.

        Raises:
            DocumentError: An extra key takes the place of one of event-model's.
        """
        await self.stop_monitors()
        self._settle_steps()
        num_events = {name: stream.last_seq_num for name, stream in {**self.streams, **self.notes}.items()}
        extra = {**self.extra, **(extra or {})}
        taken = extra.keys() & {"uid", "time", "run_start", "num_events"}
        if taken:
            msg = f"close_run cannot take {sorted(taken)}: the engine writes these itself"
            raise DocumentError(msg)
        doc = documents.stop(self.uid, exit_status=exit_status, reason=reason, num_events=num_events, extra=extra)
        self.emit("stop", doc)

    def _settle_steps(self) -> None:
        """Emit what the steps that are entered have saved for this run: nothing follows its stop document."""
        for step in self._execution.steps:
            emit([entry for entry in step.entries if entry.run is self])
            step.entries = [entry for entry in step.entries if entry.run is not self]


def _split(doc: Document, seq_num: int) -> list[AssetDocument]:
    """Give the rows of a datum each a datum of its own; all but the last under `seq_num`."""
    name = "stream_datum"
    start, last = doc["indices"]["start"], doc["indices"]["stop"] - 1
    strays = [
        {**doc, "uid": f"{doc['uid']}-{row}", "indices": {"start": row, "stop": row + 1}} for row in range(start, last)
    ]
    parts = [_numbered(name, stray, seq_num) for stray in strays]
    return [*((name, part) for part in parts), (name, {**doc, "indices": {"start": last, "stop": last + 1}})]


def _numbered(name: str, doc: Document, seq_num: int) -> Document:
    return {**doc, "seq_nums": {"start": seq_num, "stop": seq_num + 1}} if name == "stream_datum" else doc


def _check_keys(stream: Stream, readings: Mapping[str, Any]) -> None:
    if set(readings) != stream.event_keys:
        lacks, extra = sorted(stream.event_keys - readings.keys()), sorted(readings.keys() - stream.event_keys)
        msg = f"stream {stream.name!r}: what was read is not what was described: {lacks} lack, {extra} are new"
        raise DocumentError(msg)


def _partial(taken: Taken) -> Document:
    return {
        "data": {key: reading["value"] for key, reading in taken.reading.items()},
        "timestamps": {key: reading["timestamp"] for key, reading in taken.reading.items()},
        "time": taken.at,
    }


def _names(devices: Any) -> list[str]:
    return sorted(name_of(device) for device in devices)
