"""The PandA as a machine: blocks, buses and routing, advanced along the timeline; no PVs, no loop, no files.

Theory of operation. Settings, arming and routing made from outside take effect at the first tick that has not been
computed, and are applied at once (two ticks are run), so that what they change can be read back. `advance` then
computes all events up to an instant: exact in time whatever the rhythm of the calls. The hop latencies are told in
panda_fabric, the buses in panda_bus, how long trains of equal periods are skipped in panda_leap.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .errors import RefusedPutError
from .panda_block import Block
from .panda_bus import Buses, known
from .panda_calc import Calc
from .panda_clock import Clock
from .panda_counter import Counter
from .panda_encoder import EncoderPosition, EncoderSource, InputEncoder
from .panda_encoding import PosEnc, Qdec
from .panda_fabric import Fabric
from .panda_filter import Filter
from .panda_gates import Bits, Div, Lut, SrGate
from .panda_leap import PeriodLeaper
from .panda_output import Input, Output
from .panda_pcap import Pcap
from .panda_pcomp import Pcomp
from .panda_pgen import Pgen
from .panda_position import Position
from .panda_pulse import Pulse
from .panda_rows import CAPTURE_MODES, OWN_FIELDS, CaptureBatch, Column
from .panda_seq import LOAD_TICKS, Sequencer
from .panda_table import SeqLine

KINDS: dict[str, tuple[type[Block], int]] = {
    "SEQ": (Sequencer, 2),
    "COUNTER": (Counter, 2),
    "PULSE": (Pulse, 2),
    "PCOMP": (Pcomp, 1),
    "CLOCK": (Clock, 1),
    "LUT": (Lut, 2),
    "SRGATE": (SrGate, 2),
    "DIV": (Div, 1),
    "CALC": (Calc, 1),
    "FILTER": (Filter, 1),
    "PGEN": (Pgen, 1),
    "POSENC": (PosEnc, 1),
    "QDEC": (Qdec, 1),
    "TTLIN": (Input, 2),
    "TTLOUT": (Output, 2),
    "LVDSIN": (Input, 1),
    "LVDSOUT": (Output, 1),
}
"""Numbered blocks: their class and how many there are unless settings say otherwise."""

DEFAULT_ROUTING = {
    "SEQ1.POSA": "INENC1.VAL",
    "SEQ1.POSB": "INENC2.VAL",
    "COUNTER1.ENABLE": "PCAP.ACTIVE",
    "COUNTER1.TRIG": "SEQ1.OUTA",
    "PCAP.ENABLE": "ONE",
    "PCAP.GATE": "SEQ1.OUTA",
    "PCAP.TRIG": "SEQ1.OUTA",
    "TTLOUT1.VAL": "SEQ1.OUTA",
}
"""The power-on design; every other mux is ZERO."""

DEFAULT_CAPTURE = {
    "INENC1.VAL": "Mean",
    "INENC2.VAL": "Mean",
    "COUNTER1.OUT": "Value",
    "PCAP.TS_START": "Value",
    "PCAP.TS_TRIG": "Value",
}
"""What is captured at power-on; every other field is No."""

_B = TypeVar("_B", bound=Block)

_MARGIN = 64
"""Ticks of the past that are kept beyond what is asked for: the hops of calculated positions."""


class PandaModel:
    """A PandA with the given encoders.

    Args:
        axes: encoder inputs by block name, "INENC1" and so on.
        epoch_ns: Unix nanoseconds of tick 0.
        counts: how many there are of a kind of block ("LUT": 4), where not as many as usual.

    Attributes:
        buses: all outputs and inputs by name.
        capture: capturable field -> its capture mode; read when PCAP is armed.

    Raises:
        RefusedPutError: there is no such kind of block.
    """

    def __init__(
        self, axes: Mapping[str, EncoderSource], *, epoch_ns: int, counts: Mapping[str, int] | None = None
    ) -> None:
        self.fabric = Fabric(epoch_ns)
        self.fabric.leaper = self.leaper = PeriodLeaper(self.fabric)
        self.buses = Buses(self.fabric)
        for name, axis in axes.items():
            self._add_encoder(name, axis)
        for kind in counts or {}:
            known(kind, KINDS, "kind of block")
        for kind, (make, usual) in KINDS.items():
            for n in range(1, (counts or {}).get(kind, usual) + 1):
                name = f"{kind}{n}"
                self.buses.add(name, make(self.fabric, self.buses.outputs(name, make)))
        self.buses.add("BITS", Bits(self.fabric, self.buses.outputs("BITS", Bits)))
        outputs = self.buses.outputs("PCAP", Pcap)
        self.pcap = Pcap(self.fabric, list(self.buses.bits.values()), outputs)
        self.buses.add("PCAP", self.pcap)
        self.pcap.trig_edge = 1
        self._batches: list[CaptureBatch] = []
        self.capture = dict.fromkeys(self._capturable(), "No")
        self._power_on()

    @property
    def blocks(self) -> Mapping[str, Block]:
        """Blocks by name."""
        return self.buses.blocks

    @property
    def routing(self) -> Mapping[str, str]:
        """Mux -> the output that it follows."""
        return self.buses.routing

    @property
    def positions(self) -> Mapping[str, Position]:
        """The position bus."""
        return self.buses.positions

    @property
    def bit_names(self) -> tuple[str, ...]:
        """Every name a bit mux may follow."""
        return tuple(self.buses.bits)

    @property
    def position_names(self) -> tuple[str, ...]:
        """Every name a position mux may follow."""
        return tuple(self.positions)

    @property
    def busy(self) -> bool:
        """Whether events can still come by themselves."""
        return any(block.busy for block in self.blocks.values())

    def sequencer(self, number: int) -> Sequencer:
        """SEQ `number`, counted from 1; for reading its registers."""
        return self._block(f"SEQ{number}", Sequencer)

    def encoder(self, name: str) -> InputEncoder:
        """An encoder input, "INENC1"."""
        return self._block(name, InputEncoder)

    def advance(self, to_ns: int) -> None:
        """Compute everything before the instant `to_ns` (Unix ns); an instant already passed is without effect."""
        self._run(self.fabric.tick_at(to_ns))

    def route(self, mux: str, source: str) -> None:
        """Let `mux` ("SEQ1.ENABLE") follow `source` ("ONE").

        Raises:
            RefusedPutError: there is no such mux, or no such output on its bus.
        """
        self.buses.route(mux, source)
        self._apply()

    def delay(self, mux: str, ticks: int) -> None:
        """Delay a bit input by 0 to 31 ticks.

        Raises:
            RefusedPutError: there is no such input, or the delay is too long.
        """
        self.buses.delay(mux, ticks)
        self._apply()

    def configure(self, block: str, **settings: Any) -> None:
        """Set registers of a block by their attribute names, in ticks and numbers."""
        target = self.blocks[block]
        for name, value in settings.items():
            target.write(name, value)
        self.fabric.nudge(target)
        self._apply()

    def set_bit(self, name: str, value: int) -> None:
        """Drive a soft bit, "BITS.OUTA"."""
        block, _, output = name.partition(".OUT")
        self.configure(block, **{output.lower(): value})

    def feed(self, name: str, times_ns: NDArray[np.int64], levels: NDArray[np.bool_]) -> None:
        """Drive a connector, "TTLIN1": edges in the order of their times (Unix ns), after those given before.

        An edge at an instant that has been computed acts at the first one that has not.
        """
        ticks = (self.fabric.tick_at(t_ns) for t_ns in times_ns.tolist())
        self._block(name, Input).schedule(zip(ticks, levels.astype(int).tolist(), strict=True))

    def set_traps(self, traps: Mapping[int, Sequence[Callable[[int], None]]]) -> None:
        """Have things called in the step in which so many rows have been made since arming."""
        self.pcap.traps = traps
        self.fabric.disturb()

    def load_table(self, number: int, columns: Mapping[str, Any], *, more: bool = False) -> None:
        """Load the table of SEQ `number`; with `more` it is to be continued by `append_table`.

        Raises:
            RefusedPutError: the table cannot be used; the one before stays.
        """
        self.sequencer(number).load(SeqLine.table(columns), more=more)
        # Until it is fetched, so that an enable at the same instant of a virtual clock is not ignored.
        self._run(self.fabric.stop + LOAD_TICKS + 2)

    def append_table(self, number: int, columns: Mapping[str, Any], *, more: bool) -> None:
        """Continue the table of SEQ `number`; `more` says that this is not the last part.

        Raises:
            RefusedPutError: the part cannot be used, or too many lines wait.
        """
        self.sequencer(number).append(SeqLine.table(columns), more=more)
        self._apply()

    def load_positions(self, number: int, positions: list[int]) -> None:
        """Load the table of PGEN `number`."""
        self._block(f"PGEN{number}", Pgen).load(positions)
        self._run(self.fabric.stop + LOAD_TICKS + 2)

    def set_capture(self, field: str, mode: str) -> None:
        """Choose what is captured of a field, from the next arming on.

        Raises:
            RefusedPutError: unknown field or mode.
        """
        modes = ("No", "Value") if field.startswith("PCAP.") else tuple(CAPTURE_MODES)
        self.capture[known(field, self.capture, "capture field")] = known(mode, modes, f"capture mode of {field}")

    def columns(self) -> tuple[Column, ...]:
        """The columns that an arming now would capture, in the order of the fields."""
        return tuple(
            Column(field, statistic, self.positions.get(field))
            for field, mode in self.capture.items()
            for statistic in CAPTURE_MODES[mode]
        )

    def arm(self) -> None:
        """Arm PCAP; without effect while it is active."""
        self.pcap.arm(self.columns())
        self._apply()

    def disarm(self) -> None:
        """Disarm PCAP; rows made before stay to be taken."""
        self.pcap.disarm()
        self._apply()

    def take_edges(self, output: str) -> list[int]:
        """Unix ns of the rising edges at "TTLOUT1" or another output since the last call."""
        times, levels = self.take_levels(output)
        return times[levels].tolist()

    def take_levels(self, output: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """All edges at "TTLOUT1" or another output since the last call: Unix ns, and whether each is a rise."""
        return self._block(output, Output).take()

    def take_batches(self) -> list[CaptureBatch]:
        """The rows captured since the last call, in order."""
        batches, self._batches = self._batches, []
        return batches

    def _block(self, name: str, kind: type[_B]) -> _B:
        block = self.blocks[known(name, self.blocks, "block")]
        if not isinstance(block, kind):
            raise RefusedPutError(f"{name} is not a {kind.__name__}")
        return block

    def _apply(self) -> None:
        self._run(self.fabric.stop + 2)

    def _run(self, stop: int) -> None:
        self.fabric.run(stop)
        batch = self.pcap.collect()
        if batch is not None:
            self._batches.append(batch)
        wanted = min(block.history_from for block in self.blocks.values()) - _MARGIN
        for position in self.positions.values():
            position.forget(wanted)
        self.fabric.disturb()  # logs were emptied: what was marked in them is gone

    def _add_encoder(self, name: str, axis: EncoderSource) -> None:
        position = EncoderPosition(axis, self.fabric)
        self.buses.positions[f"{name}.VAL"] = position
        self.buses.add(name, InputEncoder(self.fabric, position, self.buses.line(f"{name}.CONN", 1)))

    def _capturable(self) -> list[str]:
        axes = sorted(name for name in self.positions if name.startswith("INENC"))
        others = [name for name in self.positions if name not in axes and name != "ZERO"]
        return [*axes, *others, *(f"PCAP.{field}" for field in OWN_FIELDS)]

    def _power_on(self) -> None:
        for mux, source in DEFAULT_ROUTING.items():
            if mux in self.routing and (source in self.buses.bits or source in self.positions):
                self.route(mux, source)
        for field, mode in DEFAULT_CAPTURE.items():
            if field in self.capture:
                self.set_capture(field, mode)
