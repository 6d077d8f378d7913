"""The statistics plugins: STAT1: of whole frames, ROISTAT1: of up to eight regions.

Theory of operation. Frames are drawn here, in the process that serves, so what is computed is bounded: of what has
come since the last look no more than the queue holds is dealt with, the rest is dropped and counted.
"""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .nd_plugin import NDPlugin
from .ndarray import NO_YES, Ports
from .pv import Kind
from .scenery import Pixels, Scenery
from .shots import Shots

REGIONS = 8
Floats = NDArray[np.float64]
MOST_PROFILE, MOST_BINS = 2048, 4096
PROFILES = ("Average", "Threshold", "Centroid", "Cursor")


class DrawingPlugin(NDPlugin, ABC):
    """A plugin that looks at pixels."""

    def accept(self, scenery: Scenery, shots: Shots) -> None:
        """Queue arrays; at most as many as the queue has room for."""
        room = max(self.queue.size - self.waiting, 0)
        if self.enabled and shots.size > room:
            self.drop(shots.size - room)
            shots = shots.rows(slice(room))
        super().accept(scenery, shots)

    def process(self, scenery: Scenery, shots: Shots, tag: int) -> None:
        """Look at each frame, then pass all on."""
        del tag
        paint = scenery.painter()
        for k, (trigger, x, y, light) in enumerate(shots.looks()):
            self.look(paint(x, y, trigger, light), shots.rows(slice(k, k + 1)))
        self.publish(scenery, shots)

    @abstractmethod
    def look(self, image: Pixels, shot: Shots) -> None:
        """Do what this kind of plugin does with one frame."""


class StatsPlugin(DrawingPlugin):
    """Statistics of whole frames.

    Args:
        prefix: PV prefix, as SIM:CAM:STAT1:.
        port: Its port name.
        source: Port name of its first input.
        ports: Where it takes and gives arrays.
    """

    def __init__(self, prefix: str, *, port: str, source: str, ports: Ports) -> None:
        super().__init__(prefix, kind="NDPluginStats", port=port, source=source, ports=ports)
        self._add_pvs()

    def look(self, image: Pixels, shot: Shots) -> None:
        """Compute what is switched on."""
        del shot
        grey: Floats = image.astype(np.float64) if image.ndim == 2 else image.mean(axis=2, dtype=np.float64)
        if self.pvs["ComputeStatistics"].value:
            self._statistics(image, grey)
        if self.pvs["ComputeCentroid"].value:
            self._centroid(grey)
        if self.pvs["ComputeProfiles"].value:
            self._profiles(grey)
        if self.pvs["ComputeHistogram"].value:
            self._histogram(grey)

    def _statistics(self, image: Pixels, grey: Floats) -> None:
        columns = grey.shape[1]
        lowest, highest = divmod(int(grey.argmin()), columns), divmod(int(grey.argmax()), columns)
        total = float(image.sum(dtype=np.float64))
        for suffix, value in (
            ("MinValue", grey.min()),
            ("MaxValue", grey.max()),
            ("MeanValue", total / image.size),
            ("SigmaValue", image.std(dtype=np.float64)),
            ("Total", total),
            ("Net", self._net(grey, total)),
            ("MinX", lowest[1]),
            ("MinY", lowest[0]),
            ("MaxX", highest[1]),
            ("MaxY", highest[0]),
        ):
            self.pvs[suffix + "_RBV"].post(float(value))

    def _net(self, grey: Floats, total: float) -> float:
        width = int(self.pvs["BgdWidth"].value)
        rows, columns = grey.shape
        if not 0 < 2 * width < min(rows, columns):
            return total
        inner = grey[width:-width, width:-width]
        edge_mean = (grey.sum(dtype=np.float64) - inner.sum(dtype=np.float64)) / (grey.size - inner.size)
        return total - edge_mean * grey.size

    def _centroid(self, grey: Floats) -> None:
        weights: Floats = np.where(grey >= self.pvs["CentroidThreshold"].value, grey, 0.0)
        total = float(weights.sum())
        if not total:
            return
        for axis, along in (("X", 0), ("Y", 1)):
            sums: Floats = weights.sum(axis=along)
            place: Floats = np.arange(sums.size, dtype=np.float64)
            centre = float((sums * place).sum() / total)
            spread = float(np.sqrt((sums * (place - centre) ** 2).sum() / total))
            self.pvs[f"Centroid{axis}_RBV"].post(centre)
            self.pvs[f"Sigma{axis}_RBV"].post(spread)
        self.pvs["CentroidTotal_RBV"].post(total)

    def _profiles(self, grey: Floats) -> None:
        rows, columns = grey.shape
        row, column = (int(self.pvs[f"Cursor{axis}"].value) for axis in "YX")
        self.pvs["ProfileSizeX_RBV"].post_change(columns)
        self.pvs["ProfileSizeY_RBV"].post_change(rows)
        self.pvs["ProfileAverageX_RBV"].post(grey.mean(axis=0))
        self.pvs["ProfileAverageY_RBV"].post(grey.mean(axis=1))
        self.pvs["ProfileCursorX_RBV"].post(grey[min(max(row, 0), rows - 1)])
        self.pvs["ProfileCursorY_RBV"].post(grey[:, min(max(column, 0), columns - 1)])

    def _histogram(self, grey: Floats) -> None:
        bins = min(max(int(self.pvs["HistSize"].value), 1), MOST_BINS)
        low, high = float(self.pvs["HistMin"].value), float(self.pvs["HistMax"].value)
        if high <= low:
            return
        counts, _ = np.histogram(grey, bins=bins, range=(low, high))
        self.pvs["Histogram_RBV"].post(counts.astype(np.float64))
        self.pvs["HistBelow_RBV"].post(int((grey < low).sum()))
        self.pvs["HistAbove_RBV"].post(int((grey > high).sum()))

    def _add_pvs(self) -> None:
        pvs = self.pvs
        for suffix in ("Statistics", "Centroid", "Profiles", "Histogram"):
            pvs.pair("Compute" + suffix, Kind.ENUM, 0, choices=NO_YES)
        for suffix, value in (("BgdWidth", 1), ("CursorX", 0), ("CursorY", 0), ("HistSize", 256)):
            pvs.pair(suffix, Kind.INT, value)
        for suffix, value in (("CentroidThreshold", 1.0), ("HistMin", 0.0), ("HistMax", 65535.0)):
            pvs.pair(suffix, Kind.FLOAT, value, precision=3)
        extremes = ("MinValue", "MaxValue", "MeanValue", "SigmaValue", "Total", "Net", "MinX", "MinY", "MaxX", "MaxY")
        centre = ("CentroidX", "CentroidY", "SigmaX", "SigmaY", "CentroidTotal")
        for suffix in (*extremes, *centre):
            pvs.add(suffix + "_RBV", Kind.FLOAT, 0.0, precision=3, read_only=True)
        array: dict[str, Any] = {"length": MOST_PROFILE, "read_only": True, "precision": 3}
        for suffix in ("AverageX", "AverageY", "CursorX", "CursorY"):
            pvs.add(f"Profile{suffix}_RBV", Kind.FLOATS, [0.0], **array)
        pvs.add("Histogram_RBV", Kind.FLOATS, [0.0], length=MOST_BINS, read_only=True)
        for suffix in ("ProfileSizeX", "ProfileSizeY", "HistBelow", "HistAbove"):
            pvs.add(suffix + "_RBV", Kind.INT, 0, read_only=True)


