"""The PandA as a machine: blocks, buses and routing, advanced along the timeline; no PVs, no loop, no files.

Theory of operation. Every block output has a name on the bit bus ("SEQ1.OUTA") or the position bus ("INENC1.VAL");
every mux names the output it follows, and `route` moves it. Settings, arming and routing made from outside take
effect at the first tick that has not been computed, and are applied at once (two ticks are run), so that what they
change can be read back. `advance` then computes all events up to an instant: exact in time whatever the rhythm of the
calls. The hop latencies are told in panda_fabric.
"""

from collections.abc import Collection, Mapping
from typing import Any

from .errors import RefusedPutError
from .panda_counter import Counter
from .panda_fabric import Fabric, Wire
from .panda_output import Clock, TtlOut
from .panda_pcap import CAPTURE_MODES, OWN_FIELDS, CaptureBatch, Column, Pcap
from .panda_position import EncoderPosition, EncoderSource, Position, SteppedPosition
from .panda_seq import LOAD_TICKS, OUTPUTS, SeqLine, Sequencer

SEQUENCERS, TTL_OUTS, COUNTERS, CLOCKS = 2, 2, 1, 1
SOFT_BITS = "ABCD"

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

Block = Sequencer | Counter | Pcap | TtlOut | Clock


class PandaModel:
    """Two sequencers, a counter, position capture, two TTL outputs, four soft bits, a clock and the given encoders.

    Args:
        axes: encoder inputs by block name, "INENC1" and so on.
        epoch_ns: Unix nanoseconds of tick 0.

    Attributes:
        routing: mux -> the output that it follows.
        capture: capturable field -> its capture mode; read when PCAP is armed.
    """

    def __init__(self, axes: Mapping[str, EncoderSource], *, epoch_ns: int) -> None:
        self.fabric = Fabric(epoch_ns)
        self._bits: dict[str, Wire] = {}
        self._line("ZERO")
        self._line("ONE", 1)
        self._stepped = {"ZERO": SteppedPosition("ZERO", self.fabric)}
        self.positions: dict[str, Position] = dict(self._stepped)
        self.positions |= {f"{name}.VAL": EncoderPosition(axis, self.fabric) for name, axis in axes.items()}
        self.blocks: dict[str, Block] = {}
        self._add_sequencers()
        self._add_counters()
        for n in range(1, TTL_OUTS + 1):
            self.blocks[f"TTLOUT{n}"] = TtlOut(self.fabric, self._line(f"TTLOUT{n}.VAL"))
        for n in range(1, CLOCKS + 1):
            self.blocks[f"CLOCK{n}"] = Clock(self.fabric, self._line(f"CLOCK{n}.OUT"))
        for bit in SOFT_BITS:
            self._line(f"BITS.OUT{bit}")
        self.pcap = Pcap(self.fabric, self._line("PCAP.ACTIVE"), list(self._bits.values()))
        self.blocks["PCAP"] = self.pcap
        self.pcap.trig_edge = 1
        self._batches: list[CaptureBatch] = []
        self.routing = dict.fromkeys(self._muxes(), "ZERO")
        self.capture = dict.fromkeys(self._capturable(), "No")
        self._power_on()

    @property
    def bit_names(self) -> tuple[str, ...]:
        """Every name a bit mux may follow."""
        return tuple(self._bits)

    @property
    def position_names(self) -> tuple[str, ...]:
        """Every name a position mux may follow."""
        return tuple(self.positions)

    @property
    def busy(self) -> bool:
        """Whether events can still come by themselves."""
        running = (block for block in self.blocks.values() if isinstance(block, Sequencer | Pcap))
        return any(block.active for block in running) or self.routing["CLOCK1.ENABLE"] != "ZERO"

    def sequencer(self, number: int) -> Sequencer:
        """SEQ `number`, counted from 1; for reading its registers."""
        block = self.blocks[f"SEQ{number}"]
        if not isinstance(block, Sequencer):
            raise RefusedPutError(f"SEQ{number} is not a sequencer")
        return block

    def advance(self, to_ns: int) -> None:
        """Compute everything before the instant `to_ns` (Unix ns); an instant already passed is without effect."""
        self._run(self.fabric.tick_at(to_ns))

    def route(self, mux: str, source: str) -> None:
        """Let `mux` ("SEQ1.ENABLE") follow `source` ("ONE").

        Raises:
            RefusedPutError: there is no such mux, or no such output on its bus.
        """
        field = _known(mux, self.routing, "mux")
        block = self.blocks[mux.partition(".")[0]]
        attribute = mux.partition(".")[2].lower()
        position_of = block if isinstance(block, Sequencer) and attribute.startswith("pos") else None
        _known(source, self._bits if position_of is None else self.positions, f"source for {mux}")
        old, self.routing[field] = self.routing[field], source
        if position_of is not None:
            self._route_position(position_of, attribute, (old, source))
        else:
            self.fabric.disconnect(self._bits[old], block, attribute)
            self.fabric.connect(self._bits[source], block, attribute)
        self._apply()

    def configure(self, block: str, **settings: int) -> None:
        """Set registers of a block by their attribute names, in ticks and numbers."""
        target = self.blocks[block]
        for name, value in settings.items():
            setattr(target, name, value)
        self.fabric.nudge(target)
        self._apply()

    def set_bit(self, name: str, value: int) -> None:
        """Drive a soft bit, "BITS.OUTA"."""
        self.fabric.force(self._bits[name], value)
        self._apply()

    def load_table(self, number: int, columns: Mapping[str, Any]) -> None:
        """Load the table of SEQ `number`.

        Raises:
            RefusedPutError: the table cannot be used; the one before stays.
        """
        self.sequencer(number).load(SeqLine.table(columns))
        # Until it is fetched, so that an enable at the same instant of a virtual clock is not ignored.
        self._run(self.fabric.stop + LOAD_TICKS + 2)

    def set_capture(self, field: str, mode: str) -> None:
        """Choose what is captured of a field, from the next arming on.

        Raises:
            RefusedPutError: unknown field or mode.
        """
        modes = ("No", "Value") if field.startswith("PCAP.") else tuple(CAPTURE_MODES)
        self.capture[_known(field, self.capture, "capture field")] = _known(mode, modes, f"capture mode of {field}")

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
        block = self.blocks[_known(output, self.blocks, "output")]
        return block.take() if isinstance(block, TtlOut) else []

    def take_batches(self) -> list[CaptureBatch]:
        """The rows captured since the last call, in order."""
        batches, self._batches = self._batches, []
        return batches

    def _apply(self) -> None:
        self._run(self.fabric.stop + 2)

    def _run(self, stop: int) -> None:
        self.fabric.run(stop)
        batch = self.pcap.collect()
        if batch is not None:
            self._batches.append(batch)
        for position in self._stepped.values():
            position.forget(self.pcap.history_from)

    def _line(self, name: str, value: int = 0) -> Wire:
        self._bits[name] = Wire(name, len(self._bits), value)
        return self._bits[name]

    def _add_sequencers(self) -> None:
        for n in range(1, SEQUENCERS + 1):
            outputs = tuple(self._line(f"SEQ{n}.OUT{output}") for output in OUTPUTS)
            active = self._line(f"SEQ{n}.ACTIVE")
            self.blocks[f"SEQ{n}"] = Sequencer(self.fabric, active, outputs, self._stepped["ZERO"])

    def _add_counters(self) -> None:
        for n in range(1, COUNTERS + 1):
            out = SteppedPosition(f"COUNTER{n}.OUT", self.fabric)
            self._stepped[f"COUNTER{n}.OUT"] = self.positions[f"COUNTER{n}.OUT"] = out
            self.blocks[f"COUNTER{n}"] = Counter(self.fabric, out, self._line(f"COUNTER{n}.CARRY"))

    def _muxes(self) -> list[str]:
        inputs: dict[type[Block], tuple[str, ...]] = {
            Sequencer: ("ENABLE", "BITA", "BITB", "BITC", "POSA", "POSB", "POSC"),
            Counter: ("ENABLE", "TRIG", "DIR"),
            Pcap: ("ENABLE", "GATE", "TRIG"),
            TtlOut: ("VAL",),
            Clock: ("ENABLE",),
        }
        return [f"{name}.{field}" for name, block in self.blocks.items() for field in inputs[type(block)]]

    def _capturable(self) -> list[str]:
        axes = sorted(name for name in self.positions if name.startswith("INENC"))
        positions = [*axes, *(name for name in self._stepped if name != "ZERO")]
        return [*positions, *(f"PCAP.{field}" for field in OWN_FIELDS)]

    def _power_on(self) -> None:
        for mux, source in self.routing.items():
            block, _, field = mux.partition(".")
            if ".POS" not in mux:
                self.fabric.connect(self._bits[source], self.blocks[block], field.lower())
        axes = {name for name in self.positions if name.startswith("INENC")}
        for mux, source in DEFAULT_ROUTING.items():
            if source in axes or not source.startswith("INENC"):
                self.route(mux, source)
        for field, mode in DEFAULT_CAPTURE.items():
            if field in self.capture:
                self.set_capture(field, mode)

    def _route_position(self, block: Sequencer, attribute: str, sources: tuple[str, str]) -> None:
        old, new = sources
        setattr(block, attribute, self.positions[new])
        if old in self._stepped and (block, "moved") in self._stepped[old].wire.sinks:
            self.fabric.disconnect(self._stepped[old].wire, block, "moved")
        if new in self._stepped:
            self.fabric.connect(self._stepped[new].wire, block, "moved")
        block.rewire()
        self.fabric.nudge(block)


def _known(name: str, known: Collection[str], what: str) -> str:
    if name not in known:
        raise RefusedPutError(f"no {what} {name!r}; there are {', '.join(known)}")
    return name
