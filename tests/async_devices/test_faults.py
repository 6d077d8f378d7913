"""What a signal does when its server is frozen, killed, or started again as another: real servers, real signals."""

import asyncio
import time

import pytest
from wingbeat.async_devices import Device
from wingbeat.async_devices.datatypes import StrictEnum
from wingbeat.async_devices.errors import (
    DeviceError,
    DisconnectedError,
    FrozenError,
    ServedChangedError,
    WaitTimeoutError,
)
from wingbeat.async_devices.signal import SignalRW
from wingbeat.async_devices.signals import set_and_wait_for_value, signal_rw
from wingbeat.async_devices.testing import ThreeStates

from tests import beamline
from tests.async_devices.conftest import PVA_UDP_PORT, start_ca, start_pva

pytestmark = [pytest.mark.system, pytest.mark.slow]

PATIENCE = 20.0
"""Seconds in which anything that these tests wait for has happened on the slowest machine."""
TOLD_OF_END, TOLD_OF_SILENCE = 2.0, 5.0
"""Seconds in which whoever waits is to know of a closed circuit, and of a server that answers no more."""


class Server:
    def __init__(self, scheme):
        self.scheme = scheme
        self.prefix = "F:"
        self.running = None

    def start(self, variant=""):
        self.running = (start_ca if self.scheme == "ca" else start_pva)(self.prefix, variant)

    def kill(self):
        self.running.kill()
        self.running = None

    def uri(self, name):
        return f"{self.scheme}://{self.prefix}{name}"


@pytest.fixture(params=["ca", "pva"])
def server(request, monkeypatch):
    # A name server is asked again after ten seconds, a broadcast address at once.
    monkeypatch.delenv("EPICS_PVA_NAME_SERVERS", raising=False)
    monkeypatch.setenv("EPICS_PVA_ADDR_LIST", "127.0.0.1")
    monkeypatch.setenv("EPICS_PVA_BROADCAST_PORT", str(PVA_UDP_PORT))
    server = Server(request.param)
    server.start()
    yield server
    beamline.forget_channels()
    if server.running is not None:
        server.running.thaw()
        server.running.kill()


class Door(StrictEnum):
    OPEN = "Open"
    SHUT = "Shut"


class Machine(Device):
    def __init__(self, server):
        self.double = signal_rw(float, server.uri("double"))
        self.enum = signal_rw(ThreeStates, server.uri("enum"))
        self.quick = signal_rw(float, server.uri("quick"))
        self.door = signal_rw(Door, server.uri("door"))
        self.array = signal_rw(None, server.uri("array"))
        self.stuck = signal_rw(float, server.uri("stuck"))
        super().__init__("machine")


@pytest.fixture
async def machine(server):
    machine = Machine(server)
    await machine.connect(timeout=PATIENCE)
    yield machine
    await machine.disconnect()


async def outcome(awaitable):
    try:
        async with asyncio.timeout(PATIENCE):
            return await awaitable
    except DeviceError as error:
        return error


async def until(condition):
    """Try again until it gives something else than a DeviceError: a server that was started again takes its time."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await condition()
            except DisconnectedError:
                await asyncio.sleep(0.05)


async def test_everything_that_waits_on_a_frozen_server_is_told_and_goes_on_when_it_is_back(server, machine):
    with machine.double.observe() as values:
        assert await anext(values) == 1.5
        server.running.freeze()
        frozen = time.monotonic()
        seen = await asyncio.gather(
            outcome(anext(values)),
            outcome(machine.double.wait_for_value(3.0, timeout=PATIENCE)),
            outcome(machine.stuck.put(1.0, timeout=PATIENCE)),
            outcome(machine.double.get_value()),
        )
        assert time.monotonic() - frozen < 2 * TOLD_OF_SILENCE
        assert [type(error) for error in seen] == [FrozenError] * 4, seen
        assert all("answer" in str(error) and server.scheme in str(error) for error in seen), seen
        server.running.thaw()
        await until(lambda: machine.double.put(2.5))
        async with asyncio.timeout(PATIENCE):
            while await anext(values) != 2.5:
                pass


async def test_a_killed_server_is_told_to_all_that_wait_and_what_it_serves_when_it_is_back_is_looked_at(
    server, machine
):
    values, states = machine.quick.observe(), machine.enum.observe()
    assert await anext(values) == 0.0
    assert await anext(states) is ThreeStates.IDLE
    seen = await told_of_the_end(server, machine, values)
    assert [type(error) for error in seen] == [DisconnectedError] * 4, seen
    assert "quick" in str(seen[0])
    assert "stuck" in str(seen[2])

    server.start("other")
    async with asyncio.timeout(PATIENCE):  # nothing has been called to connect again
        assert await next_of(values) == 0.0
        assert await next_of(states) is ThreeStates.IDLE, "its choices have another order now"
    await machine.enum.set(ThreeStates.FAULT)
    assert await machine.enum.get_value() is ThreeStates.FAULT
    assert await anext(states) is ThreeStates.FAULT
    for operation, old, new, signal in (
        (machine.double.get_value, "float", "str", machine.double),
        (lambda: machine.door.set(Door.SHUT), "Shut", "Unlocked", machine.door),
        (machine.array.get_value, "float64", "strings", machine.array),
    ):
        with pytest.raises(ServedChangedError) as changed:
            await until(operation)
        assert all(words in str(changed.value) for words in (old, new, signal.source)), changed.value

    values.close()
    states.close()
    if server.scheme == "pva":  # Channel Access would take ten more seconds to find it
        server.kill()
        server.start()
        assert await until(lambda: as_it_was(machine.double.get_value)) == 1.5
        await machine.door.set(Door.SHUT)
        assert await machine.door.get_value() is Door.SHUT


async def told_of_the_end(server, machine, values):
    works = (
        anext(values),
        machine.quick.wait_for_value(3.0),
        machine.stuck.put(1.0, timeout=PATIENCE),
    )
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(outcome(work)) for work in works]
        await asyncio.sleep(0.5)
        server.kill()
        killed = time.monotonic()
    assert time.monotonic() - killed < 2 * TOLD_OF_END
    return [*(task.result() for task in tasks), await outcome(machine.quick.get_value(timeout=PATIENCE))]


async def next_of(values):
    while True:
        try:
            return await anext(values)
        except DisconnectedError:
            continue


async def as_it_was(operation):
    try:
        return await operation()
    except ServedChangedError as error:
        raise DisconnectedError from error


async def test_a_readback_that_another_client_takes_away_is_named(server, machine):
    other = SignalRW(float, read=server.uri("double"), write=server.uri("double"), name="other")
    await other.connect(timeout=PATIENCE)

    async def undo():
        async for value in other.observe():
            if value == 3.0:
                await other.put(-3.0)
                return

    def three_for_good(value):
        """three, with minus three never seen"""
        return value == 99.0

    async with asyncio.TaskGroup() as group:
        fight = group.create_task(undo())
        with pytest.raises(WaitTimeoutError, match=r"double.*three, with minus three.*seen last: -3.0"):
            await set_and_wait_for_value(machine.double, 3.0, match=three_for_good, timeout=1.0)
        await fight
    await other.disconnect()
