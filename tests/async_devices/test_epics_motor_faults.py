"""What goes wrong with a motor in mid-move: each a typed error that names what was seen, and the next move works."""

import pytest
from wingbeat.async_devices import signal_rw
from wingbeat.async_devices.epics import Motor
from wingbeat.async_devices.epics.errors import (
    LimitSwitchError,
    MotorFaultError,
    MoveRedirectedError,
    MoveRefusedError,
    MoveStoppedError,
)

pytestmark = pytest.mark.system


@pytest.fixture
async def motor(simulated_beamline):
    motor = Motor(f"{simulated_beamline.prefix}X", protocol="pva", name="x")
    await motor.connect()
    await motor.velocity.put(40.0)
    await motor.set(0.0)
    yield motor
    await motor.set(0.0)
    assert not motor.tasks.statistics().running
    await motor.disconnect()


@pytest.fixture
async def somebody_else(simulated_beamline):
    other = Motor(f"{simulated_beamline.prefix}X", protocol="ca", name="other")
    await other.connect()
    yield other
    await other.disconnect()


@pytest.fixture
async def fault(simulated_beamline):
    signals = []

    async def put(name, value):
        signal = signal_rw(str, f"pva://{simulated_beamline.prefix}FAULTS:{name}")
        await signal.connect()
        signals.append(signal)
        await signal.put(value)

    yield put
    for signal in signals:
        await signal.put("")
        await signal.disconnect()


async def in_mid_move(motor):
    status = motor.set(30.0)
    await motor.user_readback.wait_for_value(lambda position: position > 0.2, timeout=5)
    return status


async def test_a_new_target_in_mid_move_is_reached_and_the_old_one_fails(motor):
    first = await in_mid_move(motor)
    second = motor.set(-1.0)
    with pytest.raises(MoveRedirectedError, match="x: sent to 30: another set sent it to -1 meanwhile"):
        await first
    assert not second.done, "it is told at once, and not when the motion ends"
    await second
    assert await motor.user_readback.get_value() == pytest.approx(-1.0, abs=2e-3)


async def test_somebody_else_sends_it_elsewhere(motor, somebody_else):
    status = await in_mid_move(motor)
    await somebody_else.user_setpoint.put(1.0, wait=False)
    with pytest.raises(MoveRedirectedError, match="x: sent to 30: somebody else sent it to 1"):
        await status
    await motor.done_moving.wait_for_value(True)


async def test_somebody_else_stops_it(motor, somebody_else):
    status = await in_mid_move(motor)
    await somebody_else.stop()
    with pytest.raises(MoveStoppedError, match=r"x: sent to 30.*somebody else stopped it"):
        await status


async def test_a_limit_switch_in_mid_move(motor, fault):
    status = await in_mid_move(motor)
    await fault("MotorLimit", "X")
    with pytest.raises(LimitSwitchError, match=r"x: sent to 30, came to rest at .*: it is on its high limit switch"):
        await status


async def test_a_stall_in_mid_move(motor, fault):
    status = await in_mid_move(motor)
    await fault("MotorStall", "X")
    with pytest.raises(MotorFaultError, match=r"x: sent to 30, came to rest at .*: the controller reports a problem"):
        await status


async def test_a_record_that_is_set_to_stop_is_not_sent_anywhere(motor):
    await motor.go.put("Stop")
    try:
        with pytest.raises(MoveRefusedError, match=r"x: the record is set to 'Stop' \(pva://.*SPMG\)"):
            await motor.set(1.0)
        assert await motor.user_setpoint.get_value() == 0.0
    finally:
        await motor.go.put("Go")


async def test_a_move_that_takes_too_long_says_where_it_is_and_can_be_stopped(motor):
    with pytest.raises(TimeoutError, match=r"x: after 0.3 s at .*, not at 30; it may still move: stop it"):
        await motor.set(30.0, timeout=0.3)
    await motor.stop()
    await motor.done_moving.wait_for_value(True)
