"""Our plans as plans: what a suspension, a pause, a failure and an abort do to them."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wingbeat.async_devices import SoftDetector, SoftMotor
from wingbeat.engine import RunEngine, plan, stubs
from wingbeat.engine.errors import OperationFailedError, PlanAbortedError, RampFailedError
from wingbeat.engine.plans import (
    adaptive_scan,
    count,
    grid_scan,
    list_scan,
    ramp_plan,
    rel_adaptive_scan,
    rel_grid_scan,
    rel_list_grid_scan,
    rel_list_scan,
    rel_log_scan,
    rel_scan,
    rel_spiral,
    rel_spiral_fermat,
    rel_spiral_square,
    scan,
    spiral,
    tune_centroid,
    x2x_scan,
)
from wingbeat.engine.plans.adaptive_search import AdaptiveSearch
from wingbeat.engine.plans.centroid_search import CentroidSearch
from wingbeat.engine.plans.trajectory import Trajectory

from tests.engine.conftest import Collected, until
from tests.virtual_clock import VirtualClock

Make = Callable[[list[Any], SoftMotor, SoftMotor], Any]

STEPPED: dict[str, Make] = {
    "count": lambda dets, x, y: count(dets, 4),
    "scan": lambda dets, x, y: scan(dets, x, 1, 4, 4),
    "rel_scan": lambda dets, x, y: rel_scan(dets, x, 1, 4, 4),
    "list_scan": lambda dets, x, y: list_scan(dets, x, [1, 2, 3, 4]),
    "grid_scan": lambda dets, x, y: grid_scan(dets, y, 0, 1, 2, x, 1, 2, 2),
    "adaptive_scan": lambda dets, x, y: adaptive_scan(dets, "det", x, 0, 2, 0.1, 1, 100, False),
    "tune_centroid": lambda dets, x, y: tune_centroid(dets, "det", x, 0, 1, 0.2, 4),
}


def points_of(docs: Collected) -> list[Any]:
    """What was moved to, without what was measured: a point that is taken again counts its trigger again."""
    return [
        [doc["seq_num"], {key: value for key, value in doc["data"].items() if key != "det"}] for doc in docs.of("event")
    ]


class Level(SoftDetector):
    """Measures always the same, so that a search goes the same way whatever was taken again."""

    def __init__(self) -> None:
        super().__init__("det", exposure=1.0, value=lambda: 1.0)


@pytest.mark.parametrize("name", STEPPED)
async def test_a_point_in_which_the_beam_was_lost_is_taken_again_and_its_event_is_there_once(
    name: str, virtual_clock: VirtualClock, engine: RunEngine, docs: Collected
) -> None:
    async def run(*, disturbed: bool) -> list[Any]:
        docs.clear()
        det = Level()
        handle = engine.start(STEPPED[name]([det], SoftMotor("x", initial=1.0), SoftMotor("y")))
        if disturbed:
            await until(lambda: len(docs.of("event")) == 1)
            await asyncio.sleep(0.5)
            release = engine.suspend("beam lost")
            await asyncio.sleep(5)
            release()
        await handle
        triggers.append(det.triggers)
        return points_of(docs)

    triggers: list[int] = []
    quiet = await run(disturbed=False)
    assert await run(disturbed=True) == quiet
    assert len(quiet) > 3
    assert triggers[1] == triggers[0] + 1


RELATIVE: dict[str, Make] = {
    "rel_scan": lambda dets, x, y: rel_scan(dets, x, -1, 1, 3),
    "rel_list_scan": lambda dets, x, y: rel_list_scan(dets, x, [1, 2]),
    "rel_log_scan": lambda dets, x, y: rel_log_scan(dets, x, 0, 1, 2),
    "rel_grid_scan": lambda dets, x, y: rel_grid_scan(dets, x, 1, 2, 2, y, 1, 2, 2),
    "rel_list_grid_scan": lambda dets, x, y: rel_list_grid_scan(dets, x, [1, 2], y, [1, 2]),
    "rel_spiral": lambda dets, x, y: rel_spiral(dets, x, y, 2, 2, 1, 4),
    "rel_spiral_fermat": lambda dets, x, y: rel_spiral_fermat(dets, x, y, 2, 2, 0.5, 1),
    "rel_spiral_square": lambda dets, x, y: rel_spiral_square(dets, x, y, 2, 2, 3, 3),
    "rel_adaptive_scan": lambda dets, x, y: rel_adaptive_scan(dets, "det", x, 0, 2, 0.1, 1, 1, False),
    "x2x_scan": lambda dets, x, y: x2x_scan(dets, x, y, -1, 1, 3),
}


@pytest.mark.parametrize("name", RELATIVE)
@pytest.mark.parametrize("ended", ["well", "by a failure", "by an abort"])
async def test_a_relative_plan_returns_its_axes_whatever_happens(
    name: str, ended: str, virtual_clock: VirtualClock, engine: RunEngine
) -> None:
    x, y = SoftMotor("x", initial=5.0), SoftMotor("y", initial=-3.0)

    class Failing(SoftDetector):
        async def read(self) -> Any:
            if ended == "by a failure" and self.triggers == 2:
                raise OSError("disk full")
            return await super().read()

    det = Failing("det", exposure=1.0)
    handle = engine.start(RELATIVE[name]([det], x, y))
    if ended == "by an abort":
        await until(lambda: det.triggers)
        await asyncio.sleep(0.5)
        await handle.abort("enough")
    outcome: dict[str, Any] = {"by a failure": OperationFailedError, "by an abort": PlanAbortedError}
    if ended == "well":
        await handle
    else:
        with pytest.raises(outcome[ended]):
            await handle
    assert (x.position, y.position) == (5.0, -3.0)
    await det.tasks.aclose()


async def test_a_plan_that_fails_before_it_moves_moves_nothing(engine: RunEngine) -> None:
    class Unready(SoftDetector):
        async def stage(self) -> None:
            raise OSError("no power")

        async def unstage(self) -> None: ...

    x = SoftMotor("x", initial=5.0)
    sent: list[float] = []
    moved = x.set
    x.set = lambda value: sent.append(value) or moved(value)  # type: ignore[method-assign]
    with pytest.raises(OperationFailedError, match="no power"):
        await engine(rel_scan([Unready("det")], x, 0, 1, 3))
    assert not sent


async def test_a_scan_gives_its_run_and_moves_only_axes_whose_position_is_new(
    engine: RunEngine, docs: Collected
) -> None:
    x, y = SoftMotor("x"), SoftMotor("y")
    sent: list[str] = []

    async def middleware(msg: Any, call: Any) -> Any:
        if msg.command == "set":
            sent.append(msg.obj.name)
        return await call(msg)

    engine.middleware.append(middleware)
    run = await engine(grid_scan([SoftDetector("det")], x, 0, 1, 2, y, 0, 1, 2))
    assert run.start["uid"] == docs.of("start")[0]["uid"]
    assert sent == ["x", "y", "y", "x", "y", "y"]


async def test_metadata_that_a_user_gives_are_not_changed(engine: RunEngine) -> None:
    md: dict[str, Any] = {"hints": {"gridding": "mine"}}
    x = SoftMotor("x")
    for made in (scan([], x, 0, 1, 2, md=md), count([], md=md), grid_scan([], x, 0, 1, 2, md=md)):
        await engine(made)
    assert md == {"hints": {"gridding": "mine"}}


async def test_a_count_without_end_goes_on_until_it_is_stopped(
    virtual_clock: VirtualClock, engine: RunEngine, docs: Collected
) -> None:
    handle = engine.start(count([SoftDetector("det")], num=None, delay=1))
    await until(lambda: len(docs.of("event")) == 5)
    await handle.stop()
    assert docs.of("stop")[0]["exit_status"] == "success"
    times = [doc["time"] for doc in docs.of("event")]
    assert times == sorted(times)


async def test_a_ramp_is_read_while_it_goes_on_and_refused_when_it_takes_too_long(
    virtual_clock: VirtualClock, engine: RunEngine, docs: Collected
) -> None:
    class Signal(SoftDetector):
        def subscribe(self, function: Any) -> None:
            function({"sig": {"value": 0.0, "timestamp": 0.0}})

        def clear_sub(self, _function: Any) -> None: ...

    x = SoftMotor("x", velocity=1.0)

    def ramp(target: float, timeout: float) -> Awaitable[Any]:
        @plan
        async def go() -> Any:
            return await stubs.abs_set(x, target)

        return ramp_plan(go(), Signal("sig"), lambda: stubs.trigger_and_read([x]), True, timeout, 1.0)

    await engine(ramp(5, 20))
    readings = [doc["data"]["x"] for doc in docs.of("event") if "x" in doc["data"]]
    assert readings == sorted(readings)
    assert (readings[0], readings[-1]) == (0, 5)
    assert len(readings) >= 6
    with pytest.raises(RampFailedError, match=r"took longer than 2 s"):
        await engine(ramp(100, 2))


async def test_a_spiral_without_a_point_is_refused(engine: RunEngine) -> None:
    with pytest.raises(ValueError, match="no point of this spiral lies in its rectangle: dr=5 is too large"):
        await engine(spiral([], SoftMotor("x"), SoftMotor("y"), 0, 0, 1, 1, 5, 1))


async def test_a_field_that_is_not_read_is_named(engine: RunEngine) -> None:
    with pytest.raises(ValueError, match="no field 'ghost' was read; there are det, x"):
        await engine(adaptive_scan([SoftDetector("det")], "ghost", SoftMotor("x"), 0, 1, 0.1, 0.5, 1, False))


# What is computed.


@given(st.lists(st.floats(-100, 100), min_size=1), st.floats(0.05, 1), st.booleans())
def test_an_adaptive_search_goes_on_in_steps_between_its_limits(
    values: list[float], delta: float, downwards: bool
) -> None:
    start, stop = (10.0, 0.0) if downwards else (0.0, 10.0)
    search = AdaptiveSearch(start=start, stop=stop, min_step=0.1, max_step=2.0, target_delta=delta, backstep=False)
    positions: list[float] = []
    for number, position in enumerate(search):
        positions.append(position)
        search.learn(values[number % len(values)])
    steps = [abs(b - a) for a, b in itertools.pairwise(positions)]
    assert all(0.1 - 1e-9 <= step <= 2.0 + 1e-9 for step in steps)
    assert positions == sorted(positions, reverse=downwards)


@given(st.floats(-4, 4), st.booleans())
def test_a_centroid_search_ends_at_the_peak(peak: float, snake: bool) -> None:
    search = CentroidSearch(start=-5, stop=5, min_step=0.01, num=20, snake=snake)
    for position in search:
        assert -5 <= position <= 5
        search.learn(position, max(0.0, 1 - abs(position - peak)))
    assert search.found == pytest.approx(peak, abs=0.1)


def test_a_centroid_search_that_sees_nothing_finds_nothing() -> None:
    search = CentroidSearch(start=0, stop=1, min_step=0.1, num=3)
    assert [search.learn(position, 0.0) for position in search] == [None] * 3
    assert search.found is None


def test_the_points_of_a_large_grid_are_not_made_before_they_are_needed() -> None:
    side = range(10_000)
    points = Trajectory({"slow": side, "fast": side}, grid=True, snaking=[False, True])
    assert len(points) == 10**8
    assert points[10_000] == {"slow": 1, "fast": 9_999}
    assert points[10**8 - 1] == {"slow": 9_999, "fast": 0}
