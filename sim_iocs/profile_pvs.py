"""The PVs of a trajectory controller's profile, as the pmac module of EPICS lays them out."""

from collections.abc import Mapping

from .coordinate_system import LETTERS
from .gpio import LINES
from .profile import MAX_POINTS
from .pv import Handler, Kind
from .pv_group import PVGroup

STATUSES = ("Undefined", "Success", "Failure")


def add_profile_pvs(pvs: PVGroup, puts: Mapping[str, Handler], *, abort: Handler, system: str) -> None:
    """Add them.

    Args:
        pvs: The controller's.
        puts: What Build, Append and Execute do.
        abort: What ProfileAbort does.
        system: The coordinate system named at first.
    """
    _add_arrays(pvs)
    pvs.add("TotalPoints_RBV", Kind.INT, 0, read_only=True)
    pvs.add("ProfilePointsToBuild", Kind.INT, 1)
    pvs.add("ProfileNumPoints", Kind.INT, MAX_POINTS, read_only=True)
    for verb, handler in puts.items():
        pvs.enum(f"Profile{verb}", ("Done", verb), handler=handler)
        states = ("Done", "Busy" if verb != "Execute" else "Executing")
        pvs.enum(f"Profile{verb}State_RBV", states, read_only=True)
        pvs.enum(f"Profile{verb}Status_RBV", STATUSES, read_only=True)
        pvs.text(f"Profile{verb}Message_RBV", "", read_only=True)
    pvs.enum("ProfileAbort", ("Done", "Abort"), handler=abort)
    pvs.add("ProfileCsName", Kind.STRING, system)
    pvs.enum("ProfileCalcVel", ("No", "Yes"))
    for line in LINES:
        pvs.enum(f"{line}_RBV", ("Low", "High"), read_only=True)


def _add_arrays(pvs: PVGroup) -> None:
    pvs.add("ProfileTimeArray", Kind.FLOATS, [0.0], length=MAX_POINTS, units="us")
    pvs.add("UserArray", Kind.INTS, [0], length=MAX_POINTS)
    for letter in LETTERS:
        pvs.add(f"{letter}:Positions", Kind.FLOATS, [0.0], length=MAX_POINTS)
        pvs.add(f"{letter}:Velocities", Kind.FLOATS, [0.0], length=MAX_POINTS)
        pvs.enum(f"{letter}:UseAxis", ("No", "Yes"))
