"""The PVs of a PandA, made from its fields and tables, and the PVI tree that lists them.

`<prefix>PVI` has one entry per kind of block; numbered blocks stand below a vector `<prefix>SEQ:PVI` with the entries
`__1`, `__2`, as fastcs lays it out.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from p4p.server.asyncio import SharedPV

from .panda_field import BlockFields, Field
from .panda_pvi import FieldPv, TablePv, pvi_pv

Key = tuple[str, str]
"""(block, field), for example ("SEQ1", "prescale")."""

Put = Callable[[str, Field, Any], Awaitable[Any]]
"""Takes block, field and value of a put; returns the value to show."""

Load = Callable[[str, str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""Takes block, table and columns of a put; returns the columns to show."""


class PandaTree:
    """All PVs of one PandA. Made inside the running loop.

    Args:
        prefix: of all PVs, for example "SIM:PANDA:".
        blocks: what there is.
        tables: kind of block -> its tables' columns by field name, and whether clients may put.
        put: takes puts to fields.
        load: takes puts to tables.
    """

    def __init__(
        self,
        prefix: str,
        blocks: Iterable[BlockFields],
        *,
        tables: Mapping[str, Mapping[str, tuple[Mapping[str, str], bool]]],
        put: Put,
        load: Load,
    ) -> None:
        self.fields: dict[Key, FieldPv] = {}
        self.tables: dict[Key, TablePv] = {}
        self.served: dict[str, SharedPV] = {}
        self._prefix, self._put, self._load = prefix, put, load
        tree: dict[str, dict[str, dict[str, str]]] = {}
        for block in blocks:
            entries = {field.name: self._field(block.block, field) for field in block.fields}
            entries |= dict(self._tables(block, tables.get(block.name, {})))
            self._serve(f"{block.block}:PVI", pvi_pv(entries))
            place = {"d": f"{prefix}{block.block}:PVI"}
            tree.setdefault(block.name, {})["" if block.number is None else f"__{block.number}"] = place
        self._serve("PVI", pvi_pv({name: self._vector(name, parts) for name, parts in tree.items()}))

    def post(self, block: str, field: str, value: Any) -> None:
        """Show a value, where there is such a field."""
        pv = self.fields.get((block, field))
        if pv is not None:
            pv.post(value)

    def _vector(self, name: str, parts: dict[str, dict[str, str]]) -> dict[str, str]:
        if "" in parts:
            return parts[""]
        self._serve(f"{name.upper()}:PVI", pvi_pv(parts))
        return {"d": f"{self._prefix}{name.upper()}:PVI"}

    def _field(self, block: str, field: Field) -> dict[str, str]:
        pv = self.fields[block, field.name] = FieldPv(field, partial(self._put, block, field))
        access = "x" if field.command else "rw" if field.writable else "r"
        return {access: self._serve(f"{block}:{field.name.upper()}", pv.shared)}

    def _tables(
        self, block: BlockFields, tables: Mapping[str, tuple[Mapping[str, str], bool]]
    ) -> Iterator[tuple[str, dict[str, str]]]:
        for name, (columns, writable) in tables.items():
            load = partial(self._load, block.block, name) if writable else None
            pv = self.tables[block.block, name] = TablePv(columns, load)
            yield name, {"rw" if writable else "r": self._serve(f"{block.block}:{name.upper()}", pv.shared)}

    def _serve(self, name: str, pv: SharedPV) -> str:
        full = self._prefix + name
        self.served[full] = pv
        return full
