"""The PandA's process variables over PVA: normative types, puts, and the PVI tree that tells clients what there is.

The tree is laid out as fastcs does it: `<prefix>PVI` has one entry per kind of block; numbered blocks stand below a
vector `<prefix>SEQ:PVI` with the entries `__1`, `__2`. Values are posted as raw structures with only the changed
fields set. Table columns are never unset: clients cannot read a column without an array.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import numpy as np
from p4p import Type, Value
from p4p.nt import NTEnum, NTScalar, NTTable
from p4p.server import ServerOperation
from p4p.server.asyncio import SharedPV

from .errors import SimError
from .panda_field import Field, Kind
from .panda_table import COLUMNS

Apply = Callable[[Any], Awaitable[Any]]
"""Takes the value that a client put; returns the value to show."""

_CODES: dict[Kind, str] = {"bool": "?", "int": "i", "uint": "I", "float": "d", "string": "s"}
_TABLE_CODES: dict[type[np.generic] | None, str] = {
    np.uint16: "aH",
    np.int32: "ai",
    np.uint32: "aI",
    np.bool_: "a?",
    None: "as",
}


class FieldPv:
    """One scalar or enum PV. `value` is what it shows: bool, int, float or str (an enum's choice)."""

    def __init__(self, field: Field, apply: Apply | None) -> None:
        self.field = field
        self.value = field.initial
        self._type = NTEnum.buildType() if field.kind == "enum" else _scalar_type(field.kind)
        self.shared = SharedPV(
            handler=_Putter(self, apply) if apply and field.writable else None,
            initial=Value(self._type, self._initial()),
        )

    def post(self, value: Any) -> None:
        """Show `value`, if it is another."""
        if value != self.value:
            self.value = value
            self.shared.post(Value(self._type, {"value": self._wire(value), "timeStamp": _now()}))

    def decode(self, value: Value) -> Any:
        """The plain value of what a client sent."""
        if self.field.kind != "enum":
            return value["value"]
        index = int(value["value.index"])
        if not 0 <= index < len(self.field.choices):
            raise SimError(f"{self.field.name}: choice {index} is none of {', '.join(self.field.choices)}")
        return self.field.choices[index]

    def _wire(self, value: Any) -> Any:
        return {"index": self.field.choices.index(value)} if self.field.kind == "enum" else value

    def _initial(self) -> dict[str, Any]:
        structure: dict[str, Any] = {"value": self._wire(self.value), "timeStamp": _now()}
        if self.field.kind == "enum":
            structure["value"]["choices"] = list(self.field.choices)
        elif self.field.kind in ("int", "uint", "float"):
            structure["display"] = {"units": self.field.units}
        return structure


class TablePv:
    """One NTTable PV; `value` maps column names to sequences of one length."""

    def __init__(self, columns: Mapping[str, Any], apply: Apply | None) -> None:
        self.columns = dict(columns)
        self.value = {name: _column(code, []) for name, code in self.columns.items()}
        self._type = NTTable.buildType([(name, code) for name, code in self.columns.items()])
        first = {"labels": list(self.columns), "value": self.value, "timeStamp": _now()}
        self.shared = SharedPV(handler=_Putter(self, apply) if apply else None, initial=Value(self._type, first))

    def post(self, value: Mapping[str, Any]) -> None:
        """Show another table."""
        self.value = {name: _column(code, value[name]) for name, code in self.columns.items()}
        self.shared.post(Value(self._type, {"value": self.value, "timeStamp": _now()}))

    def decode(self, value: Value) -> dict[str, Any]:
        """The columns that a client sent; those that it did not send are empty."""
        sent = value["value"].todict()
        return {name: _column(code, sent.get(name)) for name, code in self.columns.items()}


class _Putter:
    """The handler of a writable PV: decode, apply, show, and only then tell the client that the put is done."""

    def __init__(self, pv: FieldPv | TablePv, apply: Apply) -> None:
        self._pv, self._apply = pv, apply

    async def put(self, _shared: SharedPV, op: ServerOperation) -> None:
        """Answer one put; errors of ours are told to the client, the PV keeps its value."""
        try:
            self._pv.post(await self._apply(self._pv.decode(op.value())))
        except (SimError, OSError) as error:
            op.done(error=str(error))
        else:
            op.done()


def seq_table_columns() -> dict[str, str]:
    """Column codes of the sequencer table."""
    return {name: _TABLE_CODES[kind] for name, kind in COLUMNS.items()}


DATASETS_COLUMNS = {"name": "as", "dtype": "as"}
"""Column codes of the list of datasets."""

POSITION_COLUMNS = {"position": "ai"}
"""Column codes of the table of PGEN."""


def pvi_pv(entries: Mapping[str, Mapping[str, str]]) -> SharedPV:
    """The PV that lists `entries`: name -> {"d": PVI of a part} or {"rw": pv} or {"r": pv}."""
    struct = [(name, ("S", None, [(key, "s") for key in entry])) for name, entry in entries.items()]
    kind = Type([("value", ("S", None, struct))], id="epics:nt/NTPVI:1.0")
    return SharedPV(initial=Value(kind, {"value": {name: dict(entry) for name, entry in entries.items()}}))


def _scalar_type(kind: Kind) -> Any:
    return NTScalar.buildType(_CODES[kind], display=kind in ("int", "uint", "float"))


def _column(code: str, values: Any) -> Any:
    values = [] if values is None else values
    if code == "as":
        return [str(value) for value in values]
    kinds = {wire: kind for kind, wire in _TABLE_CODES.items() if kind is not None}
    return np.asarray(values, kinds[code])


def _now() -> dict[str, int]:
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return {"secondsPastEpoch": seconds, "nanoseconds": nanoseconds}
