"""Devices declared by type hints."""

from typing import Annotated

import pytest
from wingbeat.async_devices import DeclaredDevice, Device, DeviceMap, DeviceVector, Pv, Role, Soft
from wingbeat.async_devices.errors import DeclarationError, NotConnectedError
from wingbeat.async_devices.signal import SignalR, SignalRW, SignalW, SignalX


class Stats(DeclaredDevice):
    total: Annotated[SignalR[float], Pv("Total_RBV"), Role.HINTED]
    threshold: Annotated[SignalRW[float], Pv.rbv("Threshold"), Role.CONFIG]


class Camera(DeclaredDevice):
    gain: Annotated[SignalRW[float], Pv.rbv("Gain"), Role.CONFIG]
    counter: Annotated[SignalR[int], Pv("Counter_RBV"), Role.READ]
    send: Annotated[SignalW[str], Pv("Send.VAL$")]
    reset: Annotated[SignalX, Pv("Reset", value=5)]
    rare: Annotated[SignalR[float], Pv("Rare", optional=True)]
    stats: Annotated[Stats, Pv("Stats:"), Role.READ]
    rois: Annotated[DeviceVector[int, Stats], Pv.numbered("ROI{}:", 1, 4)]
    edges: Annotated[DeviceMap[SignalRW[float]], Pv.numbered("Edge{}", "Left", "Right")]
    note: Annotated[SignalRW[str], Soft(initial="none")]
    mine: Device


class Bigger(Camera):
    extra: Annotated[SignalR[int], Pv("Extra")]


def sources(device):
    return {name: child.source for name, child in device.children() if hasattr(child, "source")}


def test_a_hint_and_a_prefix_make_a_child():
    camera = Camera("pva://CAM:", name="cam")
    assert sources(camera) == {
        "gain": "pva://CAM:Gain_RBV",
        "counter": "pva://CAM:Counter_RBV",
        "send": "pva://CAM:Send.VAL$",
        "reset": "pva://CAM:Reset",
        "rare": "pva://CAM:Rare",
        "note": "soft://note",
    }
    assert camera.gain._uris == ("pva://CAM:Gain_RBV", "pva://CAM:Gain")
    assert camera.gain.datatype is float
    assert camera.rois[4].total.source == "pva://CAM:ROI4:Total_RBV"
    assert camera.edges["Left"].name == "cam-edges-Left"
    assert not hasattr(camera, "mine")
    assert camera.rare.optional


def test_a_prefix_without_a_scheme_is_channel_access():
    assert Stats("S:").total.source == "ca://S:Total_RBV"


def test_a_subclass_has_what_its_bases_declare():
    assert list(sources(Bigger("C:"))) == [*sources(Camera("C:")), "extra"]


def test_roles_fill_the_readings_and_a_device_brings_its_own():
    camera = Camera("C:", name="cam")
    assert [signal.name for signal in camera.read_signals] == ["cam-counter", "cam-stats-total"]
    assert [signal.name for signal in camera.config_signals] == ["cam-gain", "cam-stats-threshold"]
    assert camera.hints == {"fields": []}
    assert Stats("S:", name="s").hints == {"fields": ["s-total"]}


def test_what_cannot_be_a_child_is_named():
    class Wrong(DeclaredDevice):
        speed: Annotated[float, Pv("Speed")]

    with pytest.raises(DeclarationError, match=r"Wrong\.speed.*float"):
        Wrong("W:")

    class Unnumbered(DeclaredDevice):
        rois: Annotated[DeviceVector[int, Stats], Pv("ROI")]

    with pytest.raises(DeclarationError, match=r"rois.*Pv\.numbered"):
        Unnumbered("U:")


async def test_every_declared_device_connects_without_its_server():
    camera = Camera("C:", name="cam")
    await camera.connect(mock=True)
    await camera.gain.set(3.0)
    assert (await camera.read_configuration())["cam-gain"]["value"] == 3.0
    assert await camera.note.get_value() == "none"
    await camera.disconnect()


class Partly(DeclaredDevice):
    number: Annotated[SignalRW[float], Pv("double")]
    rare: Annotated[SignalR[float], Pv("absent", optional=True)]
    half: Annotated[SignalRW[float], Pv("double", readback="absent_RBV", optional=True)]


@pytest.mark.system
@pytest.mark.parametrize("scheme", ["ca", "pva"])
async def test_a_server_that_lacks_an_optional_pv_is_connected_without_it(scheme, request):
    prefix = request.getfixturevalue(f"{scheme}_server")
    device = Partly(f"{scheme}://{prefix}", name="partly")
    try:
        await device.connect(timeout=1.0)
        assert (device.number.present, device.rare.present, device.half.present) == (True, False, False)
        assert await device.number.get_value() == 1.5
    finally:
        await device.disconnect()


@pytest.mark.system
@pytest.mark.parametrize("scheme", ["ca", "pva"])
async def test_what_is_not_optional_is_missed_by_name_and_what_is_has_no_part_in_it(scheme, request):
    class Needy(Partly):
        needed: Annotated[SignalR[float], Pv("missing")]

    device = Needy(f"{scheme}://{request.getfixturevalue(f'{scheme}_server')}", name="needy")
    try:
        with pytest.raises(NotConnectedError, match="missing") as failed:
            await device.connect(timeout=1.0)
        assert "absent" not in str(failed.value)
    finally:
        await device.disconnect()
