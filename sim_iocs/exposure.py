"""What a camera makes of its triggers: exposures, missed triggers, frames. Pure, and in whole arrays.

Theory of operation. A trigger that reaches an idle camera starts an exposure; the camera is idle again when exposure
and read-out are over. A trigger that comes earlier is missed: a busy camera does not notice it. Triggers that a fault
keeps from the camera are lost. So triggers = taken + missed + lost, always. What a taken trigger gives depends on the
mode:

    internal  one frame; the camera makes the triggers itself, one per period, from the arming on
    edge      one frame, exposed from the rising edge on for the exposure time
    burst     n frames, one per period from the rising edge on; triggers within the burst are missed
    gate      one frame, exposed from the rising to the falling edge

A frame exists when its read-out is over; an exposure cut off by the end of the acquisition gives none, and a trigger
all of whose exposures were cut off counts as missed. A doubled trigger is taken again as soon as the camera is ready.

Arrays of triggers of which none comes too early are taken at once, which is what makes millions per second possible;
otherwise the next trigger that finds the camera ready is searched for, one at a time. How triggers are handed over,
one by one or in arrays, changes nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.int64]
Mode = Literal["internal", "edge", "gate", "burst"]

# A trigger this little before the camera is ready is still taken: two ticks of the trigger box' clock, by which
# its rows are rounded.
TOLERANCE_NS = 16
SHORTEST_PERIOD_NS = 1000
TRIGGER, START, STOP, READOUT = range(4)
NONE: Times = np.empty((4, 0), dtype=np.int64)


class TriggerFaults(Protocol):
    """What shall go wrong with triggers; numbers count from 1 since the arming."""

    lose_triggers: frozenset[int]
    double_triggers: frozenset[int]
    stall_camera_at: int
    disarm_camera_at: int


class Frames(NamedTuple):
    """Exposures that were read out, as columns."""

    trigger: Times
    unique_id: Times
    start_ns: Times
    stop_ns: Times
    readout_ns: Times


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """What the camera was told before it was armed.

    Attributes:
        mode: Where triggers come from, and what one gives.
        exposure_ns: Duration of an exposure; a gate's own counts in gate mode.
        dead_ns: Read-out after each, in which triggers are missed.
        period_ns: Of internal triggers and in a burst; at least exposure + read-out is taken.
        frames: Frames until the acquisition ends by itself; 0 = unbounded.
        burst: Frames per trigger in burst mode.
        ids_count_triggers: Unique ids number the triggers instead of the frames.
    """

    mode: Mode
    exposure_ns: int
    dead_ns: int
    period_ns: int
    frames: int
    burst: int = 1
    ids_count_triggers: bool = False


class Exposures:
    """The camera's state from arming to disarming.

    Args:
        programme: What to do.
        armed_ns: When it was armed: triggers before are not seen.
        faults: Which triggers are lost or doubled; read at each trigger.
        next_id: Unique id of the first frame.
    """

    def __init__(self, programme: Programme, *, armed_ns: int, faults: TriggerFaults, next_id: int) -> None:
        self._programme, self._armed_ns, self._faults = programme, armed_ns, faults
        self.next_id = next_id
        self.triggers = self.taken = self.exposed = self.missed = self.lost = self.frames = 0
        self.disarmed = False
        self._ready_ns = self._next_internal_ns = armed_ns
        self._rise_ns: int | None = None
        self._unread, self._given_trigger = NONE, 0
        cycle = programme.exposure_ns + programme.dead_ns
        self._period_ns = max(programme.period_ns, cycle, SHORTEST_PERIOD_NS)
        self._per_trigger = max(programme.burst, 1) if programme.mode == "burst" else 1
        self._busy_ns = (self._per_trigger - 1) * self._period_ns + cycle

    @property
    def complete(self) -> bool:
        """Whether all frames there will be have been read out."""
        return self._enough and not self._unread.size

    @property
    def _enough(self) -> bool:
        return self.disarmed or 0 < self._programme.frames <= self.exposed

    def trigger(self, times_ns: Iterable[int]) -> None:
        """Take rising edges at the trigger input, in the order of their times; no news in internal and gate mode."""
        if self._programme.mode in ("edge", "burst"):
            self._take(np.asarray(times_ns, dtype=np.int64))

    def levels(self, times_ns: Times, levels: NDArray[np.bool_]) -> None:
        """Take all changes of level at the trigger input, in the order of their times."""
        if self._programme.mode != "gate":
            self.trigger(times_ns[levels])
            return
        for t_ns, high in zip(times_ns.tolist(), levels.tolist(), strict=True):
            if high:
                self._rise_ns = t_ns
            elif self._rise_ns is not None:
                rise_ns, self._rise_ns = self._rise_ns, None
                self._busy_ns = t_ns - rise_ns + self._programme.dead_ns
                self._take(np.array([rise_ns], dtype=np.int64), exposure_ns=t_ns - rise_ns)

    def _take(self, times: Times, exposure_ns: int | None = None) -> None:
        times = times[times >= self._armed_ns]
        if self._enough or not times.size:
            return
        numbers = np.arange(self.triggers + 1, self.triggers + 1 + times.size)
        stop = self._faults.disarm_camera_at
        if 0 < stop <= numbers[-1]:
            seen = numbers < stop
            times, numbers, disarmed = times[seen], numbers[seen], True
        else:
            disarmed = False
        arriving = self._arriving(numbers)
        taken, used = self._ready_for(times[arriving], numbers[arriving])
        self._count(numbers, arriving, taken=taken, used=used)
        self._expose(taken, self._programme.exposure_ns if exposure_ns is None else exposure_ns)
        self.disarmed = self.disarmed or disarmed

    def _arriving(self, numbers: Times) -> NDArray[np.bool_]:
        lost, stall = self._faults.lose_triggers, self._faults.stall_camera_at
        arriving = np.ones(numbers.size, dtype=bool)
        if lost:
            arriving &= ~np.isin(numbers, np.fromiter(lost, dtype=np.int64))
        if stall > 0:
            arriving &= numbers < stall
        return arriving

    def _ready_for(self, times: Times, numbers: Times) -> tuple[Times, int | None]:
        """Choose the triggers that find the camera ready.

        Returns:
            Times and numbers of those, (2, n), a doubled one twice; and the number of the last trigger that the
            acquisition looks at, None if it goes on.
        """
        frames = self._programme.frames
        room = -(-(frames - self.exposed) // self._per_trigger) if frames else None
        doubled = self._faults.double_triggers
        if not times.size:
            return np.stack([times, numbers]), None
        spaced = times[0] >= self._ready_ns - TOLERANCE_NS
        spaced = spaced and bool((np.diff(times) >= self._busy_ns - TOLERANCE_NS).all())
        if spaced and not doubled:
            taken = np.stack([times, numbers])[:, :room]
            full = room is not None and taken.shape[1] == room
        else:
            taken = self._search(times, numbers, room=room)
            full = taken.shape[1] == room
        if taken.shape[1]:
            self._ready_ns = int(taken[0, -1]) + self._busy_ns
        return taken, int(taken[1, -1]) if full else None

    def _search(self, times: Times, numbers: Times, *, room: int | None) -> Times:
        found: list[tuple[int, int]] = []
        ready_ns, i = self._ready_ns, 0
        while room is None or len(found) < room:
            i = max(i, int(np.searchsorted(times, ready_ns - TOLERANCE_NS)))
            if i >= times.size:
                break
            t_ns, number = int(times[i]), int(numbers[i])
            found.append((t_ns, number))
            ready_ns, i = t_ns + self._busy_ns, i + 1
            if number in self._faults.double_triggers and len(found) != room:
                found.append((ready_ns, number))
                ready_ns += self._busy_ns
        return np.array(found, dtype=np.int64).reshape(-1, 2).T

    def _count(self, numbers: Times, arriving: NDArray[np.bool_], *, taken: Times, used: int | None) -> None:
        looked_at = numbers.size if used is None else used - self.triggers
        lost = looked_at - int(arriving[:looked_at].sum())
        once = np.unique(taken[1]).size
        self.triggers += looked_at
        self.lost += lost
        self.taken += once
        self.missed += looked_at - lost - once

    def _expose(self, taken: Times, exposure_ns: int) -> None:
        starts = (taken[0][:, None] + np.arange(self._per_trigger) * self._period_ns).ravel()
        stops = starts + exposure_ns
        numbers = np.repeat(taken[1], self._per_trigger)
        new = np.stack([numbers, starts, stops, stops + self._programme.dead_ns])
        if self._programme.frames:
            new = new[:, : self._programme.frames - self.exposed]
        self.exposed += new.shape[1]
        self._unread = np.concatenate([self._unread, new], axis=1) if self._unread.size else new

    def collect(self, now_ns: int) -> Frames:
        """Give the frames read out until now that have not been given yet."""
        if self._programme.mode == "internal":
            self._make_triggers(now_ns)
        n = int(np.searchsorted(self._unread[READOUT], now_ns, side="right"))
        read, self._unread = self._unread[:, :n], self._unread[:, n:]
        ids = np.arange(self.next_id, self.next_id + n)
        if self._programme.ids_count_triggers:
            ids = read[TRIGGER] + (self.next_id - self._given_trigger - 1)
        if n:
            self.next_id = int(ids[-1]) + 1
            self._given_trigger = int(read[TRIGGER, -1])
            self.frames += n
        return Frames(read[TRIGGER], ids, read[START], read[STOP], read[READOUT])

    def _make_triggers(self, now_ns: int) -> None:
        due = (now_ns - self._next_internal_ns) // self._period_ns + 1
        if due > 0 and not self._enough:
            if self._programme.frames and not self._faults.lose_triggers:
                # No more than will be exposed: an hour's worth at once would not fit into memory.
                due = min(due, self._programme.frames - self.exposed)
            self._take(self._next_internal_ns + np.arange(due) * self._period_ns)
            self._next_internal_ns += due * self._period_ns

    def disarm(self) -> None:
        """End the acquisition: exposures that are not read out give no frame."""
        cut = np.unique(self._unread[TRIGGER])
        whole = int((cut > self._given_trigger).sum())
        self.exposed -= self._unread.shape[1]
        self.taken -= whole
        self.missed += whole
        self._unread, self.disarmed = NONE, True
