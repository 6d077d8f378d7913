import asyncio

import pytest
from wingbeat.async_devices import Device, connected
from wingbeat.async_devices.cancellation import keep_cancellation


async def cancelled_as_the_result_arrives(wait) -> asyncio.Task:
    """A task whose result and whose cancellation come in the same turn of the loop."""
    result = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(wait(result))
    await asyncio.sleep(0)
    result.set_result("value")
    task.cancel()
    await asyncio.wait({task})
    return task


async def test_a_cancellation_that_wait_for_may_swallow_still_ends_the_task():
    task = await cancelled_as_the_result_arrives(lambda result: keep_cancellation(asyncio.wait_for(result, 5)))
    assert task.cancelled()


async def test_without_a_cancellation_the_value_comes_through():
    assert await keep_cancellation(asyncio.sleep(0, "value")) == "value"


async def test_an_error_comes_through_as_it_is():
    async def fail() -> None:
        raise KeyError("pv")

    with pytest.raises(KeyError, match="pv"):
        await keep_cancellation(fail())


async def test_a_cancelled_connect_leaves_no_device_connected():
    begun, disconnected = asyncio.Event(), []

    class Silent(Device):
        async def connect_self(self, path, timeout):
            begun.set()
            await asyncio.Event().wait()

        async def disconnect(self):
            disconnected.append(self.name)
            await super().disconnect()

    async def connect() -> None:
        async with connected():
            silent = Silent()  # noqa: F841 - named by its variable

    task = asyncio.create_task(connect())
    await begun.wait()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert disconnected == ["silent"]
