import asyncio

import pytest
from wingbeat.async_devices import SoftDetector, SoftMotor
from wingbeat.async_devices.errors import SetpointOutsideLimitsError


async def test_a_motor_with_a_velocity_takes_its_time_and_tells_how_far_it_is(virtual_clock):
    motor, seen = SoftMotor("x", velocity=2.0), []
    begun = asyncio.get_running_loop().time()
    status = motor.set(3.0)
    status.watch(lambda **fields: seen.append(fields["fraction"]))
    await status
    assert asyncio.get_running_loop().time() - begun == pytest.approx(1.5, abs=1e-3)
    assert motor.position == 3.0
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


async def test_a_stopped_motor_stays_where_it_was(virtual_clock):
    motor = SoftMotor("x", velocity=1.0)
    status = motor.set(10.0)
    await asyncio.sleep(4.05)
    await motor.stop()
    await status
    assert motor.position == pytest.approx(4.0, abs=0.11)
    await motor.set(0.0)
    assert motor.position == 0.0


def test_a_target_outside_the_limits_is_refused():
    with pytest.raises(SetpointOutsideLimitsError, match="x: 9 mm is outside its limits 0 to 5 mm"):
        SoftMotor("x", limits=(0, 5)).set(9)


async def test_a_detector_measures_when_it_is_triggered_and_not_when_it_is_read(virtual_clock):
    values = iter([1.5, 2.5])
    detector = SoftDetector("det", value=lambda: next(values), exposure=0.2)
    await detector.trigger()
    assert (await detector.read())["det"]["value"] == (await detector.read())["det"]["value"] == 1.5
    await detector.trigger()
    assert (await detector.read())["det"]["value"] == 2.5
