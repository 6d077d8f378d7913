"""A process variable: one value, served over Channel Access and PV Access at once.

Theory of operation. A `SimPV` keeps the value; each server gives it a face. A client's put on either face is decoded to
the plain Python value and given to `put`, which runs the handler; the put is complete when the handler returns, which
for a move is when the axis rests. The handler decides what is posted: without one, the value itself. Puts on one PV may
overlap (Acquire = 0 while Acquire = 1 still waits), so handlers are re-entrant. A handler refuses by raising
RefusedPutError. Posting is synchronous and goes to all faces, so the order of posts is the order that clients see.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol

import numpy as np

from .errors import RefusedPutError
from .record import Record

Handler = Callable[[Any], Awaitable[None]]


class Face(Protocol):
    """How one protocol shows a PV."""

    def post(self, value: Any) -> None:
        """Tell every subscriber the value."""
        ...

    def post_limits(self, low: float, high: float) -> None:
        """Show other control limits."""
        ...

    def post_alarm(self, status: int, severity: int) -> None:
        """Tell every subscriber an alarm."""
        ...


class Kind(StrEnum):
    """What a PV holds, and how each protocol types it."""

    FLOAT = "float"
    INT = "int"
    SHORT = "short"
    ENUM = "enum"
    STRING = "string"
    TEXT = "text"
    FLOATS = "floats"
    INTS = "ints"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """What a client is told beside the value.

    Attributes:
        units: Engineering units.
        precision: Digits after the point.
        limits: Control limits, or None.
        choices: Labels of an enum.
        length: Most elements of an array or text.
        read_only: Puts are refused.
    """

    units: str = ""
    precision: int = 0
    limits: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    length: int = 1
    read_only: bool = False


class SimPV:
    """One process variable.

    Args:
        name: Full PV name.
        kind: What it holds.
        value: First value; an index for an enum.
        handler: Awaited with the decoded value of every put; None posts the value.
        meta: Units, precision, limits, choices, length.

    Attributes:
        record: The record of which it is a field, or None.
        judge: Gives the alarm (status, severity) of a value that is posted; None leaves it to others.
    """

    def __init__(self, name: str, kind: Kind, *, value: Any, handler: Handler | None = None, meta: Meta) -> None:
        self.name, self.kind, self.meta, self.handler = name, kind, meta, handler
        self.value: Any = self._clean(value)
        self.record: Record | None = None
        self.judge: Callable[[Any], tuple[int, int]] | None = None
        self._alarm = (0, 0)
        self._faces: list[Face] = []

    @property
    def label(self) -> str:
        """The label of an enum's present value."""
        return self.meta.choices[int(self.value)]

    def show_on(self, face: Face) -> None:
        """Post on `face` from now on."""
        self._faces.append(face)
        if self._alarm != (0, 0):
            face.post_alarm(*self._alarm)

    async def put(self, value: Any) -> None:
        """Do what a client's put does, and return when it is complete.

        Raises:
            RefusedPutError: The PV is read-only, or does not take this value.
        """
        if self.meta.read_only:
            msg = f"{self.name} is read-only"
            raise RefusedPutError(msg)
        clean = self._clean(value)
        if self.handler is None:
            self.post(clean)
        elif self.record is None:
            await self.handler(clean)
        else:
            async with self.record.turn():
                await self.handler(clean)

    def post(self, value: Any) -> None:
        """Set the value and tell every subscriber, whether it has changed or not."""
        self.value = self._clean(value)
        for face in self._faces:
            face.post(self.value)
        if self.judge is not None:
            self.set_alarm(*self.judge(self.value))

    def post_change(self, value: Any) -> None:
        """Post only if the value differs; not for arrays."""
        if self._clean(value) != self.value:
            self.post(value)

    def set_limits(self, low: float, high: float) -> None:
        """Change the control limits; clients see them with the next read."""
        self.meta = replace(self.meta, limits=(low, high))
        for face in self._faces:
            face.post_limits(low, high)

    @property
    def alarm(self) -> tuple[int, int]:
        """The alarm's (status, severity); 0, 0 = none."""
        return self._alarm

    def set_alarm(self, status: int, severity: int) -> None:
        """Change the alarm; subscribers are told when it differs. 0, 0 = none."""
        if (status, severity) == self._alarm:
            return
        self._alarm = (status, severity)
        for face in self._faces:
            face.post_alarm(status, severity)

    def _clean(self, value: Any) -> Any:
        try:
            return _CLEANERS[self.kind](value, self.meta)
        except (TypeError, ValueError, OverflowError) as error:
            msg = f"{self.name} takes {self._expectation()}; got {value!r}"
            raise RefusedPutError(msg) from error

    def _expectation(self) -> str:
        match self.kind:
            case Kind.ENUM:
                return "one of " + ", ".join(f"{i} {label!r}" for i, label in enumerate(self.meta.choices))
            case Kind.FLOATS | Kind.INTS | Kind.TEXT | Kind.STRING:
                return f"{self.kind.value} of at most {self.meta.length} elements"
            case _:
                return f"a value of type {self.kind.value}"


def _clean_enum(value: Any, meta: Meta) -> int:
    if isinstance(value, str):
        return meta.choices.index(value)
    index = int(value)
    if not 0 <= index < len(meta.choices):
        msg = f"no choice {index}"
        raise ValueError(msg)
    return index


def _clean_text(value: Any, meta: Meta) -> str:
    text = value if isinstance(value, str) else bytes(value).decode()
    text = text.split("\0", 1)[0]
    if len(text.encode()) >= max(meta.length, 40):
        msg = f"longer than {meta.length - 1}"
        raise ValueError(msg)
    return text


def _clean_array(value: Any, *, dtype: type[Any], length: int) -> Any:
    array = np.atleast_1d(np.asarray(value, dtype=dtype))
    if array.ndim != 1 or len(array) > length:
        msg = "too many elements"
        raise ValueError(msg)
    return array


def _clean_int(value: Any, _: Meta) -> int:
    return int(value)


_CLEANERS: dict[Kind, Callable[[Any, Meta], Any]] = {
    Kind.FLOAT: lambda value, _: float(value),
    Kind.INT: _clean_int,
    Kind.SHORT: _clean_int,
    Kind.ENUM: _clean_enum,
    Kind.STRING: _clean_text,
    Kind.TEXT: _clean_text,
    Kind.FLOATS: lambda value, meta: _clean_array(value, dtype=np.float64, length=meta.length),
    Kind.INTS: lambda value, meta: _clean_array(value, dtype=np.int32, length=meta.length),
}
