"""The buses of the PandA: every output by name, and the inputs that follow them.

Theory of operation. `build` makes the blocks and gives each output a name: "SEQ1.OUTA" on the bit bus, "INENC1.VAL"
on the position bus. A mux ("SEQ1.BITA", "PCOMP1.INP") names the output that an input follows. A bit input may be
delayed by up to 31 ticks: then a delay line stands between the bus and the block. A position input is an object that
the block asks; where its value can change unforeseen, the block listens to the wires that tell of it, and those of a
calculated position are the wires of what it is made of, so they are looked at anew whenever a position mux moves.
"""

from collections.abc import Collection, Mapping

from .errors import RefusedPutError
from .panda_block import Block, Outputs
from .panda_calc import Calc
from .panda_fabric import Fabric, Wire
from .panda_gates import DelayLine
from .panda_position import Position, SteppedPosition

MOST_DELAY = 31


class Buses:
    """Outputs by name, and where the inputs follow.

    Attributes:
        bits: the lines of the bit bus.
        positions: the entries of the position bus.
        stepped: those that blocks set.
        blocks: blocks by name.
        routing: mux -> the output that it follows.
        delays: bit mux -> ticks of delay.
    """

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.bits: dict[str, Wire] = {}
        self.stepped = {"ZERO": SteppedPosition("ZERO", fabric)}
        self.positions: dict[str, Position] = dict(self.stepped)
        self.blocks: dict[str, Block] = {}
        self.routing: dict[str, str] = {}
        self.delays: dict[str, int] = {}
        self._lines: dict[str, DelayLine] = {}
        self._heard: dict[str, list[Wire]] = {}
        self.line("ZERO")
        self.line("ONE", 1)

    def line(self, name: str, value: int = 0) -> Wire:
        """A new line of the bit bus."""
        self.bits[name] = Wire(name, len(self.bits), value)
        return self.bits[name]

    def outputs(self, name: str, kind: type[Block]) -> Outputs:
        """Places on the buses for the outputs of a block `name`."""
        bits = {out: self.line(f"{name}.{out}") for out in kind.OUT_BITS}
        positions = {out: SteppedPosition(f"{name}.{out}", self.fabric) for out in kind.OUT_POSITIONS}
        self.stepped |= {position.name: position for position in positions.values()}
        self.positions |= {position.name: position for position in positions.values()}
        return Outputs(bits, positions)

    def add(self, name: str, block: Block) -> None:
        """Put a block on the buses, all its inputs grounded."""
        self.blocks[name] = block
        if isinstance(block, Calc):
            self.positions[f"{name}.OUT"] = block.result
        for field in block.BITS:
            self.routing[f"{name}.{field}"], self.delays[f"{name}.{field}"] = "ZERO", 0
            self.fabric.connect(self.bits["ZERO"], block, field.lower())
        for field in block.POSITIONS:
            self.routing[f"{name}.{field}"] = "ZERO"
            setattr(block, field.lower(), self.positions["ZERO"])

    def is_bit(self, mux: str) -> bool:
        """Whether a mux is on the bit bus."""
        return mux in self.delays

    def route(self, mux: str, source: str) -> None:
        """Let `mux` follow `source`.

        Raises:
            RefusedPutError: there is no such mux, or no such output on its bus, or a calculation would feed itself.
        """
        known(mux, self.routing, "mux")
        if self.is_bit(mux):
            known(source, self.bits, f"source for {mux}")
            self._connect(mux, source, self.delays[mux])
        else:
            known(source, self.positions, f"source for {mux}")
            self._feed(mux, self.positions[source])
        self.routing[mux] = source

    def delay(self, mux: str, ticks: int) -> None:
        """Delay a bit input.

        Raises:
            RefusedPutError: there is no such input, or the delay is not one of 0 to 31.
        """
        known(mux, self.delays, "bit mux")
        if not 0 <= ticks <= MOST_DELAY:
            raise RefusedPutError(f"{mux}: expected a delay of 0 to {MOST_DELAY} ticks, seen {ticks}")
        self._connect(mux, self.routing[mux], ticks)
        self.delays[mux] = ticks

    def _connect(self, mux: str, source: str, ticks: int) -> None:
        name, _, field = mux.partition(".")
        block, attribute, wire = self.blocks[name], field.lower(), self.bits[source]
        old = self._lines.pop(mux, None)
        if old is None:
            self.fabric.disconnect(self.bits[self.routing[mux]], block, attribute)
        else:
            self.fabric.disconnect(self.bits[self.routing[mux]], old, "inp")
            self.fabric.disconnect(old.out_wire, block, attribute)
        if not ticks:
            self.fabric.connect(wire, block, attribute)
            return
        late = Wire(f"{mux} delayed", -2, wire.value)
        self._lines[mux] = line = DelayLine(self.fabric, late, ticks=ticks)
        self.fabric.connect(wire, line, "inp")
        self.fabric.connect(late, block, attribute)

    def _feed(self, mux: str, position: Position) -> None:
        name, _, field = mux.partition(".")
        block = self.blocks[name]
        if isinstance(block, Calc) and _made_of(position, block.result):
            raise RefusedPutError(f"{mux}: this position is made of {name}.OUT itself; choose another")
        setattr(block, field.lower(), position)
        block.rewire()
        self.fabric.nudge(block)
        for other, reader in self.blocks.items():
            self._listen(other, reader)

    def _listen(self, name: str, block: Block) -> None:
        wires = list(dict.fromkeys(wire for position in block.inputs() for wire in position.wires))
        before = self._heard.get(name, [])
        if wires != before:
            for wire in before:
                self.fabric.disconnect(wire, block, "moved")
            for wire in wires:
                self.fabric.connect(wire, block, "moved")
            self._heard[name] = wires
            block.rewire()


def _made_of(position: Position, part: Position) -> bool:
    return position is part or any(_made_of(source, part) for source in position.sources)


def known(name: str, names: Collection[str] | Mapping[str, object], what: str) -> str:
    """The name, if it is one of those.

    Raises:
        RefusedPutError: it is not; the message lists them.
    """
    if name not in names:
        raise RefusedPutError(f"no {what} {name!r}; there are {', '.join(names)}")
    return name
