"""What a frame looks like in the file, what a trigger request says, and what each driver makes of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wingbeat.async_devices.epics.ad_acquire import AdTrigger
from wingbeat.async_devices.epics.ad_attributes import NDAttribute, attributes_xml, columns_of
from wingbeat.async_devices.epics.ad_driver import AdDriver
from wingbeat.async_devices.epics.ad_drivers import AravisDriver, EigerDriver, PilatusDriver, SimDriver
from wingbeat.async_devices.epics.ad_layout import ColorMode, Cut, FrameLayout
from wingbeat.async_devices.errors import (
    FrameLayoutError,
    UnknownDeadtimeError,
    UnsupportedTriggerError,
    ValueRefusedError,
)
from wingbeat.async_devices.flight import Identity, TriggerInfo


@pytest.mark.parametrize(
    ("color", "shape"),
    [("Mono", (3, 4)), ("Bayer", (3, 4)), ("RGB1", (3, 4, 3)), ("RGB2", (3, 3, 4)), ("RGB3", (3, 3, 4))],
)
def test_the_order_of_colours_in_the_file_is_the_ndarrays_turned_round(color, shape):
    layout = FrameLayout.of((4, 3), color, "UInt16")
    assert layout.shape == shape
    assert layout.dtype == np.dtype("u2")
    ndarray = {"Mono": (4, 3), "Bayer": (4, 3), "RGB1": (3, 4, 3), "RGB2": (4, 3, 3), "RGB3": (4, 3, 3)}[color]
    assert layout.shape == ndarray[::-1]


@pytest.mark.parametrize(
    ("size", "color", "dtype"), [((4, 3), "YUV422", "Int8"), ((0, 3), "Mono", "Int8"), ((4, 3), "Mono", "")]
)
def test_what_is_not_known_is_refused(size, color, dtype):
    with pytest.raises(FrameLayoutError):
        FrameLayout.of(size, color, dtype)


@given(st.integers(1, 64), st.integers(-4, 80), st.integers(-4, 80), st.integers(-1, 8))
def test_a_region_leaves_what_numpy_leaves(available, start, size, binning):
    left = Cut(enabled=True, whole=False, start=start, size=size, binning=binning).length(available)
    first = min(max(start, 0), available - 1)
    cut = np.arange(available)[first : first + max(size, 1)]
    step = min(max(binning, 1), len(cut))
    assert left == len(cut) // step
    assert Cut(enabled=False, whole=False, start=start, size=size, binning=binning).length(available) == available


def test_types_change_where_a_plug_in_says_so():
    layout = FrameLayout(width=2, height=2, color=ColorMode.MONO, dtype=np.dtype("u1"))
    assert layout.converted("Automatic") is layout
    assert layout.converted("Float64").dtype == np.dtype("f8")


@pytest.mark.parametrize(
    "wrong",
    [
        {"livetime": -1.0},
        {"frames": -1},
        {"frames_per_trigger": 2},
        {"frames": 3, "frames_per_event": 2},
        {"kickoffs": 0},
    ],
)
def test_a_request_that_contradicts_itself_is_refused(wrong):
    with pytest.raises(UnsupportedTriggerError, match="seen TriggerInfo"):
        TriggerInfo(**wrong)


def test_an_unbounded_request_has_no_number_of_events():
    info = TriggerInfo(kind="edge", livetime=1e-3, frames=0)
    assert (info.bounded, info.total_frames, info.events) == (False, 0, 0)


class Puts:
    """Stands for a signal that is there, takes what is put, and says it again."""

    def __init__(self, log, name, value=0):
        self.log, self.name, self.value, self.present = log, name, value, True

    async def put(self, value):
        self.log.append((self.name, value))
        self.value = value

    async def get_value(self):
        return self.value

    async def value_or(self, default):
        return self.value if self.present else default


def driver_with(kind, *names):
    driver, log = kind("ca://X:cam1:"), []
    for name in names:
        driver.__dict__[name] = Puts(log, name)
    return driver, log


BURST = TriggerInfo(kind="burst", livetime=1e-3, deadtime=1e-3, frames=5, frames_per_trigger=4)
EDGES = TriggerInfo(kind="edge", livetime=1e-3, deadtime=1e-3, frames=5, kickoffs=2)


async def test_aravis_writes_the_mode_before_the_source():
    driver, log = driver_with(AravisDriver, "trigger_mode", "trigger_source")
    await driver.select_trigger(EDGES)
    assert log == [("trigger_mode", "On"), ("trigger_source", "Line1")]


async def test_an_eiger_takes_a_series_of_images_per_trigger():
    driver, log = driver_with(EigerDriver, "num_triggers", "num_images")
    await driver.set_images(EDGES)
    await driver.set_images(BURST)
    await driver.set_images(TriggerInfo(frames=7))
    assert log == [
        *(("num_triggers", 10), ("num_images", 1)),
        *(("num_triggers", 5), ("num_images", 4)),
        *(("num_triggers", 1), ("num_images", 7)),
    ]


async def test_a_pilatus_takes_one_exposure_per_edge_in_a_series_with_an_end():
    driver, log = driver_with(PilatusDriver, "trigger_mode", "image_mode", "num_images")
    await driver.select_trigger(EDGES)
    await driver.set_images(EDGES)
    await driver.set_images(TriggerInfo(kind="edge", livetime=1e-3, frames=0))
    assert ("trigger_mode", "Mult. Trigger") in log
    assert [value for name, value in log if name == "num_images"] == [10, 999_999]


async def test_a_dead_time_is_given_or_told_or_ruled_or_unknown():
    for kind, expected in ((PilatusDriver, 0.95e-3), (EigerDriver, 1e-4)):
        assert await AdTrigger(kind("ca://X:")).deadtime() == expected
    aravis, _ = driver_with(AravisDriver, "model")
    aravis.model.value = "Mako G-125"
    assert await AdTrigger(aravis).deadtime() == 70e-6
    told, _ = driver_with(AdDriver, "deadtime")
    told.deadtime.value = 3e-3
    assert await AdTrigger(told).deadtime() == 3e-3
    assert await AdTrigger(told, deadtime=1e-3).deadtime() == 1e-3
    with pytest.raises(UnknownDeadtimeError, match="measure_deadtime"):
        await AdTrigger(SimDriver("ca://X:")).deadtime()


def test_identities_are_not_claimed_that_a_camera_cannot_give():
    assert SimDriver.default_identity is Identity.SOFTWARE_TIME
    assert PilatusDriver.default_identity is EigerDriver.default_identity is Identity.COUNT_ONLY


async def test_a_camera_without_triggers_refuses_them():
    with pytest.raises(UnsupportedTriggerError, match="'edge' trigger; it takes"):
        await AdTrigger(SimDriver("ca://X:")).check(EDGES)


def test_attributes_that_the_pv_cannot_hold_are_refused_not_cut():
    many = [NDAttribute(name=f"Attribute{n}", pv=f"SOME:LONG:PREFIX:{n}") for n in range(40)]
    with pytest.raises(ValueRefusedError, match=r"40 NDAttributes are \d+ bytes of XML; NDAttributesFile holds 2047"):
        attributes_xml(many)
    assert 'source="A&amp;B"' in attributes_xml([NDAttribute(name="x", pv="A&B")])
    with pytest.raises(ValueRefusedError, match="DBR_NATIVE"):
        columns_of([NDAttribute(name="x", pv="A", dbrtype="DBR_NATIVE")])
