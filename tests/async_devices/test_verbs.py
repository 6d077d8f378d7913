"""A verb of a device acts at once, unless a plan runs: then it is the plan's."""

from wingbeat.async_devices import SoftDetector, SoftMotor, Status, soft_signal_rw
from wingbeat.async_devices.protocols import DISPATCH


class Recorder:
    def __init__(self):
        self.seen = []

    def submit(self, verb, obj, args, kwargs):
        self.seen.append((verb, obj, args, kwargs))
        return Status.finished()

    async def call(self, verb, obj, args, kwargs):
        self.seen.append((verb, obj, args, kwargs))
        return {}


async def test_in_a_plan_every_verb_becomes_a_message_and_touches_nothing():
    motor, detector, signal = SoftMotor("x"), SoftDetector("det"), soft_signal_rw(int, 1)
    recorder = Recorder()
    token = DISPATCH.set(recorder)
    try:
        await motor.set(4.0)
        await motor.stop(success=False)
        await motor.read()
        await motor.locate()
        await detector.trigger()
        await signal.set(2, wait=False)
    finally:
        DISPATCH.reset(token)
    assert recorder.seen == [
        ("set", motor, (4.0,), {}),
        ("stop", motor, (), {"success": False}),
        ("read", motor, (), {}),
        ("locate", motor, (), {}),
        ("trigger", detector, (), {}),
        ("set", signal, (2,), {"wait": False}),
    ]
    assert (motor.position, detector.triggers, await signal.get_value()) == (0.0, 0, 1)


async def test_outside_a_plan_a_verb_acts_at_once():
    motor = SoftMotor("x")
    status = motor.set(4.0)
    assert status.done
    assert motor.position == 4.0
