"""Pmac: a PMAC's trajectory scan (the profileMove PVs of the DLS pmac module).

A profile is a list of points; at its time each axis is at its position with its velocity, and cubic between (PVT).
Build loads it, execute runs it once: every execution needs a build. Neither's put completion is success: the status
PV is.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...task_scope import alongside, together
from ..datatypes import SubsetEnum
from ..device import Device, DeviceVector
from ..errors import BuildFailedError, ExecuteFailedError, WaitTimeoutError
from ..signals import signal_r, signal_rw, signal_x
from ..status import Progress, Report, Status
from ..verbs import status_verb

AXES = "ABCUVWXYZ"
BUILD_TIMEOUT = 60.0
ABORT_TIMEOUT = 30.0
GRACE = 30.0
"""Seconds that an execution may take beyond the sum of its profile."""

Floats = NDArray[np.float64]


class ProfileStatus(SubsetEnum):
    """How a build or an execution ended."""

    SUCCESS = "Success"
    FAILURE = "Failure"
    UNDEFINED = "Undefined"


class ProfileAxis(Device):
    """One axis of the coordinate system."""

    def __init__(self, prefix: str) -> None:
        """Name the PVs; `prefix` is a URI with the colon, as ca://SIM:PMAC:X:."""
        self.positions = signal_rw(Floats, f"{prefix}Positions")
        self.velocities = signal_rw(Floats, f"{prefix}Velocities")
        self.use = signal_rw(bool, f"{prefix}UseAxis")
        super().__init__()


class Pmac(Device):
    """A trajectory controller."""

    def __init__(self, prefix: str, *, protocol: str = "ca", name: str = "") -> None:
        """Name a controller.

        Args:
            prefix: With the colon, as SIM:PMAC:.
            protocol: ca or pva.
            name: Of the device.
        """
        pv = f"{protocol}://{prefix}"
        self.time_array = signal_rw(Floats, f"{pv}ProfileTimeArray")
        self.axes = DeviceVector({letter: ProfileAxis(f"{pv}{letter}:") for letter in AXES})
        self.points_to_build = signal_rw(int, f"{pv}ProfilePointsToBuild")
        self.cs_name = signal_rw(str, f"{pv}ProfileCsName")
        self.calculate_velocities = signal_rw(bool, f"{pv}ProfileCalcVel")
        self.build_profile = signal_x(f"{pv}ProfileBuild")
        self.build_status = signal_r(ProfileStatus, f"{pv}ProfileBuildStatus_RBV")
        self.build_message = signal_r(str, f"{pv}ProfileBuildMessage_RBV")
        self.execute_profile = signal_rw(bool, f"{pv}ProfileExecute")
        self.execute_state = signal_r(str, f"{pv}ProfileExecuteState_RBV")
        self.execute_status = signal_r(ProfileStatus, f"{pv}ProfileExecuteStatus_RBV")
        self.execute_message = signal_r(str, f"{pv}ProfileExecuteMessage_RBV")
        self.abort_profile = signal_x(f"{pv}ProfileAbort")
        self.total_points = signal_r(int, f"{pv}TotalPoints_RBV")
        self._points = 0
        self._seconds = 0.0
        super().__init__(name)

    async def build(
        self,
        *,
        coordinate_system: str,
        times_us: NDArray[np.int64],
        positions: Mapping[str, Floats],
        velocities: Mapping[str, Floats],
    ) -> None:
        """Load a profile.

        Args:
            coordinate_system: Its port, as CS1.
            times_us: Of each point, the duration of the segment that ends there, whole microseconds.
            positions: Per axis letter, one per point, in the motor's units.
            velocities: Per axis letter, one per point, units per second.

        Raises:
            BuildFailedError: Arrays of unlike length, or the controller refused; with its message.
        """
        self._check(times_us, positions, velocities)
        points = len(times_us)
        await together(
            self.cs_name.put(coordinate_system),
            self.calculate_velocities.put(False),
            self.points_to_build.put(points),
            self.time_array.put(np.asarray(times_us, np.float64)),
            *(axis.use.put(letter in positions) for letter, axis in self.axes.items()),
            *(self.axes[letter].positions.put(values) for letter, values in positions.items()),
            *(self.axes[letter].velocities.put(values) for letter, values in velocities.items()),
        )
        await self.build_profile.act(wait=True, timeout=BUILD_TIMEOUT)
        status, message = await together(self.build_status.get_value(), self.build_message.get_value())
        if status != ProfileStatus.SUCCESS:
            msg = f"{self.name}: the controller refused the profile of {points} points ({status}): {message}"
            raise BuildFailedError(msg)
        self._points, self._seconds = points, float(np.sum(times_us)) * 1e-6

    def _check(
        self, times_us: NDArray[np.int64], positions: Mapping[str, Floats], velocities: Mapping[str, Floats]
    ) -> None:
        lengths = {
            f"{what} {letter}": len(array)
            for what, arrays in (("positions", positions), ("velocities", velocities))
            for letter, array in arrays.items()
        }
        wrong = {what: length for what, length in lengths.items() if length != len(times_us)}
        if wrong or set(positions) != set(velocities) or not set(positions) <= set(AXES):
            msg = (
                f"{self.name}: a profile needs one position and one velocity per time ({len(times_us)}) for axes of "
                f"{AXES}; "
                f"given {lengths or 'no axes'}"
            )
            raise BuildFailedError(msg)

    @status_verb
    def execute(self) -> Status:
        """Run the profile that was built; done when it has ended.

        Raises:
            ExecuteFailedError: Through the Status: it did not reach its end; with the controller's message.
        """
        return Status.reporting(self._execute, name=f"{self.name} execute", owner=self.tasks)

    async def _execute(self, report: Report) -> None:
        begun, timeout = asyncio.get_running_loop().time(), self._seconds + GRACE
        running = self.execute_profile.put(True, wait=True, timeout=timeout)
        try:
            await alongside(running, self._report_progress(begun, report))
        except WaitTimeoutError as error:
            msg = f"{self.name}: the profile still runs after {timeout:.0f} s, {self._seconds:.1f} s expected: abort it"
            raise ExecuteFailedError(msg) from error
        status, message = await together(self.execute_status.get_value(), self.execute_message.get_value())
        if status != ProfileStatus.SUCCESS:
            msg = f"{self.name}: the profile did not run to its end ({status}): {message}"
            raise ExecuteFailedError(msg)
        report(self._progress(self._points, begun))

    async def _report_progress(self, begun: float, report: Report) -> None:
        async for points in self.total_points.observe():
            report(self._progress(points, begun))

    def _progress(self, points: int, begun: float) -> Progress:
        elapsed = asyncio.get_running_loop().time() - begun
        return Progress(
            name=self.name,
            current=points,
            initial=0,
            target=self._points,
            unit="points",
            precision=0,
            fraction=min(points / max(self._points, 1), 1.0),
            time_elapsed=elapsed,
            time_remaining=max(self._seconds - elapsed, 0.0),
        )

    async def abort(self) -> None:
        """Stop all axes of a running profile, in control; its `execute` fails. Without one, nothing happens.

        Raises:
            WaitTimeoutError: It still runs.
        """
        await self.abort_profile.act(wait=False)  # never with a callback: it would queue behind the execution's
        await self.execute_state.wait_for_value("Done", timeout=ABORT_TIMEOUT)

    async def stop(self, success: bool = True) -> Any:  # noqa: FBT001, FBT002  # bluesky's signature
        """As `abort`."""
        del success
        await self.abort()
