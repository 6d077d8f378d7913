"""How far a run is, from its documents alone: points that have events, or frames that all detectors have."""

from typing import Any

from .documents import Document

BAR = 20


class ProgressLine:
    """Counts what has come of what the start document announces as `num_points`.

    Attributes:
        total: Points announced; None if the run does not say.
        done: Points that have come.
    """

    def __init__(self, start: Document) -> None:
        total: Any = start.get("num_points")
        self.total: int | None = total if isinstance(total, int) and total > 0 else None
        self._events = 0
        self._frames: dict[str, int] = {}
        self._data_keys: dict[str, str] = {}

    @property
    def done(self) -> int:
        """Points that have come: events, or the frames that every data key has."""
        return max(self._events, min(self._frames.values(), default=0))

    def event(self, doc: Document) -> None:
        """Take in an event of the stream that is shown."""
        self._events = max(self._events, doc["seq_num"])

    def resource(self, doc: Document) -> None:
        """Take in a stream_resource: a detector may go on in a new file."""
        self._data_keys[doc["uid"]] = doc["data_key"]

    def frames(self, doc: Document) -> None:
        """Take in a stream_datum of the stream that is shown."""
        resource: str = doc["stream_resource"]
        key = self._data_keys.get(resource, resource)
        self._frames[key] = max(self._frames.get(key, 0), doc["seq_nums"]["stop"] - 1)

    def text(self, elapsed: float, *, width: int) -> str:
        """Write it, for a line of `width` characters; `elapsed` seconds have gone by.

        Example:
            >>> line = ProgressLine({"num_points": 4})
            >>> line.event({"seq_num": 1})
            >>> line.text(2.0, width=79)
            '█████░░░░░░░░░░░░░░░  1/4  25 %  0:02 gone, 0:06 left'
        """
        if self.total is None:
            return f"{self.done} points  {_clock(elapsed)} gone"[:width]
        share = min(1.0, self.done / self.total)
        full = int(share * BAR)
        left = f", {_clock(elapsed / self.done * (self.total - self.done))} left" if 0 < self.done < self.total else ""
        bar = "█" * full + "░" * (BAR - full)
        return f"{bar}  {self.done}/{self.total}  {share:.0%}  {_clock(elapsed)} gone{left}".replace("%", " %")[:width]


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
