"""A line plot that grows with a run, from its documents alone. Needs matplotlib."""

import importlib
from typing import Any

import numpy as np

from .documents import Document
from .errors import SubscriptionError
from .live_series import LiveSeries, Reduce


class LivePlot:
    """Plots y against x, one line per run; a subscriber.

    Values of events and frames in files are taken alike; of a frame that has several pixels its sum is drawn, or what
    `reduce` makes of it. A frame that is missing is a gap in the line.

    A figure belongs to the loop of its window: `RE.subscribe(LivePlot("x", "det"), where="loop")`, or with what posts
    to that loop as `where`. Frames are read there too; `policy="conflate"` is not for this: it would leave out points.

    Args:
        x: Data key; None: the number of the point.
        y: Data key.
        stream: That both are in.
        ax: Axes of matplotlib to draw into; those of a new figure of pyplot unless given.
        reduce: Makes one number of a frame that has several.

    Attributes:
        ax: As above.

    Raises:
        SubscriptionError: matplotlib is not installed.
    """

    def __init__(
        self, x: str | None, y: str, *, stream: str = "primary", ax: Any = None, reduce: Reduce = np.sum
    ) -> None:
        self.ax: Any = _new_axes() if ax is None else ax
        self._x, self._y, self._stream, self._reduce = x, y, stream, reduce
        self._runs: dict[str, _Line] = {}
        self._of_descriptor: dict[str, _Line] = {}
        self.ax.set_xlabel(x or "point")
        self.ax.set_ylabel(y)

    def __call__(self, name: str, doc: Document) -> None:
        """Take in a document, and draw if it brings points."""
        line = self._line(name, doc)
        if line is None:
            return
        if line.series.take(name, doc):
            line.artist.set_data(*line.series.points)
            self.ax.relim()
            self.ax.autoscale_view()
            self.ax.figure.canvas.draw_idle()
        if name == "stop":
            del self._runs[doc["run_start"]]
            self._of_descriptor = {uid: one for uid, one in self._of_descriptor.items() if one is not line}

    def _line(self, name: str, doc: Document) -> "_Line | None":
        if name == "start":
            series = LiveSeries(self._x, self._y, stream=self._stream, reduce=self._reduce)
            (artist,) = self.ax.plot([], [], marker=".", label=f"scan {doc.get('scan_id', doc['uid'][:8])}")
            self.ax.legend()
            self._runs[doc["uid"]] = _Line(series, artist)
            return self._runs[doc["uid"]]
        if "run_start" not in doc:
            return self._of_descriptor.get(doc.get("descriptor", ""))
        line = self._runs.get(doc["run_start"])
        if name == "descriptor" and line is not None:
            self._of_descriptor[doc["uid"]] = line
        return line


class _Line:
    def __init__(self, series: LiveSeries, artist: Any) -> None:
        self.series = series
        self.artist = artist


def _new_axes() -> Any:
    try:
        pyplot = importlib.import_module("matplotlib.pyplot")
    except ModuleNotFoundError as error:
        msg = "a live plot needs matplotlib, which is not installed: `pip install matplotlib`, or give `ax`"
        raise SubscriptionError(msg) from error
    return pyplot.subplots()[1]
