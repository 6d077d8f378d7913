"""The simulated PandA as a server sees it: its model, its process variables, its capture file.

Theory of operation. A put first advances the model to the present, then changes it; so a setting acts at the instant
of its put, not at the last turn of the pump. The pump calls `model.advance` and `publish` about every 10 ms while
`busy`; `publish` hands captured rows through the data port to the DATA block at every turn and posts registers at most
25 times a second. Nothing that ends in a file depends on when these are called.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from p4p.server.asyncio import SharedPV

from .faults import Switch
from .pace import Pace
from .panda_data import DataBlock
from .panda_encoder import EncoderSource
from .panda_fabric import Fabric
from .panda_faults import PandaFaults
from .panda_field import BlockFields, Field, Role
from .panda_fields import panda_blocks
from .panda_model import PandaModel
from .panda_port import DataPort, PortLimits
from .panda_position import Position
from .panda_put import PandaPuts
from .panda_pvi import DATASETS_COLUMNS, POSITION_COLUMNS, FieldPv, seq_table_columns
from .panda_tree import PandaTree

POST_PERIOD_NS = 40_000_000

_TABLES: Mapping[str, Mapping[str, tuple[Mapping[str, str], bool]]] = {
    "seq": {name: (seq_table_columns(), True) for name in ("table", "table_append", "table_append_last")},
    "pgen": {"table": (POSITION_COLUMNS, True)},
    "data": {"datasets": (DATASETS_COLUMNS, False)},
}


class Panda:
    """A PandA to be served over PVA.

    Args:
        prefix: of all PVs, for example "SIM:PANDA:"; the PVI root is `<prefix>PVI`.
        axes: encoder inputs, "INENC1" and so on.
        clock: the beamline's time, Unix ns.
        counts: how many there are of a kind of block, where not as many as usual.
        limits: what the data port takes.

    Attributes:
        model: the machine itself.
        port: its data port.
        wake: called when the model was armed or enabled, so that the pump starts to run.
        pace: how puts are served.
    """

    def __init__(
        self,
        *,
        prefix: str,
        axes: Mapping[str, EncoderSource],
        clock: Callable[[], int],
        counts: Mapping[str, int] | None = None,
        limits: PortLimits | None = None,
    ) -> None:
        self.model = PandaModel(axes, epoch_ns=clock(), counts=counts)
        self.port = DataPort(limits)
        self.wake: Callable[[], None] | None = None
        self.pace = Pace()
        self._prefix, self._clock = prefix, clock
        self._blocks: tuple[BlockFields, ...] = tuple(panda_blocks(self.model))
        self._tree: PandaTree | None = None
        self._shown: tuple[Callable[[], None], ...] = ()
        self._posted_ns = 0
        self._shown_busy = False
        self._data = DataBlock(clock, self.model.columns, names=self._names, post=partial(self._post, "DATA"))
        self._puts = PandaPuts(self.model, self._data, take_rows=self._take_rows, post=self._post)
        self._faults = PandaFaults(self.model, self.port, settle=self._settle)

    @property
    def busy(self) -> bool:
        """Whether the pump has to go on: events can come, rows are on their way, or values are not posted yet."""
        return self.model.busy or self._data.busy or self._shown_busy

    def pvs(self) -> dict[str, SharedPV]:
        """Every PV by name; made at the first call, inside the running loop."""
        if self._tree is None:
            self._tree = PandaTree(self._prefix, self._blocks, tables=_TABLES, put=self._put, load=self._load)
            self._shown = tuple(self._followers(self._tree))
            self._show_datasets()
        return dict(self._tree.served)

    def switches(self) -> Iterable[Switch]:
        """What can be made to go wrong."""
        return self._faults.switches()

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

    def _settle(self) -> None:
        self.model.advance(self._clock())

    async def _put(self, block: str, field: Field, value: Any) -> Any:
        await self.pace.wait()
        self._settle()
        shown = await self._puts.put(block, field, value)
        if field.role in (Role.CAPTURE, Role.DATASET):
            self._show_datasets()
        self._changed()
        return shown

    async def _load(self, block: str, table: str, columns: dict[str, Any]) -> dict[str, Any]:
        await self.pace.wait()
        self._settle()
        shown = self._puts.load(block, table, columns)
        self._changed()
        return shown

    def _changed(self) -> None:
        self._refresh()
        if self.wake is not None and self.busy:
            self.wake()

    def _names(self) -> dict[str, str]:
        return self._puts.dataset_names()

    def _take_rows(self) -> None:
        pcap = self.model.pcap
        ns_of = self.model.fabric.ns_of
        started = (ns_of(pcap.armed_tick), ns_of(pcap.start_tick)) if pcap.active and pcap.start_tick >= 0 else None
        passed = (self.port.pass_on(batch) for batch in self.model.take_batches())
        self._data.feed([batch for batch in passed if batch is not None], started)

    def _show_datasets(self) -> None:
        names, columns = self._names(), self.model.columns()
        table = {"name": [names[column.name] for column in columns], "dtype": [column.dtype for column in columns]}
        if self._tree is not None:
            self._tree.tables["DATA", "datasets"].post(table)

    def _post(self, block: str, field: str, value: Any) -> None:
        if self._tree is not None:
            self._tree.post(block, field, value)

    def _refresh(self) -> None:
        """Post the registers that have changed; the busy flag stays up until the quiet state has been posted."""
        self._posted_ns = self._clock()
        self._shown_busy = self.model.busy
        for show in self._shown:
            show()
        self._post("PCAP", "arm", bool(self.model.pcap.active))

    def _followers(self, tree: PandaTree) -> Iterator[Callable[[], None]]:
        """What posts each field that only the model changes."""
        for (block, _), pv in tree.fields.items():
            field = pv.field
            if field.role is Role.POSITION:
                yield partial(_show_position, pv, self.model.positions[field.target], self.model.fabric)
            elif field.role is Role.READ:
                name, _, bit = field.target.partition(".")
                mask = (int(bit), 1) if bit else (0, -1)
                yield partial(_show_register, pv, partial(getattr, self.model.blocks[block], name), mask)


def _show_position(pv: FieldPv, position: Position, fabric: Fabric) -> None:
    pv.post(position.at(fabric.stop) * position.scale + position.offset)


def _show_register(pv: FieldPv, read: Callable[[], int], bits: tuple[int, int]) -> None:
    shift, mask = bits
    pv.post(_shown(pv.field, read() >> shift & mask))


def _shown(field: Field, value: int) -> Any:
    if field.kind == "enum":
        return field.choices[value]
    return bool(value) if field.kind == "bool" else int(value)
