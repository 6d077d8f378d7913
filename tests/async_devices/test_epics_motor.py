"""The Motor device against the simulated motor record."""

import asyncio
import time

import pytest
from wingbeat.async_devices import NotConnectedError, connected
from wingbeat.async_devices.epics import Motor
from wingbeat.async_devices.errors import DisconnectedError, MoveFailedError, SetpointOutsideLimitsError

pytestmark = pytest.mark.system


@pytest.fixture(params=["ca", "pva"])
async def motor(simulated_beamline, request):
    motor = Motor(f"{simulated_beamline.prefix}X", protocol=request.param, name="x")
    await motor.connect()
    await motor.set(0.0)
    yield motor
    await motor.set(0.0)
    await motor.disconnect()


async def test_a_move_ends_where_it_was_sent_and_tells_how_far_it_is(motor):
    seen = []
    status = motor.set(2.0)
    status.watch(lambda **progress: seen.append(progress))
    await status
    reading = await motor.read()
    assert reading["x"]["value"] == pytest.approx(2.0, abs=2e-3)
    assert await motor.locate() == {"setpoint": 2.0, "readback": pytest.approx(2.0, abs=2e-3)}
    assert seen
    assert seen[0]["unit"] == "mm"
    assert [p["fraction"] for p in seen] == sorted(p["fraction"] for p in seen)
    assert seen[0]["target"] == 2.0


async def test_a_target_outside_the_limits_is_refused_before_motion(motor):
    before = await motor.user_readback.get_value()
    with pytest.raises(SetpointOutsideLimitsError, match=r"x: 1000 mm is outside its soft limits -20 to 40 mm"):
        await motor.set(1000.0)
    assert await motor.done_moving.get_value() is True
    assert await motor.user_readback.get_value() == pytest.approx(before, abs=2e-3)


async def test_stop_ends_a_pending_move_within_half_a_second(motor):
    status = motor.set(20.0)
    await motor.user_readback.wait_for_value(lambda position: position > 0.2, timeout=5)
    begun = time.monotonic()
    await motor.stop()
    await status
    assert time.monotonic() - begun < 0.5
    assert await motor.user_readback.get_value() < 10.0


async def test_a_move_stopped_for_a_fault_fails_and_says_where_it_ended(motor):
    status = motor.set(20.0)
    await motor.user_readback.wait_for_value(lambda position: position > 0.2, timeout=5)
    await motor.stop(success=False)
    with pytest.raises(MoveFailedError, match=r"x: sent to 20, came to rest at"):
        await status


async def test_a_cancelled_wait_does_not_stop_the_axis_and_leaves_it_usable(motor):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await motor.set(3.0)
    await motor.done_moving.wait_for_value(True, timeout=5)
    assert await motor.user_readback.get_value() == pytest.approx(3.0, abs=2e-3)
    await motor.set(2.0)


async def test_no_maximum_velocity_means_no_limit(motor, simulated_beamline):
    assert await motor.max_velocity() == 50.0
    assert await motor.limits() == (-20.0, 40.0)


async def test_what_does_not_connect_is_shown_as_a_tree(simulated_beamline):
    made = []

    async def block():
        async with connected(timeout=0.5):
            good = Motor(f"{simulated_beamline.prefix}X")
            absent = Motor("NOBODY:HAS:THIS")
            made.extend([good, absent])

    with pytest.raises(NotConnectedError) as caught:
        await block()
    text = str(caught.value)
    assert "ca://NOBODY:HAS:THIS.VAL: expected float" in text
    assert "absent" in text
    assert "no answer" in text
    assert "more" in text, "a dead record has a dozen PVs: not all of them are listed"
    assert "good" not in text
    with pytest.raises(DisconnectedError):
        await made[0].read()
