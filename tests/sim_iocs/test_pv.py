"""A PV takes what its kind takes, refuses the rest by name, and tells both faces in order."""

import asyncio
from typing import Any

import numpy as np
import pytest
from wingbeat.sim_iocs.ca_face import finish_now
from wingbeat.sim_iocs.errors import NotFinishedError, RefusedPutError
from wingbeat.sim_iocs.pv import Kind, SimPV
from wingbeat.sim_iocs.pv_group import PVGroup


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        (Kind.FLOAT, 3, 3.0),
        (Kind.INT, 3.7, 3),
        (Kind.ENUM, "On", 1),
        (Kind.ENUM, 1, 1),
        (Kind.TEXT, b"/data\0stale", "/data"),
        (Kind.TEXT, "µm\0", "µm"),
        (Kind.STRING, "CS1", "CS1"),
    ],
)
async def test_a_put_is_kept_as_its_kind(kind: Kind, given: Any, kept: Any) -> None:
    choices = {"choices": ("Off", "On")} if kind is Kind.ENUM else {}
    pv = PVGroup("T:").add("PV", kind, 0 if kind not in (Kind.TEXT, Kind.STRING) else "", **choices)
    await pv.put(given)
    assert pv.value == kept
    assert type(pv.value) is type(kept)


async def test_arrays_keep_their_length_and_type() -> None:
    pv = PVGroup("T:").add("PV", Kind.FLOATS, [0.0], length=5)
    await pv.put([1, 2, 3])
    assert pv.value.dtype == np.float64
    assert pv.value.tolist() == [1.0, 2.0, 3.0]
    await pv.put(7)
    assert pv.value.tolist() == [7.0]


@pytest.mark.parametrize(
    ("options", "value", "message"),
    [
        ({"kind": Kind.ENUM, "value": 0, "choices": ("Off", "On")}, 2, "T:PV takes one of 0 'Off', 1 'On'; got 2"),
        ({"kind": Kind.ENUM, "value": 0, "choices": ("Off", "On")}, "Up", "got 'Up'"),
        ({"kind": Kind.FLOATS, "value": [0.0], "length": 2}, [1.0, 2.0, 3.0], "at most 2 elements"),
        ({"kind": Kind.TEXT, "value": "", "length": 50}, "x" * 50, "text of at most 50 elements"),
        ({"kind": Kind.FLOAT, "value": 0.0}, "fast", "a value of type float; got 'fast'"),
        ({"kind": Kind.INT, "value": 0, "read_only": True}, 1, "T:PV is read-only"),
    ],
)
async def test_what_a_pv_does_not_take_is_refused_by_name_and_changes_nothing(options, value, message) -> None:
    pv: SimPV = PVGroup("T:").add("PV", options.pop("kind"), options.pop("value"), **options)
    before = pv.value
    with pytest.raises(RefusedPutError, match=message):
        await pv.put(value)
    assert pv.value is before


async def test_a_handler_decides_what_is_posted() -> None:
    async def halve(value: float) -> None:
        pv.post(value / 2)

    pv = PVGroup("T:").add("PV", Kind.FLOAT, 0.0, handler=halve)
    await pv.put(3.0)
    assert pv.value == 1.5


async def test_a_pair_posts_the_setpoint_and_the_readback() -> None:
    group, called = PVGroup("T:"), []
    group.pair("Gain", Kind.INT, 1, after=lambda: called.append(group["Gain_RBV"].value))
    await group["Gain"].put(4)
    assert (group["Gain"].value, group["Gain_RBV"].value, called) == (4, 4, [4])


def test_a_coroutine_that_waits_is_not_taken_as_finished() -> None:
    async def waits() -> None:
        await asyncio.sleep(0)

    with pytest.raises(NotFinishedError, match="waits"):
        finish_now(waits())
