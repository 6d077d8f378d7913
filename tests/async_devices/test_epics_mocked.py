"""Every device class connects without its server, and those that do something do it."""

import inspect

import pytest
from wingbeat.async_devices import Device, connected, epics, mock_of
from wingbeat.async_devices.epics import Motor, Panda, Shutter, SimDetector
from wingbeat.async_devices.epics.ad_driver import ImageMode
from wingbeat.async_devices.signal import Signal

KINDS = [kind for kind in vars(epics).values() if inspect.isclass(kind) and issubclass(kind, Device)]


def signals(device):
    if isinstance(device, Signal):
        yield device
    for _, child in device.children():
        yield from signals(child)


def unconnected_by_design(device):
    """A motor's console is connected at its first use."""
    consoles = [child for _, child in device.children() if type(child).__name__ == "MotorConsole"]
    below = [unconnected_by_design(child) for _, child in device.children() if child not in consoles]
    return {id(signal) for console in consoles for signal in signals(console)}.union(*below)


def test_there_are_devices_to_be_mocked():
    assert len(KINDS) >= 15


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
async def test_every_device_connects_without_its_server_and_all_its_signals_can_be_seen(kind):
    device = kind("MOCK:", name="device")
    await device.connect(mock=True)
    left_out = unconnected_by_design(device)
    mocked = [mock_of(signal) for signal in signals(device) if id(signal) not in left_out]
    assert mocked
    await device.disconnect()


async def test_a_mocked_motor_moves():
    async with connected(mock=True):
        axis = Motor("MOCK:X")
    await axis.set(2.5)
    assert (await axis.locate()) == {"setpoint": 2.5, "readback": 2.5}
    await axis.disconnect()


async def test_a_mocked_camera_counts_the_images_that_it_is_asked_for():
    async with connected(mock=True):
        camera = SimDetector("MOCK:CAM:")
    driver = camera.driver
    await driver.image_mode.put(ImageMode.MULTIPLE)
    await driver.num_images.put(5)
    await driver.acquire.put(True)
    await driver.acquire.put(True)
    assert await driver.array_counter.get_value() == 10
    assert not await driver.acquiring.get_value()
    await driver.image_mode.put(ImageMode.CONTINUOUS)
    await driver.acquire.put(True)
    assert await driver.acquiring.get_value()
    await driver.acquire.put(False)
    assert not await driver.acquiring.get_value()
    assert await driver.array_counter.get_value() == 10
    await camera.disconnect()


async def test_a_mocked_panda_has_one_typed_block_of_each_kind_that_is_armed_and_enabled():
    async with connected(mock=True):
        panda = Panda("MOCK:PANDA:")
    await panda.arm()
    await panda.enable_sequencer()
    assert await panda.seq[1].active.get_value()
    await panda.disarm()
    assert not await panda.pcap.active.get_value()
    await panda.data.hdf_directory.put("/somewhere")
    assert mock_of(panda.data.hdf_directory).puts[-1].value == "/somewhere"
    await panda.disconnect()


async def test_a_mocked_shutter_opens_and_shuts():
    async with connected(mock=True):
        shutter = Shutter("MOCK:SH:")
    await shutter.set("Open")
    assert (await shutter.read())["shutter"]["value"] == "Open"
    await shutter.set("Close")
    assert await shutter.locate() == {"setpoint": "Close", "readback": "Closed"}
    await shutter.disconnect()
