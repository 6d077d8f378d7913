"""The benchmark runner counts rightly, and every row keeps the convention of benchmarks/README.md."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import bench, compare, report
from benchmarks.bench import Row, SideResult, Which

ROOT = Path(__file__).parent.parent


def _row(**changes: object) -> Row:
    described = {
        "name": "row",
        "work": "Adding numbers.",
        "peer": "somebody",
        "goals": {"": 2.0},
        "unit": "ms",
        "scale": 1e3,
        "sense": "at_least",
        "packages": ("numpy",),
        "module": sys,
    }
    return Row(**{**described, **changes})


def _runs(monkeypatch: pytest.MonkeyPatch, *, ours: SideResult, peer: SideResult) -> list[Which]:
    """Replace the fresh processes by two known results; gives the order in which sides were run."""
    order: list[Which] = []

    def run_fresh(name: str, which: Which) -> dict[str, SideResult]:
        order.append(which)
        return dict.fromkeys(("", "easy", "hard"), ours if which == "ours" else peer)

    monkeypatch.setattr(compare, "run_fresh", run_fresh)
    return order


@pytest.mark.parametrize("name", bench.names())
def test_every_row_can_be_listed_without_its_peer(name: str) -> None:
    peers = ["bluesky", "ophyd_async", "tiled", "scanspec", "wingbeat"]
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({peers})); from benchmarks import bench; bench.load({name!r})"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_unknown_row_is_refused_with_those_there_are() -> None:
    with pytest.raises(LookupError, match="engine_message"):
        bench.load("nothing")


def test_sides_alternate_and_the_first_round_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    result = SideResult(seconds=1.0, digest="same")
    order = _runs(monkeypatch, ours=result, peer=result)
    measured = compare.compare(_row(), rounds=5)[0]
    assert len(measured.ours) == len(measured.peer) == 5
    assert order[:6] == ["ours", "peer", "ours", "peer", "peer", "ours"]


def test_sides_that_did_different_work_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    _runs(monkeypatch, ours=SideResult(seconds=1.0, digest="a"), peer=SideResult(seconds=1.0, digest="b"))
    with pytest.raises(compare.UnequalResultsError, match="row"):
        compare.compare(_row(), rounds=5)


@pytest.mark.parametrize(
    ("sense", "peer_seconds", "ratio", "met"),
    [
        ("at_least", 3.0, 3.0, True),
        ("at_least", 1.5, 1.5, False),
        ("at_most", 1.0, 1.0, True),
        ("at_most", 0.4, 2.5, False),
    ],
)
def test_the_ratio_is_the_peers_gain_or_our_cost(
    monkeypatch: pytest.MonkeyPatch, sense: bench.Sense, peer_seconds: float, ratio: float, met: bool
) -> None:
    ours, peer = SideResult(seconds=1.0, digest="same"), SideResult(seconds=peer_seconds, digest="same")
    _runs(monkeypatch, ours=ours, peer=peer)
    measured = compare.compare(_row(sense=sense), rounds=5)[0]
    assert measured.ratio == pytest.approx(ratio)
    assert measured.met is met


def test_the_interval_holds_the_median_and_widens_with_the_spread() -> None:
    narrow = compare.interval_of(np.array([2.0, 2.1, 1.9, 2.05, 1.95]))
    wide = compare.interval_of(np.array([2.0, 4.0, 1.0, 3.0, 1.5]))
    assert narrow[0] <= 2.0 <= narrow[1]
    assert wide[1] - wide[0] > narrow[1] - narrow[0]


def test_a_digest_tells_types_shapes_and_boundaries_apart() -> None:
    zeros = np.zeros(4, np.uint16)
    digests = {
        bench.digest_of(zeros),
        bench.digest_of(zeros.astype(np.int16)),
        bench.digest_of(zeros.reshape(2, 2)),
        bench.digest_of("ab", "c"),
        bench.digest_of("a", "bc"),
    }
    assert len(digests) == 5
    assert bench.digest_of(zeros) == bench.digest_of(np.zeros(4, np.uint16))


def test_the_json_line_stands_for_the_worst_case(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, peer = SideResult(seconds=1.0, digest="same"), SideResult(seconds=3.0, digest="same")
    _runs(monkeypatch, ours=ours, peer=peer)
    row = _row(goals={"easy": 2.0, "hard": 6.0})
    line = report.as_json(row, compare.compare(row, rounds=5))
    assert "\n" not in line
    assert '"goal": 6.0' in line.split('"cases"')[0]
    assert '"met": false' in line.split('"cases"')[0]
