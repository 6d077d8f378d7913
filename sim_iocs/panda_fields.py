"""The table of the PandA's fields: what each block shows over PVA, of which kind, and what a put to it does.

A `Role` says what the field is bound to in the model; `INERT` fields keep what is written and have no behaviour yet
(PULSE and PCOMP are served because clients insist on their presence; their outputs are not on the bit bus, so nothing
can be wired to them unawares).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Literal

from .panda_counter import EDGES, OUT_MODES
from .panda_model import COUNTERS, DEFAULT_CAPTURE, SEQUENCERS, SOFT_BITS, TTL_OUTS, PandaModel
from .panda_pcap import CAPTURE_MODES, HEALTH, OWN_FIELDS
from .panda_position import Position

Kind = Literal["bool", "int", "uint", "float", "string", "enum"]
TIME_UNITS = {"min": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6}
SEQ_STATES = ("UNREADY", "WAIT_ENABLE", "WAIT_TRIGGER", "PHASE1", "PHASE2")
SEQ_HEALTH = ("OK", "DMA underrun", "Not ready for table")


class Role(Enum):
    """What a field is bound to."""

    MUX = auto()
    REGISTER = auto()
    TIME = auto()
    READ = auto()
    POSITION = auto()
    CAPTURE = auto()
    DATASET = auto()
    SCALING = auto()
    SOFT_BIT = auto()
    ARM = auto()
    DATA = auto()
    INERT = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a block.

    Attributes:
        name: as in PVI, for example "prescale_units".
        attribute: the model's attribute, where it differs from `name`.
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


def panda_blocks(model: PandaModel) -> Iterator[BlockFields]:
    """All blocks of a PandA, but for the sequencer tables and the list of datasets, which are tables."""
    for n in range(1, SEQUENCERS + 1):
        yield BlockFields(name="seq", number=n, fields=_seq(model, f"SEQ{n}"))
    for n in range(1, COUNTERS + 1):
        yield BlockFields(name="counter", number=n, fields=_counter(model, f"COUNTER{n}"))
    for n in range(1, TTL_OUTS + 1):
        yield BlockFields(name="ttlout", number=n, fields=(_mux(model, f"TTLOUT{n}.VAL"),))
    for name, position in model.positions.items():
        if name.startswith("INENC"):
            number = int(name.partition(".")[0].removeprefix("INENC"))
            yield BlockFields(name="inenc", number=number, fields=_inenc(name, position))
    yield BlockFields(name="clock", number=1, fields=_clock(model))
    yield BlockFields(name="pcap", number=None, fields=_pcap(model))
    yield BlockFields(name="bits", number=None, fields=tuple(_soft_bit(bit) for bit in SOFT_BITS))
    for n in (1, 2):
        yield BlockFields(name="pulse", number=n, fields=_pulse(model))
    yield BlockFields(name="pcomp", number=1, fields=_pcomp(model))
    yield BlockFields(name="data", number=None, fields=_DATA)


def _mux(model: PandaModel, mux: str) -> Field:
    field = mux.partition(".")[2]
    choices = model.position_names if field.startswith("POS") else model.bit_names
    return Field(name=field.lower(), kind="enum", role=Role.MUX, initial=model.routing[mux], choices=choices)


def _register(name: str, kind: Kind, initial: Any, *, choices: tuple[str, ...] = (), attribute: str = "") -> Field:
    return Field(name=name, kind=kind, role=Role.REGISTER, initial=initial, choices=choices, attribute=attribute)


def _number(name: str, initial: int, *, maximum: int) -> Field:
    """A register for numbers from 0 to `maximum`."""
    return Field(name=name, kind="int", role=Role.REGISTER, initial=initial, maximum=maximum)


def _read(name: str, kind: Kind, initial: Any, *, choices: tuple[str, ...] = (), attribute: str = "") -> Field:
    return Field(name=name, kind=kind, role=Role.READ, initial=initial, choices=choices, attribute=attribute)


def _time(name: str, initial: float, *, maximum: int = (1 << 48) - 1) -> tuple[Field, Field]:
    units = Field(name=f"{name}_units", kind="enum", role=Role.TIME, initial="s", choices=tuple(TIME_UNITS))
    return Field(name=name, kind="float", role=Role.TIME, initial=initial, maximum=maximum), units


def _capture(name: str, field: str, choices: tuple[str, ...]) -> tuple[Field, Field]:
    """`*_capture` and `*_dataset`; `attribute` holds the capturable field's name."""
    mode = DEFAULT_CAPTURE.get(field, "No")
    return (
        Field(name=f"{name}_capture", kind="enum", role=Role.CAPTURE, initial=mode, choices=choices, attribute=field),
        Field(name=f"{name}_dataset", kind="string", role=Role.DATASET, initial="", attribute=field),
    )


