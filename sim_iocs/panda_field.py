"""One field of a PandA block: what it is called, of which kind it is, and what in the model it is bound to."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Literal

Kind = Literal["bool", "int", "uint", "float", "string", "enum"]
TIME_UNITS = {"min": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6}
MOST_TICKS = (1 << 48) - 1


class Role(Enum):
    """What a field is bound to; INERT fields keep what is written and have no effect."""

    MUX = auto()
    DELAY = auto()
    REGISTER = auto()
    TIME = auto()
    FUNCTION = auto()
    READ = auto()
    POSITION = auto()
    CAPTURE = auto()
    DATASET = auto()
    SCALING = auto()
    ARM = auto()
    DATA = auto()
    INERT = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a block.

    Attributes:
        name: as in PVI, for example "prescale_units".
        attribute: the model's attribute, where it differs from `name`.
        command: writing it does something; there is nothing to read.
        minimum: the smallest number that the register holds.
        maximum: the largest number that the register holds; of a time, in ticks.
    """

    name: str
    kind: Kind
    role: Role
    initial: Any
    choices: tuple[str, ...] = ()
    attribute: str = ""
    units: str = ""
    read_only: bool = False
    command: bool = False
    minimum: int = 0
    maximum: int | None = None

    @property
    def writable(self) -> bool:
        """Whether clients may put."""
        return not self.read_only and self.role not in {Role.READ, Role.POSITION}

    @property
    def target(self) -> str:
        """Name of the model's attribute."""
        return self.attribute or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockFields:
    """The fields of one block; `number` is None for a block that exists once."""

    name: str
    number: int | None
    fields: tuple[Field, ...]

    @property
    def block(self) -> str:
        """The block's name in the model: "SEQ1", "PCAP"."""
        return self.name.upper() + ("" if self.number is None else str(self.number))


def register(name: str, initial: Any, *, choices: tuple[str, ...] = (), attribute: str = "") -> Field:
    """A register for one of some choices, given as the first one shown; or for an int32."""
    kind: Kind = "enum" if choices else "int"
    limit = None if choices else (1 << 31) - 1
    low = 0 if choices else -(1 << 31)
    return Field(
        name=name,
        kind=kind,
        role=Role.REGISTER,
        initial=initial,
        choices=choices,
        attribute=attribute,
        minimum=low,
        maximum=limit,
    )


def number(name: str, initial: int = 0, *, maximum: int = (1 << 31) - 1, attribute: str = "") -> Field:
    """A register for numbers from 0 to `maximum`."""
    kind: Kind = "int" if maximum < 1 << 31 else "uint"
    return Field(name=name, kind=kind, role=Role.REGISTER, initial=initial, maximum=maximum, attribute=attribute)


def flag(name: str, *, attribute: str = "") -> Field:
    """A register for 0 or 1."""
    return Field(name=name, kind="bool", role=Role.REGISTER, initial=False, attribute=attribute)


def read(name: str, kind: Kind, initial: Any, *, choices: tuple[str, ...] = (), attribute: str = "") -> Field:
    """Something that only the model changes."""
    return Field(name=name, kind=kind, role=Role.READ, initial=initial, choices=choices, attribute=attribute)


def time(name: str, *, maximum: int = MOST_TICKS, attribute: str = "") -> tuple[Field, Field]:
    """A time in ticks of 8 ns, shown in the units that the second field names."""
    units = Field(name=f"{name}_units", kind="enum", role=Role.TIME, initial="s", choices=tuple(TIME_UNITS))
    return Field(name=name, kind="float", role=Role.TIME, initial=0.0, maximum=maximum, attribute=attribute), units


def inert(name: str, kind: Kind, initial: Any, *, choices: tuple[str, ...] = ()) -> Field:
    """What is written and read, and does nothing."""
    return Field(name=name, kind=kind, role=Role.INERT, initial=initial, choices=choices)
