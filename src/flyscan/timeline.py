"""When what should happen in a flight: window by window, in seconds since the trajectory began."""

from dataclasses import dataclass

import numpy as np

from .scan import Scan
from .trajectory import Trajectory
from .window import Floats, Ints, in_seconds


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Timeline:
    """Predicted times; ETA and deadlines follow from it, so a long turnaround is never taken for a stall.

    Attributes:
        first_frames: int64, first planned frame of each window, and the number of planned frames last.
        starts: Seconds at which each window starts.
        stops: Seconds at which each window stops.
        duration: Seconds until everything is at rest again.
    """

    first_frames: Ints
    starts: Floats
    stops: Floats
    duration: float

    @classmethod
    def of(cls, scan: Scan, trajectory: Trajectory) -> "Timeline":
        """Predict the flight of a scan on its trajectory."""
        points = in_seconds(trajectory.points_us)
        first = [window.first_frame for window in scan.windows]
        return cls(
            first_frames=np.array([*first, scan.planned], dtype=np.int64),
            starts=points[trajectory.window_start],
            stops=points[trajectory.window_stop],
            duration=trajectory.duration,
        )

    @property
    def planned(self) -> int:
        """Frames in all."""
        return int(self.first_frames[-1])

    @property
    def duty_cycle(self) -> float:
        """Part of the flight that is spent in windows."""
        return float((self.stops - self.starts).sum()) / self.duration

    def frames_due(self, elapsed: float) -> int:
        """How many frames should have ended `elapsed` seconds after the trajectory began."""
        times = np.column_stack((self.starts, self.stops)).ravel()
        frames = np.column_stack((self.first_frames[:-1], self.first_frames[1:])).ravel()
        return int(np.floor(np.interp(elapsed, times, frames) + 1e-9))

    def ends_at(self, frame: int) -> float:
        """Seconds at which a frame should have ended."""
        window = int(np.searchsorted(self.first_frames, frame, side="right")) - 1
        first, after = self.first_frames[window : window + 2]
        share = (frame + 1 - first) / (after - first)
        return float(self.starts[window] + share * (self.stops[window] - self.starts[window]))
