"""The blocks of a PandA as typed devices, filled from what its server describes.

A class names the fields that the FPGA's block definitions have; a server that lacks one of them raises when that one is
used and not before, and what a server has beyond them is there by name (`block["label"]`). Only what `required` names
must be served: without it the block is of no use to anybody.

The types are what a client wants, whatever the server's way of serving them: PandABlocks-ioc and fastcs-PandABlocks
differ in which of bool, int, enum and float a field is.
"""

from typing import Any, ClassVar

from ..mocking import mock_of
from ..signal import SignalR, SignalRW, SignalX
from .pvi import Block

Table = dict[str, Any]


class SeqBlock(Block):
    """A sequencer: plays a table of triggers and outputs."""

    required: ClassVar = ("table", "enable", "prescale", "prescale_units", "repeats", "active", "health")
    enable: SignalRW[str]
    bita: SignalRW[str]
    bitb: SignalRW[str]
    bitc: SignalRW[str]
    posa: SignalRW[str]
    posb: SignalRW[str]
    posc: SignalRW[str]
    table: SignalRW[Table]
    table_append: SignalRW[Table]
    table_append_last: SignalRW[Table]
    prescale: SignalRW[float]
    prescale_units: SignalRW[str]
    repeats: SignalRW[int]
    active: SignalR[bool]
    table_repeat: SignalR[int]
    table_line: SignalR[int]
    queued_lines: SignalR[int]
    line_repeat: SignalR[int]
    state: SignalR[str]
    health: SignalR[str]

    async def behave_as_mock(self) -> None:
        """Be active while enabled."""
        mock_of(self.health).set_now("OK")
        mock_of(self.enable).on_put(lambda value: mock_of(self.active).set_now(value == "ONE"))


class PcompBlock(Block):
    """Position compare: pulses at equal steps of a position."""

    enable: SignalRW[str]
    inp: SignalRW[str]
    pre_start: SignalRW[int]
    start: SignalRW[int]
    width: SignalRW[int]
    step: SignalRW[int]
    pulses: SignalRW[int]
    relative: SignalRW[str]
    dir: SignalRW[str]
    active: SignalR[bool]
    produced: SignalR[int]
    state: SignalR[str]
    health: SignalR[str]


class PcapBlock(Block):
    """Position capture: a row of data per trigger."""

    required: ClassVar = ("arm", "active")
    mocked_number: ClassVar = None
    enable: SignalRW[str]
    gate: SignalRW[str]
    trig: SignalRW[str]
    trig_edge: SignalRW[str]
    shift_sum: SignalRW[int]
    arm: SignalRW[bool]
    active: SignalR[bool]
    health: SignalR[str]
    ts_start_capture: SignalRW[str]
    ts_end_capture: SignalRW[str]
    ts_trig_capture: SignalRW[str]
    gate_duration_capture: SignalRW[str]

    async def behave_as_mock(self) -> None:
        """Be active while armed."""
        mock_of(self.health).set_now("OK")
        mock_of(self.arm).on_put(mock_of(self.active).set_now)


class PulseBlock(Block):
    """Delays and stretches pulses; counts those that it could not make."""

    enable: SignalRW[str]
    trig: SignalRW[str]
    trig_edge: SignalRW[str]
    delay: SignalRW[float]
    delay_units: SignalRW[str]
    width: SignalRW[float]
    width_units: SignalRW[str]
    step: SignalRW[float]
    step_units: SignalRW[str]
    pulses: SignalRW[int]
    queued: SignalR[int]
    dropped: SignalR[int]


class CounterBlock(Block):
    """Counts edges."""

    enable: SignalRW[str]
    trig: SignalRW[str]
    dir: SignalRW[str]
    trig_edge: SignalRW[str]
    out_mode: SignalRW[str]
    set: SignalRW[int]
    start: SignalRW[int]
    step: SignalRW[int]
    max: SignalRW[int]
    min: SignalRW[int]
    out: SignalR[float]
    out_capture: SignalRW[str]
    out_dataset: SignalRW[str]


