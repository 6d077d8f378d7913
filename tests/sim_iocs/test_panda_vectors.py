"""The FPGA's own timing vectors: at every tick, every output and register that a section names is as the FPGA has it.

A section lists changes of inputs and what follows from them in the same tick; what it does not list does not change.
The words on the FPGA's DMA stream are compared in value and order, not in time. The contents of the tables of SEQ and
PGEN are not in the vectors' files (they stand in a memory image); those here are read off the comments of the vectors
and the outputs that they demand.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest
from wingbeat.sim_iocs.panda_block import Block
from wingbeat.sim_iocs.panda_calc import Calc
from wingbeat.sim_iocs.panda_clock import Clock
from wingbeat.sim_iocs.panda_counter import Counter
from wingbeat.sim_iocs.panda_encoder import EncoderPosition
from wingbeat.sim_iocs.panda_encoding import PosEnc, Qdec
from wingbeat.sim_iocs.panda_fabric import Fabric, Wire
from wingbeat.sim_iocs.panda_filter import Filter
from wingbeat.sim_iocs.panda_gates import Bits, Div, Lut, SrGate
from wingbeat.sim_iocs.panda_pcap import Pcap
from wingbeat.sim_iocs.panda_pcomp import Pcomp
from wingbeat.sim_iocs.panda_pgen import Pgen
from wingbeat.sim_iocs.panda_position import SteppedPosition
from wingbeat.sim_iocs.panda_pulse import Pulse
from wingbeat.sim_iocs.panda_rows import Column
from wingbeat.sim_iocs.panda_seq import Sequencer
from wingbeat.sim_iocs.panda_table import SeqLine

FOLDER = Path(__file__).parents[2].parent / "shared" / "data" / "panda"

CANNOT_APPLY: dict[tuple[str, str], str] = {}
"""(block, section) -> why it cannot apply to the model: none."""

SECTIONS = 131
"""In all files; so that a file that is not read is noticed."""

Changes = dict[str, int]


class Moment(NamedTuple):
    tick: int
    inputs: Changes
    outputs: Changes


def parts(block: str) -> list[tuple[str, list[Moment]]]:
    """Sections of a block's vectors."""
    found: list[tuple[str, list[Moment]]] = []
    for path in sorted(FOLDER.glob(f"{block}*.timing.ini")):
        for part in path.read_text().split("\n[")[1:]:
            name, _, body = part.partition("]\n")
            found.append((name, [moment(line) for line in body.splitlines() if line[:1].isdigit()]))
    return found


def sections(*blocks: str) -> Iterator[Any]:
    for block in blocks:
        found = parts(block)
        if not found:
            reason = f"no timing vectors of {block} in {FOLDER.parent.name}/{FOLDER.name}"
            yield pytest.param(block, [], id=f"{block}-absent", marks=pytest.mark.skip(reason=reason))
        for name, moments in found:
            reason = CANNOT_APPLY.get((block, name))
            marks = [pytest.mark.skip(reason=reason)] if reason else []
            yield pytest.param(block, moments, id=f"{block}-{name}", marks=marks)


def moment(line: str) -> Moment:
    tick, _, rest = line.partition(":")
    inputs, _, outputs = rest.partition("->")
    return Moment(int(tick), assignments(inputs), assignments(outputs))


def assignments(text: str) -> Changes:
    pairs = (part.split("=") for part in text.split(",") if part.strip())
    return {name.strip(): int(value.strip(), 0) for name, value in pairs}


def by_tick(moments: list[Moment]) -> Iterator[tuple[int, Moment]]:
    """Every tick up to a little after the last moment; those between the moments are empty."""
    listed = {m.tick: m for m in moments}
    for tick in range(moments[-1].tick + 10):
        yield tick, listed.get(tick, Moment(tick, {}, {}))


class Staircase:
    """An encoder that follows the section's POSA, known as far as it has come."""

    resolution, units = 1.0, "counts"

    def __init__(self) -> None:
        self.steps = [(-1, 0)]

    def counts(self, t_ns: int) -> int:
        return [value for at, value in self.steps if at <= t_ns][-1]

    def first_time(self, counts: int, *, rising: bool, start_ns: int, stop_ns: int) -> int | None:
        instants = [start_ns, *(at for at, _ in self.steps if start_ns < at < stop_ns)]
        met = (t for t in instants if (self.counts(t) >= counts if rising else self.counts(t) <= counts))
        return next(met, None)

    def mean(self, start_ns: int, stop_ns: int) -> float:
        raise AssertionError("a sequencer does not average")


