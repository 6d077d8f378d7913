"""Between what a server serves and what a device declares: pure conversions, the same for every back end.

A back end says what is served (`Served`) and gives *wire* values in one normal form: numbers as Python numbers, enums
as their index, text as str or as an array of 8-bit characters, arrays as numpy arrays, tables as dicts of columns.
`converter_for` decides once, at connect, whether that fits the declared datatype, and gives the two functions that are
called per value.

| declared | served |
|---|---|
| bool | bool, int, enum of two choices |
| int | int, bool, float without decimals (precision 0: PandABlocks-ioc serves SEQ.REPEATS so), enum (its index) |
| float | float, int |
| str | str, 8-bit characters, enum (its label) |
| StrictEnum, SubsetEnum, SupersetEnum | enum or str, with these choices / at least these / no others |
| NDArray[x] | array, of any number of dimensions (NTNDArray), whose values x can hold |
| list[str], list[an enum] | array of strings |
| dict | table: columns by name; structure: fields by name |
| None | anything, in its natural form |
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Literal, NamedTuple, cast, get_args, get_origin

import numpy as np
from event_model.documents import DataKey
from event_model.documents.event_descriptor import Dtype, Limits, LimitsRange

from .errors import DatatypeError, ValueRefusedError

Kind = Literal["bool", "int", "float", "str", "enum", "array", "strings", "table", "structure"]


class StrictEnum(StrEnum):
    """Choices that must be exactly the server's."""


class SubsetEnum(StrEnum):
    """Choices of which the server may have more; a value that is none of them reads as a plain str."""


class SupersetEnum(StrEnum):
    """Choices of which the server may lack some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What a server says of one PV.

    Attributes:
        kind: Which of the normal forms its values have.
        dtype: Of a number, or of the elements of an array; None for the rest.
        choices: Labels of an enum.
        capacity: Elements of an array or bytes of a text (its NUL included) that it can hold; None: no limit known.
        units: Of its values.
        precision: Digits after the point.
        limits: (low, high) of what may be written; None if the server says none.
        display: (low, high) of what a screen should show.
        warning: (low, high) of what is in no alarm.
        alarm: (low, high) of what is in no major alarm.
        columns: Of a table, in order.
    """

    kind: Kind
    dtype: np.dtype[Any] | None = None
    choices: tuple[str, ...] = ()
    capacity: int | None = None
    units: str | None = None
    precision: int | None = None
    limits: tuple[float, float] | None = None
    display: tuple[float, float] | None = None
    warning: tuple[float, float] | None = None
    alarm: tuple[float, float] | None = None
    columns: tuple[str, ...] = ()

    def __str__(self) -> str:
        match self.kind:
            case "enum":
                return f"enum {list(self.choices)}"
            case "array":
                return f"array of {self.dtype}"
            case _:
                return self.kind


class Converter(NamedTuple):
    """Both ways between wire and Python, and how the value is described."""

    from_wire: Callable[[Any], Any]
    to_wire: Callable[[Any], Any]
    dtype: Dtype
    dtype_numpy: str


def describe_datatype(datatype: Any) -> str:
    """A declared datatype as a message shows it."""
    if datatype is None:
        return "anything"
    if isinstance(datatype, type) and issubclass(datatype, StrEnum):
        return f"enum {[member.value for member in datatype]}"
    if (dtype := element_dtype(datatype)) is not None:
        return f"array of {dtype}"
    name: str = getattr(cast("object", datatype), "__name__", "") or str(cast("object", datatype))
    return name


def element_dtype(datatype: Any) -> np.dtype[Any] | None:
    """Of NDArray[x], the dtype of x; None for anything else."""
    if get_origin(datatype) is not np.ndarray:
        return None
    (scalar,) = get_args(get_args(datatype)[1])
    return np.dtype(scalar)


def natural_datatype(served: Served) -> Any:
    """The datatype declared for a PV about which the device says nothing."""
    match served.kind:
        case "bool" | "int" | "float" | "str":
            return {"bool": bool, "int": int, "float": float, "str": str}[served.kind]
        case "enum":
            return str
        case "array":
            return np.ndarray[Any, np.dtype[(served.dtype or np.dtype(np.float64)).type]]
        case "strings":
            return list[str]
        case "table" | "structure":
            return dict


