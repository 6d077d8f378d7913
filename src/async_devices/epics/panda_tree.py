"""The block tree of a PandA, typed: `panda.seq[1].repeats`."""

from collections.abc import Mapping
from typing import TypeVar, cast

from .panda_blocks import (
    KINDS,
    BitsBlock,
    CalcBlock,
    ClockBlock,
    CounterBlock,
    DataBlock,
    DivBlock,
    InencBlock,
    LutBlock,
    LvdsInBlock,
    OutputBlock,
    PcapBlock,
    PcompBlock,
    PulseBlock,
    SeqBlock,
    SrgateBlock,
    TtlInBlock,
)
from .pvi import Block, PviDevice

B = TypeVar("B", bound=Block)

NEEDED = ("seq", "pcap", "data")
"""Blocks without which a PandA cannot serve a scan."""


class PandaTree(PviDevice):
    """Every block of a PandA; those of a kind by number, from 1."""

    def __init__(self, prefix: str, *, name: str = "") -> None:
        """Name a PandA.

        Args:
            prefix: With the colon, as SIM:PANDA:.
            name: Of the device.
        """
        super().__init__(f"{prefix}PVI", kinds=KINDS, needed=NEEDED, name=name)

    def _all(self, name: str, kind: type[B]) -> Mapping[int, B]:
        del kind  # for the type checker
        return cast("Mapping[int, B]", self.numbered(name))

    @property
    def pcap(self) -> PcapBlock:
        """Position capture."""
        return cast("PcapBlock", self.block("pcap"))

    @property
    def data(self) -> DataBlock:
        """The writer of what is captured."""
        return cast("DataBlock", self.block("data"))

    @property
    def seq(self) -> Mapping[int, SeqBlock]:
        """Sequencers."""
        return self._all("seq", SeqBlock)

    @property
    def pcomp(self) -> Mapping[int, PcompBlock]:
        """Position compares."""
        return self._all("pcomp", PcompBlock)

    @property
    def pulse(self) -> Mapping[int, PulseBlock]:
        """Pulse makers."""
        return self._all("pulse", PulseBlock)

    @property
    def counter(self) -> Mapping[int, CounterBlock]:
        """Counters."""
        return self._all("counter", CounterBlock)

    @property
    def inenc(self) -> Mapping[int, InencBlock]:
        """Encoder inputs."""
        return self._all("inenc", InencBlock)

    @property
    def clock(self) -> Mapping[int, ClockBlock]:
        """Clocks."""
        return self._all("clock", ClockBlock)

    @property
    def srgate(self) -> Mapping[int, SrgateBlock]:
        """Set-reset gates."""
        return self._all("srgate", SrgateBlock)

    @property
    def lut(self) -> Mapping[int, LutBlock]:
        """Logic functions."""
        return self._all("lut", LutBlock)

    @property
    def div(self) -> Mapping[int, DivBlock]:
        """Dividers."""
        return self._all("div", DivBlock)

    @property
    def calc(self) -> Mapping[int, CalcBlock]:
        """Sums of positions."""
        return self._all("calc", CalcBlock)

    @property
    def bits(self) -> Mapping[int, BitsBlock]:
        """Soft bits."""
        return self._all("bits", BitsBlock)

    @property
    def ttlin(self) -> Mapping[int, TtlInBlock]:
        """TTL inputs."""
        return self._all("ttlin", TtlInBlock)

    @property
    def ttlout(self) -> Mapping[int, OutputBlock]:
        """TTL outputs."""
        return self._all("ttlout", OutputBlock)

    @property
    def lvdsin(self) -> Mapping[int, LvdsInBlock]:
        """LVDS inputs."""
        return self._all("lvdsin", LvdsInBlock)

    @property
    def lvdsout(self) -> Mapping[int, OutputBlock]:
        """LVDS outputs."""
        return self._all("lvdsout", OutputBlock)
