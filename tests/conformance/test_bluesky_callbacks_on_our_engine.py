"""bluesky's own callbacks, subscribed unchanged to our engine: what they print, draw and compute."""

import importlib.util
from typing import Any

import numpy as np
import pytest
from bluesky.callbacks import CallbackBase, LiveTable
from wingbeat.async_devices import SoftDetector, SoftMotor
from wingbeat.engine import RunEngine
from wingbeat.engine.plans import scan

pytestmark = [pytest.mark.conformance, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

needs_lmfit = pytest.mark.skipif(importlib.util.find_spec("lmfit") is None, reason="LiveFit needs lmfit")
needs_scipy = pytest.mark.skipif(importlib.util.find_spec("scipy") is None, reason="PeakStats needs scipy")


@pytest.fixture
async def engine() -> Any:
    async with RunEngine() as engine:
        yield engine


@pytest.fixture
def plan() -> Any:
    return scan([SoftDetector("det")], SoftMotor("x"), 0, 1, 5)


@pytest.fixture(autouse=True)
def agg() -> Any:
    import matplotlib
    import matplotlib.pyplot as plt

    matplotlib.use("Agg")
    yield plt
    plt.close("all")


async def test_live_table_prints_a_row_per_event(engine: RunEngine, plan: Any) -> None:
    lines: list[str] = []
    engine.subscribe(LiveTable(["x", "det"], out=lines.append), critical=True)
    await engine(plan)
    rows = [line.split("|")[1:-1] for line in "\n".join(lines).splitlines() if line.startswith("|  ")]
    found = [(int(row[0]), float(row[2]), float(row[3])) for row in rows if row[0].strip().isdigit()]
    assert found == [(1, 0.0, 1.0), (2, 0.25, 2.0), (3, 0.5, 3.0), (4, 0.75, 4.0), (5, 1.0, 5.0)]


async def test_live_plot_draws_the_points(engine: RunEngine, plan: Any, agg: Any) -> None:
    from bluesky.callbacks.mpl_plotting import LivePlot

    axes = agg.figure().subplots()
    engine.subscribe(LivePlot("det", "x", ax=axes), where="loop", critical=True)
    await engine(plan)
    (line,) = axes.lines
    np.testing.assert_array_equal(line.get_xydata(), [[0, 1], [0.25, 2], [0.5, 3], [0.75, 4], [1, 5]])


@pytest.mark.blocks_loop  # it sleeps 0.1 s after each drawing
async def test_best_effort_callback_prints_its_table_and_draws_its_figure(
    engine: RunEngine, plan: Any, agg: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    from bluesky.callbacks.best_effort import BestEffortCallback

    callback = BestEffortCallback()
    engine.subscribe(callback, where="loop", critical=True)
    await engine(plan)
    said = capsys.readouterr().out
    assert "Transient Scan ID: 1" in said
    assert "New stream: 'primary'" in said
    assert said.count("|         5 |") == 1
    assert f"plan scan ['{engine.last.uid[:8]}'] (scan num: 1)" in said
    (figure,) = [agg.figure(number) for number in agg.get_fignums()]
    (line,) = figure.axes[0].lines[:1]
    np.testing.assert_array_equal(line.get_ydata(), [1, 2, 3, 4, 5])
    assert engine.statistics().subscribers[0].errors == 0


async def test_a_callback_class_gets_every_kind_of_document_by_its_method(engine: RunEngine, plan: Any) -> None:
    seen: list[str] = []

    class Methods(CallbackBase):
        def start(self, doc: dict[str, Any]) -> None:
            seen.append("start")

        def descriptor(self, doc: dict[str, Any]) -> None:
            seen.append("descriptor")

        def event(self, doc: dict[str, Any]) -> None:
            seen.append(f"event {doc['seq_num']}")

        def stop(self, doc: dict[str, Any]) -> None:
            seen.append("stop")

    engine.subscribe(Methods(), critical=True)
    await engine(plan)
    assert seen == ["start", "descriptor", *(f"event {n}" for n in range(1, 6)), "stop"]


@needs_lmfit
async def test_live_fit_fits_while_it_runs(engine: RunEngine, plan: Any) -> None:
    import lmfit
    from bluesky.callbacks.fitting import LiveFit

    fit = LiveFit(lmfit.models.LinearModel(), "det", {"x": "x"}, {"slope": 1, "intercept": 0})
    engine.subscribe(fit, critical=True)
    await engine(plan)
    assert fit.result.params["slope"].value == pytest.approx(4.0)


@needs_scipy
async def test_peak_stats_are_there_at_the_end(engine: RunEngine, plan: Any) -> None:
    from bluesky.callbacks.fitting import PeakStats

    peak = PeakStats("x", "det")
    engine.subscribe(peak, critical=True)
    await engine(plan)
    assert peak.max == (1.0, 5.0)
    assert peak.min == (0.0, 1.0)
