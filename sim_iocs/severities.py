"""The alarms of healthy PVs: what a real areaDetector shows before and while nothing is wrong.

Records that nobody has processed yet are undefined (UDF, INVALID), and the read-back of a switch that is on has a
MINOR alarm. A client that refuses values by their severity gets nowhere with a real camera.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any

from .pv import Kind, SimPV
from .pv_group import PVGroup

STATE, UDF = 7, 17
MINOR, MAJOR, INVALID = 1, 2, 3
UNDEFINED = ("FullFileName_RBV", "ArraySize0_RBV", "ArraySize1_RBV", "FilePathExists_RBV")
ON = ("Enable", "Capturing", "Aborted", "File not found")


def alarm_healthy(groups: Iterable[PVGroup]) -> None:
    """Give the PVs of a detector and its plugins the alarms that they have on a real IOC, from now on."""
    for group in groups:
        for suffix, pv in group.pvs.items():
            if suffix == "FilePathExists_RBV" or _shows_a_switch(suffix, pv):
                pv.judge = partial(_judge, pv)
                pv.set_alarm(*_judge(pv, pv.value))
            elif suffix in UNDEFINED:
                pv.judge = _defined
            if suffix in UNDEFINED:
                pv.set_alarm(UDF, INVALID)


def _shows_a_switch(suffix: str, pv: SimPV) -> bool:
    readback = suffix.endswith("_RBV") or suffix == "NDAttributesStatus"
    return pv.kind is Kind.ENUM and readback and not set(ON).isdisjoint(pv.meta.choices)


def _judge(pv: SimPV, value: Any) -> tuple[int, int]:
    label = pv.meta.choices[int(value)]
    if pv.name.endswith("FilePathExists_RBV"):
        return (STATE, MAJOR) if label == "No" else (0, 0)
    return (STATE, MINOR) if label in ON else (0, 0)


def _defined(_: Any) -> tuple[int, int]:
    return 0, 0