def served_for(datatype: Any) -> Served:
    """What a server in memory serves for a declared datatype."""
    if isinstance(datatype, type) and issubclass(datatype, StrEnum):
        return Served(kind="enum", choices=tuple(member.value for member in datatype))
    if (dtype := element_dtype(datatype)) is not None:
        return Served(kind="array", dtype=dtype)
    if get_origin(datatype) is list:
        return Served(kind="strings")
    if datatype is None:
        return Served(kind="float")
    kinds: dict[Any, Kind] = {bool: "bool", int: "int", float: "float", str: "str", dict: "table"}
    try:
        return Served(kind=kinds[datatype])
    except (KeyError, TypeError):
        msg = f"a soft signal of {datatype!r}: expected bool, int, float, str, an Enum, NDArray[x], list[str] or dict"
        raise DatatypeError(msg) from None


def converter_for(datatype: Any, served: Served, source: str) -> Converter:
    """How values go between the wire and a device.

    Args:
        datatype: What the device declares; None takes what comes.
        served: What the server says.
        source: The PV, for messages.

    Raises:
        DatatypeError: The two do not fit.
    """
    if datatype is None:
        datatype = natural_datatype(served)
    if isinstance(datatype, type) and issubclass(datatype, StrEnum):
        found = _enum(datatype, served, source)
    elif (dtype := element_dtype(datatype)) is not None:
        found = _array(dtype, served, source)
    elif get_origin(datatype) is list:
        found = _strings(get_args(datatype)[0], served, source)
    else:
        found = _scalar(datatype, served, source)
    if found is None:
        msg = f"{source}: expected {describe_datatype(datatype)}, served {served}"
        raise DatatypeError(msg)
    return found


def _scalar(datatype: Any, served: Served, source: str) -> Converter | None:
    match datatype, served.kind:
        case type() as t, "bool" | "int" if t is bool:
            return Converter(bool, _truth(source, int if served.kind == "int" else bool), "boolean", "|b1")
        case type() as t, "enum" if t is bool and len(served.choices) == 2:
            return Converter(bool, _truth(source, int), "boolean", "|b1")
        case type() as t, "bool" | "int" | "enum" if t is int:
            return Converter(int, _integer(served.dtype, source), "integer", "<i8")
        case type() as t, "float" if t is int and served.precision == 0:
            return Converter(int, _integer(None, source), "integer", "<i8")
        case type() as t, "float" | "int" if t is float:
            to_wire = _number(source) if served.kind == "float" else _integer(served.dtype, source)
            return Converter(float, to_wire, "number", "<f8")
        case type() as t, "str" | "array" | "enum" if t is str:
            return _text(served, source)
        case type() as t, "table" | "structure" if t is dict:
            return Converter(dict, _columns(served, source), "array", "|O")
        case _:
            return None


def _truth(source: str, kind: Callable[[bool], Any]) -> Callable[[Any], Any]:
    """Takes a bool, 0 or 1, and nothing else that Python thinks true: a label "No" is not."""

    def to_wire(value: Any) -> Any:
        if isinstance(value, str) or value not in (0, 1):
            msg = f"{source}: expected True or False, given {value!r}; nothing was written"
            raise ValueRefusedError(msg)
        return kind(bool(value))

    return to_wire


def _number(source: str) -> Callable[[Any], float]:
    def to_wire(value: Any) -> float:
        try:
            return float(value)
        except (TypeError, ValueError) as error:
            msg = f"{source}: expected a number, given {value!r}; nothing was written"
            raise ValueRefusedError(msg) from error

    return to_wire


