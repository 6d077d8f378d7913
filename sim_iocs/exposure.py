"""What a camera makes of its triggers: exposures, missed triggers, frames. Pure.

Theory of operation. A trigger that reaches an idle camera starts an exposure; the camera is idle again when exposure
and read-out are over. A trigger that comes earlier is missed: a busy camera does not notice it, and the unique ids of
its frames stay contiguous. Triggers that a fault keeps from the camera are lost. So triggers = exposed + missed +
lost, always. A frame exists when its read-out is over, and gets its id then; an exposure cut off by the end of the
acquisition gives no frame and counts as missed. Internal triggers are made by the camera itself, one per period, from
the arming on.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from .world import Faults

# A trigger this little before the camera is ready is still taken: two ticks of the trigger box' clock, by which
# its rows are rounded.
TOLERANCE_NS = 16


class Frame(NamedTuple):
    """One exposure, read out."""

    trigger: int
    unique_id: int
    start_ns: int
    stop_ns: int
    readout_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """What the camera was told before it was armed.

    Attributes:
        internal: Triggers are made by the camera.
        exposure_ns: Duration of an exposure.
        dead_ns: Read-out after each, in which triggers are missed.
        period_ns: Of internal triggers; at least exposure + read-out is taken.
        frames: Exposures until the acquisition ends by itself; 0 = unbounded.
    """

    internal: bool
    exposure_ns: int
    dead_ns: int
    period_ns: int
    frames: int


class Exposures:
    """The camera's state from arming to disarming.

    Args:
        programme: What to do.
        armed_ns: When it was armed: triggers before are not seen.
        faults: Which triggers are lost; read at each trigger.
        next_id: Unique id of the first frame.
    """

    def __init__(self, programme: Programme, *, armed_ns: int, faults: Faults, next_id: int) -> None:
        self._programme, self._armed_ns, self._faults = programme, armed_ns, faults
        self.next_id = next_id
        self.triggers = self.exposed = self.missed = self.lost = self.frames = 0
        self._ready_ns = armed_ns
        self._next_internal_ns = armed_ns
        self._unread: deque[tuple[int, int]] = deque()

    @property
    def complete(self) -> bool:
        """Whether all frames asked for have been read out."""
        return self._enough and not self._unread

    @property
    def _enough(self) -> bool:
        return bool(self._programme.frames) and self.exposed >= self._programme.frames

    def trigger(self, times_ns: Iterable[int]) -> None:
        """Take external triggers, in the order of their times."""
        if not self._programme.internal:
            for t_ns in times_ns:
                self._take(t_ns)

    def _take(self, t_ns: int) -> None:
        if t_ns < self._armed_ns or self._enough:
            return
        self.triggers += 1
        stalled = 0 < self._faults.stall_camera_at <= self.triggers
        if stalled or self.triggers in self._faults.lose_triggers:
            self.lost += 1
        elif t_ns < self._ready_ns - TOLERANCE_NS:
            self.missed += 1
        else:
            self.exposed += 1
            self._ready_ns = t_ns + self._programme.exposure_ns + self._programme.dead_ns
            self._unread.append((self.triggers, t_ns))

    def collect(self, now_ns: int) -> list[Frame]:
        """Give the frames read out until now that have not been given yet."""
        if self._programme.internal:
            self._make_triggers(now_ns)
        frames: list[Frame] = []
        exposure_ns, dead_ns = self._programme.exposure_ns, self._programme.dead_ns
        while self._unread and self._unread[0][1] + exposure_ns + dead_ns <= now_ns:
            trigger, start_ns = self._unread.popleft()
            stop_ns = start_ns + exposure_ns
            frames.append(Frame(trigger, self.next_id, start_ns, stop_ns, stop_ns + dead_ns))
            self.next_id += 1
        self.frames += len(frames)
        return frames

    def _make_triggers(self, now_ns: int) -> None:
        period_ns = max(self._programme.period_ns, self._programme.exposure_ns + self._programme.dead_ns, 1000)
        while self._next_internal_ns <= now_ns and not self._enough:
            self._take(self._next_internal_ns)
            self._next_internal_ns += period_ns

    def disarm(self) -> None:
        """End the acquisition: exposures that are not read out give no frame."""
        self.exposed -= len(self._unread)
        self.missed += len(self._unread)
        self._unread.clear()
