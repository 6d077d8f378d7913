"""What a detector promises to a fly scan.

A flight arms a detector once for many frames, lets hardware trigger it, and asks three things while it runs: how many
frames are written, which trigger each one belongs to, and in which file it lies. Every count here is since arming.
An arming outlives pauses: `pause_at_boundary` ends with every frame that was exposed in the file, or counted as
dropped, and `resume(k)` goes on with planned frame k in new rows of the same file. Which frames are redone is the
flight's business: it gives their rows the old numbers.
"""

from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from event_model.documents import DataKey
from numpy.typing import NDArray

from ..stream_resource.frames import FrameRange
from .errors import UnsupportedTriggerError
from .status import Status


class Identity(StrEnum):
    """By what a frame of this detector can be recognised, from the strongest to the weakest."""

    TRIGGER_COUNTER = "trigger_counter"
    """The number of the trigger travels with the frame."""
    HARDWARE_TIME = "hardware_time"
    """Stamped at the start of exposure by a clock tied to the trigger box's."""
    SOFTWARE_TIME = "software_time"
    """Stamped by software: late by milliseconds, with jitter."""
    COUNT_ONLY = "count_only"
    """Only how many there are."""


TriggerKind = Literal["internal", "edge", "gate", "burst"]
"""What starts an exposure; see `TriggerInfo`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerInfo:
    """What will trigger a detector, and how.

        kickoffs     1 ─────────────── 2 ───────────────     armed once for all of them
        triggers     ┴   ┴   ┴         ┴   ┴   ┴             frames = 3 triggers per kickoff
        frames       ▪▪  ▪▪  ▪▪        ▪▪  ▪▪  ▪▪            frames_per_trigger = 2 (burst)
        events       ──────────        ──────────            frames_per_event = 6: one row of a stream

    Attributes:
        kind: `internal`: its own clock. `edge`: a rising edge starts an exposure of `livetime`. `gate`: exposes while
            high. `burst`: a rising edge starts `frames_per_trigger` exposures of its own clock.
        livetime: Seconds of exposure.
        deadtime: Seconds at least between the end of one exposure and the next trigger.
        frames: How many triggers will come per kickoff; 0 for an unbounded number.
        frames_per_trigger: Exposures that one trigger starts; more than one for `burst` only.
        frames_per_event: Frames that make one row of the stream: the leading length of its data keys.
        kickoffs: How many times `frames` triggers will come while it stays armed.

    Raises:
        UnsupportedTriggerError: Numbers that contradict each other.

    Example:
        >>> info = TriggerInfo(kind="burst", livetime=1e-3, frames=3, frames_per_trigger=2, frames_per_event=6)
        >>> info.frames_per_kickoff, info.total_frames, info.events
        (6, 6, 1)
    """

    kind: TriggerKind = "internal"
    livetime: float = 0.0
    deadtime: float = 0.0
    frames: int = 1
    frames_per_trigger: int = 1
    frames_per_event: int = 1
    kickoffs: int = 1

    def __post_init__(self) -> None:
        if self.livetime < 0 or self.deadtime < 0 or self.frames < 0:
            self._refuse("times and frames are not negative")
        if min(self.frames_per_trigger, self.frames_per_event, self.kickoffs) < 1:
            self._refuse("frames_per_trigger, frames_per_event and kickoffs are at least 1")
        if self.frames_per_trigger > 1 and self.kind != "burst":
            self._refuse("only kind='burst' makes several frames of one trigger")
        if self.frames_per_kickoff % self.frames_per_event:
            self._refuse("the frames of a kickoff are a whole number of events")

    def _refuse(self, rule: str) -> None:
        msg = f"{rule}; seen {self}"
        raise UnsupportedTriggerError(msg)

    def expect_one_event(self, device: str) -> None:
        """Check that an armed detector's `trigger` takes one event by its own clock.

        Raises:
            UnsupportedTriggerError: It was armed for something else.
        """
        if self.kind != "internal" or self.frames != self.frames_per_event:
            msg = (
                f"{device}: armed for {self.frames} {self.kind} triggers of {self.frames_per_event} frames per "
                "event; trigger() takes one event: prepare it with kind='internal' and frames = frames_per_event"
            )
            raise UnsupportedTriggerError(msg)

    @property
    def frames_per_kickoff(self) -> int:
        """Frames between a kickoff and its completion; 0 for an unbounded number."""
        return self.frames * self.frames_per_trigger

    @property
    def total_frames(self) -> int:
        """Frames of the whole arming; 0 for an unbounded number."""
        return self.frames_per_kickoff * self.kickoffs

    @property
    def events(self) -> int:
        """Rows that the stream will have; 0 for an unbounded number."""
        return self.total_frames // self.frames_per_event

    @property
    def bounded(self) -> bool:
        """Whether the number of triggers is known."""
        return self.frames > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamAsset:
    """One dataset of one open file.

    Attributes:
        data_key: The key it holds frames of.
        uri: Of the file, as the writer says it opened it.
        dataset: Path inside the file.
        chunk_shape: Of the dataset, (1 frame, ...) as written.
        mimetype: Of the file.
        swmr: Whether it may be read while it is written.
    """

    data_key: str
    uri: str
    dataset: str
    chunk_shape: tuple[int, ...]
    mimetype: str = "application/x-hdf5"
    swmr: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorCounts:
    """Frames since arming. `None` is what this detector cannot say.

    Attributes:
        exposed: Exposures made.
        written: Rows in the file.
        dropped: Frames exposed that will never be written.
    """

    exposed: int | None
    written: int
    dropped: int | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FrameIdentities:
    """By what the rows asked for can be recognised; each array has one entry per row, or is None.

    Attributes:
        trigger_numbers: int64, counting from 1 since arming.
        times_ns: int64 Unix nanoseconds of the start of the exposure.
        unique_ids: int64 counters of the driver; a gap is a frame lost after exposure.
    """

    trigger_numbers: NDArray[np.int64] | None
    times_ns: NDArray[np.int64] | None
    unique_ids: NDArray[np.int64] | None


@runtime_checkable
class FlightDetector(Protocol):
    """A detector that can be flown."""

    @property
    def name(self) -> str:
        """Of the device."""
        ...

    @property
    def identity(self) -> Identity:
        """By what its frames can be recognised."""
        ...

    @property
    def data_keys(self) -> Sequence[str]:
        """The keys that it streams."""
        ...

    def deadtime(self) -> Awaitable[float]:
        """Seconds that it needs between two exposures."""
        ...

    def describe_collect(self) -> Awaitable[dict[str, DataKey]]:
        """The data keys as they will be written."""
        ...

    def prepare(self, value: TriggerInfo) -> Status:
        """Configure, open the writer and arm; done once a trigger would be taken."""
        ...

    def assets(self) -> Awaitable[tuple[StreamAsset, ...]]:
        """The files being written; AssetsNotReadyError before they are known."""
        ...

    def counts(self) -> Awaitable[DetectorCounts]:
        """Frames since arming, now."""
        ...

    def observe_written(self) -> AsyncIterator[int]:
        """Rows written, at once and at every change; conflated when the reader is slow."""
        ...

    def identities(self, rows: FrameRange) -> Awaitable[FrameIdentities]:
        """Identities of rows of the file.

        Flushes first: every row below a `counts().written` seen before the call is readable.
        """
        ...

    def finish(self) -> Status:
        """Wait until everything exposed is written or counted as dropped, then close the file."""
        ...

    def stop(self, success: bool = True) -> Any:  # noqa: FBT001, FBT002  # bluesky's signature
        """Disarm now."""
        ...

    def stage(self) -> Status:
        """Make ready for a scan: stop whatever runs."""
        ...

    def unstage(self) -> Status:
        """Disarm and close."""
        ...


@runtime_checkable
class PausableDetector(FlightDetector, Protocol):
    """A detector that can be flown and can hold in the middle, armed, with its file open."""

    async def pause_at_boundary(self) -> int:
        """Hold after the frame under way: no trigger is taken any more, everything exposed is written or dropped.

        Returns:
            Rows in the file; the next frame gets the row with this index.

        Raises:
            PauseRefusedError: It is not armed.
        """
        ...

    def resume(self, frame: int) -> Status:
        """Take triggers again; the next one is for planned frame `frame`, counted from 0 since arming.

        Raises:
            PauseRefusedError: Through the Status: it is not paused, or the frame lies beyond what is planned.
        """
        ...
