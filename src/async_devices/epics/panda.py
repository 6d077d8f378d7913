"""Panda: a PandABlocks trigger box over PV Access, its tree read from PVI.

Only what a caller names is written: routing, scales and every other block stay as the saved design has them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from numpy.typing import NDArray

from ...task_scope import together
from ..errors import AcquireError, ReadbackError, WaitTimeoutError
from ..paths import PathProvider
from .panda_blocks import SeqBlock
from .panda_capture import PandaCapture
from .panda_long_table import MOST_LINES, Columns, LongTable, as_served, difference
from .panda_settings import Change, Design, load_design, save_design
from .panda_tree import PandaTree

TICK_US = 0.008
ARM_TIMEOUT = 10.0

INPUTS = {
    "seq": ("enable", "bita", "bitb", "bitc", "posa", "posb", "posc"),
    "pcap": ("enable", "gate", "trig"),
    "counter": ("enable", "trig", "dir"),
    "pcomp": ("enable", "inp"),
    "pulse": ("enable", "trig"),
    "clock": ("enable",),
    "srgate": ("enable", "set", "rst"),
    "lut": ("inpa", "inpb", "inpc", "inpd", "inpe"),
    "div": ("enable", "inp"),
    "calc": ("inpa", "inpb", "inpc", "inpd"),
    "ttlout": ("val",),
    "lvdsout": ("val",),
}
"""Fields that choose where a block's input comes from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderScale:
    """How counts become a position: counts * scale + offset, in `units`."""

    scale: float
    offset: float
    units: str


