import asyncio
import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wingbeat.async_devices import set_and_wait_for_other_value, soft_signal_r_and_setter, soft_signal_rw
from wingbeat.async_devices.errors import DisconnectedError, WaitTimeoutError
from wingbeat.async_devices.observation import Observation


@given(updates=st.lists(st.integers(), max_size=50), capacity=st.integers(1, 20))
def test_every_update_is_delivered_or_counted_and_the_newest_are_kept(updates, capacity):
    async def run():
        observation = Observation("soft://x", convert=lambda value: value, capacity=capacity)
        for update in updates:
            observation.push(update)
        kept = [await anext(observation) for _ in range(observation.statistics().pending)]
        return kept, observation.statistics()

    kept, statistics = asyncio.run(run())
    assert kept == updates[-capacity:]
    assert statistics.received == len(updates) == statistics.delivered + statistics.conflated
    assert statistics.pending == 0


async def test_a_loop_that_ends_lets_its_subscription_go():
    signal = soft_signal_rw(int, 1)
    async for value in signal.observe():
        assert value == 1
        break
    gc.collect()
    assert not signal.reader._observers
    assert signal.reader._monitored is False


async def test_two_observers_share_one_monitor():
    signal, change = soft_signal_r_and_setter(int, 1, name="n")
    with signal.observe() as first:
        assert await anext(first) == 1
        change(2)
        with signal.observe() as second:
            assert await anext(second) == 2, "the current value comes at once"
            change(3)
            assert [await anext(first), await anext(first)] == [2, 3]
            assert await anext(second) == 3
        assert signal.reader._monitored is True
    assert signal.reader._monitored is False


async def test_a_closed_circuit_ends_whatever_waits():
    signal = soft_signal_rw(int, 1, name="n")

    async def wait():
        await signal.wait_for_value(2)

    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(_caught(wait()))
        await asyncio.sleep(0)
        signal.reader.failed(DisconnectedError("soft://n: the server closed the circuit"))
    assert isinstance(waiting.result(), DisconnectedError)


async def _caught(coroutine):
    try:
        await coroutine
    except DisconnectedError as error:
        return error


async def test_a_wait_that_times_out_says_what_it_waited_for(virtual_clock):
    signal = soft_signal_rw(int, 1, name="n")

    def above_ten(value):
        """more than ten"""
        return value > 10

    with pytest.raises(WaitTimeoutError, match=r"n \(soft://n\): waited 3 s for more than ten, seen last: 1"):
        await signal.wait_for_value(above_ten, timeout=3)


async def test_a_write_waits_for_its_effect_elsewhere(virtual_clock):
    demand, (readback, follow) = soft_signal_rw(int, 0), soft_signal_r_and_setter(int, 0, name="readback")

    async def machine():
        async for value in demand.observe():
            if value:
                await asyncio.sleep(1)
                follow(value)
                return

    async with asyncio.TaskGroup() as group:
        group.create_task(machine())
        await set_and_wait_for_other_value(demand, 5, other=readback, match=5)
    assert await readback.get_value() == 5
