"""Our preprocessors beside those of the same names of bluesky: the same plan in both must make the same documents."""

from collections.abc import Callable
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import bluesky.preprocessors as bpp
import bluesky.utils
import pytest
from wingbeat.async_devices import SoftDetector, SoftMotor
from wingbeat.engine import RunEngine
from wingbeat.engine import preprocessors as ours
from wingbeat.engine.errors import RunPaused

from tests.conformance.both_engines import Documents, by_bluesky, by_us, plain
from tests.engine.test_monitors_and_configuration import Gauge

pytestmark = [pytest.mark.conformance, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

Make = Callable[[Any], Any]


def _devices() -> tuple[list[Any], SoftMotor]:
    return [SoftDetector("det")], SoftMotor("x")


def _baseline(pp: Any) -> Any:
    dets, x = _devices()
    return pp.baseline_wrapper(bp.count(dets, num=2), [x], name="before and after")


def _decorated(pp: Any) -> Any:
    dets, x = _devices()

    @pp.baseline_decorator([x])
    def mine() -> Any:
        return (yield from bp.count(dets))

    return mine()


def _relative(pp: Any) -> Any:
    dets, x = _devices()
    return pp.relative_set_wrapper(bp.scan(dets, x, -1, 1, 3), [x])


def _reset(pp: Any) -> Any:
    dets, x = _devices()

    def back() -> Any:
        yield from pp.reset_positions_wrapper(bp.scan(dets, x, -1, 1, 3))
        yield from bp.count([x])

    return back()


def _stub(pp: Any) -> Any:
    dets, _ = _devices()

    @pp.stage_decorator(dets)
    @pp.run_decorator(md={"sample": "gold"})
    def twice() -> Any:
        for number in range(2):
            md = yield from pp.stub_wrapper(bp.count(dets, num=number + 1))
            assert md["plan_name"] == "count"

    return twice()


def _md(pp: Any) -> Any:
    dets, _ = _devices()
    return pp.inject_md_wrapper(bp.count(dets, md={"a": 1, "b": 1}), {"b": 2, "c": 3})


def _lazily(pp: Any) -> Any:
    dets, _ = _devices()

    def shot() -> Any:
        yield from bps.open_run()
        yield from bps.trigger_and_read(dets)
        yield from bps.close_run()

    return pp.lazily_stage_wrapper(shot())


def _mutated(pp: Any) -> Any:
    dets, x = _devices()

    def half(msg: Any) -> Any:
        return msg._replace(args=(msg.args[0] / 2,)) if msg.command == "set" else msg

    return pp.msg_mutator(bp.scan(dets, x, 0, 2, 3), half)


def _inserted(pp: Any) -> Any:
    dets, x = _devices()

    beside: list[Any] = []

    def also(msg: Any) -> Any:
        if msg.command == "save" and not beside:
            beside.append(msg)
            return None, bps.trigger_and_read([x], name="beside")
        if msg.command == "open_run":

            def head() -> Any:
                yield from bps.mv(x, 7)
                yield msg

            return head(), None
        return None, None

    return pp.plan_mutator(bp.count(dets, num=1), lambda msg: also(msg) if msg.obj is not x else (None, None))


def _contingency(pp: Any) -> Any:
    dets, x = _devices()

    def fails() -> Any:
        yield from bps.null()
        raise ValueError

    def handles(error: Exception) -> Any:
        assert isinstance(error, ValueError)
        yield from bp.count(dets)

    def last() -> Any:
        yield from bp.count([x])

    return pp.contingency_wrapper(fails(), except_plan=handles, final_plan=last, auto_raise=False)


def _finalized(pp: Any) -> Any:
    dets, x = _devices()
    return pp.finalize_wrapper(bp.count(dets), lambda: bp.count([x]))


def _chained(pp: Any) -> Any:
    dets, x = _devices()
    return pp.pchain(bp.count(dets), bp.count([x]))


def _keyed(pp: Any) -> Any:
    dets, x = _devices()

    def two() -> Any:
        yield from pp.set_run_key_wrapper(bps.open_run(), "outer")
        yield from pp.baseline_wrapper(pp.set_run_key_wrapper(bp.count(dets), "inner"), [x])
        yield from pp.set_run_key_wrapper(bps.close_run(), "outer")

    return two()


def _monitored(pp: Any) -> Any:
    dets, _ = _devices()
    return pp.monitor_during_wrapper(bp.count(dets), [Gauge()])


def _supplemented(pp: Any) -> Any:
    dets, x = _devices()
    return pp.SupplementalData(baseline=[x])(bp.count(dets))


CASES: dict[str, Make] = {
    case.__name__.strip("_"): case
    for case in (
        *(_baseline, _decorated, _relative, _reset, _stub, _md, _lazily, _mutated, _inserted, _contingency),
        *(_finalized, _chained, _keyed, _monitored, _supplemented),
    )
}


def _without_names(docs: Documents) -> Documents:
    """bluesky calls a wrapped plan by the wrapper's name; here it keeps its own."""
    for name, doc in docs:
        if name == "start":
            doc.pop("plan_name", None)
            doc.pop("plan_type", None)
    return docs


@pytest.mark.parametrize("case", CASES)
async def test_our_preprocessor_makes_the_documents_of_blueskys(case: str) -> None:
    make = CASES[case]
    here = _without_names(plain(await by_us(lambda: make(ours))))
    assert here == _without_names(plain(by_bluesky(lambda: make(bpp))))


def test_every_preprocessor_of_bluesky_is_there_by_its_name() -> None:
    made = {name for name in dir(bpp) if name.endswith(("_wrapper", "_decorator", "_mutator"))}
    imported = set(dir(bluesky.utils))
    assert made - imported - set(dir(ours)) == set()
    assert {"SupplementalData", "pchain"} <= set(dir(ours))


async def test_blueskys_preprocessors_are_applied_to_generator_plans_unchanged() -> None:
    dets, x = _devices()
    docs: Documents = []
    async with RunEngine() as engine:
        engine.subscribe(lambda name, doc: docs.append((name, doc)), critical=True)
        engine.preprocessors.append(bpp.SupplementalData(baseline=[x]))
        await engine(bp.count(dets))
    assert [doc["name"] for name, doc in docs if name == "descriptor"] == ["baseline", "primary"]


async def test_interruptions_are_recorded_as_bluesky_records_them() -> None:
    def pauses() -> Any:
        yield from bps.open_run()
        yield from bps.checkpoint()
        yield from bps.pause()
        yield from bps.trigger_and_read([SoftDetector("det")])
        yield from bps.close_run()

    theirs: Documents = []
    bluesky_engine = bluesky.RunEngine({}, context_managers=[])
    bluesky_engine.record_interruptions = True
    bluesky_engine.subscribe(lambda name, doc: theirs.append((name, doc)))
    with pytest.raises(bluesky.utils.RunEngineInterrupted):
        bluesky_engine(pauses())
    bluesky_engine.resume()
    bluesky_engine.loop.call_soon_threadsafe(bluesky_engine.loop.stop)
    bluesky_engine._th.join()
    bluesky_engine.loop.close()

    docs: Documents = []
    async with RunEngine() as engine:
        engine.record_interruptions = True
        engine.subscribe(lambda name, doc: docs.append((name, doc)), critical=True)
        with pytest.raises(RunPaused):
            await engine(pauses())
        await engine.resume()
    assert plain(docs) == plain(theirs)