class InencBlock(Block):
    """An encoder input: counts, and how they become a position."""

    protocol: SignalRW[str]
    setp: SignalRW[int]
    homed: SignalR[bool]
    health: SignalR[str]
    val: SignalR[float]
    val_scale: SignalRW[float]
    val_offset: SignalRW[float]
    val_units: SignalRW[str]
    val_capture: SignalRW[str]
    val_dataset: SignalRW[str]


class ClockBlock(Block):
    """A square wave."""

    enable: SignalRW[str]
    period: SignalRW[float]
    period_units: SignalRW[str]
    width: SignalRW[float]
    width_units: SignalRW[str]


class SrgateBlock(Block):
    """A set-reset gate."""

    enable: SignalRW[str]
    set: SignalRW[str]
    rst: SignalRW[str]
    when_disabled: SignalRW[str]
    set_edge: SignalRW[str]
    rst_edge: SignalRW[str]
    force_set: SignalX
    force_rst: SignalX


class LutBlock(Block):
    """A logical function of five inputs."""

    inpa: SignalRW[str]
    inpb: SignalRW[str]
    inpc: SignalRW[str]
    inpd: SignalRW[str]
    inpe: SignalRW[str]
    typea: SignalRW[str]
    typeb: SignalRW[str]
    typec: SignalRW[str]
    typed: SignalRW[str]
    typee: SignalRW[str]
    func: SignalRW[str]


class DivBlock(Block):
    """Passes every n-th pulse."""

    enable: SignalRW[str]
    inp: SignalRW[str]
    divisor: SignalRW[int]
    first_pulse: SignalRW[str]
    count: SignalR[int]


class CalcBlock(Block):
    """Sums of positions."""

    inpa: SignalRW[str]
    inpb: SignalRW[str]
    inpc: SignalRW[str]
    inpd: SignalRW[str]
    typea: SignalRW[str]
    typeb: SignalRW[str]
    typec: SignalRW[str]
    typed: SignalRW[str]
    shift: SignalRW[int]
    out: SignalR[float]
    out_capture: SignalRW[str]
    out_dataset: SignalRW[str]


class BitsBlock(Block):
    """Four bits set by hand."""

    a: SignalRW[bool]
    b: SignalRW[bool]
    c: SignalRW[bool]
    d: SignalRW[bool]


class TtlInBlock(Block):
    """A TTL input."""

    term: SignalRW[str]
    val: SignalR[bool]


class OutputBlock(Block):
    """A TTL or LVDS output."""

    quarter_delay: SignalRW[int]
    fine_delay: SignalRW[int]
    val: SignalRW[str]


class LvdsInBlock(Block):
    """An LVDS input."""

    val: SignalR[bool]


class DataBlock(Block):
    """The writer of what PCAP captures."""

    mocked_number: ClassVar = None
    required: ClassVar = ("hdf_directory", "hdf_file_name", "num_capture", "num_captured", "capture", "datasets")
    hdf_directory: SignalRW[str]
    hdf_file_name: SignalRW[str]
    hdf_full_file_path: SignalR[str]
    create_directory: SignalRW[int]
    directory_exists: SignalR[bool]
    num_capture: SignalRW[int]
    num_captured: SignalR[int]
    num_received: SignalR[int]
    missed: SignalR[int]
    capture: SignalRW[bool]
    capture_mode: SignalRW[str]
    flush_period: SignalRW[float]
    flush_now: SignalRW[bool]
    status: SignalR[str]
    end_reason: SignalR[str]
    datasets: SignalR[Table]


KINDS: dict[str, type[Block]] = {
    "seq": SeqBlock,
    "pcomp": PcompBlock,
    "pcap": PcapBlock,
    "pulse": PulseBlock,
    "counter": CounterBlock,
    "inenc": InencBlock,
    "clock": ClockBlock,
    "srgate": SrgateBlock,
    "lut": LutBlock,
    "div": DivBlock,
    "calc": CalcBlock,
    "bits": BitsBlock,
    "ttlin": TtlInBlock,
    "ttlout": OutputBlock,
    "lvdsin": LvdsInBlock,
    "lvdsout": OutputBlock,
    "data": DataBlock,
}
"""The typed blocks, by the names that PVI gives them."""
