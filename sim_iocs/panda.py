"""The simulated PandA as a server sees it: its model, its process variables, its capture file.

Theory of operation. A put first advances the model to the present, then changes it; so a setting acts at the instant
of its put, not at the last turn of the pump. The pump calls `model.advance` and `publish` about every 10 ms while
`busy`; `publish` hands captured rows to the DATA block at every turn and posts registers at most 25 times a second.
Nothing that ends in a file depends on when these are called.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from p4p.server.asyncio import SharedPV

from .errors import RefusedPutError
from .panda_data import DataBlock
from .panda_fabric import TICK_NS
from .panda_fields import TIME_UNITS, BlockFields, Field, Role, panda_blocks
from .panda_model import PandaModel
from .panda_position import EncoderSource
from .panda_pvi import DATASETS_COLUMNS, FieldPv, TablePv, pvi_pv, seq_table_columns

POST_PERIOD_NS = 40_000_000

Key = tuple[str, str]
"""(block, field), for example ("SEQ1", "prescale")."""


class Panda:
    """A PandA to be served over PVA.

    Args:
        prefix: of all PVs, for example "SIM:PANDA:"; the PVI root is `<prefix>PVI`.
        axes: encoder inputs, "INENC1" and so on.
        clock: the beamline's time, Unix ns.

    Attributes:
        model: the machine itself.
        wake: called when the model was armed or enabled, so that the pump starts to run.
    """

    def __init__(self, *, prefix: str, axes: Mapping[str, EncoderSource], clock: Callable[[], int]) -> None:
        self.model = PandaModel(axes, epoch_ns=clock())
        self.wake: Callable[[], None] | None = None
        self._prefix, self._clock = prefix, clock
        self._blocks = tuple(panda_blocks(self.model))
        self._fields: dict[Key, FieldPv] = {}
        self._tables: dict[str, TablePv] = {}
        self._served: dict[str, SharedPV] = {}
        self._given_names: dict[str, str] = {}
        self._posted_ns = 0
        self._shown_busy = False
        self._data = DataBlock(clock, self.model.columns, names=self._dataset_names, post=partial(self._post, "DATA"))

    @property
    def busy(self) -> bool:
        """Whether the pump has to go on: events can come, rows are on their way, or values are not posted yet."""
        return self.model.busy or self._data.busy or self._shown_busy

    def pvs(self) -> dict[str, SharedPV]:
        """Every PV by name; made at the first call, inside the running loop."""
        if not self._served:
            self._make_pvs()
        return dict(self._served)

    async def start(self) -> None:
        """Make the PVs and show the power-on state."""
        self.pvs()
        self._refresh()

    async def aclose(self) -> None:
        """Write what was captured and close the file."""
        self._take_rows()
        await self._data.aclose()

    async def publish(self) -> None:
        """Hand rows to the file and, at most 25 times a second, post the registers."""
        self._take_rows()
        await self._data.turn()
        now = self._clock()
        if now - self._posted_ns >= POST_PERIOD_NS:
            self._refresh()

    def _make_pvs(self) -> None:
        tree: dict[str, dict[str, dict[str, str]]] = {}
        for block in self._blocks:
            entries = {field.name: self._make_field(block, field) for field in block.fields}
            entries |= self._make_tables(block)
            self._serve(f"{block.block}:PVI", pvi_pv(entries))
            place = {"d": f"{self._prefix}{block.block}:PVI"}
            tree.setdefault(block.name, {})["" if block.number is None else f"__{block.number}"] = place
        root: dict[str, dict[str, str]] = {}
        for name, parts in tree.items():
            if "" not in parts:
                self._serve(f"{name.upper()}:PVI", pvi_pv(parts))
            root[name] = parts.get("", {"d": f"{self._prefix}{name.upper()}:PVI"})
        self._serve("PVI", pvi_pv(root))

    def _make_field(self, block: BlockFields, field: Field) -> dict[str, str]:
        apply = partial(self._apply, block.block, field) if field.writable else None
        pv = self._fields[block.block, field.name] = FieldPv(field, apply)
        return {"rw" if field.writable else "r": self._serve(f"{block.block}:{field.name.upper()}", pv.shared)}

    def _make_tables(self, block: BlockFields) -> dict[str, dict[str, str]]:
        if block.name == "seq":
            pv = TablePv(seq_table_columns(), partial(self._load_table, int(block.number or 0)))
            return self._add_table(f"{block.block}:TABLE", pv, {"table": "rw"})
        if block.name == "data":
            pv = TablePv(DATASETS_COLUMNS, None)
            entries = self._add_table("DATA:DATASETS", pv, {"datasets": "r"})
            self._show_datasets()
            return entries
        return {}

    def _add_table(self, name: str, pv: TablePv, access: dict[str, str]) -> dict[str, dict[str, str]]:
        self._tables[name] = pv
        full = self._serve(name, pv.shared)
        return {entry: {mode: full} for entry, mode in access.items()}

    def _serve(self, name: str, pv: SharedPV) -> str:
        full = self._prefix + name
        self._served[full] = pv
        return full

    async def _apply(self, block: str, field: Field, value: Any) -> Any:
        self.model.advance(self._clock())
        match field.role:
            case Role.MUX:
                self.model.route(f"{block}.{field.name.upper()}", value)
            case Role.REGISTER:
                self._set_register(block, field, value)
            case Role.TIME:
                self._set_time(block, field, value)
            case Role.SOFT_BIT:
                self.model.set_bit(field.target, int(value))
            case Role.ARM:
                self._arm(armed=bool(value))
            case Role.CAPTURE | Role.DATASET | Role.SCALING:
                self._set_capture(block, field, value)
            case Role.DATA:
                value = await self._data_put(field.name, value)
            case _:
                pass
        self._refresh()
        if self.wake is not None and self.busy:
            self.wake()
        return value

    async def _load_table(self, number: int, columns: dict[str, Any]) -> dict[str, Any]:
        self.model.advance(self._clock())
        self.model.load_table(number, columns)
        self._refresh()
        return columns

    def _arm(self, *, armed: bool) -> None:
        if armed:
            self.model.arm()
        else:
            self.model.disarm()

    def _set_register(self, block: str, field: Field, value: Any) -> None:
        number = field.choices.index(value) if field.choices else value
        if field.maximum is not None and not 0 <= number <= field.maximum:
            raise RefusedPutError(f"{block}.{field.name}: expected 0 to {field.maximum}, seen {number}")
        self.model.configure(block, **{field.target: number})

    def _set_time(self, block: str, field: Field, value: Any) -> None:
        name = field.name.removesuffix("_units")
        number = value if field.name == name else self._fields[block, name].value
        units = self._fields[block, f"{name}_units"].value if field.name == name else value
        longest = self._fields[block, name].field.maximum or 0
        if not 0 <= number * TIME_UNITS[units] <= longest * TICK_NS / 1e9:
            raise RefusedPutError(f"{block}.{name}: expected 0 to {longest} ticks of 8 ns, seen {number} {units}")
        ticks = round(number * TIME_UNITS[units] * 1e9 / TICK_NS)
        self.model.configure(block, **{name: max(1, ticks) if name == "prescale" else ticks})

    def _set_capture(self, block: str, field: Field, value: Any) -> None:
        if self._data.capturing or self.model.pcap.active:
            raise RefusedPutError(
                f"{block}.{field.name} cannot change while data is captured; put 0 to data:capture and pcap:arm first"
            )
        if field.role is Role.CAPTURE:
            self.model.set_capture(field.target, value)
        elif field.role is Role.SCALING:
            setattr(self.model.positions[field.target], field.name.removeprefix("val_"), value)
        else:
            self._given_names[field.target] = value
        self._show_datasets()

    async def _data_put(self, name: str, value: Any) -> Any:
        data = self._data
        actions: dict[str, Callable[[], Awaitable[Any]]] = {
            "hdf_directory": partial(self._set_directory, value),
            "capture": partial(self._capture, on=bool(value)),
            "flush_now": self._flush,
        }
        if name in actions:
            return await actions[name]()
        if data.capturing and name in ("hdf_file_name", "capture_mode", "num_capture"):
            raise RefusedPutError(f"DATA.{name} cannot change while a file is open; put 0 to data:capture first")
        setattr(data, "file_name" if name == "hdf_file_name" else name, value)
        return value

    async def _set_directory(self, directory: str) -> str:
        if self._data.capturing:
            raise RefusedPutError("DATA.hdf_directory cannot change while a file is open; put 0 to data:capture first")
        self._post("DATA", "directory_exists", await self._data.set_directory(directory))
        return directory

    async def _capture(self, *, on: bool) -> bool:
        self._take_rows()
        if on:
            await self._data.start()
        else:
            await self._data.finish()
        return self._data.capturing

    async def _flush(self) -> bool:
        self._take_rows()
        await self._data.flush()
        return False

    def _take_rows(self) -> None:
        pcap = self.model.pcap
        ns_of = self.model.fabric.ns_of
        started = (ns_of(pcap.armed_tick), ns_of(pcap.start_tick)) if pcap.active and pcap.start_tick >= 0 else None
        self._data.feed(self.model.take_batches(), started)

    def _dataset_names(self) -> dict[str, str]:
        """Dataset name of each column: its field's `*_dataset` (and statistic, if several), else the column's name."""
        given = {field: name for field, name in self._given_names.items() if name}
        columns = self.model.columns()
        several = {column.field for column in columns if sum(other.field == column.field for other in columns) > 1}
        return {
            column.name: column.name
            if column.field not in given
            else given[column.field] + (f".{column.statistic}" if column.field in several else "")
            for column in columns
        }

    def _show_datasets(self) -> None:
        names = self._dataset_names()
        columns = self.model.columns()
        table = {"name": [names[column.name] for column in columns], "dtype": [column.dtype for column in columns]}
        if "DATA:DATASETS" in self._tables:
            self._tables["DATA:DATASETS"].post(table)

    def _post(self, block: str, field: str, value: Any) -> None:
        pv = self._fields.get((block, field))
        if pv is not None:
            pv.post(value)

    def _refresh(self) -> None:
        """Post the registers that have changed; the busy flag stays up until the quiet state has been posted."""
        self._posted_ns = self._clock()
        self._shown_busy = self.model.busy
        for (block, _), pv in self._fields.items():
            field = pv.field
            if field.role is Role.READ and block in self.model.blocks:
                value = getattr(self.model.blocks[block], field.target)
                pv.post(_shown(field, value))
            elif field.role is Role.POSITION:
                position = self.model.positions[field.target]
                pv.post(position.at(self.model.fabric.stop) * position.scale + position.offset)
        self._post("PCAP", "arm", bool(self.model.pcap.active))


def _shown(field: Field, value: int) -> Any:
    if field.kind == "enum":
        return field.choices[value]
    return bool(value) if field.kind == "bool" else int(value)