class RoiStatPlugin(DrawingPlugin):
    """Statistics of some regions of each frame.

    Args:
        prefix: PV prefix, as SIM:CAM:ROISTAT1:.
        port: Its port name.
        source: Port name of its first input.
        ports: Where it takes and gives arrays.
    """

    def __init__(self, prefix: str, *, port: str, source: str, ports: Ports) -> None:
        super().__init__(prefix, kind="NDPluginROIStat", port=port, source=source, ports=ports)
        for n in range(1, REGIONS + 1):
            self.pvs.add(f"{n}:Name", Kind.STRING, "")
            self.pvs.pair(f"{n}:Use", Kind.ENUM, 0, choices=NO_YES)
            for suffix in ("MinX", "MinY", "SizeX", "SizeY", "BgdWidth"):
                self.pvs.pair(f"{n}:{suffix}", Kind.INT, 0)
            for suffix in ("MinValue", "MaxValue", "MeanValue", "Total", "Net"):
                self.pvs.add(f"{n}:{suffix}_RBV", Kind.FLOAT, 0.0, precision=3, read_only=True)

    def look(self, image: Pixels, shot: Shots) -> None:
        """Compute the regions in use."""
        del shot
        for n in range(1, REGIONS + 1):
            if self.pvs[f"{n}:Use"].value:
                self._look_at(n, image)

    def _look_at(self, n: int, image: Pixels) -> None:
        left, top, width, height = (
            int(self.pvs[f"{n}:{suffix}"].value) for suffix in ("MinX", "MinY", "SizeX", "SizeY")
        )
        part = image[max(top, 0) : max(top, 0) + height, max(left, 0) : max(left, 0) + width]
        if not part.size:
            return
        total = float(part.sum(dtype=np.float64))
        values = {"MinValue": part.min(), "MaxValue": part.max(), "MeanValue": total / part.size, "Total": total}
        for suffix, value in values.items():
            self.pvs[f"{n}:{suffix}_RBV"].post(float(value))
