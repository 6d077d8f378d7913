"""The message: what a plan asks the engine to do.

A NamedTuple, as bluesky's is: it is made for every operation, and a tuple costs a third of a frozen dataclass (0.35
against 1.1 µs on CPython 3.11).
"""

from collections.abc import Hashable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

NO_KWARGS: Mapping[str, Any] = MappingProxyType({})


class Msg(NamedTuple):
    """One operation of a plan.

    Attributes:
        command: The verb, a key of the engine's command table.
        obj: The device that it is about, or None.
        args: Positional arguments of the verb.
        kwargs: Keyword arguments of the verb.
        run: Which of several open runs it belongs to; None for the only one.
    """

    command: str
    obj: Any = None
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = NO_KWARGS
    run: Hashable | None = None


class MsgLike(Protocol):
    """What the engine needs of a message; bluesky's own Msg has the same five fields."""

    @property
    def command(self) -> str:
        """The verb."""
        ...

    @property
    def obj(self) -> Any:
        """The device, or None."""
        ...

    @property
    def args(self) -> tuple[Any, ...]:
        """Positional arguments."""
        ...

    @property
    def kwargs(self) -> Mapping[str, Any]:
        """Keyword arguments."""
        ...

    @property
    def run(self) -> Hashable | None:
        """The run's key."""
        ...
