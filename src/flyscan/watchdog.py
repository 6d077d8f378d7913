"""Telling a stalled detector from a lost frame.

One frame that does not come may be lost, and the next will tell. A detector is stalled when SILENT frames in a row
were due since it last wrote, and it has been silent for the exposure and `patience` seconds. In a turnaround nothing
is due, so its length does not matter.
"""

from collections.abc import Mapping

from .errors import StalledDetectorError
from .timeline import Timeline

SILENT = 3


class Watchdog:
    """Holds the deadlines of one flight.

    Args:
        timeline: What is due when.
        exposure: Seconds of the longest exposure.
        patience: Seconds of silence beyond it.
    """

    def __init__(self, timeline: Timeline, *, exposure: float, patience: float) -> None:
        self._timeline = timeline
        self._allowed = exposure + patience

    def check(self, elapsed: float, *, news: Mapping[str, float], seen: Mapping[str, int]) -> None:
        """Look for a detector that should have written and has not.

        Args:
            elapsed: Seconds since the trajectory began.
            news: Per detector, when it last wrote, in the same seconds.
            seen: Per detector, frames accounted for.

        Raises:
            StalledDetectorError: Naming the first frame that did not come.
        """
        due = self._timeline.frames_due(elapsed - self._allowed)
        for detector, last in news.items():
            frames = due - max(seen[detector], self._timeline.frames_due(last))
            if elapsed - last >= self._allowed and frames >= min(SILENT, self._timeline.planned):
                raise StalledDetectorError(
                    detector, frame=seen[detector], expected=due, seen=seen[detector], silence=elapsed - last
                )
