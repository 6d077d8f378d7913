"""The IOC of a moving motor goes away, or is killed: a typed error in time, and the next move works."""

import asyncio
import os
import signal

import pytest
from wingbeat.async_devices import signal_w
from wingbeat.async_devices.epics import FlyMotorInfo, Motor
from wingbeat.async_devices.errors import DisconnectedError

pytestmark = [pytest.mark.system, pytest.mark.slow]

PATIENCE = 30.0
"""Seconds in which anything that these tests wait for has happened on the slowest machine."""


@pytest.fixture
async def motor(simulated_beamline, request):
    motor = Motor(f"{simulated_beamline.prefix}X", protocol=getattr(request, "param", "ca"), name="x")
    await motor.connect()
    yield motor
    assert not motor.tasks.statistics().running, "whatever went wrong, no task is left"
    await motor.disconnect()


async def reachable(motor):
    """Wait until the server has returned; the motor has not been connected anew."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await motor.user_readback.get_value(timeout=1.0)
            except (TimeoutError, ConnectionError):
                await asyncio.sleep(0.2)


async def in_mid_move(motor):
    status = motor.set(30.0)
    await motor.user_readback.wait_for_value(lambda position: position > 0.2, timeout=PATIENCE)
    return status


@pytest.mark.parametrize("motor", ["pva"], indirect=True)  # over CA a server is found again after ten seconds
async def test_gone_in_mid_flight_and_back_the_velocity_is_given_back_at_the_next_move(motor, simulated_beamline):
    away = signal_w(float, f"pva://{simulated_beamline.prefix}FAULTS:Disconnect")
    await away.connect()
    await motor.prepare(FlyMotorInfo(start_position=0.1, end_position=3.0, time_for_move=10.0))
    await motor.kickoff()
    status = motor.complete()
    await away.put(0.5, wait=False)
    with pytest.raises(DisconnectedError):
        await asyncio.wait_for(status, timeout=PATIENCE)
    await reachable(motor)
    await away.disconnect()
    await motor.stop()
    await motor.done_moving.wait_for_value(True)
    await motor.set(0.0)
    assert await motor.user_readback.get_value() == pytest.approx(0.0, abs=2e-3)
    assert await motor.velocity.get_value() == 10.0


async def test_killed_in_mid_move(motor, simulated_beamline):  # the last one: nothing is served behind it
    status = await in_mid_move(motor)
    os.kill(simulated_beamline.pid, signal.SIGKILL)
    with pytest.raises(DisconnectedError):
        await asyncio.wait_for(status, timeout=PATIENCE)