TABLES = {
    0: [(3, 0, 0, 5, 1, 5, 0)],
    1024: [(2, 0, 0, 5, 0b1, 2, 0b10), (3, 0, 0, 1, 0b11, 2, 0)],
    2048: [(2, 0, 0, 5, 1, 2, 0), (1, 0, 0, 0, 0, 5, 0b10)],
    3072: [(1, 0, 0, 3, 1, 4, 0b11), (1, 0, 0, 5, 0b111, 6, 0b1111), (1, 0, 0, 7, 0b11111, 8, 0b111111)],
    4096: [(3, 2, 0, 2, 1, 1, 0), (1, 4, 0, 3, 0b10, 2, 0)],
    5120: [(1, 7, 20, 0, 0, 4, 0b10), (3, 0, 0, 1, 0b11, 3, 0b10), (2, 8, 10, 1, 1, 3, 0)],
    6144: [(2, 0, 0, 1, 1, 1, 0)],
    7168: [(0, 0, 0, 5, 1, 5, 0)],
    8192: [(1, 0, 0, 0, 0, 5, 1), (2, 0, 0, 0, 0, 3, 0)],
    9216: [(1, 0, 0, 5, 1, 5, 0)],
    26624: [(1, 0, 0, 0, 0, 20, 1), (1, 0, 0, 0, 0, 20, 0)],
    27648: [(1, 0, 0, 0, 0, 20, 0b10), (1, 0, 0, 0, 0, 10, 0), (1, 0, 0, 0, 0, 10, 0)],
    28672: [(1, 0, 0, 0, 0, 20, 0b100)],
}
MORE = 1 << 31


class SeqBench:
    def __init__(self) -> None:
        self.fabric = Fabric(0)
        self.encoder = Staircase()
        self.seq = Sequencer(self.fabric)
        self.seq.posa = EncoderPosition(self.encoder, self.fabric)
        self.seq.repeats = 0
        self.address = 0
        self.streaming = False

    def apply(self, tick: int, inputs: Changes) -> None:
        for name, value in inputs.items():
            if name == "TABLE_ADDRESS":
                self.address = value
            elif name == "TABLE_LENGTH":
                self.load([SeqLine(*line) for line in TABLES[self.address]], more=bool(value & MORE))
            elif name == "POSA":
                self.encoder.steps.append((self.fabric.ns_of(tick), value))
            else:
                self.seq.write(name.lower(), value)
        self.fabric.nudge(self.seq)

    def load(self, lines: list[SeqLine], *, more: bool) -> None:
        if self.streaming:
            self.seq.append(lines, more=more)
        else:
            self.seq.load(lines, more=more)
        self.streaming = more

    def read(self) -> Changes:
        seq = self.seq
        outs = {f"OUT{name}": seq.outs >> n & 1 for n, name in enumerate("ABCDEF")}
        lines = {"TABLE_LINE": seq.table_line, "LINE_REPEAT": seq.line_repeat, "TABLE_REPEAT": seq.table_repeat}
        return {"ACTIVE": seq.active, "STATE": int(seq.state), **lines, **outs}


def follow(bench: Any, moments: list[Moment]) -> None:
    expected = dict.fromkeys(bench.read(), 0)
    unknown = {name for m in moments for name in m.outputs} - set(expected) - {"DATA"}
    assert not unknown, "outputs that nobody reads"
    for tick, now in by_tick(moments):
        bench.fabric.run(tick)
        if now.inputs:
            bench.apply(tick, now.inputs)
        bench.fabric.run(tick + 1)
        expected |= {name: value for name, value in now.outputs.items() if name in expected}
        assert bench.read() == expected, f"tick {tick}"


@pytest.mark.parametrize(("block", "moments"), list(sections("seq")))
def test_the_sequencer_does_at_every_tick_what_the_fpga_does(block: str, moments: list[Moment]) -> None:
    assert block == "seq"
    follow(SeqBench(), moments)


class BlockBench:
    """Any block whose inputs, registers and outputs have the names of its definition."""

    ALIASES: ClassVar[dict[str, str]] = {"WIDTH_L": "width", "DELAY_L": "delay", "STEP_L": "step_time"}
    ALIASES |= {"STEP": "step_size"}

    def __init__(self, kind: type[Block], *registers: str) -> None:
        self.fabric = Fabric(0)
        self.block = kind(self.fabric)
        self.positions = {name: SteppedPosition(name, self.fabric) for name in kind.POSITIONS}
        for name, position in self.positions.items():
            setattr(self.block, name.lower(), position)
            self.fabric.connect(position.wire, self.block, "moved")
        self.names = (*kind.OUT_BITS, *kind.OUT_POSITIONS, *registers)

    def apply(self, tick: int, inputs: Changes) -> None:
        for name, value in inputs.items():
            if name in self.positions:
                self.positions[name].drive(value, tick - 1)
                self.fabric.changes.clear()
            elif name in self.block.BITS:
                setattr(self.block, name.lower(), value)
            elif name == "TABLE_LENGTH":
                self.block.load([10, 11, 12, 13, 14, 15, 16, 21, 52, 32])  # type: ignore[attr-defined]
            elif name != "TABLE_ADDRESS":
                self.block.write(self.ALIASES.get(name, name.lower()), value)
        self.fabric.nudge(self.block)

    def read(self) -> Changes:
        return {name: int(getattr(self.block, name.lower())) for name in self.names}


