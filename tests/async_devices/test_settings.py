"""Settings are saved, compared and written back in order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from wingbeat.async_devices import (
    Device,
    DeviceVector,
    Settings,
    current_settings,
    mock_of,
    restore,
    signal_r,
    signal_rw,
)
from wingbeat.async_devices.datatypes import StrictEnum
from wingbeat.async_devices.errors import ReadbackError, SettingsError


class Units(StrictEnum):
    MM = "mm"
    UM = "um"


class Axis(Device):
    def __init__(self, number):
        self.units = signal_rw(Units, f"ca://A{number}:Units")
        self.scale = signal_rw(float, f"ca://A{number}:Scale")
        self.table = signal_rw(NDArray[np.int32], f"ca://A{number}:Table")
        self.readback = signal_r(float, f"ca://A{number}:Readback")
        super().__init__()


class Stage(Device):
    def __init__(self):
        self.axes = DeviceVector({1: Axis(1), 2: Axis(2)})
        self.label = signal_rw(str, "ca://Label")
        super().__init__("stage")


@pytest.fixture
async def stage():
    stage = Stage()
    await stage.connect(mock=True)
    yield stage
    await stage.disconnect()


async def test_a_device_is_as_it_was_after_a_file(stage, tmp_path):
    await stage.axes[1].scale.set(0.25)
    await stage.axes[2].table.set(np.array([1, 2, 3], np.int32))
    await stage.axes[2].units.set(Units.UM)
    saved = await current_settings(stage, ignore=("label",))
    assert set(saved.values) == {f"axes.{n}.{field}" for n in (1, 2) for field in ("units", "scale", "table")}
    saved.save(tmp_path / "stage.yaml")
    await stage.axes[1].scale.set(7.0)
    await stage.axes[2].table.set(np.array([9], np.int32))
    loaded = Settings.load(tmp_path / "stage.yaml")
    changed = await restore(stage, loaded)
    assert [change.path for change in changed] == ["axes.1.scale", "axes.2.table"]
    assert (await current_settings(stage, ignore=("label",))).differences(saved) == ()
    assert await restore(stage, loaded) == (), "what is right already is not written again"


async def test_phases_come_one_after_the_other_and_the_rest_last(stage):
    order = []
    for n in (1, 2):
        for field in ("units", "scale"):
            mock_of(getattr(stage.axes[n], field)).on_put(lambda _, name=f"{n}.{field}": order.append(name))
    wanted = Settings({"axes.1.scale": 5.0, "axes.2.units": "um", "axes.1.units": "um", "axes.2.scale": 6.0})
    await restore(stage, wanted, phases=("axes.2.units", "*.units"))
    assert order[:2] == ["2.units", "1.units"]
    assert set(order[2:]) == {"1.scale", "2.scale"}


async def test_a_setting_that_is_not_taken_is_named(stage):
    mock = mock_of(stage.axes[1].scale)
    mock.on_put(lambda _: mock.set_now(1.0))
    with pytest.raises(ReadbackError, match=r"axes\.1\.scale: expected 5\.0, read back 1\.0"):
        await restore(stage, Settings({"axes.1.scale": 5.0}))


async def test_settings_of_another_device_are_refused_whole(stage):
    with pytest.raises(SettingsError, match=r"axes\.3\.scale"):
        await restore(stage, Settings({"axes.3.scale": 5.0, "label": "new"}))
    assert mock_of(stage.label).puts == []


def test_a_file_of_something_else_is_refused(tmp_path):
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(SettingsError, match="mapping"):
        Settings.load(tmp_path / "list.yaml")
    (tmp_path / "broken.yaml").write_text("a: [")
    with pytest.raises(SettingsError, match=r"broken\.yaml"):
        Settings.load(tmp_path / "broken.yaml")


VALUES = st.one_of(
    st.integers(-(2**31), 2**31),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.text(max_size=20),
    st.lists(st.integers(0, 99), max_size=5),
)


@given(values=st.dictionaries(st.text("abc.", min_size=1, max_size=6), VALUES, max_size=6))
def test_what_is_saved_is_loaded(values, tmp_path_factory):
    path = tmp_path_factory.mktemp("settings") / "any.yaml"
    Settings(values).save(path)
    assert Settings(values).differences(Settings.load(path)) == ()
