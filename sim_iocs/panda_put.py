"""What a put to a PandA's field does: to the model, or to the DATA block.

A time is kept in ticks, as the hardware keeps it: a change of its units shows the same time as another number, so
clients write the units first.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, assert_never

from .errors import RefusedPutError
from .panda_data import DataBlock
from .panda_expression import lut_function
from .panda_fabric import TICK_NS
from .panda_field import TIME_UNITS, Field, Role
from .panda_model import PandaModel

Post = Callable[[str, str, Any], None]
"""Shows a value in a field of a block."""


class PandaPuts:
    """Puts to one PandA, which has been brought to the present.

    Args:
        model: the machine.
        data: its DATA block.
        take_rows: hands the rows made so far to the DATA block.
        post: shows what changes beside the field that was put.
    """

    def __init__(self, model: PandaModel, data: DataBlock, *, take_rows: Callable[[], None], post: Post) -> None:
        self._model, self._data = model, data
        self._take_rows, self._post = take_rows, post
        self._given_names: dict[str, str] = {}
        self._times: dict[tuple[str, str], tuple[int, str]] = {}

    async def put(self, block: str, field: Field, value: Any) -> Any:
        """Apply a value; gives what the field shows afterwards.

        Raises:
            RefusedPutError: the value, or a change now, is not possible; nothing has changed.
        """
        mux = f"{block}.{field.name.upper()}"
        match field.role:
            case Role.MUX:
                self._model.route(mux, value)
            case Role.DELAY:
                self._model.delay(field.target, value)
            case Role.REGISTER:
                self._set_register(block, field, value)
            case Role.TIME:
                return self._set_time(block, field, value)
            case Role.FUNCTION:
                self._model.configure(block, **{field.target: lut_function(value)})
            case Role.ARM:
                (self._model.arm if value else self._model.disarm)()
            case Role.CAPTURE | Role.DATASET | Role.SCALING:
                self._set_capture(block, field, value)
            case Role.DATA:
                return await self._set_data(field.name, value)
            case Role.READ | Role.POSITION | Role.INERT:
                pass
            case _:
                assert_never(field.role)
        return False if field.command else value

    def load(self, block: str, table: str, columns: dict[str, Any]) -> dict[str, Any]:
        """Load a table; gives the columns to show.

        Raises:
            RefusedPutError: the table cannot be used.
        """
        kind = block.rstrip("0123456789")
        number = int(block.removeprefix(kind))
        if kind == "PGEN":
            self._model.load_positions(number, columns["position"].tolist())
        elif table == "table":
            self._model.load_table(number, columns)
        else:
            self._model.append_table(number, columns, more=table == "table_append")
        return columns

    def dataset_names(self) -> dict[str, str]:
        """Dataset name of each column: its field's `*_dataset` (and statistic, if several), else the column's name."""
        given = {field: name for field, name in self._given_names.items() if name}
        columns = self._model.columns()
        several = {column.field for column in columns if sum(other.field == column.field for other in columns) > 1}
        return {
            column.name: column.name
            if column.field not in given
            else given[column.field] + (f".{column.statistic}" if column.field in several else "")
            for column in columns
        }

    def _set_register(self, block: str, field: Field, value: Any) -> None:
        number = field.choices.index(value) if field.choices else int(value)
        if field.maximum is not None and not field.minimum <= number <= field.maximum:
            raise RefusedPutError(f"{block}.{field.name}: expected {field.minimum} to {field.maximum}, seen {number}")
        self._model.configure(block, **{field.target: number})

    def _set_time(self, block: str, field: Field, value: Any) -> Any:
        name = field.name.removesuffix("_units")
        ticks, units = self._times.get((block, name), (0, "s"))
        if field.name != name:
            self._times[block, name] = (ticks, value)
            self._post(block, name, _in_units(ticks, value))
            return value
        longest = field.maximum or 0
        if not 0 <= value * TIME_UNITS[units] <= longest * TICK_NS / 1e9:
            raise RefusedPutError(f"{block}.{name}: expected 0 to {longest} ticks of 8 ns, seen {value} {units}")
        ticks = round(value * TIME_UNITS[units] * 1e9 / TICK_NS)
        self._times[block, name] = (ticks, units)
        self._model.configure(block, **{field.target: max(1, ticks) if name == "prescale" else ticks})
        return _in_units(ticks, units)

    def _set_capture(self, block: str, field: Field, value: Any) -> None:
        if self._data.capturing or self._model.pcap.active:
            raise RefusedPutError(
                f"{block}.{field.name} cannot change while data is captured; put 0 to data:capture and pcap:arm first"
            )
        if field.role is Role.CAPTURE:
            self._model.set_capture(field.target, value)
        elif field.role is Role.SCALING:
            setattr(self._model.positions[field.target], field.name.rpartition("_")[2], value)
        else:
            self._given_names[field.target] = value

    async def _set_data(self, name: str, value: Any) -> Any:
        data = self._data
        actions: Mapping[str, Callable[[], Any]] = {
            "hdf_directory": partial(self._set_directory, value),
            "capture": partial(self._capture, on=bool(value)),
            "flush_now": self._flush,
        }
        if data.capturing and name in ("hdf_directory", "hdf_file_name", "capture_mode", "num_capture"):
            raise RefusedPutError(f"DATA.{name} cannot change while a file is open; put 0 to data:capture first")
        if name in actions:
            return await actions[name]()
        setattr(data, "file_name" if name == "hdf_file_name" else name, value)
        return value

    async def _set_directory(self, directory: str) -> str:
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


def _in_units(ticks: int, units: str) -> float:
    """A time in ticks as a number in units, to 15 digits: 125 ticks are 1.0 us and not a little more."""
    return float(f"{ticks * TICK_NS / 1e9 / TIME_UNITS[units]:.15g}")