BLOCKS: dict[str, tuple[Any, ...]] = {
    "bits": (Bits,),
    "calc": (Calc, "OUT"),
    "clock": (Clock,),
    "counter": (Counter,),
    "div": (Div, "COUNT"),
    "filter": (Filter, "HEALTH"),
    "lut": (Lut,),
    "pcomp": (Pcomp, "HEALTH", "PRODUCED", "STATE"),
    "pgen": (Pgen, "STATE"),
    "posenc": (PosEnc, "STATE"),
    "pulse": (Pulse, "QUEUED", "DROPPED"),
    "qdec": (Qdec, "HOMED"),
    "srgate": (SrGate,),
}


@pytest.mark.parametrize(("block", "moments"), list(sections(*BLOCKS)))
def test_a_block_does_at_every_tick_what_the_fpga_does(block: str, moments: list[Moment]) -> None:
    follow(BlockBench(*BLOCKS[block]), moments)


def test_every_section_of_every_file_is_a_case() -> None:
    files = {path.name.partition(".")[0].partition("_")[0] for path in FOLDER.glob("*.timing.ini")}
    if not files:
        pytest.skip(f"no timing vectors in {FOLDER.parent.name}/{FOLDER.name}")
    assert files == {*BLOCKS, "seq", "pcap"}
    assert sum(len(parts(block)) for block in files) == SECTIONS


SUMMARIES = ("Value", "Diff", "Sum", "Sum", "Min", "Max", "Sum2", "Sum2", "Sum2")
OWN = (
    "TS_START",
    "TS_START",
    "TS_END",
    "TS_END",
    "TS_TRIG",
    "TS_TRIG",
    "GATE_DURATION",
    "BITS0",
    "BITS1",
    "BITS2",
    "BITS3",
)


class PcapBench:
    """`words` collects what the FPGA would put on its DMA stream."""

    def __init__(self) -> None:
        self.fabric = Fabric(0)
        self.positions = {n: SteppedPosition(f"POS{n}", self.fabric) for n in range(32)}
        self.bus = [Wire(f"BIT{n}", n) for n in range(128)]
        self.pcap = Pcap(self.fabric, self.bus)
        self.codes: list[int] = []
        self.words: list[int] = []

    def apply(self, tick: int, inputs: Changes) -> None:
        for name, value in inputs.items():
            number = int(name.partition("[")[2].rstrip("]") or -1)
            match name.partition("[")[0]:
                case "POS":
                    self.positions[number].drive(value, tick - 1)
                case "BIT":
                    self.bus[number].value = value
                case "START_WRITE":
                    self.codes = []
                case "WRITE":
                    self.codes.append(value)
                case "ARM":
                    self.pcap.arm(tuple({column(self, code): None for code in self.codes}), words=len(self.codes))
                case "DISARM":
                    self.pcap.disarm()
                case _:
                    setattr(self.pcap, name.lower(), value)
        self.fabric.nudge(self.pcap)

    def read(self) -> Changes:
        batch = self.pcap.collect()
        if batch is not None:
            for row in range(batch.size):
                self.words += [self.word(batch.columns, row, code) for code in self.codes]
        return {"ACTIVE": self.pcap.active, "HEALTH": self.pcap.health}

    def word(self, columns: dict[str, Any], row: int, code: int) -> int:
        found = column(self, code)
        value = columns[found.name][row]
        if found.field.startswith("PCAP.TS"):
            value = np.rint(value / 8e-9)
        if found.statistic == "Sum2":
            return int(value) >> 32 * ((code & 0xF) - 6) & 0xFFFFFFFF
        high = code in (0x210, 0x230, 0x250) or (code < 0x200 and code & 0xF == 3)
        return int(value) >> (32 if high else 0) & 0xFFFFFFFF


def column(bench: PcapBench, code: int) -> Column:
    if code >= 0x200:
        return Column(f"PCAP.{OWN[(code - 0x200) // 16]}", "Value", None)
    return Column(f"POS{code >> 4}", SUMMARIES[code & 0xF], bench.positions[code >> 4])


@pytest.mark.parametrize(("block", "moments"), list(sections("pcap")))
def test_position_capture_gives_the_words_that_the_fpga_gives(block: str, moments: list[Moment]) -> None:
    assert block == "pcap"
    bench = PcapBench()
    follow(bench, moments)
    assert bench.words == [m.outputs["DATA"] & 0xFFFFFFFF for m in moments if "DATA" in m.outputs]
    assert bench.words or not any("TRIG" in m.inputs for m in moments)
