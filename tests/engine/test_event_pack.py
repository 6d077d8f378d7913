"""Readings that come fast are packed in pages, in order with all else, and none is lost."""

import asyncio
import logging
from typing import Any

import pytest
from wingbeat.async_devices import SoftDetector
from wingbeat.engine import RunEngine, plan
from wingbeat.engine.event_pack import PACK_MOST, PACK_TIME, EventPack, Taken
from wingbeat.engine.stubs import configure, monitor, run, sleep, trigger_and_read, unmonitor

from tests.engine.conftest import Collected
from tests.engine.test_monitors_and_configuration import Gauge


def _values(taken: list[Taken]) -> list[Any]:
    return [one.reading["v"]["value"] for one in taken]


def _reading(value: Any) -> dict[str, Any]:
    return {"v": {"value": value, "timestamp": 0.0}}


@pytest.mark.usefixtures("virtual_clock")
async def test_slow_readings_go_out_singly_and_fast_ones_together() -> None:
    emitted: list[list[Any]] = []
    pack = EventPack(lambda taken: emitted.append(_values(taken)))
    for value in range(3):
        pack.add(_reading(value))
        await asyncio.sleep(2 * PACK_TIME)
    assert emitted == [[0], [1], [2]]
    for value in range(3, 8):
        pack.add(_reading(value))
    assert emitted == [[0], [1], [2], [3]]
    await asyncio.sleep(PACK_TIME * 1.01)
    assert emitted[4:] == [[4, 5, 6, 7]]


@pytest.mark.usefixtures("virtual_clock")
async def test_a_pack_has_a_largest_size_and_what_is_left_follows() -> None:
    emitted: list[list[Any]] = []
    pack = EventPack(lambda taken: emitted.append(_values(taken)))
    for value in range(PACK_MOST + 3):
        pack.add(_reading(value))
    await asyncio.sleep(2 * PACK_TIME)
    assert [len(one) for one in emitted] == [1, PACK_MOST, 2]
    assert [value for one in emitted for value in one] == list(range(PACK_MOST + 3))


@plan
async def _watched(gauge: Gauge, det: SoftDetector) -> None:
    async with run():
        await monitor(gauge)
        for value in range(1, 6):
            gauge.push(float(value))
        await sleep(0)
        await trigger_and_read([det])
        for value in range(6, 11):
            gauge.push(float(value))
        await sleep(0)
        await configure(gauge)
        gauge.push(11.0)
        await sleep(0)
        await unmonitor(gauge)


class ConfigurableGauge(Gauge):
    async def configure(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {}, {}


@pytest.mark.usefixtures("virtual_clock")
async def test_monitored_events_keep_their_order_with_the_rest_and_their_descriptor(
    engine: RunEngine, det: SoftDetector
) -> None:
    packed, plain = Collected(), Collected()
    engine.subscribe(packed, critical=True, pages=True)
    engine.subscribe(plain, critical=True)
    await engine(_watched(ConfigurableGauge(), det))
    streams = {doc["uid"]: doc["name"] for doc in plain.of("descriptor")}
    order = [(streams[doc["descriptor"]], doc["seq_num"]) for doc in plain.of("event")]
    assert order == [
        *[("gauge_monitor", n) for n in range(1, 7)],
        ("primary", 1),
        *[("gauge_monitor", n) for n in range(7, 13)],
    ]
    assert engine.last is not None
    assert list(engine.last["gauge_monitor"]["gauge"]) == [float(n) for n in range(12)]
    pages = packed.of("event_page")
    assert [page["seq_num"] for page in pages] == [[2, 3, 4, 5, 6], [7, 8, 9, 10, 11]]
    assert len({page["descriptor"] for page in pages}) == 1
    packed.check_schemas()
    plain.check_schemas()


@pytest.mark.usefixtures("virtual_clock")
async def test_one_bad_reading_in_a_pack_costs_that_one_alone_and_is_reported(
    engine: RunEngine, docs: Collected, det: SoftDetector, caplog: pytest.LogCaptureFixture
) -> None:
    gauge = Gauge()

    @plan
    async def watched() -> None:
        async with run():
            await monitor(gauge)
            for value in (1.0, object(), 3.0):
                gauge.push(value)  # type: ignore[arg-type]
            await sleep(0)

    with caplog.at_level(logging.ERROR):
        await engine(watched())
    assert docs.of("stop")[0]["exit_status"] == "success"
    assert [doc["data"]["gauge"] for doc in docs.of("event")] == [0.0, 1.0, 3.0]
    assert [doc["seq_num"] for doc in docs.of("event")] == [1, 2, 3]
    assert caplog.text.count("a reading of the monitored gauge was lost") == 1


@pytest.mark.usefixtures("virtual_clock")
async def test_times_are_kept_to_the_last_bit(engine: RunEngine, docs: Collected) -> None:
    gauge = Gauge()
    stamps = [1_700_000_000.123456789 + n * 2**-22 for n in range(4)]

    @plan
    async def watched() -> None:
        async with run():
            await monitor(gauge)
            for stamp in stamps:
                for function in gauge.subscribers:
                    function({"gauge": {"value": 1.0, "timestamp": stamp}})
            await sleep(0)

    await engine(watched())
    assert [doc["timestamps"]["gauge"] for doc in docs.of("event")][1:] == stamps
    assert len(set(stamps)) == 4
