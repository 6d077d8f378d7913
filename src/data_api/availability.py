"""Where a frame is, or why it cannot be given: absent, not yet written and missing are three different answers.

                         has a row      →  Row
    seq_num < 1, or > planned           →  AbsentError          404   never was and never will be
    run goes on, seq_num > committed    →  NotYetWrittenError   425   ask again
    run goes on, datums are held back   →  NotYetWrittenError   425   ask again: it may be in the hole they wait for
    a hole in front of committed frames →  MissingFrameError    410   the ledger of the stop document says why
    run has stopped                     →  MissingFrameError    410

Everything is read from the run's documents; nothing here touches a file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from ..stream_resource import FrameRange, RangeSet, Row, RunIndex
from ..stream_resource.arrayindex import ArrayIndex
from ..stream_resource.errors import RunIndexError
from ..stream_resource.runindex import StreamIndex
from .errors import AbsentError, MissingFrameError, NotYetWrittenError, RangeError, UnreadableError


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayView:
    """One array of a run, with what the run says about it.

    Attributes:
        run_uid: The run's full uid.
        stream: The stream's name.
        key: The data key.
        array: Its index.
        planned: How many frames were planned; None if nothing says so.
        stopped: Whether the run has a stop document.
    """

    run_uid: str
    stream: str
    key: str
    array: ArrayIndex
    planned: int | None
    stopped: bool

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"{self.stream}/{self.key}"

    @property
    def last(self) -> int:
        """The highest seq_num that there is or will be, as far as it is known: planned, or committed."""
        return max(self.array.committed, self.planned or 0) if self.array.planned is None else self.array.planned

    @property
    def missing(self) -> RangeSet:
        """The seq_nums that will never come, as far as it is known now."""
        if self.array.undecided:
            return self.array.unknown
        return self.array.good.gaps(FrameRange(1, (self.last if self.stopped else self.array.committed) + 1))


def view_array(run_uid: str, run: RunIndex, *, stream: str, key: str) -> ArrayView:
    """The array of a data key.

    Raises:
        AbsentError: The run has no such stream, or the stream no such external key.
    """
    found = run.streams.get(stream)
    if found is None:
        msg = f"run {run_uid} has no stream {stream!r}"
        raise AbsentError(msg, expected=_one_of(run.streams), seen=stream, do="see /runs/{uid}")
    array = found.arrays.get(key)
    if array is None:
        where = "its values are in the events" if key in found.data_keys else "see /runs/{uid}"
        msg = f"stream {stream!r} of run {run_uid} has no array {key!r}"
        raise AbsentError(msg, expected=_one_of(found.arrays), seen=key, do=where)
    _check_shape(array)
    return ArrayView(
        run_uid=run_uid,
        stream=stream,
        key=key,
        array=array,
        planned=planned_frames(run, stream, array),
        stopped=run.stop is not None,
    )


def _check_shape(array: ArrayIndex) -> None:
    try:
        _ = array.event_shape, array.dtype
    except (RunIndexError, TypeError) as error:
        msg = f"data key {array.key!r} is described in a way that cannot be served: {error}"
        raise UnreadableError(msg, expected="a fixed shape and a numpy type", seen=str(dict(array.data_key))) from error


def _one_of(names: Mapping[str, object]) -> str:
    return f"one of {', '.join(names)}" if names else "none yet"


def detector_of(stream: StreamIndex, key: str) -> str:
    """The device that a data key belongs to, by the descriptors' `object_keys`; the key itself if they do not say."""
    for descriptor in stream.descriptors:
        for device, keys in cast("Mapping[str, list[str]]", descriptor.get("object_keys", {})).items():
            if key in keys:
                return device
    return key


def planned_frames(run: RunIndex, stream: str, array: ArrayIndex) -> int | None:
    """How many frames were planned: the stop document's number, else the start's `num_points`, else unknown."""
    if array.planned is not None:
        return array.planned
    planned = (run.start or {}).get("num_points") if stream == "primary" else None
    return planned if isinstance(planned, int) else None


def locate_frame(view: ArrayView, seq_num: int) -> Row:
    """The row of a frame.

    Raises:
        AbsentError: It is not planned.
        NotYetWrittenError: It is not committed yet.
        MissingFrameError: It will not come.
    """
    row = view.array.rowmap.locate(seq_num)
    if row is not None and view.array.good.holds(seq_num):
        return row
    where = f"frame {seq_num} of {view.name} in run {view.run_uid}"
    known_end = view.last if view.stopped or view.planned is not None else None
    if seq_num < 1 or (known_end is not None and seq_num > known_end):
        until = "" if known_end is None else f" to {known_end}"
        raise AbsentError(f"{where} is not planned", expected=f"a seq_num from 1{until}", seen=str(seq_num))
    undecided = view.array.undecided and not view.array.unknown.holds(seq_num)
    if not view.stopped and (seq_num > view.array.committed or undecided):
        seen = f"{view.array.committed} committed"
        raise NotYetWrittenError(f"{where} is not written yet", expected=str(seq_num), seen=seen, do="ask again")
    raise MissingFrameError(f"{where} is missing: {reason(view, seq_num)}", expected="a committed row", seen="none")


def reason(view: ArrayView, seq_num: int) -> str:
    """Why a frame has no row, in the words of the ledger where it has some."""
    finding = view.array.verdicts.of(seq_num - 1) if view.array.verdicts else None
    if finding is None and view.array.unknown.holds(seq_num):
        return "unknown, which row of its interval holds it, if any does, cannot be told"
    if finding is not None:
        return f"{finding.verdict.value}{f', {finding.reason}' if finding.reason else ''}"
    return "the run ended without it" if view.stopped else "later frames were committed, this one was not"


def requested_range(view: ArrayView, start: int | None, stop: int | None) -> FrameRange:
    """The seq_nums [start, stop) of a request; what is left open reaches from 1 to what is committed.

    Raises:
        RangeError: It is empty, reversed or beyond what is planned.
        NotYetWrittenError: It reaches beyond what is committed, and the run goes on.
    """
    committed = view.array.committed
    begin, end = 1 if start is None else start, committed + 1 if stop is None else stop
    limit = max(committed, view.last) + 1 if view.stopped or view.planned is not None else end
    if begin < 1 or begin > end or end > limit or (begin == end and stop is not None):
        expected = f"1 <= start < stop <= {limit} (seq_nums, half-open)"
        raise RangeError(
            f"frames {begin}:{end} of {view.name} cannot be asked for", expected=expected, seen=f"{begin}:{end}"
        )
    if end > committed + 1 and not view.stopped:
        detail = f"frames {begin}:{end} of {view.name} in run {view.run_uid} are not all written yet"
        raise NotYetWrittenError(detail, expected=f"up to {end - 1}", seen=f"{committed} committed", do="ask again")
    return FrameRange(begin, end)
