"""A line plot from documents: of events, and of frames in files."""

import asyncio
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wingbeat.async_devices import SoftDetector, SoftMotor
from wingbeat.engine import RunEngine
from wingbeat.engine.errors import SubscriptionError
from wingbeat.engine.live_plot import LivePlot
from wingbeat.engine.live_series import LiveSeries
from wingbeat.engine.plans import scan

from tests.engine.test_foreign import GOOD, redone
from tests.stream_resource.hdf import finished
from tests.stream_resource.runs import CAM, Documents

figure = pytest.importorskip("matplotlib.figure")


def _axes() -> Any:
    return figure.Figure(figsize=(4, 3), dpi=100).subplots()


def _drawn(axes: Any, path: Path) -> np.ndarray:
    """The pixels of the figure that are of the first line's colour, as a mask."""
    from matplotlib import colors, image
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(axes.figure).print_png(path)
    colour = np.array(colors.to_rgb(axes.lines[0].get_color()))
    return np.all(np.abs(image.imread(path)[:, :, :3] - colour) < 0.02, axis=2)


async def test_a_scan_is_drawn_point_by_point_on_the_loop_of_the_figure(
    engine: RunEngine, x: SoftMotor, det: SoftDetector, tmp_path: Path
) -> None:
    axes = _axes()
    plot, threads = LivePlot("x", "det", ax=axes), set[int]()

    def on_loop(name: str, doc: dict[str, Any]) -> None:
        threads.add(threading.get_ident())
        plot(name, doc)

    engine.subscribe(on_loop, where="loop", critical=True)
    await engine(scan([det], x, 0, 1, 5))
    assert threads == {threading.get_ident()}
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[0, 1], [0.25, 2], [0.5, 3], [0.75, 4], [1, 5]])
    mask = _drawn(axes, tmp_path / "plot.png")
    columns = np.flatnonzero(mask.any(axis=0))
    assert columns[-1] - columns[0] > 250  # of 400 pixels: from the first point to the last
    await engine(scan([det], x, 0, 1, 3))
    assert [line.get_label() for line in axes.lines] == ["scan 1", "scan 2"]
    assert len(axes.lines[0].get_xydata()) == 5


def test_frames_are_reduced_and_a_redone_frame_is_shown_by_its_newest_row(tmp_path: Path) -> None:
    axes = _axes()
    plot = LivePlot(None, "cam", ax=axes)
    for name, doc in redone(tmp_path):
        plot(name, doc)
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), [1, 2, 3, 4])
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), GOOD.sum(axis=(1, 2)))
    assert _drawn(axes, tmp_path / "plot.png").sum() > 100


def test_frames_that_cannot_be_read_yet_come_with_the_next_document(tmp_path: Path) -> None:
    docs = Documents("run-1", data_keys={"cam": CAM})
    path, series = tmp_path / "late.h5", LiveSeries(None, "cam", reduce=np.max)
    for name, doc in (docs.start(), docs.descriptor(), docs.resource(uri=f"file://localhost{path}")):
        assert not series.take(name, doc)
    assert not series.take(*docs.datum((1, 3)))
    finished(path, 4)
    assert series.take(*docs.datum((3, 5)))
    assert series.points[0].tolist() == [1, 2, 3, 4]


def test_frames_that_stay_unreadable_are_left_out_and_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    docs = Documents("run-1", data_keys={"cam": CAM})
    series = LiveSeries(None, "cam")
    resource = docs.resource(uri=f"file://localhost{tmp_path / 'gone.h5'}")
    for name, doc in (docs.start(), docs.descriptor(), resource, docs.datum((1, 3)), docs.stop()):
        assert not series.take(name, doc)
    assert series.points[1].size == 0
    assert "could not be read" in caplog.text


def test_a_frame_that_is_missing_is_a_gap_and_not_a_line_across(tmp_path: Path) -> None:
    docs = Documents("run-1", data_keys={"cam": CAM})
    path, series = finished(tmp_path / "cam.h5", 4), LiveSeries(None, "cam")
    resource = docs.resource(uri=f"file://localhost{path}")
    for name, doc in (docs.start(), docs.descriptor(), resource, docs.datum((1, 3)), docs.datum((4, 6)), docs.stop()):
        series.take(name, doc)
    np.testing.assert_array_equal(series.points[0], [1, 2, np.nan, 4, 5])


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(SubscriptionError, match="pip install matplotlib"):
        LivePlot("x", "det")


async def test_documents_of_other_streams_and_runs_do_not_touch_it(
    engine: RunEngine, x: SoftMotor, det: SoftDetector
) -> None:
    axes = _axes()
    engine.subscribe(LivePlot("x", "det", stream="dark", ax=axes), where=asyncio.get_running_loop(), critical=True)
    await engine(scan([det], x, 0, 1, 3))
    assert axes.lines[0].get_xydata().size == 0
