"""Each of our plans beside bluesky's plan of the same name: same arguments, same documents, same refusals."""

import asyncio
import builtins
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import bluesky.plan_patterns as bpt
import bluesky.plan_stubs as bps
import bluesky.plans as bp
import numpy as np
import pytest
from cycler import cycler
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ophyd_async.core import AsyncStatus, StandardReadable, StandardReadableFormat, soft_signal_r_and_setter
from wingbeat.async_devices import SoftDetector, SoftMotor, soft_signal_rw
from wingbeat.async_devices.status import Status
from wingbeat.engine import plans, stubs
from wingbeat.engine.plans import spiral_patterns
from wingbeat.engine.plans.grid_arguments import grid, grid_axes
from wingbeat.engine.plans.trajectory import Trajectory

from tests.conformance.both_engines import Documents, by_bluesky, by_us, plain, without_plan_type

pytestmark = [pytest.mark.conformance, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


class Peak(SoftDetector):
    """Reads a bell curve over where an axis is."""

    def __init__(self, name: str, motor: SoftMotor) -> None:
        super().__init__(name)
        self._locate = motor.locate

    async def read(self) -> dict[str, Any]:
        position = (await self._locate())["readback"]
        return {self.name: {"value": float(np.exp(-((position - 0.3) ** 2))), "timestamp": 0.0}}


class Bench:
    """Two detectors and three axes, of which x and y are not at 0."""

    def __init__(self) -> None:
        self.x, self.y, self.z = SoftMotor("x", initial=1.5), SoftMotor("y", initial=-2.0), SoftMotor("z")
        self.peak = Peak("peak", self.x)
        self.dets = [self.peak, SoftDetector("other")]


class OphydAsyncSignal(StandardReadable):
    """A device of ophyd-async with one value, which has its name."""

    def __init__(self, name: str, initial: float = 0.0) -> None:
        with self.add_children_as_readables(StandardReadableFormat.HINTED_SIGNAL):
            self.value, self.put = soft_signal_r_and_setter(float, initial)
        self.now = initial
        super().__init__(name=name)

    def set_name(self, name: str, *, child_name_separator: str | None = None) -> None:
        super().set_name(name, child_name_separator=child_name_separator)
        self.value.set_name(name)


class OphydAsyncAxis(OphydAsyncSignal):
    """An axis that is there at once."""

    @AsyncStatus.wrap
    async def set(self, value: float) -> None:
        self.now = float(value)
        self.put(self.now)

    async def locate(self) -> Any:
        return {"setpoint": self.now, "readback": self.now}


class OphydAsyncPeak(OphydAsyncSignal):
    """Measures a bell curve over where an axis is."""

    axis: OphydAsyncAxis

    @AsyncStatus.wrap
    async def trigger(self) -> None:
        self.put(float(np.exp(-((self.axis.now - 0.3) ** 2))))


class OphydAsyncBench:
    """The same bench, of ophyd-async's make."""

    def __init__(self) -> None:
        self.x, self.y, self.z = OphydAsyncAxis("x", 1.5), OphydAsyncAxis("y", -2.0), OphydAsyncAxis("z")
        self.peak, other = OphydAsyncPeak("peak"), OphydAsyncPeak("other")
        object.__setattr__(self.peak, "axis", self.x)
        object.__setattr__(other, "axis", self.y)
        self.dets = [self.peak, other]


Call = Callable[[Any, Any], Any]

SPIRAL = {"dr": 0.4, "dr_y": 0.3, "tilt": 0.2}

CALLS: dict[str, Call] = {
    "count": lambda p, b: p.count(b.dets, num=3),
    "count once": lambda p, b: p.count(b.dets),
    "count with delays": lambda p, b: p.count(b.dets, num=3, delay=[0.001, 0]),
    "count with metadata": lambda p, b: p.count(b.dets, md={"hints": {"dimensions": []}, "sample": "gold"}),
    "scan": lambda p, b: p.scan(b.dets, b.x, -1, 1, 5),
    "scan of two axes": lambda p, b: p.scan(b.dets, b.x, -1, 1, b.y, 0, 4, num=3),
    "scan with metadata": lambda p, b: p.scan(b.dets, b.x, -1, 1, 2, md={"hints": {"gridding": "x"}, "plan_name": "a"}),
    "rel_scan": lambda p, b: p.rel_scan(b.dets, b.x, -1, 1, 5),
    "rel_scan of two axes": lambda p, b: p.rel_scan(b.dets, b.x, -1, 1, b.y, 0, 4, num=3),
    "relative_scan": lambda p, b: p.relative_scan(b.dets, b.x, -1, 1, 3),
    "inner_product_scan": lambda p, b: p.inner_product_scan(b.dets, 3, b.x, -1, 1, b.y, 0, 2),
    "relative_inner_product_scan": lambda p, b: p.relative_inner_product_scan(b.dets, 3, b.x, -1, 1, b.y, 0, 2),
    "x2x_scan": lambda p, b: p.x2x_scan(b.dets, b.x, b.y, -1, 1, 3),
    "list_scan": lambda p, b: p.list_scan(b.dets, b.x, [3, 1, 1, 2], b.y, (1, 2, 3, 4)),
    "rel_list_scan": lambda p, b: p.rel_list_scan(b.dets, b.x, [3, 1, 1, 2]),
    "relative_list_scan": lambda p, b: p.relative_list_scan(b.dets, b.x, [3, 1]),
    "log_scan": lambda p, b: p.log_scan(b.dets, b.x, -1, 1, 4),
    "rel_log_scan": lambda p, b: p.rel_log_scan(b.dets, b.x, -1, 1, 4),
    "relative_log_scan": lambda p, b: p.relative_log_scan(b.dets, b.x, 0, 1, 2),
    "grid_scan": lambda p, b: p.grid_scan(b.dets, b.x, 0, 1, 2, b.y, 0, 1, 3),
    "grid_scan snaked": lambda p, b: p.grid_scan(b.dets, b.x, 0, 1, 2, b.y, 0, 1, 3, snake_axes=True),
    "grid_scan of three axes, one snaked": lambda p, b: p.grid_scan(
        b.dets, b.x, 0, 1, 2, b.y, 0, 1, 3, b.z, 0, 1, 2, snake_axes=[b.z]
    ),
    "grid_scan in the old form": lambda p, b: p.grid_scan(b.dets, b.x, 0, 1, 2, b.y, 0, 1, 3, True),
    "rel_grid_scan": lambda p, b: p.rel_grid_scan(b.dets, b.x, 0, 1, 2, b.y, 0, 1, 3, snake_axes=True),
    "outer_product_scan": lambda p, b: p.outer_product_scan(b.dets, b.x, 0, 1, 2, b.y, 0, 1, 2),
    "relative_outer_product_scan": lambda p, b: p.relative_outer_product_scan(b.dets, b.x, 0, 1, 2, b.y, 0, 1, 2),
    "list_grid_scan": lambda p, b: p.list_grid_scan(b.dets, b.x, [1, 2], b.y, [3, 5, 4]),
    "list_grid_scan snaked": lambda p, b: p.list_grid_scan(b.dets, b.x, [1, 2], b.y, [3, 5, 4], snake_axes=True),
    "rel_list_grid_scan": lambda p, b: p.rel_list_grid_scan(b.dets, b.x, [1, 2], b.y, [3, 5], snake_axes=True),
    "scan_nd": lambda p, b: p.scan_nd(b.dets, cycler(b.x, [1, 2]) * cycler(b.y, [3, 4])),
    "spiral": lambda p, b: p.spiral(b.dets, b.x, b.y, 0, 1, 1, 2, nth=3, **SPIRAL),
    "rel_spiral": lambda p, b: p.rel_spiral(b.dets, b.x, b.y, 1, 2, nth=3, **SPIRAL),
    "relative_spiral": lambda p, b: p.relative_spiral(b.dets, b.x, b.y, 1, 1, 0.5, 2),
    "spiral_fermat": lambda p, b: p.spiral_fermat(b.dets, b.x, b.y, 0, 1, 1, 2, factor=2, **SPIRAL),
    "rel_spiral_fermat": lambda p, b: p.rel_spiral_fermat(b.dets, b.x, b.y, 1, 2, factor=1, **SPIRAL),
    "relative_spiral_fermat": lambda p, b: p.relative_spiral_fermat(b.dets, b.x, b.y, 1, 1, 0.5, 1),
    "spiral_square": lambda p, b: p.spiral_square(b.dets, b.x, b.y, 0, 1, 2, 3, x_num=4, y_num=3),
    "rel_spiral_square": lambda p, b: p.rel_spiral_square(b.dets, b.x, b.y, 2, 3, x_num=2, y_num=3),
    "adaptive_scan": lambda p, b: p.adaptive_scan(b.dets, "peak", b.x, -2, 2, 0.05, 0.8, 0.1, True),
    "adaptive_scan backwards": lambda p, b: p.adaptive_scan(b.dets, "peak", b.x, 2, -2, 0.05, 0.8, 0.1, False),
    "rel_adaptive_scan": lambda p, b: p.rel_adaptive_scan(b.dets, "peak", b.x, -3, 1, 0.05, 0.8, 0.1, True),
    "relative_adaptive_scan": lambda p, b: p.relative_adaptive_scan(b.dets, "peak", b.x, -1, 1, 0.1, 0.8, 0.1, False),
    "tune_centroid": lambda p, b: p.tune_centroid(b.dets, "peak", b.x, -2, 2, 0.1),
    "tune_centroid to and fro": lambda p, b: p.tune_centroid(b.dets, "peak", b.x, -2, 2, 0.1, 6, 2.5, True),
}  # fmt: skip

ORDER_IS_CHANCE = {"scan_nd", "spiral", "spiral_fermat", "spiral_square"}
"""Words in plans of which bluesky writes the axes in the order of a set."""


def _comparable(name: str, docs: Documents) -> Documents:
    docs = without_plan_type(plain(docs))
    start = docs[0][1]
    if any(word in name for word in ORDER_IS_CHANCE):
        start["motors"] = sorted(start["motors"])
        start["hints"]["dimensions"] = sorted(start["hints"]["dimensions"])
    return docs


def _close(docs: Documents) -> list[Any]:
    """Compare numbers as numbers: sums of floats may differ in their last bit."""
    return [_approximately(doc) for _, doc in docs]


def _approximately(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _approximately(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_approximately(item) for item in value]
    return round(value, 9) + 0.0 if isinstance(value, float | int) and not isinstance(value, bool) else value


async def _both(name: str, call: Call, bench: type) -> tuple[Documents, Documents, Any, Any]:
    mine, theirs = bench(), bench()
    made = await by_us(lambda: call(plans, mine))
    expected = await asyncio.to_thread(by_bluesky, lambda: call(bp, theirs))
    return _comparable(name, made), _comparable(name, expected), mine, theirs


@pytest.mark.parametrize("bench", [Bench, OphydAsyncBench])
@pytest.mark.parametrize("name", CALLS)
async def test_our_plan_makes_the_documents_of_its_twin_and_leaves_the_axes_where_it_does(
    name: str, bench: type
) -> None:
    made, expected, mine, theirs = await _both(name, CALLS[name], bench)
    assert [kind for kind, _ in made] == [kind for kind, _ in expected]
    assert _close(made) == _close(expected)
    for axis in ("x", "y", "z"):
        there = [(await getattr(bench, axis).locate())["setpoint"] for bench in (mine, theirs)]
        assert there[0] == pytest.approx(there[1])


@pytest.mark.parametrize("name", CALLS)
async def test_blueskys_plan_makes_the_same_documents_on_our_engine(name: str) -> None:
    mine, theirs = Bench(), Bench()
    made = plain(await by_us(lambda: CALLS[name](bp, mine)))
    expected = plain(await asyncio.to_thread(by_bluesky, lambda: CALLS[name](bp, theirs)))
    if any(word in name for word in ORDER_IS_CHANCE):
        made, expected = _comparable(name, made), _comparable(name, expected)
    assert made == expected


def test_every_plan_of_blueskys_has_a_twin_that_is_compared() -> None:
    theirs = {
        name
        for name, plan in vars(bp).items()
        if callable(plan) and getattr(plan, "__module__", "") == bp.__name__ and not name.startswith("_")
    } - {"derive_default_hints", "PerShot", "PerStep"}
    assert not {name for name in theirs if not hasattr(plans, name)}
    compared = {call.split(" ")[0] for call in CALLS} | {"fly", "tweak", "ramp_plan"}
    assert not theirs - compared


def test_every_stub_of_blueskys_has_a_twin_of_the_same_arguments() -> None:
    import inspect

    theirs = {
        name: inspect.signature(stub)
        for name, stub in vars(bps).items()
        if inspect.isfunction(stub) and hasattr(stub, "_is_plan_") and not name.startswith("_")
    }
    assert len(theirs) > 50
    for name, signature in theirs.items():
        ours = inspect.signature(getattr(stubs, name)).parameters
        for parameter in signature.parameters.values():
            assert parameter.name in ours, f"{name} lacks {parameter.name}"
            assert ours[parameter.name].kind == parameter.kind, f"{name}({parameter.name})"


REFUSALS: dict[str, Call] = {
    "count of one device": lambda p, b: p.count(b.peak),
    "count with too few delays": lambda p, b: p.count(b.dets, 4, [0.1]),
    "scan without num": lambda p, b: p.scan(b.dets, b.x, 0, 1),
    "scan with a piece too much": lambda p, b: p.scan(b.dets, b.x, 0, 1, 3, num=3),
    "scan with half a point": lambda p, b: p.scan(b.dets, b.x, 0, 1, num=2.5),
    "rel_scan of one device": lambda p, b: p.rel_scan(b.peak, b.x, 0, 1, 3),
    "list_scan without positions": lambda p, b: p.list_scan(b.dets, b.x),
    "list_scan of unlike lists": lambda p, b: p.list_scan(b.dets, b.x, [1, 2], b.y, [1]),
    "grid_scan without num": lambda p, b: p.grid_scan(b.dets, b.x, 0, 1, 2, b.y, 0, 1),
    "grid_scan with an axis out of place": lambda p, b: p.grid_scan(b.dets, 0, b.x, 1, 2),
    "grid_scan of an axis twice": lambda p, b: p.grid_scan(b.dets, b.x, 0, 1, 2, b.x, 0, 1, 2),
    "grid_scan snaking the slowest": lambda p, b: p.grid_scan(b.dets, b.x, 0, 1, 2, b.y, 0, 1, 2, snake_axes=[b.x]),
    "grid_scan snaking a stranger": lambda p, b: p.grid_scan(b.dets, b.x, 0, 1, 2, b.y, 0, 1, 2, snake_axes=[b.z]),
    "grid_scan snaking by a word": lambda p, b: p.grid_scan(b.dets, b.x, 0, 1, 2, b.y, 0, 1, 2, snake_axes="yes"),
    "grid_scan snaking in two ways": lambda p, b: p.grid_scan(
        b.dets, b.x, 0, 1, 2, b.y, 0, 1, 3, True, snake_axes=True
    ),
    "adaptive_scan with steps the wrong way round": lambda p, b: p.adaptive_scan(
        b.dets, "peak", b.x, 0, 1, 0.5, 0.1, 0.1, False
    ),
    "tune_centroid without a shortest step": lambda p, b: p.tune_centroid(b.dets, "peak", b.x, 0, 1, 0),
    "tune_centroid that does not close in": lambda p, b: p.tune_centroid(b.dets, "peak", b.x, 0, 1, 1, step_factor=1),
    "per_step of no known form": lambda p, b: p.scan(b.dets, b.x, 0, 1, 3, per_step=lambda a, b, c: None),
    "per_step for one axis of two": lambda p, b: p.scan(
        b.dets, b.x, 0, 1, b.y, 0, 1, 3, per_step=lambda detectors, motor, step: None
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
async def test_wrong_arguments_are_refused_alike(name: str) -> None:
    with pytest.raises(Exception) as theirs:  # noqa: PT011  # which one it is, is what is asked
        await asyncio.to_thread(by_bluesky, lambda: REFUSALS[name](bp, Bench()))
    with pytest.raises(type(theirs.value)):
        await by_us(lambda: REFUSALS[name](plans, Bench()))


class Flyer:
    """Keeps three readings of each of two streams and hands them over at the end."""

    name = "flyer"
    parent = None

    def kickoff(self) -> Status:
        return Status(asyncio.sleep(0), name="kickoff")

    def complete(self) -> Status:
        return Status(asyncio.sleep(0), name="complete")

    def describe_collect(self) -> dict[str, Any]:
        key = {"source": "sim", "dtype": "number", "shape": []}
        return {"fast": {"a": key, "b": key}, "slow": {"c": key}}

    def collect(self) -> Iterator[dict[str, Any]]:
        for at in range(3):
            yield {"data": {"a": at, "b": 2 * at}, "timestamps": {"a": 0.0, "b": 0.0}, "time": float(at)}
            yield {"data": {"c": -at}, "timestamps": {"c": 0.0}, "time": float(at)}


class PagedFlyer(Flyer):
    """Hands them over in pages."""

    collect = None  # type: ignore[assignment]

    def describe_collect(self) -> dict[str, Any]:
        return {"fast": {"a": {"source": "sim", "dtype": "number", "shape": []}}}

    async def collect_pages(self) -> AsyncIterator[dict[str, Any]]:
        for first in (0, 2):
            yield {"data": {"a": [first, first + 1]}, "timestamps": {"a": [0.0, 0.0]}, "time": [0.0, 1.0]}


@pytest.mark.parametrize("flyer", [Flyer, PagedFlyer])
async def test_fly_makes_the_documents_of_its_twin(flyer: type[Flyer]) -> None:
    made = without_plan_type(plain(await by_us(lambda: plans.fly([flyer()]))))
    unmodified = without_plan_type(plain(await by_us(lambda: bp.fly([flyer()]))))
    expected = without_plan_type(plain(await asyncio.to_thread(by_bluesky, lambda: bp.fly([flyer()]))))
    assert made == unmodified == expected
    assert [name for name, _ in made].count("event_page") == 2


async def test_tweak_makes_the_documents_of_its_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    def answers() -> Callable[..., str]:
        given = iter(["0.5", "", "done"])
        return lambda *_: next(given)

    mine, theirs = Bench(), Bench()
    monkeypatch.setattr(builtins, "input", answers())
    made = await by_us(lambda: plans.tweak(mine.peak, "peak", mine.x, 0.25))

    given = answers()

    async def answer(_self: Any, *_: Any, **__: Any) -> str:
        return given()

    monkeypatch.setattr("bluesky.run_engine.AsyncInput.__call__", answer)
    expected = await asyncio.to_thread(by_bluesky, lambda: bp.tweak(theirs.peak, "peak", theirs.x, 0.25))
    assert without_plan_type(plain(made)) == without_plan_type(plain(expected))
    assert len([name for name, _ in made if name == "event"]) == 3


async def test_ramp_plan_makes_the_documents_of_its_twin() -> None:
    mine, theirs = Bench(), Bench()

    async def go() -> Any:
        return await stubs.abs_set(mine.x, 3)

    def bluesky_go() -> Any:
        return (yield from bps.abs_set(theirs.x, 3))

    signals = [soft_signal_rw(float, name="sig") for _ in range(2)]
    made = await by_us(lambda: plans.ramp_plan(go(), signals[0], lambda: stubs.trigger_and_read(mine.dets)))
    expected = await asyncio.to_thread(
        by_bluesky, lambda: bp.ramp_plan(bluesky_go(), signals[1], lambda: bps.trigger_and_read(theirs.dets))
    )

    def told(docs: Documents) -> list[Any]:
        """How often the ramp was looked at on its way is a matter of time."""
        docs = without_plan_type(plain(docs))
        return [docs[0], *(doc for name, doc in docs if name == "descriptor"), docs[-1][1]["exit_status"]]

    assert told(made) == told(expected)
    assert made[-1][1]["num_events"]["primary"] >= 2


async def _nd(detectors: Any, step: Any, pos_cache: Any) -> None:
    await stubs.one_nd_step(detectors[:1], step, pos_cache)


async def _one_d(detectors: Any, motor: Any, step: Any) -> None:
    await stubs.one_1d_step(detectors[:1], motor, 2 * step)


def _bluesky_nd(detectors: Any, step: Any, pos_cache: Any) -> Any:
    yield from bps.one_nd_step(detectors[:1], step, pos_cache)


def _bluesky_one_d(detectors: Any, motor: Any, step: Any) -> Any:
    yield from bps.one_1d_step(detectors[:1], motor, 2 * step)


HOOKS: dict[str, tuple[Call, Any, Any]] = {
    "n dimensions": (lambda p, b: p[0].grid_scan(b.dets, b.x, 0, 1, 2, b.y, 0, 1, 2, per_step=p[1]), _nd, _bluesky_nd),
    "one axis": (lambda p, b: p[0].scan(b.dets, b.x, 0, 1, 2, per_step=p[1]), _one_d, _bluesky_one_d),
    "one axis, log_scan": (lambda p, b: p[0].log_scan(b.dets, b.x, 0, 1, 2, per_step=p[1]), _one_d, _bluesky_one_d),
}


@pytest.mark.parametrize("name", HOOKS)
async def test_a_per_step_takes_the_points_as_in_bluesky_also_if_it_is_a_generator_of_theirs(name: str) -> None:
    call, ours, theirs = HOOKS[name]
    made = without_plan_type(plain(await by_us(lambda: call((plans, ours), Bench()))))
    borrowed = without_plan_type(plain(await by_us(lambda: call((plans, theirs), Bench()))))
    expected = without_plan_type(plain(await asyncio.to_thread(by_bluesky, lambda: call((bp, theirs), Bench()))))
    for docs in (made, borrowed, expected):
        docs[0][1]["plan_args"].pop("per_step")
    assert made == borrowed == expected


# Patterns.

span = st.floats(0.5, 5)
shape = {"dr": st.floats(0.3, 2), "dr_y": st.none() | st.floats(0.3, 2), "tilt": st.floats(-0.5, 0.5)}


def _points(pattern: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[list[float], list[float]]:
    try:
        columns = pattern("x", "y", *args, **kwargs).by_key()
    except StopIteration:  # what a cycler makes of no point at all
        assume(False)
    return list(columns["x"]), list(columns["y"])


@given(place=st.tuples(st.floats(-3, 3), st.just(1), span, span), nth=st.integers(1, 8), **shape)
@settings(max_examples=60, deadline=None)
def test_a_spiral_has_blueskys_points(place: tuple[float, ...], **given_: Any) -> None:
    expected = _points(bpt.spiral, *place, **given_)
    assert spiral_patterns.spiral(*place, **given_) == (pytest.approx(expected[0]), pytest.approx(expected[1]))


@given(place=st.tuples(st.floats(-3, 3), st.just(1), span, span), factor=st.floats(0.5, 2), **shape)
@settings(max_examples=60, deadline=None)
def test_fermats_spiral_has_blueskys_points(place: tuple[float, ...], **given_: Any) -> None:
    expected = _points(bpt.spiral_fermat, *place, **given_)
    assert spiral_patterns.spiral_fermat(*place, **given_) == (pytest.approx(expected[0]), pytest.approx(expected[1]))


@given(x=st.floats(-3, 3), w=span, h=span, columns=st.integers(2, 9), rows=st.integers(2, 9))
@settings(max_examples=60, deadline=None)
def test_a_square_spiral_has_blueskys_points(x: float, w: float, h: float, columns: int, rows: int) -> None:
    expected = _points(bpt.spiral_square_pattern, x, 1, w, h, columns, rows)
    made = spiral_patterns.spiral_square(x, 1, w, h, columns, rows)
    assert made == (pytest.approx(expected[0]), pytest.approx(expected[1]))
    assert len(made[0]) == columns * rows


@given(lengths=st.lists(st.integers(1, 4), min_size=1, max_size=4), snaked=st.tuples(*[st.booleans()] * 4))
@settings(max_examples=60, deadline=None)
def test_a_grid_has_blueskys_points_in_blueskys_order(lengths: list[int], snaked: tuple[bool, ...]) -> None:
    motors = [SoftMotor(f"m{number}") for number in range(len(lengths))]
    axes = [motor for motor, snake in zip(motors[1:], snaked[1:], strict=False) if snake]
    args = [piece for motor, n in zip(motors, lengths, strict=True) for piece in (motor, 0, n, n)]
    old = [piece for motor, n in zip(motors, lengths, strict=True) for piece in (motor, 0, n, n, motor in axes)]
    del old[4]
    expected = [dict(point) for point in bpt.outer_product(old)]
    assert list(grid(grid_axes(args, axes))) == expected
    lists = [piece for motor, n in zip(motors, lengths, strict=True) for piece in (motor, list(range(n)))]
    listed = Trajectory(dict(zip(lists[::2], lists[1::2], strict=True)), grid=True, snaking=[m in axes for m in motors])
    assert list(listed) == [dict(point) for point in bpt.outer_list_product(lists, axes)]
