import threading
from collections.abc import Callable
from typing import Any

import pytest
from wingbeat.async_devices import SoftDetector
from wingbeat.engine import RunEngine, plan
from wingbeat.engine.errors import IllegalMessageError
from wingbeat.engine.stubs import configure, create, drop, monitor, run, sleep, trigger_and_read, unmonitor

from tests.engine.conftest import Collected


class Gauge:
    """A device that pushes its readings, from the loop or from a thread of its own."""

    name = "gauge"
    parent = None

    def __init__(self) -> None:
        self.subscribers: list[Callable[..., None]] = []

    async def read(self) -> dict[str, Any]:
        return self._reading(0.0)

    async def describe(self) -> dict[str, Any]:
        return {"gauge": {"source": "soft://gauge", "dtype": "number", "shape": []}}

    def subscribe(self, function: Callable[..., None]) -> None:
        self.subscribers.append(function)
        self.push(0.0)

    def clear_sub(self, function: Callable[..., None]) -> None:
        self.subscribers.remove(function)

    def push(self, value: float) -> None:
        for function in list(self.subscribers):
            function(self._reading(value))

    def push_from_a_thread(self, value: float) -> None:
        thread = threading.Thread(target=self.push, args=(value,))
        thread.start()
        thread.join()

    def _reading(self, value: float) -> dict[str, Any]:
        return {"gauge": {"value": value, "timestamp": 0.0}}


async def test_a_monitored_device_makes_events_of_its_own_in_order(
    engine: RunEngine, docs: Collected, det: SoftDetector
) -> None:
    gauge = Gauge()

    @plan
    async def watched() -> None:
        async with run():
            await monitor(gauge)
            gauge.push_from_a_thread(1.0)
            await sleep(0)
            await trigger_and_read([det])
            gauge.push(2.0)
            await sleep(0)
            await unmonitor(gauge)
            gauge.push(3.0)

    await engine(watched())
    docs.check_schemas()
    values = [next(iter(doc["data"].items())) for doc in docs.of("event")]
    assert values == [("gauge", 0.0), ("gauge", 1.0), ("det", 1.0), ("gauge", 2.0)]
    assert docs.of("stop")[0]["num_events"] == {"gauge_monitor": 3, "primary": 1}


async def test_a_monitor_ends_with_its_run(engine: RunEngine) -> None:
    gauge = Gauge()

    @plan
    async def forgets() -> None:
        async with run():
            await monitor(gauge, name="pressure")
            with pytest.raises(IllegalMessageError, match="monitored already"):
                await monitor(gauge)

    await engine(forgets())
    assert gauge.subscribers == []


class Camera(SoftDetector):
    """A detector with a setting."""

    gain = 1

    async def read_configuration(self) -> dict[str, Any]:
        return {"gain": {"value": self.gain, "timestamp": 0.0}}

    async def describe_configuration(self) -> dict[str, Any]:
        return {"gain": {"source": "soft://gain", "dtype": "integer", "shape": []}}

    def configure(self, gain: int) -> tuple[int, int]:
        before, self.gain = self.gain, gain
        return before, gain


async def test_a_configured_device_gets_a_new_descriptor_in_every_stream(engine: RunEngine, docs: Collected) -> None:
    camera = Camera("cam")

    @plan
    async def configured() -> None:
        async with run():
            await trigger_and_read([camera], "baseline")
            await trigger_and_read([camera])
            assert await configure(camera, 4) == (1, 4)
            await trigger_and_read([camera])
            await create()
            with pytest.raises(IllegalMessageError, match="between create and save"):
                await configure(camera, 5)
            await drop()

    await engine(configured())
    docs.check_schemas()
    gains = [(doc["name"], doc["configuration"]["cam"]["data"]["gain"]) for doc in docs.of("descriptor")]
    assert gains == [("baseline", 1), ("primary", 1), ("baseline", 4), ("primary", 4)]
    assert docs.of("event")[-1]["descriptor"] == docs.of("descriptor")[-1]["uid"]
    assert [doc["seq_num"] for doc in docs.of("event")] == [1, 1, 2]
