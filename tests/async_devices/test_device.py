import subprocess
import sys

import pytest
from wingbeat.async_devices import Device, DeviceVector, NotConnectedError, SoftMotor, connected, soft_signal_rw
from wingbeat.async_devices.errors import ConnectFailure, DisconnectedError, UnknownSchemeError
from wingbeat.async_devices.protocols import DISPATCH
from wingbeat.async_devices.signal import SignalRW


class Stage(Device):
    def __init__(self, name=""):
        self.x = SoftMotor()
        self.slits = DeviceVector({1: SoftMotor(), 2: SoftMotor()})
        super().__init__(name)


def test_children_are_named_after_their_parent_however_deep():
    stage = Stage("stage")
    assert (stage.x.name, stage.slits[2].name) == ("stage-x", "stage-slits-2")
    assert stage.slits[2].parent is stage.slits
    assert stage.slits.parent is stage
    stage.set_name("other")
    assert stage.slits[1].name == "other-slits-1"
    stage.late = SoftMotor()
    assert stage.late.name == "other-late"


async def test_devices_are_named_after_their_variables():
    before = SoftMotor()
    async with connected() as devices:
        first, second = SoftMotor(), Stage()
        named = SoftMotor("mine")
    assert devices == {"first": first, "second": second, "named": named}
    assert (first.name, second.x.name, named.name, before.name) == ("first", "second-x", "mine", "")


async def test_a_block_that_raises_connects_nothing_and_its_error_comes_out():
    seen = []

    async def block():
        async with connected():
            device = SoftMotor()
            seen.append(device)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await block()
    assert seen[0].name == ""


async def test_inside_a_plan_connecting_acts_at_once():
    class Refuses:
        def call(self, *_):
            raise AssertionError("a verb became a message")

        submit = call

    seen = []

    class Checks(Device):
        async def connect_self(self, path, timeout):
            seen.append(DISPATCH.get())
            return []

    token = DISPATCH.set(Refuses())
    try:
        await Checks("a").connect()
    finally:
        DISPATCH.reset(token)
    assert seen == [None]


async def test_one_error_names_everything_that_did_not_connect():
    class Broken(Device):
        async def connect_self(self, path, timeout):
            return [ConnectFailure((*path, f"pv{n}"), f"ca://P:{n}", "float", "no answer", 0.5) for n in range(9)]

    made = []

    async def block():
        async with connected():
            stage = Broken()
        made.append(stage)

    with pytest.raises(NotConnectedError) as caught:
        await block()
    text = str(caught.value)
    assert text.startswith(
        "9 signal(s) of 1 device(s) did not connect\n  stage\n    pv0: ca://P:0: expected float, no answer"
    )
    assert "… and 3 more of stage" in text
    assert isinstance(caught.value, TimeoutError)
    assert len(caught.value.failures) == 9
    assert not made


async def test_an_unknown_scheme_is_refused_by_name():
    signal = SignalRW(float, read="tango://x", write="tango://x", name="s")
    with pytest.raises(NotConnectedError, match="tango://x"):
        await signal.connect()
    assert issubclass(UnknownSchemeError, ValueError)


async def test_a_signal_that_is_not_connected_says_so():
    signal = SignalRW(float, read="ca://x", write="ca://x", name="s")
    with pytest.raises(DisconnectedError, match=r"s \(ca://x\) is not connected"):
        await signal.get_value()


async def test_disconnecting_ends_what_runs_for_the_device():
    motor = SoftMotor("x", velocity=1e-3)
    status = motor.set(1.0)
    await motor.disconnect()
    assert status.done
    assert not status.success


def test_importing_the_package_loads_no_protocol_library():
    code = (
        "import sys, wingbeat.async_devices, wingbeat.async_devices.epics; print({'aioca', 'p4p'} & set(sys.modules))"
    )
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "set()"


async def test_a_soft_signal_is_set_located_and_described():
    signal = soft_signal_rw(float, 2.0, name="gain", units="dB", precision=2)
    await signal.set(3)
    assert await signal.locate() == {"setpoint": 3.0, "readback": 3.0}
    key = (await signal.describe())["gain"]
    assert (key["dtype"], key["shape"], key["units"], key["precision"]) == ("number", [], "dB", 2)
