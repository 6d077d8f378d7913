"""Devices that connect without their servers."""

import asyncio

import pytest
from wingbeat.async_devices import Device, connected, mock_of, signal_r, signal_rbv, signal_rw, signal_x, soft_signal_rw
from wingbeat.async_devices.datatypes import StrictEnum
from wingbeat.async_devices.errors import MockError, PutFailedError, ValueRefusedError, WaitTimeoutError


class State(StrictEnum):
    IDLE = "Idle"
    BUSY = "Busy"


class Axis(Device):
    def __init__(self, name=""):
        self.setpoint = signal_rw(float, "ca://X.VAL")
        self.readback = signal_r(float, "ca://X.RBV")
        self.gain = signal_rbv(float, "pva://X:Gain")
        self.state = signal_rw(State, "pva://X:State")
        self.home = signal_x("ca://X:Home")
        super().__init__(name)

    async def behave_as_mock(self):
        mock_of(self.setpoint).on_put(mock_of(self.readback).set_now)


async def test_a_class_says_how_its_mock_behaves():
    async with connected(mock=True):
        axis = Axis()
    await axis.setpoint.set(2.0)
    assert await axis.readback.get_value() == 2.0
    await axis.gain.set(3.0)
    assert await axis.gain.locate() == {"setpoint": 3.0, "readback": 3.0}
    await axis.home.trigger()
    assert mock_of(axis.home).puts == [(1, True)]
    with pytest.raises(ValueRefusedError, match="Idle"):
        await axis.state.put("Nonsense")
    await axis.disconnect()


async def test_a_write_may_be_held_and_released_and_its_callbacks_may_take_their_time():
    axis = Axis("x")
    await axis.connect(mock=True)
    mock = mock_of(axis.setpoint)
    seen = []

    async def later(value):
        await asyncio.sleep(0)
        seen.append(value)

    end = mock.on_put(later)
    mock.hold()
    status = axis.setpoint.set(1.0)
    await asyncio.sleep(0.01)
    assert not status.done
    assert seen == [1.0]
    await axis.setpoint.put(2.0, wait=False)
    mock.release()
    await status
    end()
    await axis.setpoint.put(3.0)
    assert [put.value for put in mock.puts] == [1.0, 2.0, 3.0]
    assert seen == [1.0, 2.0]


async def test_a_write_that_is_held_too_long_times_out(virtual_clock):
    axis = Axis("x")
    await axis.connect(mock=True)
    mock_of(axis.setpoint).hold()
    with pytest.raises(WaitTimeoutError, match="release"):
        await axis.setpoint.put(1.0, timeout=3.0)


async def test_a_real_signal_is_not_mocked():
    with pytest.raises(MockError, match="mock=True"):
        mock_of(soft_signal_rw(int, 1, name="n"))


def failing(times, error):
    left = [error] * times

    def callback(value):
        if left:
            raise left.pop()

    return callback


async def test_a_write_that_fails_is_tried_as_often_as_it_may_be():
    axis = Axis("x")
    await axis.connect(mock=True)
    mock = mock_of(axis.setpoint)
    end = mock.on_put(failing(2, PutFailedError("busy")))
    await axis.setpoint.set(1.0, attempts=3)
    assert [put.value for put in mock.puts] == [1.0, 1.0, 1.0]
    end()
    mock.on_put(failing(3, PutFailedError("still busy")))
    with pytest.raises(PutFailedError, match="still busy") as failed:
        await axis.setpoint.set(2.0, attempts=3)
    assert failed.value.__notes__ == ["tried 3 times"]
    assert [put.value for put in mock.puts[3:]] == [2.0, 2.0, 2.0]


async def test_a_write_that_does_not_complete_is_tried_again_with_the_same_patience(virtual_clock):
    axis = Axis("x")
    await axis.connect(mock=True)
    mock = mock_of(axis.setpoint)
    mock.hold()
    loop = asyncio.get_running_loop()
    begun = loop.time()
    with pytest.raises(WaitTimeoutError) as failed:
        await axis.setpoint.set(1.0, timeout=3.0, attempts=2)
    assert loop.time() - begun == 6.0
    assert failed.value.__notes__ == ["tried 2 times"]


async def test_a_value_that_is_refused_is_not_tried_again():
    axis = Axis("x")
    await axis.connect(mock=True)
    with pytest.raises(ValueRefusedError):
        await axis.state.set("Nonsense", attempts=5)
    assert mock_of(axis.state).puts == []