def _seq(model: PandaModel, block: str) -> tuple[Field, ...]:
    return (
        *(_mux(model, f"{block}.{mux}") for mux in ("ENABLE", "BITA", "BITB", "BITC", "POSA", "POSB", "POSC")),
        *_time("prescale", 0.0, maximum=(1 << 32) - 1),
        _number("repeats", 1, maximum=(1 << 31) - 1),
        _read("active", "bool", initial=False),
        _read("state", "enum", "UNREADY", choices=SEQ_STATES),
        _read("health", "enum", "OK", choices=SEQ_HEALTH),
        _read("table_line", "int", 0),
        _read("line_repeat", "int", 0),
        _read("table_repeat", "int", 0),
    )


def _counter(model: PandaModel, block: str) -> tuple[Field, ...]:
    return (
        *(_mux(model, f"{block}.{mux}") for mux in ("ENABLE", "TRIG", "DIR")),
        _register("trig_edge", "enum", "Rising", choices=EDGES),
        _register("out_mode", "enum", "On-Change", choices=OUT_MODES),
        _register("start", "int", 0),
        _register("step", "uint", 1, attribute="step_size"),
        _register("max", "int", 0),
        _register("min", "int", 0),
        _read("out", "int", 0, attribute="value"),
        *_capture("out", f"{block}.OUT", tuple(CAPTURE_MODES)),
    )


def _inenc(field: str, position: Position) -> tuple[Field, ...]:
    return (
        Field(name="val", kind="float", role=Role.POSITION, initial=0.0, attribute=field, units=position.units),
        Field(name="val_scale", kind="float", role=Role.SCALING, initial=position.scale, attribute=field),
        Field(name="val_offset", kind="float", role=Role.SCALING, initial=position.offset, attribute=field),
        Field(name="val_units", kind="string", role=Role.SCALING, initial=position.units, attribute=field),
        *_capture("val", field, tuple(CAPTURE_MODES)),
    )


def _clock(model: PandaModel) -> tuple[Field, ...]:
    return (_mux(model, "CLOCK1.ENABLE"), *_time("period", 0.0), *_time("width", 0.0))


def _pcap(model: PandaModel) -> tuple[Field, ...]:
    own = (_capture(field.lower(), f"PCAP.{field}", ("No", "Value")) for field in OWN_FIELDS)
    return (
        *(_mux(model, f"PCAP.{mux}") for mux in ("ENABLE", "GATE", "TRIG")),
        _register("trig_edge", "enum", "Falling", choices=EDGES),
        _number("shift_sum", 0, maximum=8),
        Field(name="arm", kind="bool", role=Role.ARM, initial=False),
        _read("active", "bool", initial=False),
        _read("health", "enum", "OK", choices=HEALTH),
        *(field for pair in own for field in pair),
    )


def _soft_bit(bit: str) -> Field:
    return Field(name=bit.lower(), kind="bool", role=Role.SOFT_BIT, initial=False, attribute=f"BITS.OUT{bit}")


def _inert(name: str, kind: Kind, initial: Any, *, choices: tuple[str, ...] = ()) -> Field:
    return Field(name=name, kind=kind, role=Role.INERT, initial=initial, choices=choices)


def _pulse(model: PandaModel) -> tuple[Field, ...]:
    return (
        _inert("enable", "enum", "ZERO", choices=model.bit_names),
        _inert("trig", "enum", "ZERO", choices=model.bit_names),
        *(_inert(name, "float", 0.0) for name in ("delay", "width", "step")),
        *(_inert(f"{name}_units", "enum", "s", choices=tuple(TIME_UNITS)) for name in ("delay", "width", "step")),
        _inert("pulses", "int", 0),
        _inert("trig_edge", "enum", "Rising", choices=EDGES),
    )


def _pcomp(model: PandaModel) -> tuple[Field, ...]:
    return (
        _inert("enable", "enum", "ZERO", choices=model.bit_names),
        _inert("inp", "enum", "ZERO", choices=model.position_names),
        _inert("dir", "enum", "Positive", choices=("Positive", "Negative", "Either")),
        *(_inert(name, "int", 0) for name in ("pre_start", "start", "step", "width", "pulses")),
        _read("active", "bool", initial=False),
    )


def _data(name: str, kind: Kind, initial: Any, *, choices: tuple[str, ...] = (), read_only: bool = False) -> Field:
    return Field(name=name, kind=kind, role=Role.DATA, initial=initial, choices=choices, read_only=read_only)


_DATA = (
    _data("hdf_directory", "string", ""),
    _data("hdf_file_name", "string", ""),
    _data("hdf_full_file_path", "string", "", read_only=True),
    _data("create_directory", "int", 0),
    _data("directory_exists", "bool", initial=False, read_only=True),
    _data("num_capture", "int", 0),
    _data("num_captured", "int", 0, read_only=True),
    _data("num_received", "int", 0, read_only=True),
    _data("capture", "bool", initial=False),
    _data("capture_mode", "enum", "FOREVER", choices=("FIRST_N", "LAST_N", "FOREVER")),
    _data("flush_period", "float", 0.1),
    _data("flush_now", "bool", initial=False),
    _data("status", "string", "idle", read_only=True),
)
