"""The table of the PandA's fields: what each block shows over PVA, of which kind, and what a put to it does.

Inputs, outputs, labels and captures follow from the blocks of the model; the registers of each kind of block stand in
`_REGISTERS`. Tables (of SEQ, PGEN and DATA) are not here: they are of another type.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from .panda_block import EDGES, Block
from .panda_bus import MOST_DELAY
from .panda_calc import SIGNS, Calc
from .panda_counter import OUT_MODES
from .panda_encoder import INENC_HEALTH
from .panda_encoding import POSENC_STATES, PROTOCOLS
from .panda_field import TIME_UNITS as TIME_UNITS
from .panda_field import BlockFields as BlockFields
from .panda_field import Field, Kind, Role, flag, inert, number, read, register, time
from .panda_filter import FILTER_HEALTH, MODES
from .panda_gates import FIRST_PULSES, LUT_TYPES, WHEN_DISABLED
from .panda_model import DEFAULT_CAPTURE, PandaModel
from .panda_pcap import HEALTH
from .panda_pcomp import DIRECTIONS, PCOMP_HEALTH, RELATIVE
from .panda_pgen import PGEN_STATES
from .panda_rows import CAPTURE_MODES, OWN_FIELDS
from .panda_seq import SEQ_HEALTH, SEQ_STATES

_UINT = (1 << 32) - 1
_ENCODINGS = ("Unsigned Binary", "Unsigned Gray", "Signed Binary", "Signed Gray")
_ENCODERS = ("Quadrature", "SSI", "BISS", "enDat")
_PCOMP_STATES = ("WAIT_ENABLE", "WAIT_DIR", "WAIT_PRE_START", "WAIT_RISING", "WAIT_FALLING")

_REGISTERS: dict[str, tuple[Field, ...]] = {
    "SEQ": (
        *time("prescale", maximum=_UINT),
        number("repeats", 1),
        read("state", "enum", "UNREADY", choices=SEQ_STATES),
        read("health", "enum", "OK", choices=SEQ_HEALTH),
        *(read(name, "int", 0) for name in ("table_line", "line_repeat", "table_repeat", "queued_lines")),
    ),
    "COUNTER": (
        register("trig_edge", "Rising", choices=EDGES),
        register("out_mode", "On-Change", choices=OUT_MODES),
        register("set", 0),
        register("start", 0),
        number("step", 1, maximum=_UINT, attribute="step_size"),
        register("max", 0),
        register("min", 0),
    ),
    "PULSE": (
        *time("delay"),
        *time("width"),
        *time("step", attribute="step_time"),
        number("pulses", 0),
        register("trig_edge", "Rising", choices=EDGES),
        read("queued", "int", 0),
        read("dropped", "int", 0),
    ),
    "PCOMP": (
        register("pre_start", 0),
        register("start", 0),
        register("width", 0),
        register("step", 0, attribute="step_size"),
        number("pulses", 0),
        register("relative", "Absolute", choices=RELATIVE),
        register("dir", "Positive", choices=DIRECTIONS),
        read("health", "enum", "OK", choices=PCOMP_HEALTH),
        read("produced", "int", 0),
        read("state", "enum", "WAIT_ENABLE", choices=_PCOMP_STATES),
    ),
    "CLOCK": (*time("period"), *time("width")),
    "LUT": (
        *(register(f"type{letter}", "Input-Level", choices=LUT_TYPES) for letter in "abcde"),
        Field(name="func", kind="string", role=Role.FUNCTION, initial="0"),
    ),
    "SRGATE": (
        register("when_disabled", WHEN_DISABLED[0], choices=WHEN_DISABLED),
        register("set_edge", "Rising", choices=EDGES),
        register("rst_edge", "Rising", choices=EDGES),
        replace(flag("force_set"), command=True),
        replace(flag("force_rst"), command=True),
    ),
    "DIV": (
        number("divisor", 0),
        register("first_pulse", "OutN", choices=FIRST_PULSES),
        read("count", "int", 0),
    ),
    "CALC": (*(register(f"type{letter}", "Value", choices=SIGNS) for letter in "abcd"), number("shift", 0, maximum=2)),
    "FILTER": (
        register("mode", "difference", choices=MODES),
        read("health", "enum", "OK", choices=FILTER_HEALTH),
    ),
    "PGEN": (
        number("repeats", 1),
        read("state", "enum", "UNREADY", choices=PGEN_STATES),
        read("health", "enum", "OK", choices=SEQ_HEALTH),
    ),
    "POSENC": (
        *time("period"),
        register("protocol", "Quadrature", choices=PROTOCOLS),
        read("state", "enum", "Disabled", choices=POSENC_STATES),
    ),
    "QDEC": (flag("rst_on_z"), register("setp", 0), read("homed", "bool", initial=False)),
    "TTLIN": (inert("term", "enum", "High-Z", choices=("High-Z", "50-Ohm")),),
    "INENC": (
        register("setp", 0),
        flag("rst_on_z"),
        read("homed", "bool", initial=False),
        read("conn", "bool", initial=True),
        read("health", "enum", "OK", choices=INENC_HEALTH),
        inert("protocol", "enum", "Quadrature", choices=_ENCODERS),
        inert("encoding", "enum", "Unsigned Binary", choices=_ENCODINGS),
        *(inert(name, "int", 0) for name in ("bits", "lsb_discard", "msb_discard")),
    ),
    "BITS": tuple(flag(letter) for letter in "abcd"),
    "PCAP": (
        register("trig_edge", "Falling", choices=EDGES),
        number("shift_sum", 0, maximum=8),
        Field(name="arm", kind="bool", role=Role.ARM, initial=False),
        read("health", "enum", "OK", choices=HEALTH),
    ),
}


def panda_blocks(model: PandaModel) -> Iterator[BlockFields]:
    """All blocks of a PandA, but for what is a table."""
    for name, block in model.blocks.items():
        kind = name.rstrip("0123456789")
        position = int(name.removeprefix(kind)) if kind != name else None
        yield BlockFields(name=kind.lower(), number=position, fields=tuple(_fields(model, name, block)))
    yield BlockFields(name="data", number=None, fields=_DATA)


def _fields(model: PandaModel, name: str, block: Block) -> Iterator[Field]:
    yield inert("label", "string", "")
    for field in (*block.BITS, *block.POSITIONS):
        yield from _mux(model, f"{name}.{field}")
    kind = name.rstrip("0123456789")
    yield from _REGISTERS.get(kind, ())
    for field in block.OUT_BITS:
        yield read(field.lower(), "bool", initial=False, attribute=_output(kind, field))
    for field in (*block.OUT_POSITIONS, *(("OUT",) if isinstance(block, Calc) else ())):
        yield Field(name=field.lower(), kind="float", role=Role.POSITION, initial=0.0, attribute=f"{name}.{field}")
        yield from _position(model, f"{name}.{field}")
    if kind == "INENC":
        position = model.positions[f"{name}.VAL"]
        yield Field(
            name="val", kind="float", role=Role.POSITION, initial=0.0, attribute=f"{name}.VAL", units=position.units
        )
        yield from _position(model, f"{name}.VAL")
    if kind == "PCAP":
        for own in OWN_FIELDS:
            yield from _capture(own.lower(), f"PCAP.{own}", ("No", "Value"))


def _output(kind: str, field: str) -> str:
    """The sequencer keeps its outputs in one number."""
    return f"outs.{'ABCDEF'.index(field[-1])}" if kind == "SEQ" and field.startswith("OUT") else ""


def _mux(model: PandaModel, mux: str) -> Iterator[Field]:
    name, bit = mux.partition(".")[2].lower(), model.buses.is_bit(mux)
    choices = model.bit_names if bit else model.position_names
    yield Field(name=name, kind="enum", role=Role.MUX, initial=model.routing[mux], choices=choices)
    if bit:
        yield Field(name=f"{name}_delay", kind="int", role=Role.DELAY, initial=0, attribute=mux, maximum=MOST_DELAY)


def _position(model: PandaModel, field: str) -> Iterator[Field]:
    name, position = field.partition(".")[2].lower(), model.positions[field]
    yield Field(name=f"{name}_scale", kind="float", role=Role.SCALING, initial=position.scale, attribute=field)
    yield Field(name=f"{name}_offset", kind="float", role=Role.SCALING, initial=position.offset, attribute=field)
    yield Field(name=f"{name}_units", kind="string", role=Role.SCALING, initial=position.units, attribute=field)
    yield from _capture(name, field, tuple(CAPTURE_MODES))


def _capture(name: str, field: str, choices: tuple[str, ...]) -> tuple[Field, Field]:
    """`*_capture` and `*_dataset`; `attribute` holds the capturable field's name."""
    mode = DEFAULT_CAPTURE.get(field, "No")
    return (
        Field(name=f"{name}_capture", kind="enum", role=Role.CAPTURE, initial=mode, choices=choices, attribute=field),
        Field(name=f"{name}_dataset", kind="string", role=Role.DATASET, initial="", attribute=field),
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
    _data("missed", "int", 0, read_only=True),
    _data("capture", "bool", initial=False),
    _data("capture_mode", "enum", "FOREVER", choices=("FIRST_N", "LAST_N", "FOREVER")),
    _data("flush_period", "float", 0.1),
    _data("flush_now", "bool", initial=False),
    _data("status", "string", "idle", read_only=True),
    _data("end_reason", "string", "", read_only=True),
)
