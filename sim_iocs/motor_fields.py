"""The fields of a motor record: names, types, first values."""

from collections.abc import Mapping
from typing import Any

from .motor_settings import MotorSettings
from .pv import Kind
from .pv_group import PVGroup

# The first 16 of EPICS' alarm states: Channel Access has no room for more.
STATES = (
    *("NO_ALARM", "READ", "WRITE", "HIHI", "HIGH", "LOLO", "LOW", "STATE"),
    *("COS", "COMM", "TIMEOUT", "HWLIMIT", "CALC", "SCAN", "LINK", "SOFT"),
)
SEVERITIES = ("NO_ALARM", "MINOR", "MAJOR", "INVALID")
NO_YES = ("No", "Yes")

# Field, value, in units per second: beside VELO, which has a handler of its own.
_ENUMS: tuple[tuple[str, tuple[str, ...], int], ...] = (
    (".SPMG", ("Stop", "Pause", "Move", "Go"), 3),
    (".SET", ("Use", "Set"), 0),
    (".FOFF", ("Variable", "Frozen"), 0),
    (".DIR", ("Pos", "Neg"), 0),
    (".CNEN", ("Disable", "Enable"), 1),
    (".UEIP", NO_YES, 1),
    (".HLSV", SEVERITIES, 2),
    (".RMOD", ("Default", "Arithmetic", "Geometric", "In-Position"), 0),
    (".STUP", ("OFF", "ON", "BUSY"), 0),
)
_SHORTS: tuple[tuple[str, int], ...] = (
    *((".STOP", 0), (".JOGF", 0), (".JOGR", 0), (".HOMF", 0), (".HOMR", 0), (".TWF", 0), (".TWR", 0)),
    *((".RTRY", 10), (".SSET", 0), (".SUSE", 0), (".SYNC", 0)),
)
_SHORT_READBACKS: tuple[tuple[str, int], ...] = (
    *((".DMOV", 1), (".MOVN", 0), (".HLS", 0), (".LLS", 0), (".LVIO", 0), (".MISS", 0), (".RCNT", 0)),
    *((".TDIR", 1), (".ATHM", 0), (".MIP", 0)),
)


def add_motor_fields(name: str, settings: MotorSettings, *, position: float) -> PVGroup:
    """Make all fields.

    Args:
        name: Of the record.
        settings: Limits, speeds, resolution.
        position: What the encoder reads, in units.
    """
    pvs = PVGroup(name)
    shown: dict[str, Any] = {"units": settings.units, "precision": settings.precision}
    for fields in (_positions(settings, position), _speeds(settings), _ratios(settings)):
        for field, (value, meta) in fields.items():
            pvs.add(field, Kind.FLOAT, value, **(shown | meta))
    for field, choices, index in _ENUMS:
        pvs.enum(field, choices, value=index)
    for field, value in _SHORTS:
        pvs.add(field, Kind.SHORT, value)
    for field, value in _SHORT_READBACKS:
        pvs.add(field, Kind.SHORT, value, read_only=True)
    counts = round(position / settings.resolution)
    pvs.add(".RVAL", Kind.INT, counts)
    pvs.add(".RRBV", Kind.INT, counts, read_only=True)
    pvs.add(".SREV", Kind.INT, 200)
    pvs.add(".MSTA", Kind.INT, 2, read_only=True)
    pvs.enum(".STAT", STATES, read_only=True)
    pvs.enum(".SEVR", SEVERITIES, read_only=True)
    _add_texts(pvs, settings)
    return pvs


def _positions(s: MotorSettings, position: float) -> Mapping[str, tuple[float, dict[str, Any]]]:
    limits, read_only = {"limits": (s.low_limit, s.high_limit)}, {"read_only": True}
    return {
        "": (position, limits),
        ".VAL": (position, limits),
        ".DVAL": (position, limits),
        ".RLV": (0.0, {}),
        ".RBV": (position, limits | read_only),
        ".DRBV": (position, limits | read_only),
        ".DIFF": (0.0, read_only),
        ".OFF": (0.0, {}),
        ".LLM": (s.low_limit, {}),
        ".HLM": (s.high_limit, {}),
        ".DLLM": (s.low_limit, {}),
        ".DHLM": (s.high_limit, {}),
        ".TWV": (1.0, {}),
        ".BDST": (s.backlash, {}),
        ".RDBD": (s.resolution, {}),
        ".SPDB": (0.0, {}),
    }


def _speeds(s: MotorSettings) -> Mapping[str, tuple[float, dict[str, Any]]]:
    per_second, seconds = {"units": f"{s.units}/s"}, {"units": "s"}
    return {
        ".VELO": (s.velocity, per_second),
        ".VBAS": (s.base_velocity, per_second),
        ".VMAX": (s.max_velocity, per_second),
        ".JVEL": (s.velocity, per_second),
        ".HVEL": (s.velocity, per_second),
        ".BVEL": (s.velocity, per_second),
        ".JAR": (s.velocity / s.acceleration_time, {"units": f"{s.units}/s/s"}),
        ".ACCL": (s.acceleration_time, seconds),
        ".BACC": (s.acceleration_time, seconds),
        ".DLY": (0.0, seconds),
    }


def _ratios(s: MotorSettings) -> Mapping[str, tuple[float, dict[str, Any]]]:
    fine = {"precision": 7}
    return {
        ".MRES": (s.resolution, fine),
        ".ERES": (s.resolution, fine),
        ".RRES": (s.resolution, fine),
        ".UREV": (s.resolution * 200, fine),
        ".FRAC": (1.0, {"units": ""}),
    }


def _add_texts(pvs: PVGroup, settings: MotorSettings) -> None:
    pvs.add(".PREC", Kind.SHORT, settings.precision)
    pvs.add(".EGU", Kind.STRING, settings.units)
    pvs.add(".DESC", Kind.STRING, f"simulated motor {pvs.prefix.rpartition(':')[2]}")
    pvs.add(".NAME", Kind.STRING, pvs.prefix, read_only=True)
    for field, text in ((".RTYP", "motor"), (".DTYP", "asynMotor"), (".OUT", "@sim")):
        pvs.add(field, Kind.STRING, text, read_only=True)
