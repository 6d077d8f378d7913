"""Defects that were seen in bluesky 1.15.1, each with the test that shows it does not happen here.

Most are shown where their subject is tested; `SHOWN_BY` says where. The others stand below, named after their probe.
The table in docs/reference/differences-from-bluesky.md is held to this one.
"""

import asyncio
import gc
import importlib
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from wingbeat.async_devices import SoftDetector, SoftMotor
from wingbeat.async_devices.status import Status
from wingbeat.engine import Msg, RunEngine, plan
from wingbeat.engine.preprocessors import SupplementalData, plan_mutator
from wingbeat.engine.stubs import abs_set, configure, rd, run, stage, trigger, trigger_and_read

from tests.engine.conftest import Collected
from tests.engine.test_monitors_and_configuration import Camera
from tests.engine.test_sections import Slow
from tests.virtual_clock import VirtualClock

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "reference" / "differences-from-bluesky.md"

SHOWN_BY = {
    "P1": "test_scorecard.test_p1_a_reading_that_a_pause_interrupted_reaches_the_plan",
    "P1b": "test_scorecard.test_p1b_rd_gives_the_position_and_not_zero",
    "P1c": "test_sections.test_the_answer_of_an_interrupted_message_reaches_the_plan",
    "P2": "test_scorecard.test_p2_a_status_that_the_plan_keeps_is_the_one_that_is_live",
    "P3": "test_sections.test_a_suspension_subscribes_a_monitored_device_once",
    "P4": "test_scorecard.test_p4_a_failed_run_stops_when_its_devices_are_unstaged",
    "P5": "test_sections.test_a_flight_is_not_kicked_off_again",
    "P6": "test_sections.test_a_frame_that_was_exposed_and_not_read_is_taken_again_and_its_row_is_announced",
    "P7": "test_scorecard.test_p7_a_device_of_two_different_streams_can_be_configured",
    "P8": "test_failures.test_a_failure_before_the_wait_is_raised_at_the_wait",
    "P9": "test_subscribers.test_a_slow_subscriber_sees_everything_and_does_not_slow_the_run",
    "P10": "test_scorecard.test_p10_a_wait_that_watches_others_leaves_no_error_behind",
    "P11": "test_sections.test_a_plan_that_cannot_be_taken_back_goes_on_where_it_was",
    "P12": "test_scorecard.test_p12_an_engine_runs_in_the_loop_it_is_made_in",
    "P13": "test_scorecard.test_p13_no_message_is_kept_by_preprocessors",
    "P14b": "test_sections.test_no_point_of_one_run_is_repeated_in_the_next",
    "P14c": "test_sections.test_a_move_that_began_before_the_checkpoint_is_waited_for_after_it",
    "P15": "test_failures.test_a_second_abort_cuts_the_clean_up_short",
    "P16": "test_monitors_and_configuration.test_a_monitored_device_makes_events_of_its_own_in_order",
    "P17": "test_sections.test_a_cleared_checkpoint_is_set_again_by_the_next",
    "P19": "test_flight_flow.test_an_abort_stops_the_flyer_and_keeps_what_is_known_of_its_frames",
    "P20": "test_scorecard.test_p20_a_trigger_is_not_waited_for_together_with_what_else_is_in_flight",
    "P21": "test_failures.test_a_fire_and_forget_move_goes_on_when_the_plan_ends",
}


def test_every_defect_has_one_test_that_exists_and_a_row_in_the_table() -> None:
    rows = [line.split("|") for line in TABLE.read_text().splitlines() if line.startswith("| P")]
    named = {row[1].strip(): row[4].strip(" `") for row in rows}
    assert named == SHOWN_BY
    assert len(set(SHOWN_BY.values())) == len(SHOWN_BY)
    for place in SHOWN_BY.values():
        module, _, function = place.partition(".")
        assert callable(getattr(importlib.import_module(f"tests.engine.{module}"), function))


async def _paused(engine: RunEngine, given: Any, *, after: float = 0.5) -> Any:
    handle = engine.start(given)
    await asyncio.sleep(after)
    await engine.pause()
    await asyncio.sleep(1)
    resumed = await engine.resume()
    assert handle.done
    return resumed


async def test_p1_a_reading_that_a_pause_interrupted_reaches_the_plan(
    virtual_clock: VirtualClock, engine: RunEngine
) -> None:
    def reads() -> Generator[Msg, Any, Any]:
        yield Msg("checkpoint")
        return (yield Msg("read", Slow("m")))

    assert (await _paused(engine, reads()))["m"]["value"] == 42.0


