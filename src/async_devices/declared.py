"""Devices declared by type hints: each hint names the PV behind its attribute.

    class Camera(DeclaredDevice):
        acquire: Annotated[SignalRW[bool], Pv("Acquire")]
        acquire_time: Annotated[SignalRW[float], Pv.rbv("AcquireTime"), Role.CONFIG]
        counts: Annotated[SignalR[int], Pv("ArrayCounter_RBV"), Role.HINTED]
        stats: Annotated[DeviceVector[int, Stats], Pv.numbered("Stats{}:", 1, 2)]

    camera = Camera("ca://SIM:CAM:cam1:")

The children are made before the rest of `__init__` runs. A hint without a Pv or a Soft beside it is left alone: the
class assigns it itself. A declared child that is a Device is made from its prefix alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import Annotated, Any, cast, get_args, get_origin, get_type_hints

from .device import Device, DeviceVector
from .errors import DeclarationError
from .readable import ReadableDevice
from .signal import Signal, SignalR, SignalRW, SignalW, SignalX
from .soft import SoftBackend


class Role(Enum):
    """What a declared child is to its device's readings."""

    READ = "read"
    """Part of `read`."""
    HINTED = "hinted"
    """Part of `read`, and worth plotting."""
    CONFIG = "config"
    """Part of `read_configuration`."""