def _integer(dtype: np.dtype[Any] | None, source: str) -> Callable[[Any], int]:
    """Takes whole numbers that fit: 1.5 is not quietly 1, and 70000 in 16 bits is not quietly 4464."""
    bounds = np.iinfo(dtype) if dtype is not None and dtype.kind in "iu" else None

    def to_wire(value: Any) -> int:
        try:
            number = int(value)
        except (TypeError, ValueError, OverflowError) as error:
            msg = f"{source}: expected a number, given {value!r}; nothing was written"
            raise ValueRefusedError(msg) from error
        if number != value and not isinstance(value, str):
            msg = f"{source}: expected a whole number, given {value!r}; nothing was written"
            raise ValueRefusedError(msg)
        if bounds is not None and not bounds.min <= number <= bounds.max:
            msg = f"{source}: {number} does not fit in {dtype} ({bounds.min} to {bounds.max}); nothing was written"
            raise ValueRefusedError(msg)
        return number

    return to_wire


def _columns(served: Served, source: str) -> Callable[[Any], dict[str, Any]]:
    """Takes the columns that a table has, all equally long; of a structure, any of its fields."""

    def to_wire(value: Any) -> dict[str, Any]:
        columns: dict[str, Any] = dict(value)
        if served.kind != "table" or not served.columns:
            return columns
        lengths = {name: len(column) for name, column in columns.items()}
        if not set(columns) <= set(served.columns) or len(set(lengths.values())) > 1:
            msg = (
                f"{source}: expected columns {list(served.columns)} of one length, given {lengths}; nothing was written"
            )
            raise ValueRefusedError(msg)
        return columns

    return to_wire


def _text(served: Served, source: str) -> Converter | None:
    if served.kind == "enum":
        labels = served.choices
        return Converter(partial(_label, labels), _chooser(labels, source), "string", "|S40")
    if served.kind == "str":
        return Converter(str, _checked_text(served.capacity, source), "string", "|S40")
    if served.dtype is None or served.dtype.itemsize != 1:
        return None
    check = _checked_text(served.capacity, source)

    def from_characters(wire: Any) -> str:
        data = np.asarray(wire).astype(np.uint8).tobytes()
        return data.split(b"\0", 1)[0].decode(errors="replace")

    def to_characters(value: Any) -> Any:
        # The trailing NUL is always written: without it a server keeps the tail of a longer text that was there before.
        return np.frombuffer(check(value).encode() + b"\0", dtype=np.uint8)

    return Converter(from_characters, to_characters, "string", "|S40")


def _checked_text(capacity: int | None, source: str) -> Callable[[Any], str]:
    def to_wire(value: Any) -> str:
        text = str(value)
        if capacity is not None and len(text.encode()) >= capacity:
            nbytes = len(text.encode())
            msg = (
                f"{source}: text of {nbytes} bytes where {capacity - 1} fit; nothing was written, shorten it: {text!r}"
            )
            raise ValueRefusedError(msg)
        return text

    return to_wire


def _label(labels: tuple[str, ...], index: Any) -> str:
    """A label, or the number as text where a server gives an index beyond its own choices."""
    number = int(index)
    return labels[number] if 0 <= number < len(labels) else str(number)


def _chooser(labels: tuple[str, ...], source: str) -> Callable[[Any], int]:
    """Takes a label, or a number that is the index of one."""

    def to_wire(value: Any) -> int:
        if not isinstance(value, str) and value in range(len(labels)):
            return int(value)
        try:
            return labels.index(str(value))
        except ValueError:
            msg = f"{source}: expected one of {list(labels)}, given {str(value)!r}; nothing was written"
            raise ValueRefusedError(msg) from None

    return to_wire


def _enum(datatype: type[StrEnum], served: Served, source: str) -> Converter | None:
    ours = {member.value for member in datatype}
    if served.kind == "str":
        return Converter(partial(_member, datatype), str, "string", "|S40")
    theirs = set(served.choices)
    fits = served.kind == "enum" and (
        ours <= theirs
        if issubclass(datatype, SubsetEnum)
        else theirs <= ours
        if issubclass(datatype, SupersetEnum)
        else ours == theirs
    )
    if not fits:
        return None
    labels = served.choices

    def from_wire(index: Any) -> str:
        return _member(datatype, _label(labels, index))

    return Converter(from_wire, _chooser(labels, source), "string", "|S40")


