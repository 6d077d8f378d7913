"""The run's ledger as the data API sees it: what was planned and written, what is indexed, and what can be read.

Planned, triggered, exposed, written and missing come from the stop document; before there is one, planned comes from
the start document and written is what is committed. Indexed and readable are counted here: a frame of a detector is
indexed when every array of the detector has a row for it, readable when the bytes of each of these rows are in the
files.

`agreed` is the one law: planned = triggered = written = indexed = readable for every detector of a stopped run.
`consistent` says that the stop document's account is borne out: what it does not call missing is indexed and
readable, and nothing else is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response

from ..stream_resource import FrameRange, RangeSet, RunIndex
from ..stream_resource.arrayindex import ArrayIndex
from ..stream_resource.runindex import StreamIndex
from .arrays import pairs
from .availability import detector_of, planned_frames
from .errors import UnreadableError
from .replies import json_reply
from .service import DataService, service_of, source_of


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorCount:
    """What one detector's arrays hold, in seq_nums.

    Attributes:
        stream: The stream's name.
        keys: Its data keys.
        rows: The smallest number of physical rows any of them has.
        planned: How many frames were planned, None if nothing says so.
        indexed: The frames that have a row in every array.
        readable: Those of them whose bytes are in the files.
    """

    stream: str
    keys: tuple[str, ...]
    rows: int
    planned: int | None
    indexed: RangeSet
    readable: RangeSet


async def ledger(request: Request) -> Response:
    """GET /runs/{uid}/ledger."""
    service = service_of(request)
    uid, run = await service.run(request.path_params["uid"])
    counts = {name: await count(service, run, stream, keys) for name, (stream, keys) in detectors_of(run).items()}
    return json_reply(ledger_document(uid, run, counts))


def detectors_of(run: RunIndex) -> dict[str, tuple[StreamIndex, list[str]]]:
    """The detectors that write arrays, with stream and data keys; in a second stream one is called stream/name."""
    found: dict[str, tuple[StreamIndex, list[str]]] = {}
    for stream in run.streams.values():
        for key in stream.arrays:
            name = detector_of(stream, key)
            if name in found and found[name][0] is not stream:
                name = f"{stream.name}/{name}"
            found.setdefault(name, (stream, []))[1].append(key)
    return found


async def count(service: DataService, run: RunIndex, stream: StreamIndex, keys: list[str]) -> DetectorCount:
    """Count one detector's frames, asking the files."""
    arrays = [stream.arrays[key] for key in keys]
    readable = [await readable_frames(service, array) for array in arrays]
    return DetectorCount(
        stream=stream.name,
        keys=tuple(keys),
        rows=min(array.rowmap.rows for array in arrays),
        planned=planned_frames(run, stream.name, arrays[0]),
        indexed=_common(array.indexed for array in arrays),
        readable=_common(readable),
    )


def _common(sets: Iterable[RangeSet]) -> RangeSet:
    first, *others = sets
    for other in others:
        first &= other
    return first


async def readable_frames(service: DataService, array: ArrayIndex) -> RangeSet:
    """The good seq_nums of an array whose rows can be read from its files."""
    good: list[FrameRange] = []
    rows = {uid: await _readable_rows(service, array, uid) for uid in array.resources}
    n = array.frames_per_event
    for stretch in array.rowmap.stretches(FrameRange(1, array.committed + 1)):
        here = rows[stretch.resource] & RangeSet([array.file_rows(stretch.rows)])
        offset = stretch.seq_nums.start - stretch.rows.start
        # whole events only: an event is readable when all of its frames are
        events = [FrameRange(-(-part.start // n), part.stop // n) for part in here]
        good += [FrameRange(event.start + offset, event.stop + offset) for event in events if not event.empty]
    return RangeSet(good) & array.indexed


async def _readable_rows(service: DataService, array: ArrayIndex, resource: str) -> RangeSet:
    try:
        return await service.reader.readable(source_of(array, resource))
    except UnreadableError:
        return RangeSet()


def ledger_document(uid: str, run: RunIndex, counts: Mapping[str, DetectorCount]) -> dict[str, Any]:
    """The reply: every detector, and whether all agrees."""
    account = _account(run)
    names = dict.fromkeys((*account, *counts))
    stopped = run.stop is not None
    detectors = {name: _entry(account.get(name, {}), counts.get(name), stopped=stopped) for name in names}
    return {
        "run": uid,
        "exit_status": (run.stop or {}).get("exit_status"),
        "detectors": detectors,
        "agreed": stopped and bool(detectors) and all(_agreed(entry) for entry in detectors.values()),
        "consistent": stopped and all(_consistent(entry) for entry in detectors.values()),
    }


def _account(run: RunIndex) -> dict[str, Mapping[str, Any]]:
    frames = (run.stop or {}).get("frames")
    if not isinstance(frames, Mapping):
        return {}
    entries = cast("Mapping[str, object]", frames).items()
    return {name: cast("Mapping[str, Any]", entry) for name, entry in entries if isinstance(entry, Mapping)}


def _entry(account: Mapping[str, Any], counted: DetectorCount | None, *, stopped: bool) -> dict[str, Any]:
    indexed = counted.indexed if counted else RangeSet()
    readable = counted.readable if counted else RangeSet()
    planned = account.get("planned", counted.planned if counted else None)
    committed = indexed.ranges[-1].stop - 1 if indexed else 0
    last = max(planned or 0, committed) if stopped else committed  # what can still come is not missing
    missing = indexed.gaps(FrameRange(1, last + 1))
    unreadable = readable.gaps(FrameRange(1, last + 1)) - missing
    return {
        "stream": counted.stream if counted else None,
        "keys": list(counted.keys) if counted else [],
        "planned": planned,
        "triggered": account.get("triggered"),
        "exposed": account.get("exposed"),
        "written": account.get("written", counted.rows if counted else 0),
        "indexed": indexed.size,
        "readable": readable.size,
        "missing": account.get("missing", missing.size),
        "missing_frames": pairs(_frames(missing)),
        "unreadable_frames": pairs(_frames(unreadable)),
        "identity": account.get("identity"),
        "verdicts": account.get("verdicts"),
    }


def _frames(seq_nums: RangeSet) -> RangeSet:
    """Frames count from 0, seq_nums from 1."""
    return RangeSet(each.shift(-1) if each.start else each for each in seq_nums)


def _agreed(entry: Mapping[str, Any]) -> bool:
    # What a detector cannot say (null) contradicts nothing; what a ledger does say must be the same number throughout.
    counted = (entry["planned"], entry["written"], entry["indexed"], entry["readable"])
    said = (entry["triggered"], entry["exposed"])
    return None not in counted and len({*counted, *(n for n in said if n is not None)}) == 1 and entry["missing"] == 0


def _consistent(entry: Mapping[str, Any]) -> bool:
    if entry["planned"] is None:
        return entry["indexed"] == entry["readable"]
    there = entry["planned"] - entry["missing"]
    return entry["indexed"] == entry["readable"] == there and not entry["unreadable_frames"]
