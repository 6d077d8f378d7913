"""What an engine needs to know of devices, and nothing more.

Names and shapes are those of bluesky.protocols (1.15), so that its devices satisfy these protocols and its engine
accepts our devices. They are structural: nobody has to inherit from them.

`DISPATCH` is how a verb of a device reaches an engine. Unset, as in a script or under bluesky's engine, the verb acts
at once. Set, as in a task of one of our engine's plans, the verb becomes a message of that plan, and the engine runs
the real verb with `DISPATCH` set to None.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextvars import ContextVar
from typing import Any, Generic, Literal, NotRequired, Protocol, TypeAlias, TypedDict, TypeVar, runtime_checkable

from event_model.documents import DataKey as DataKey
from event_model.documents import StreamDatum, StreamResource

from .status import Progress as Progress
from .status import Status as Status

T = TypeVar("T")
V_contra = TypeVar("V_contra", contravariant=True)

SyncOrAsync: TypeAlias = T | Awaitable[T]
StreamDocument: TypeAlias = (
    tuple[Literal["stream_resource"], StreamResource] | tuple[Literal["stream_datum"], StreamDatum]
)


class Reading(TypedDict, Generic[T]):
    """A value, when it was so (Unix seconds), and its alarm (0 = none, negative = unknown).

    `stamp` is the same instant to the nanosecond, (seconds, nanoseconds): a float of today's dates resolves 0.2 µs.
    """

    value: T
    timestamp: float
    alarm_severity: NotRequired[int]
    message: NotRequired[str]
    stamp: NotRequired[tuple[int, int]]


class Location(TypedDict, Generic[T]):
    """Where something was sent, and where it is."""

    setpoint: T
    readback: T


class Hints(TypedDict, total=False):
    """What of a device is worth plotting."""

    fields: list[str]
    dimensions: list[tuple[list[str], str]]
    gridding: Literal["rectilinear", "rectilinear_nonsequential"]


class Dispatcher(Protocol):
    """The engine's side of a verb called in a plan."""

    def submit(self, verb: str, obj: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Status:
        """Make the message of a verb that returns a Status; the Status is returned synchronously and can be awaited."""
        ...

    def call(self, verb: str, obj: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Awaitable[Any]:
        """Make the message of a verb that is awaited for its value."""
        ...


DISPATCH: ContextVar[Dispatcher | None] = ContextVar("wingbeat_dispatch", default=None)


@runtime_checkable
class StatusLike(Protocol):
    """What bluesky calls a Status: ours and anybody else's."""

    def add_callback(self, callback: Callable[[Any], None], /) -> None:
        """Call when done: now, if it is."""
        ...

    def exception(self, timeout: float | None = 0.0) -> BaseException | None:
        """What it failed with."""
        ...

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        ...

    @property
    def success(self) -> bool:
        """Whether it has ended well."""
        ...


@runtime_checkable
class HasName(Protocol):
    """Has a name, by which its keys are known."""

    @property
    def name(self) -> str:
        """Of the device."""
        ...


@runtime_checkable
class HasParent(Protocol):
    """Is part of a device."""

    @property
    def parent(self) -> Any | None:
        """The device that it is part of."""
        ...


@runtime_checkable
class HasHints(HasName, Protocol):
    """Says what of it is worth plotting."""

    @property
    def hints(self) -> Hints:
        """Fields and dimensions."""
        ...


@runtime_checkable
class Readable(HasName, Protocol):
    """Can be read in a step."""

    def read(self) -> SyncOrAsync[dict[str, Reading[Any]]]:
        """One reading per key of `describe`."""
        ...

    def describe(self) -> SyncOrAsync[dict[str, DataKey]]:
        """What `read` gives."""
        ...


@runtime_checkable
class Configurable(Protocol):
    """Has settings worth recording once per run."""

    def read_configuration(self) -> SyncOrAsync[dict[str, Reading[Any]]]:
        """One reading per setting."""
        ...

    def describe_configuration(self) -> SyncOrAsync[dict[str, DataKey]]:
        """What `read_configuration` gives."""
        ...


@runtime_checkable
class Movable(Protocol[V_contra]):
    """Can be sent somewhere."""

    def set(self, value: V_contra, /) -> StatusLike:
        """Send it; done when it is there."""
        ...


@runtime_checkable
class Locatable(Protocol):
    """Knows where it was sent and where it is."""

    def locate(self) -> SyncOrAsync[Location[Any]]:
        """Setpoint and readback."""
        ...


@runtime_checkable
class Triggerable(Protocol):
    """Takes one measurement when told to."""

    def trigger(self) -> StatusLike:
        """Take it; done when it can be read."""
        ...


@runtime_checkable
class Preparable(Protocol):
    """Can be told what is about to come."""

    def prepare(self, value: Any, /) -> StatusLike:
        """Get ready for it."""
        ...


@runtime_checkable
class Flyable(HasName, Protocol):
    """Acquires on its own between kickoff and complete."""

    def kickoff(self) -> StatusLike:
        """Begin; done when it has begun."""
        ...

    def complete(self) -> StatusLike:
        """Done when it has ended."""
        ...


@runtime_checkable
class Stageable(Protocol):
    """Has to be made ready before and tidied after a run."""

    def stage(self) -> Any:
        """Make ready."""
        ...

    def unstage(self) -> Any:
        """Tidy up."""
        ...


@runtime_checkable
class Stoppable(Protocol):
    """Can be stopped."""

    def stop(self, success: bool = True) -> SyncOrAsync[None]:  # noqa: FBT001, FBT002  # bluesky's signature
        """Stop now; `success` is False when something went wrong."""
        ...


@runtime_checkable
class Pausable(Protocol):
    """Can hold and go on."""

    def pause(self) -> SyncOrAsync[None]:
        """Hold."""
        ...

    def resume(self) -> SyncOrAsync[None]:
        """Go on."""
        ...


@runtime_checkable
class Checkable(Protocol):
    """Can say beforehand whether a target is allowed."""

    def check_value(self, value: Any, /) -> SyncOrAsync[None]:
        """Raise if it is not."""
        ...


@runtime_checkable
class Subscribable(HasName, Protocol):
    """Calls back at every change."""

    def subscribe(self, function: Callable[[dict[str, Reading[Any]]], None]) -> None:
        """Call at once and at every change."""
        ...

    def clear_sub(self, function: Callable[[dict[str, Reading[Any]]], None]) -> None:
        """Call no more."""
        ...


@runtime_checkable
class Collectable(HasName, Protocol):
    """Gives data apart from steps."""

    def describe_collect(self) -> SyncOrAsync[dict[str, Any]]:
        """The data keys, or the data keys per stream."""
        ...


@runtime_checkable
class EventCollectable(Collectable, Protocol):
    """Gives partial events."""

    def collect(self) -> Iterator[Any] | AsyncIterator[Any]:
        """Partial events (time, data, timestamps)."""
        ...


@runtime_checkable
class EventPageCollectable(Collectable, Protocol):
    """Gives partial event pages."""

    def collect_pages(self) -> Iterator[Any] | AsyncIterator[Any]:
        """Partial event pages."""
        ...


@runtime_checkable
class WritesExternalAssets(Protocol):
    """Gives documents of files, in the older or the newer form."""

    def collect_asset_docs(self) -> Iterator[Any] | AsyncIterator[Any]:
        """(name, document) pairs."""
        ...


@runtime_checkable
class WritesStreamAssets(Protocol):
    """Gives stream_resource and stream_datum documents.

    In the device-side form: `run_start` and `descriptor` are empty and `seq_nums` is 0 to 0; the engine fills them.
    """

    def collect_asset_docs(self, index: int | None = None) -> Iterator[StreamDocument] | AsyncIterator[StreamDocument]:
        """Documents of everything up to `index` that was not given before."""
        ...

    def get_index(self) -> SyncOrAsync[int]:
        """How much there is."""
        ...