def _member(datatype: type[StrEnum], text: Any) -> str:
    try:
        return datatype(str(text))
    except ValueError:
        return str(text)


def _array(dtype: np.dtype[Any], served: Served, source: str) -> Converter | None:
    if served.kind != "array" or served.dtype is None or not np.can_cast(served.dtype, dtype, "same_kind"):
        return None
    wire_dtype, capacity = served.dtype, served.capacity

    def to_wire(value: Any) -> Any:
        array = np.asarray(value)
        if capacity is not None and array.size > capacity:
            msg = f"{source}: {array.size} elements; it holds {capacity}. Nothing was written"
            raise ValueRefusedError(msg)
        converted = array.astype(wire_dtype)
        if array.dtype.kind in "iufb" and wire_dtype.kind in "iu" and not np.array_equal(converted, array):
            msg = f"{source}: values do not fit in {wire_dtype} ({array.min()} to {array.max()}); nothing was written"
            raise ValueRefusedError(msg)
        return converted

    if np.can_cast(wire_dtype, dtype, "safe") or dtype.kind == "f":
        return Converter(partial(_as_array, dtype), to_wire, "array", dtype.str)

    def narrowed(wire: Any) -> Any:
        wide = np.atleast_1d(np.asarray(wire))
        narrow = wide.astype(dtype)
        if not np.array_equal(narrow, wide):
            seen = f"{wide.min()} to {wide.max()}"
            msg = f"{source}: expected values that fit in {dtype}, served {seen}; declare {wire_dtype}"
            raise DatatypeError(msg)
        return narrow

    return Converter(narrowed, to_wire, "array", dtype.str)


def _strings(item: Any, served: Served, source: str) -> Converter | None:
    if served.kind != "strings":
        return None
    if not (isinstance(item, type) and issubclass(item, StrEnum)):
        return Converter(_texts, _texts, "array", "|S40")
    choices = item
    labels = tuple(member.value for member in choices)

    def to_wire(values: Any) -> list[str]:
        texts = _texts(values)
        if issubclass(choices, StrictEnum | SupersetEnum) and not set(texts) <= set(labels):
            msg = f"{source}: expected a list of {list(labels)}, given {texts}; nothing was written"
            raise ValueRefusedError(msg)
        return texts

    return Converter(partial(_members, choices), to_wire, "array", "|S40")


def _as_array(dtype: np.dtype[Any], wire: Any) -> Any:
    return np.atleast_1d(np.asarray(wire, dtype=dtype))


def _members(choices: type[StrEnum], texts: Any) -> list[str]:
    return [_member(choices, text) for text in texts]


def _texts(values: Any) -> list[str]:
    return [str(text) for text in values]


def datakey(source: str, *, converter: Converter, served: Served, value: Any) -> DataKey:
    """How a value is described in a descriptor; `value` gives the shape of an array.

    Args:
        source: The URI of the PV.
        converter: Of this signal.
        served: What the server says.
        value: A current value, converted.
    """
    key: DataKey = {
        "source": source,
        "dtype": converter.dtype,
        "shape": _shape(value) if converter.dtype == "array" else [],
        "dtype_numpy": converter.dtype_numpy,
    }
    if served.units is not None:
        key["units"] = served.units
    if served.precision is not None:
        key["precision"] = served.precision
    if limits := _limits(served):
        key["limits"] = limits
    if served.kind == "enum" and converter.dtype == "string":
        key["choices"] = list(served.choices)
    return key


def _limits(served: Served) -> Limits:
    ranges = {
        "control": served.limits,
        "display": served.display,
        "warning": served.warning,
        "alarm": served.alarm,
    }
    found = {name: LimitsRange(low=ends[0], high=ends[1]) for name, ends in ranges.items() if ends is not None}
    return cast("Limits", found)


def _shape(value: Any) -> list[int | None]:
    columns = list(cast("Mapping[str, Any]", value).values()) if isinstance(value, Mapping) else [value]
    return list(np.shape(columns[0])) if columns else [0]
