"""The world: one clock, the axes, the faults asked for, and the rule under which the future may be changed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from .axis import Axis, Track
from .clock import Clock

Plan = Callable[[int, float, float], Track]


@dataclass(slots=True)
class Faults:
    """What shall go wrong. Trigger numbers count from 1 since the camera was armed.

    Attributes:
        lose_triggers: Triggers that never reach the camera.
        drop_frames: Triggers whose frame is dropped in the plugin's queue.
        stall_camera_at: From this trigger on the camera does nothing; 0 = never.
    """

    lose_triggers: frozenset[int] = frozenset()
    drop_frames: frozenset[int] = frozenset()
    stall_camera_at: int = 0

    def clear(self) -> None:
        """Let everything go right again."""
        self.lose_triggers, self.drop_frames, self.stall_camera_at = frozenset(), frozenset(), 0


@dataclass(slots=True)
class World:
    """What all devices of the beamline share.

    Attributes:
        clock: The time of everything.
        axes: Axes by motor name.
        faults: What shall go wrong.
        seed: Of everything that is drawn at random.
        awake: Set while something moves or is armed: the pump runs.
        observers: Called with the present before the future is changed, to compute what happened until now.
    """

    clock: Clock
    axes: dict[str, Axis]
    faults: Faults = field(default_factory=Faults)
    seed: int = 0
    awake: asyncio.Event = field(default_factory=asyncio.Event)
    observers: list[Callable[[int], None]] = field(default_factory=list)

    def now_ns(self) -> int:
        """Give the present instant in Unix nanoseconds."""
        return self.clock.now_ns()

    def settle(self) -> int:
        """Compute everything up to now, wake the pump, and give now."""
        now_ns = self.clock.now_ns()
        for observe in self.observers:
            observe(now_ns)
        self.awake.set()
        return now_ns

    def command(self, *plans: tuple[Axis, Plan]) -> None:
        """Replace the futures of some axes, all from the same instant on.

        Args:
            plans: Axes, each with what gives its new motion from (now in ns, position, velocity).
        """
        now_ns = self.settle()
        for axis, plan in plans:
            position, velocity = axis.position(now_ns), axis.velocity(now_ns)
            axis.cut(now_ns)
            axis.append(plan(now_ns, position, velocity))
