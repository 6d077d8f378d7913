"""What all blocks of the PandA have in common."""

from collections.abc import Hashable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

from .panda_fabric import NEVER, Fabric, Wire
from .panda_position import Position, SteppedPosition

EDGES = ("Rising", "Falling", "Either")
"""Choices of a *_EDGE register, in the order of their numbers."""


class Outputs(NamedTuple):
    """Where a block puts its outputs: lines of the bit bus and entries of the position bus, by name."""

    bits: Mapping[str, Wire]
    positions: Mapping[str, SteppedPosition]


class Block:
    """A block on the fabric.

    A block that can be skipped over by whole periods (see panda_leap) sets `LEAPS` and tells its `phase`.

    Args:
        fabric: Where it lives.
        outputs: One for each of `OUT_BITS` and `OUT_POSITIONS`; wires of its own unless given.

    Attributes:
        BITS: its inputs on the bit bus; the attributes of these names, in lower case, follow them.
        POSITIONS: its inputs on the position bus; the attributes of these names are entries of that bus.
        OUT_BITS: its outputs on the bit bus; the attributes of these names, in lower case, are what they show.
        OUT_POSITIONS: the same of the position bus.
        moved: set by the fabric when a position that the block reads changed unforeseen; its value has no meaning.
    """

    BITS: ClassVar[tuple[str, ...]] = ()
    POSITIONS: ClassVar[tuple[str, ...]] = ()
    OUT_BITS: ClassVar[tuple[str, ...]] = ()
    OUT_POSITIONS: ClassVar[tuple[str, ...]] = ()
    LEAPS: ClassVar[bool] = False

    def __init__(self, fabric: Fabric, outputs: Outputs | None = None) -> None:
        self.order = self.wake = self.due = 0
        self.moved = 0
        self._fabric = fabric
        self._outputs = outputs or self.loose(fabric)
        ground = SteppedPosition("ZERO", fabric)
        for name in self.POSITIONS:
            setattr(self, name.lower(), ground)
        for name in (*self.BITS, *self.OUT_BITS, *self.OUT_POSITIONS):
            setattr(self, name.lower(), 0)
        fabric.adopt(self)

    @classmethod
    def loose(cls, fabric: Fabric) -> Outputs:
        """Outputs that are on no bus."""
        bits = {name: Wire(name, n) for n, name in enumerate(cls.OUT_BITS)}
        return Outputs(bits, {name: SteppedPosition(name, fabric) for name in cls.OUT_POSITIONS})

    @property
    def busy(self) -> bool:
        """Whether events can come by themselves."""
        return False

    def step(self, tick: int) -> int:
        """React to the inputs as they are at `tick`; return the tick of the next own event, or NEVER."""
        del tick
        return NEVER

    def write(self, name: str, value: Any) -> None:
        """Set a register from outside `step`; the block is stepped afterwards."""
        setattr(self, name, value)

    def inputs(self) -> Iterator[Position]:
        """Its position inputs."""
        for name in self.POSITIONS:
            yield getattr(self, name.lower())

    def rewire(self) -> None:
        """Forget what is known of the positions, because a position input was switched."""

    @property
    def history_from(self) -> int:
        """The first tick of the past whose positions the block may still ask for."""
        return self._fabric.stop

    def phase(self, tick: int) -> Hashable:
        """All that decides what the block does from now on, with ticks relative to `tick`, but for what it counts."""
        del tick
        return ()

    def mark(self) -> None:
        """A period begins: note how far the counts and logs have come."""

    def room(self, tick: int, period: int) -> int:
        """How many more periods from `tick` on are certain to be like the one since `mark` in what the block counts."""
        del tick, period
        return NEVER

    def leap(self, times: int, period: int) -> None:
        """Let `times` more periods like the one since `mark` have passed, each of `period` ticks."""

    def show(self, name: str, value: int) -> None:
        """Inside a step: let the bit output `name` have `value`."""
        attribute = name.lower()
        if getattr(self, attribute) != value:
            setattr(self, attribute, value)
            self._fabric.drive(self._outputs.bits[name], value)

    def show_position(self, name: str, value: int, tick: int) -> None:
        """Inside a step: let the position output `name` have `value`, an int32 that wraps."""
        attribute, value = name.lower(), wrapped(value)
        if getattr(self, attribute) != value:
            setattr(self, attribute, value)
            self._outputs.positions[name].drive(value, tick)


def chosen(edge: int, now: int) -> bool:
    """Whether a change to `now` is the edge that a *_EDGE register of value `edge` asks for.

    >>> chosen(0, 1), chosen(1, 1), chosen(2, 0)
    (True, False, True)
    """
    return edge == 2 or now == 1 - edge


def wrapped(value: int) -> int:
    """A number as an int32 holds it.

    >>> wrapped((1 << 31) + 5)
    -2147483643
    """
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)