@dataclass(frozen=True, slots=True)
class Pv:
    """Which PV is behind an attribute.

    Attributes:
        suffix: Put behind the device's prefix. Of a vector it holds {} where the key goes.
        readback: Suffix of the PV that is read, where it is another.
        keys: Of a vector or a map.
        value: What an action writes.
        optional: Servers exist that do not have it: connecting goes on without it, and `signal.present` says so.
    """

    suffix: str
    readback: str | None = field(default=None, kw_only=True)
    keys: tuple[int | str, ...] = field(default=(), kw_only=True)
    value: Any = field(default=1, kw_only=True)
    optional: bool = field(default=False, kw_only=True)

    @classmethod
    def rbv(cls, suffix: str, *, optional: bool = False) -> "Pv":
        """Written to the PV itself, read from the one with _RBV behind it.

        >>> Pv.rbv("Gain").readback
        'Gain_RBV'
        """
        return cls(suffix, readback=f"{suffix}_RBV", optional=optional)

    @classmethod
    def numbered(cls, suffix: str, *keys: int | str) -> "Pv":
        """One PV, or one device, per key.

        >>> Pv.numbered("ROI{}:", 1, 2).keys
        (1, 2)
        """
        return cls(suffix, keys=keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class Soft:
    """A value in memory.

    Attributes:
        initial: Its first value; None is the datatype's zero.
        units: Of its values.
        precision: Digits after the point.
    """

    initial: Any = None
    units: str | None = None
    precision: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """One declared attribute of a class.

    Attributes:
        attribute: Its name.
        kind: Class of the child.
        arguments: Of a generic class: (datatype,), or (key type, class of the items).
        place: Where its value is.
        role: In the device's readings, or None.
    """

    attribute: str
    kind: type[Device]
    arguments: tuple[Any, ...]
    place: Pv | Soft
    role: Role | None


class DeclaredDevice(ReadableDevice):
    """A device whose children are made from its type hints and a prefix."""

    def __init__(self, prefix: str = "", *, name: str = "") -> None:
        """Make the declared children.

        Args:
            prefix: What the PV names begin with: a URI, or a bare name, which is looked for over Channel Access.
            name: Of the device.

        Raises:
            DeclarationError: A hint that cannot be made a child; names the class and the attribute.
        """
        self.prefix = prefix if "://" in prefix else f"ca://{prefix}"
        roles: dict[Role, list[SignalR[Any]]] = {role: [] for role in Role}
        for declaration in declarations(type(self)):
            child = _child(declaration, self.prefix)
            setattr(self, declaration.attribute, child)
            if declaration.role is not None:
                _play(declaration.role, child, roles)
        self.read_signals = [*self.read_signals, *roles[Role.READ]]
        self.config_signals = [*self.config_signals, *roles[Role.CONFIG]]
        self.hinted_signals = [*self.hinted_signals, *roles[Role.HINTED]]
        super().__init__(name)


@cache
def declarations(cls: type[Device]) -> tuple[Declaration, ...]:
    """What a class and its bases declare, bases first.

    Raises:
        DeclarationError: A Pv or a Soft beside a hint that is no device.
    """
    hints: dict[str, Any] = get_type_hints(cls, include_extras=True)
    return tuple(found for attribute, hint in hints.items() if (found := _declaration(cls, attribute, hint)))


def _declaration(cls: type[Device], attribute: str, hint: Any) -> Declaration | None:
    if get_origin(hint) is not Annotated:
        return None
    declared, *notes = get_args(hint)
    place = next((note for note in notes if isinstance(note, Pv | Soft)), None)
    if place is None:
        return None
    kind: Any = get_origin(declared) or declared
    if not (isinstance(kind, type) and issubclass(kind, Device)):
        msg = (
            f"{cls.__name__}.{attribute}: expected a Signal, a DeviceVector or a Device beside {place}, got {declared}"
        )
        raise DeclarationError(msg)
    role = next((note for note in notes if isinstance(note, Role)), None)
    return Declaration(attribute=attribute, kind=kind, arguments=get_args(declared), place=place, role=role)


def _child(declaration: Declaration, prefix: str) -> Device:
    kind, place = declaration.kind, declaration.place
    if issubclass(kind, DeviceVector):
        return _vector(declaration, prefix)
    if isinstance(place, Soft):
        return _soft(declaration, place)
    if issubclass(kind, Signal):
        return _signal(cast("type[Signal[Any]]", kind), declaration.arguments, place, prefix)
    return _device(kind, prefix + place.suffix)


def _device(kind: type[Device], prefix: str) -> Device:
    made: Any = kind
    return cast("Device", made(prefix))


def _vector(declaration: Declaration, prefix: str) -> Device:
    place = declaration.place
    if isinstance(place, Soft) or not place.keys or len(declaration.arguments) not in {1, 2}:
        msg = f"{declaration.attribute}: a vector needs Pv.numbered('Name{{}}:', 1, 2, …) and the class of its items"
        raise DeclarationError(msg)
    item: Any = declaration.arguments[-1]
    made: Any = declaration.kind()
    for key in place.keys:
        suffix = place.suffix.format(key)
        each = Declaration(
            attribute=f"{declaration.attribute}[{key}]",
            kind=get_origin(item) or item,
            arguments=get_args(item),
            place=Pv(suffix, readback=place.readback and place.readback.format(key), value=place.value),
            role=None,
        )
        made[key] = _child(each, prefix)
    return made


def _signal(kind: type[Signal[Any]], arguments: tuple[Any, ...], place: Pv, prefix: str) -> Signal[Any]:
    datatype = arguments[0] if arguments and arguments[0] is not Any else None
    write, read = prefix + place.suffix, prefix + (place.readback or place.suffix)
    made: Signal[Any]
    if issubclass(kind, SignalX):
        made = kind(write, value=place.value)
    elif issubclass(kind, SignalRW):
        made = kind(datatype, read=read, write=write)
    elif issubclass(kind, SignalW):
        made = kind(datatype, write=write)
    else:
        made = kind(datatype, read=read)
    made.optional = place.optional
    return made


def _soft(declaration: Declaration, place: Soft) -> Device:
    kind: Any = declaration.kind
    if not issubclass(declaration.kind, SignalR) or not declaration.arguments:
        msg = f"{declaration.attribute}: a Soft needs SignalR[x] or SignalRW[x], got {kind.__name__}"
        raise DeclarationError(msg)
    datatype = declaration.arguments[0]
    backend = SoftBackend(
        f"soft://{declaration.attribute}",
        datatype=datatype,
        initial=place.initial,
        units=place.units,
        precision=place.precision,
    )
    writable = issubclass(cast("type[Device]", kind), SignalRW)
    ends = {"read": backend, "write": backend} if writable else {"read": backend}
    return cast("Device", kind(datatype, **ends))


def _play(role: Role, child: Device, roles: Mapping[Role, list[SignalR[Any]]]) -> None:
    """Enter the signals of a child where its role puts them; a device brings its own roles with it."""
    for signal in _readable(child):
        roles[role if role is Role.CONFIG else Role.READ].append(signal)
        if role is Role.HINTED:
            roles[Role.HINTED].append(signal)
    if isinstance(child, ReadableDevice) and role is not Role.CONFIG:
        roles[Role.CONFIG].extend(child.config_signals)


def _readable(child: Device) -> Iterable[SignalR[Any]]:
    if isinstance(child, SignalR):
        yield cast("SignalR[Any]", child)
    elif isinstance(child, ReadableDevice):
        yield from child.read_signals
    elif isinstance(child, DeviceVector):
        yield from _of_all(cast("DeviceVector[Any, Device]", child).values())


def _of_all(children: Iterable[Device]) -> Iterator[SignalR[Any]]:
    for child in children:
        yield from _readable(child)
