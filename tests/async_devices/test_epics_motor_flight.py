"""A motor flies at constant velocity, jogs, goes home and changes its offset; its velocity is given back."""

import pytest
from wingbeat.async_devices.epics import FlyMotorInfo, Motor
from wingbeat.async_devices.epics.errors import MoveRefusedError
from wingbeat.async_devices.epics.motor_record import check_taken
from wingbeat.async_devices.errors import MoveFailedError, ReadbackError, SetpointOutsideLimitsError

pytestmark = pytest.mark.system


@pytest.fixture
async def motor(simulated_beamline):
    motor = Motor(f"{simulated_beamline.prefix}X", protocol="pva", name="x")
    await motor.connect()
    await motor.go.put("Go")
    await motor.velocity.put(50.0)
    await motor.set(0.0)
    await motor.velocity.put(10.0)
    yield motor
    await motor.stop()
    await motor.done_moving.wait_for_value(True)
    await motor.disconnect()


def info(start, end, seconds):
    return FlyMotorInfo(start_position=start, end_position=end, time_for_move=seconds)


def test_a_flight_backwards_is_the_mirror_of_the_one_forwards():
    there, back = info(1.0, 3.0, 4.0).run_up(0.2, 0.1), info(3.0, 1.0, 4.0).run_up(0.2, 0.1)
    assert there == pytest.approx((1.0 - 0.06, 3.0 + 0.06))
    assert back == there[::-1]
    assert info(3.0, 1.0, 4.0).velocity == -0.5


async def test_between_start_and_end_it_moves_at_the_velocity_asked_for(motor):
    await motor.prepare(info(1.0, 3.0, 0.5))
    assert await motor.user_readback.get_value() == pytest.approx(0.8, abs=2e-3)
    assert await motor.velocity.get_value() == 4.0
    await motor.kickoff()
    seen = []
    with motor.user_readback.observe_readings() as readings:
        status = motor.complete()
        async for reading in readings:
            seen.append((reading["timestamp"], reading["value"]))
            if reading["value"] >= 3.0:
                break
    await status
    inside = [(time, position) for time, position in seen if 1.0 <= position <= 3.0]
    assert len(inside) > 1
    (first, begin), (last, end) = inside[0], inside[-1]
    assert (end - begin) / (last - first) == pytest.approx(4.0, rel=0.05)
    assert await motor.user_readback.get_value() == pytest.approx(3.2, abs=2e-3)
    assert await motor.velocity.get_value() == 10.0
    assert status.progress.target == pytest.approx(3.2)


async def test_a_flight_that_is_stopped_gives_the_velocity_back(motor):
    await motor.prepare(info(0.1, 10.0, 5.0))
    await motor.kickoff()
    status = motor.complete()
    await motor.stop(success=False)
    with pytest.raises(MoveFailedError, match=r"x: sent to 10.*was stopped"):
        await status
    assert await motor.velocity.get_value() == 10.0


async def test_a_flight_that_cannot_be_is_refused_before_motion(motor):
    for flight, reason in (
        (info(0.0, 10.0, 0.1), r"100 mm/s.*at most 50 \(VMAX\)"),
        (info(0.0, 40.0, 10.0), "40.2 mm is outside its soft limits"),
        (info(-20.0, 10.0, 10.0), "-20.15 mm is outside its soft limits"),
        (info(1.0, 1.0, 1.0), "0 mm/s"),
    ):
        with pytest.raises(SetpointOutsideLimitsError, match=reason):
            await motor.prepare(flight)
    assert await motor.user_readback.get_value() == pytest.approx(0.0, abs=2e-3)
    assert await motor.velocity.get_value() == 10.0


async def test_no_flight_begins_or_ends_that_was_not_prepared(motor):
    with pytest.raises(MoveFailedError, match="no flight is prepared"):
        await motor.kickoff()
    with pytest.raises(MoveFailedError, match="does not fly"):
        await motor.complete()


async def test_a_jog_lasts_until_it_is_stopped(motor):
    status = motor.jog(-5.0)
    await motor.user_readback.wait_for_value(lambda position: position < -0.5, timeout=5)
    assert not status.done
    await motor.stop()
    await status
    assert await motor.done_moving.get_value() is True
    assert await motor.velocity.get_value() == 10.0


async def test_home_is_where_the_controller_found_it(motor):
    await motor.home(timeout=30.0)
    assert await motor.done_moving.get_value() is True


async def test_a_step_is_taken_from_where_it_was_sent(motor):
    await motor.tweak(0.15)
    assert (await motor.locate())["setpoint"] == pytest.approx(0.15)
    await motor.console.tweak_step.connect()
    await motor.console.tweak_step.put(0.3)
    await motor.tweak()
    assert (await motor.locate())["setpoint"] == pytest.approx(0.45)


async def test_the_place_where_it_is_can_be_given_another_name(motor):
    before, (low, high) = await motor.offset.get_value(), await motor.limits()
    await motor.set_position(7.0)
    assert await motor.user_readback.get_value() == pytest.approx(7.0, abs=2e-3)
    moved = await motor.offset.get_value() - before
    assert moved == pytest.approx(7.0, abs=2e-3)
    assert await motor.limits() == pytest.approx((low + moved, high + moved))
    await motor.set_offset(before)
    assert await motor.limits() == pytest.approx((low, high))


async def test_the_offset_does_not_change_in_motion(motor):
    status = motor.set(5.0)
    await motor.done_moving.wait_for_value(False)
    with pytest.raises(MoveRefusedError, match="only at rest"):
        await motor.set_position(0.0)
    await motor.stop()
    await status


async def test_a_velocity_that_the_record_changes_is_told(motor):
    await motor.velocity.put(1000.0)
    assert await motor.velocity.get_value() == 50.0, "the record clamps in silence"
    with pytest.raises(ReadbackError, match=r"VELO is 50 after 1000 was written"):
        await check_taken(motor, motor.velocity, 1000.0)