async def test_p1b_rd_gives_the_position_and_not_zero(virtual_clock: VirtualClock, engine: RunEngine) -> None:
    @plan
    async def reads() -> Any:
        return await rd(Slow("m"))

    assert await _paused(engine, reads()) == 42.0


async def test_p2_a_status_that_the_plan_keeps_is_the_one_that_is_live(
    virtual_clock: VirtualClock, engine: RunEngine
) -> None:
    motor = Slow("m", 0.0)

    @plan
    async def moves() -> tuple[bool, bool]:
        status = await abs_set(motor, 7.0)
        await status
        return status.done, status.success

    assert await _paused(engine, moves()) == (True, True)
    assert motor.position == 7.0
    assert motor.sent == [7.0, 7.0]


async def test_p4_a_failed_run_stops_when_its_devices_are_unstaged(
    virtual_clock: VirtualClock, engine: RunEngine
) -> None:
    happened: list[str] = []

    class Staged(SoftDetector):
        async def stage(self) -> None: ...

        def unstage(self) -> Status:
            return Status(self._unstage(), name=self.name)

        async def _unstage(self) -> None:
            await asyncio.sleep(0.5)
            happened.append("unstaged")

    def fails() -> Generator[Msg, Any, Any]:
        yield Msg("stage", Staged("det"))
        yield Msg("open_run")
        raise ValueError("no sample")

    engine.subscribe(lambda name, _: happened.append(name), "stop", critical=True)
    with pytest.raises(ValueError, match="no sample"):
        await engine(fails())
    assert happened == ["unstaged", "stop"]


async def test_p7_a_device_of_two_different_streams_can_be_configured(
    engine: RunEngine, docs: Collected, x: SoftMotor
) -> None:
    camera = Camera("cam")

    @plan
    async def configured() -> None:
        async with run():
            await trigger_and_read([camera, x], "baseline")
            await trigger_and_read([camera])
            await configure(camera, 4)
            await trigger_and_read([camera, x], "baseline")
            await trigger_and_read([camera])

    await engine(configured())
    newest = {doc["name"]: doc["configuration"]["cam"]["data"]["gain"] for doc in docs.of("descriptor")}
    assert newest == {"baseline": 4, "primary": 4}
    assert len(docs.of("descriptor")) == 4


async def test_p10_a_wait_that_watches_others_leaves_no_error_behind(
    virtual_clock: VirtualClock, engine: RunEngine
) -> None:
    errors: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    x, other = Slow("m", 0.0), Slow("n", 0.0)

    def waits() -> Generator[Msg, Any, Any]:
        yield Msg("set", x, (1.0,), {"group": "a"})
        yield Msg("sleep", None, (1,))
        yield Msg("set", other, (1.0,), {"group": "b"})
        yield Msg("wait", None, (), {"group": "a", "watch": ("b",)})
        yield Msg("wait", None, (), {"group": "b"})

    await engine(waits())
    gc.collect()
    await asyncio.sleep(0)
    assert (x.position, other.position) == (1.0, 1.0)
    assert errors == []


async def test_p12_an_engine_runs_in_the_loop_it_is_made_in(det: SoftDetector) -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    @plan
    async def where() -> None:
        loops.append(asyncio.get_running_loop())

    async with RunEngine() as engine:
        await engine(where())
    assert loops == [asyncio.get_running_loop()]


async def test_p13_no_message_is_kept_by_preprocessors(engine: RunEngine) -> None:
    def endless() -> Generator[Msg, Any, Any]:
        for number in range(2000):
            if not number % 100:
                yield Msg("checkpoint")
            yield Msg("null", None, (number,))
        return sum(isinstance(one, Msg) and one.command == "null" for one in gc.get_objects())

    engine.preprocessors += [SupplementalData(), lambda given: plan_mutator(given, lambda _: (None, None))]
    assert await engine(endless()) < 200


async def test_p20_a_trigger_is_not_waited_for_together_with_what_else_is_in_flight(
    virtual_clock: VirtualClock, engine: RunEngine
) -> None:
    motor = Slow("m", 0.0)

    @plan
    async def quick() -> float:
        move = await abs_set(motor, 1.0)
        begun = virtual_clock.elapsed
        await trigger(SoftDetector("det"), wait=True)
        await stage(SoftDetector("other"), wait=True)
        took = virtual_clock.elapsed - begun
        await move
        return took

    assert await engine(quick()) < 1.0