class Panda(PandaTree):
    """A PandA: `panda.seq[1].table`, or `panda.block("seq", 1)["table"]` for any field that it serves."""

    def __init__(
        self,
        prefix: str,
        *,
        path_provider: PathProvider | None = None,
        dtypes: Mapping[str, str] | None = None,
        name: str = "",
    ) -> None:
        """Name a PandA.

        Args:
            prefix: With the colon, as SIM:PANDA:.
            path_provider: Says where its capture files go; None asks the session's.
            dtypes: Numpy types of captured datasets of which the server does not say the true one.
            name: Of the device.
        """
        self.capture = PandaCapture(self, path_provider=path_provider, dtypes=dtypes)
        self.armed = False
        super().__init__(prefix, name=name)

    async def arm(self) -> None:
        """Arm PCAP: what it captures counts from here.

        Raises:
            AcquireError: It does not become active.
        """
        await self._set_armed(armed=True)

    async def disarm(self) -> None:
        """Disarm PCAP.

        Raises:
            AcquireError: It stays active.
        """
        await self._set_armed(armed=False)

    async def _set_armed(self, *, armed: bool) -> None:
        pcap = self.pcap
        if not armed:
            self.armed = False
        await pcap.arm.put(armed)
        try:
            await pcap.active.wait_for_value(armed, timeout=ARM_TIMEOUT)
        except WaitTimeoutError as error:
            health = await pcap.health.get_value() if "health" in pcap else "unknown"
            state = "active" if armed else "inactive"
            msg = (
                f"{self.name}: PCAP is not {state} {ARM_TIMEOUT:g} s after arm = {armed}; health {health!r}. Is "
                "PCAP.ENABLE high?"
            )
            raise AcquireError(msg) from error
        self.armed = armed

    async def enable_sequencer(self, number: int = 1) -> None:
        """Let a sequencer run its table, from the first line.

        Raises:
            AcquireError: It does not become active: its table is empty, or it is not ready.
        """
        seq = self._sequencer(number)
        await seq.enable.put("ONE")
        try:
            await seq.active.wait_for_value(True, timeout=ARM_TIMEOUT)
        except WaitTimeoutError as error:
            health = await seq.health.get_value()
            msg = (
                f"{self.name}: SEQ{number} is not active {ARM_TIMEOUT:g} s after enable; health {health!r}. Has it "
                "a table?"
            )
            raise AcquireError(msg) from error

    async def disable_sequencer(self, number: int = 1) -> None:
        """Stop a sequencer; its outputs go low."""
        await self._sequencer(number).enable.put("ZERO")

    def _sequencer(self, number: int) -> SeqBlock:
        return cast("SeqBlock", self.block("seq", number))

    async def load_sequencer(
        self, table: Mapping[str, NDArray[Any]], *, number: int = 1, prescale_ticks: int = 1, repeats: int = 1
    ) -> None:
        """Write a table with its prescaler and repeats, and read all of it back.

        Args:
            table: The 17 columns by name: repeats, trigger (labels), position (counts), time1, outa1 to outf1,
                time2, outa2 to outf2.
            number: Of the sequencer.
            prescale_ticks: Ticks of 8 ns that one unit of time1 and time2 is long.
            repeats: Of the whole table; 0 for ever.

        Raises:
            ReadbackError: Something reads back otherwise; naming the first line and column.
        """
        seq = self._sequencer(number)
        await self._set_pace(seq, prescale_ticks, repeats)
        served = await seq.table.get_value()
        await seq.table.put({name: as_served(table[name], column) for name, column in served.items()})
        await self._check_loaded(seq, table, prescale_ticks * TICK_US, repeats)

    async def _set_pace(self, seq: SeqBlock, prescale_ticks: int, repeats: int) -> None:
        await seq.prescale_units.put("us")  # before the value: a change of units would rescale it
        await seq.prescale.put(prescale_ticks * TICK_US)
        await seq.repeats.put(repeats)

    async def load_long_table(
        self, parts: Iterable[Columns], *, number: int = 1, prescale_ticks: int = 1, ahead: int = MOST_LINES
    ) -> LongTable:
        """Begin a table of any length: the first parts are sent, the rest by `feed` while it runs.

        Args:
            parts: Tables of at most 4096 lines each, as for `load_sequencer`; consumed as they are needed.
            number: Of the sequencer.
            prescale_ticks: Ticks of 8 ns that one unit of time1 and time2 is long.
            ahead: Lines still to begin at which the next part is sent.

        Raises:
            UnsupportedTableError: This server cannot stream tables.
            ReadbackError: Something reads back otherwise.
        """
        seq = self._sequencer(number)
        table = LongTable(self, seq, parts, ahead=ahead)
        await self._set_pace(seq, prescale_ticks, 1)
        await table.begin()
        return table

    async def _check_loaded(
        self, seq: SeqBlock, table: Mapping[str, NDArray[Any]], prescale_us: float, repeats: int
    ) -> None:
        back, prescale, seen = (
            await seq.table.get_value(),
            await seq.prescale.get_value(),
            await seq.repeats.get_value(),
        )
        if abs(prescale - prescale_us) > TICK_US / 2 or seen != repeats:
            msg = (
                f"{self.name}: {seq.label} prescale {prescale} us and repeats {seen}, expected {prescale_us} us and "
                f"{repeats}"
            )
            raise ReadbackError(msg)
        for name, column in table.items():
            if wrong := difference(column, back.get(name)):
                msg = f"{self.name}: {seq.label}.TABLE column {name} {wrong}; does another client write to it?"
                raise ReadbackError(msg)

    async def routing(self) -> dict[str, str]:
        """Where the inputs of the blocks come from, as {"SEQ1.POSA": "INENC1.VAL", ...}."""
        found: dict[str, str] = {}
        for block, device in self.blocks.items():
            fields = [field for field in INPUTS.get(block.name, ()) if field in device]
            sources = await together(*(device[field].get_value() for field in fields))
            names = (f"{device.label}.{field.upper()}" for field in fields)
            found.update(zip(names, map(str, sources), strict=True))
        return found

    async def encoder_scales(self) -> dict[str, EncoderScale]:
        """How each encoder input's counts become a position, as {"INENC1": ...}."""
        found: dict[str, EncoderScale] = {}
        for block, device in self.blocks.items():
            if block.name == "inenc" and "val_scale" in device:
                scale, offset, units = await together(
                    *(device[f"val_{field}"].get_value() for field in ("scale", "offset", "units"))
                )
                found[device.label] = EncoderScale(scale=float(scale), offset=float(offset), units=str(units))
        return found

    async def save_design(self) -> dict[str, Any]:
        """Every setting that it has, as {"SEQ1.REPEATS": 1, ...}."""
        return await save_design(self)

    async def load_design(self, design: Design) -> dict[str, Change]:
        """Write the settings that differ, units first and enables last, and read them back.

        Returns:
            What was changed.

        Raises:
            MissingFieldError: It does not have all of these settings; nothing was written.
            ReadbackError: Something reads back otherwise.
        """
        return await load_design(self, design)

    async def health(self) -> dict[str, str]:
        """What each sequencer and PCAP say of themselves: "OK", or what ails them."""
        found: dict[str, str] = {}
        for device in self.blocks.values():
            if "health" in device:
                found[device.label] = str(await device["health"].get_value())
        return found
